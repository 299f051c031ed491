"""What a Lambda function ships, as one zip file made without Docker and kept by what it is made of."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

# Lambda's newest Python at the time of writing; `host` packages are for the Python that runs this file.
PYTHON_VERSION = "3.14"
# Amazon Linux 2023, on which it runs, has glibc 2.34: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
_PLATFORMS = {"arm64": "aarch64-manylinux_2_28", "x86_64": "x86_64-manylinux_2_28"}
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".*", "ruff.toml")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip file can hold


@dataclass(frozen=True, kw_only=True)
class FunctionPackage:
    """Dependencies from a hashed requirements file, and the project's own Python packages.

    `requirements` is a lock with hashes, `sources` are package folders, `cache` a folder that may be deleted at any
    time. `documents` are texts by the name that they have in the file. The file's name is a digest of all that goes
    in, so equal inputs give the same file and it is made once.
    """

    requirements: Path
    sources: Sequence[Path]
    architecture: Literal["arm64", "x86_64", "host"]
    cache: Path
    documents: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        if not self.requirements.is_file():
            raise ValueError(f"requirements must be an existing file, got '{self.requirements}'")
        for source in self.sources:
            if not (source / "__init__.py").is_file():
                raise ValueError(f"sources must be Python packages, got '{source}', which has no __init__.py")

    @property
    def lambda_architecture(self) -> Literal["arm64", "x86_64"]:
        """AWS's name of the processor; for `host` that of this machine."""
        if self.architecture != "host":
            return self.architecture
        return "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"

    def build(self) -> Path:
        """The zip file; raises RuntimeError with uv's own words when a dependency cannot be had."""
        dependencies = self._dependencies()
        target = self.cache / f"{self._digest(dependencies.name)}.zip"
        if not target.exists():
            packed = dependencies.with_suffix(".zip")
            if not packed.exists():  # compressed once for each lock: it is nearly all of the work
                _pack(packed, _files(dependencies))
            _pack(target, self._own_files(), after=packed)
        return target

    def _dependencies(self) -> Path:
        """A folder with the lock's packages for the architecture; made once for each lock."""
        made_of = hashlib.sha256(self.requirements.read_bytes())
        system = sys.platform if self.architecture == "host" else "linux"
        made_of.update(f"{self.lambda_architecture} {self._python_version} {system}".encode())
        target = self.cache / f"dependencies-{made_of.hexdigest()[:16]}"
        if target.is_dir():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix="draft-", dir=self.cache))
        done = subprocess.run([*self._install_command(), "--target", str(draft)], capture_output=True, text=True)
        if done.returncode:
            shutil.rmtree(draft)
            raise RuntimeError(
                f"{self.requirements} cannot be installed for {self.architecture}: {done.stderr.strip()}"
            )
        shutil.rmtree(draft / "bin", ignore_errors=True)
        try:
            draft.rename(target)
        except OSError:  # another process was first; its folder is as good
            shutil.rmtree(draft)
        return target

    @property
    def _python_version(self) -> str:
        return "{}.{}".format(*sys.version_info[:2]) if self.architecture == "host" else PYTHON_VERSION

    def _install_command(self) -> list[str]:
        command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
        command += ["--only-binary", ":all:", "--python", sys.executable, "--requirements", str(self.requirements)]
        if self.architecture != "host":
            command += ["--python-platform", _PLATFORMS[self.architecture], "--python-version", PYTHON_VERSION]
        return command

    def _own_files(self) -> Iterator[tuple[str, Path]]:
        for source in self.sources:
            yield from ((f"{source.name}/{name}", file) for name, file in _files(source))
        for name, text in self.documents.items():
            kept = self.cache / f"document-{hashlib.sha256(text.encode()).hexdigest()[:32]}"
            kept.parent.mkdir(parents=True, exist_ok=True)
            if not kept.exists():
                draft = _beside(kept)
                draft.write_text(text, encoding="utf-8")
                draft.replace(kept)
            yield name, kept

    def _digest(self, dependencies: str) -> str:
        made_of = hashlib.sha256(dependencies.encode())
        for name, file in sorted(self._own_files()):
            made_of.update(f"\0{name}\0".encode() + file.read_bytes())
        return made_of.hexdigest()[:32]


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Relative name and path of every file that is shipped. Compiled files are not: they would be this machine's."""
    for current, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - _LEFT_OUT(current, folders))
        for name in sorted(set(names) - _LEFT_OUT(current, names)):
            file = Path(current, name)
            yield file.relative_to(folder).as_posix(), file


def _pack(target: Path, files: Iterable[tuple[str, Path]], *, after: Path | None = None) -> None:
    """A zip file of `files`, equal for equal files, behind those of the zip file `after`."""
    draft = _beside(target)
    if after:
        shutil.copyfile(after, draft)
    with zipfile.ZipFile(draft, "a" if after else "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = (0o755 if name.endswith(".sh") else 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())
    draft.replace(target)


def _beside(target: Path) -> Path:
    descriptor, name = tempfile.mkstemp(prefix="draft-", dir=target.parent)
    os.close(descriptor)
    return Path(name)
