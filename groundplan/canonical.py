"""One spelling of a value as bytes, so that equal things have equal digests."""

import hashlib
import json
from pathlib import Path

from groundplan.refusal import bad


def canonical_json(value: object) -> bytes:
    """JSON with sorted keys, no spaces, ASCII only; raises ValueError on NaN and infinities."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def digest(value: object) -> str:
    """sha256 of the canonical JSON, 64 hex digits."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree_digest(folder: Path) -> dict[str, str]:
    """Relative POSIX path to sha256 of every file below `folder`, sorted; `left_out` names what is not among them.

    Raises BadInput for a link, for what is neither file nor folder, and for a name that is not UTF-8.
    """
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise bad(str(folder), "file", relative, "allowed: plain files; copy what a link points at")
        if any("\ud800" <= character <= "\udfff" for character in relative):
            raise bad(str(folder), "file", relative, "allowed: a name in UTF-8")
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {file.as_posix(): file_digest(folder / file) for file in files if not _is_left_out(file)}


def left_out(folder: Path) -> list[str]:
    """The files below `folder` that `tree_digest` passes over: hidden ones and Python's caches."""
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return [file.as_posix() for file in files if _is_left_out(file)]


def _is_left_out(file: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in file.parts)
