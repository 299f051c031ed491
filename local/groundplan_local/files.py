"""Files that others put there: only regular files are read and only real folders entered, so that nothing waits."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


class NotRegularError(OSError):
    """Something else than a file is where a file should be."""


@dataclass(frozen=True)
class Content:
    """A regular file as it was at one moment; `mark` tells whether it changed since."""

    data: bytes
    mark: tuple[int, int]
    executable: bool


@dataclass
class Tree:
    """What lies below a folder: by path, what is to be read, what is not, and what could not be looked at."""

    folders: list[Path] = field(default_factory=list[Path])
    files: dict[Path, tuple[int, int]] = field(default_factory=dict[Path, tuple[int, int]])
    left_out: dict[Path, str] = field(default_factory=dict[Path, str])
    errors: dict[Path, OSError] = field(default_factory=dict[Path, OSError])


def read_regular(path: Path) -> Content:
    """Raises OSError: NotRegularError when it is no regular file. A link is not followed, a pipe not waited for."""
    _refuse_irregular(path, path.lstat())
    # Between the look and the opening another one may have taken its place.
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb") as file:  # noqa: PTH123 - Path.open() follows and waits
        status = os.fstat(handle)
        _refuse_irregular(path, status)
        return Content(file.read(), _mark(os.fstat(handle)), bool(status.st_mode & stat.S_IXUSR))


def look_below(folder: Path) -> Tree:
    """Everything below a folder; what vanishes meanwhile is not there."""
    tree = Tree()
    waiting = [folder]
    while waiting:
        path = waiting.pop()
        try:
            status = path.lstat()
            if stat.S_ISDIR(status.st_mode):
                waiting.extend(path.iterdir())
                if path != folder:
                    tree.folders.append(path)
            elif stat.S_ISREG(status.st_mode) and path != folder:
                tree.files[path] = _mark(status)
            else:
                tree.left_out[path] = kind(status)
        except FileNotFoundError:
            continue
        except OSError as error:
            tree.errors[path] = error
    return tree


def kind(status: os.stat_result) -> str:
    """What something is that is not what it should be, for people."""
    return KINDS.get(stat.S_IFMT(status.st_mode), "no folder")


def _refuse_irregular(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise NotRegularError(None, f"it is {kind(status)}, not a regular file", str(path))


def _mark(status: os.stat_result) -> tuple[int, int]:
    return status.st_mtime_ns, status.st_size
