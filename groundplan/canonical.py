"""One spelling of a value as bytes, so that equal things have equal digests."""

import hashlib
import json
from pathlib import Path


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
    """Relative POSIX path to sha256 of every file below `folder`, sorted; caches and hidden files left out."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        relative.as_posix(): file_digest(folder / relative)
        for relative in (path.relative_to(folder) for path in files)
        if not any(part.startswith(".") or part == "__pycache__" for part in relative.parts)
    }
