"""The code of functions, unpacked once: ministack unpacks it anew for each process that executes a function.

A package with boto3 has some 5,000 files. Whoever has it open reads the same folder, as functions on AWS do, where it
is read-only; what Python compiled of it is there for the next.
"""

import hashlib
import threading
import zipfile
from pathlib import Path
from tempfile import gettempdir, mkdtemp
from types import SimpleNamespace
from typing import Any

from groundplan_local.joints import mend

RUNTIME = "ministack.core.lambda_runtime"
CODE = "code.zip"  # as ministack calls the package of a function, beside the folder in which it wants it unpacked
_unpacking = threading.Lock()


def install() -> None:
    """Put the repair in place."""
    mend(RUNTIME, "zipfile", SimpleNamespace(**{**vars(zipfile), "ZipFile": SharedArchive}))


class SharedArchive(zipfile.ZipFile):
    """An archive whose content, if it is a function's, is unpacked once; each further folder is a link to it."""

    def extractall(self, path: Any = None, members: Any = None, pwd: bytes | None = None) -> None:
        """Into `path`, an empty folder; archives of another name as ever."""
        archive = Path(self.filename or "")
        if archive.name != CODE:
            super().extractall(path, members, pwd)
            return
        with archive.open("rb") as content:
            unpacked = Path(gettempdir(), "functions", hashlib.file_digest(content, "sha256").hexdigest())
        with _unpacking:
            if not unpacked.exists():
                unpacked.parent.mkdir(exist_ok=True)
                draft = Path(mkdtemp(dir=unpacked.parent))
                super().extractall(draft)
                draft.rename(unpacked)
        Path(path).rmdir()
        Path(path).symlink_to(unpacked, target_is_directory=True)
