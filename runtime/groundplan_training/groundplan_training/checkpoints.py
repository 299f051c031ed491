"""Checkpoints that are whole or are not there.

Each is a folder `step-000000012` and a manifest `step-000000012.json`: its files with sizes and crc32. The files are
flushed to the disk; then the manifest is written beside, flushed and renamed: without it there is no checkpoint. S3
receives the files one by one and in any order, and may keep what was pruned here: what the manifest says and what the
files are must agree, or an older checkpoint is taken. One stays HOLD_SECONDS at least, whatever comes after it: steps
faster than S3 would else leave it none that is whole.
"""

import json
import os
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMAT = 1
CHUNK = 1 << 20
HOLD_SECONDS = 30.0
DRAFT = ".tmp"


class CheckpointError(Exception):
    """A checkpoint that is whole and cannot be used, or one that cannot be written; it says what to do."""


@dataclass(frozen=True)
class Checkpoint:
    """A good one: how many steps it holds, where its files lie, and what else was written down."""

    step: int
    folder: Path
    notes: Mapping[str, Any]


class Checkpoints:
    """Those of one run, in one folder: the newest `keep`, and up to two that are held for who copies the folder.

    `tell` is given a line for each that is left out.
    """

    def __init__(
        self, folder: Path, *, keep: int, tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        if keep < 1:
            raise ValueError(f"keep must be 1 or more, got {keep}")
        self._folder, self._keep, self._tell, self._clock = folder, keep, tell, clock
        self._held: list[tuple[int, float]] = []  # step and when it was written; the second one's time runs

    def save(self, step: int, write: Callable[[Path], None], notes: Mapping[str, Any]) -> None:
        """Write one: `write` is given an empty folder. Raises CheckpointError when the disk does not take it.

        What is there stays whole until the new one is.
        """
        name = _name(step)
        # Those of later steps were left out when the run went on from an earlier one.
        for later in [one for one in self._manifests() if one >= step]:
            self._forget(later)
        folder = self._folder / name
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            write(folder)
            manifest = {"format": FORMAT, "step": step, "files": _flushed(folder), "notes": notes}
            _write_flushed(self._folder / f"{name}.json", json.dumps(manifest, indent=1).encode())
            _flush(self._folder)
        except OSError as error:
            self._forget(step)
            if self._held:  # they may take the room that is wanting
                self._held = []
                self._prune()
                self.save(step, write, notes)
                return
            raise CheckpointError(
                f"checkpoint {step} could not be written to {folder}: {error.strerror or error}; "
                f"{_room(self._folder)}"
            ) from error
        self._hold(step)
        self._prune()

    def _prune(self) -> None:
        held = {one for one, _ in self._held}
        for old in sorted(self._manifests(), reverse=True)[self._keep :]:
            if old not in held:
                self._forget(old)

    def _hold(self, step: int) -> None:
        """At any time one of those held stays for HOLD_SECONDS more."""
        now = self._clock()
        if not self._held or now - self._held[-1][1] >= HOLD_SECONDS:
            self._held = [*self._held[-1:], (step, now)]

    def newest(self) -> Checkpoint | None:
        """The newest that is whole; a line to `tell` for each newer one that is not."""
        for step in sorted(self._manifests(), reverse=True):
            try:
                return self._checked(step)
            except ValueError as error:
                self._tell(f"checkpoint {step} is left out: {error}")
        return None

    def _manifests(self) -> Iterator[int]:
        for path in self._folder.glob("step-*.json"):
            digits = path.stem.removeprefix("step-")
            if digits.isdigit():
                yield int(digits)

    def _checked(self, step: int) -> Checkpoint:
        """Raises ValueError for what does not agree."""
        path = self._folder / f"{_name(step)}.json"
        try:
            manifest: dict[str, Any] = json.loads(path.read_bytes())
            files: dict[str, dict[str, Any]] = manifest["files"]
            if manifest["format"] != FORMAT or manifest["step"] != step:
                raise ValueError(f"format {manifest['format']}, step {manifest['step']}")
            folder = self._folder / _name(step)
            for name, said in files.items():
                if Path(name).is_absolute() or ".." in Path(name).parts:
                    raise ValueError(f"file {name}")
                _check(folder / name, said)
            return Checkpoint(step, folder, manifest.get("notes", {}))
        except (KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path.name} cannot be read ({type(error).__name__}: {error})") from error
        except OSError as error:
            raise ValueError(f"{error.filename} cannot be read ({error.strerror})") from error

    def _forget(self, step: int) -> None:
        """The manifest first: from then on the rest is not a checkpoint."""
        (self._folder / f"{_name(step)}.json").unlink(missing_ok=True)
        shutil.rmtree(self._folder / _name(step), ignore_errors=True)


def _name(step: int) -> str:
    return f"step-{step:09d}"


def _flushed(folder: Path) -> dict[str, dict[str, Any]]:
    """Every file's size and checksum, once it is on the disk: one thread reads while the disk is busy."""
    from concurrent.futures import ThreadPoolExecutor  # lazy: a third of what importing the kit would take

    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with ThreadPoolExecutor(max_workers=1) as reading:
        checksums = [reading.submit(_crc32, path) for path in files]
        for path in files:
            _flush(path)
        for below in sorted({path.parent for path in files} | {folder}):
            _flush(below)
        return {
            path.relative_to(folder).as_posix(): {"size": path.stat().st_size, "crc32": checksum.result()}
            for path, checksum in zip(files, checksums, strict=True)
        }


def _check(path: Path, said: Mapping[str, Any]) -> None:
    size = path.stat().st_size
    if size != said["size"]:
        raise ValueError(f"{path.name} has {size} bytes of {said['size']}")
    if _crc32(path) != said["crc32"]:
        raise ValueError(f"{path.name} is not what was written: its checksum differs")


def _crc32(path: Path) -> str:
    """Finds what was torn or decayed, a third of sha256's time; who could write here could write the manifest too."""
    checksum, chunk = 0, memoryview(bytearray(CHUNK))
    with path.open("rb", buffering=0) as file:
        while read := file.readinto(chunk):
            checksum = zlib.crc32(chunk[:read], checksum)
    return f"{checksum:08x}"


def _write_flushed(path: Path, content: bytes) -> None:
    draft = path.with_name(path.name + DRAFT)
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _room(folder: Path) -> str:
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return "is the folder there?"
    return f"{free / 2**30:.2f} GiB are free: raise [training] volume_gib or keep fewer checkpoints"
