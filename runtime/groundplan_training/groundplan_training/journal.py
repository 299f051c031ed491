"""What a run says of itself while it goes on: one JSON object a line, only ever added to.

It lies among the checkpoints, so that it reaches S3 with them and outlives the machine. The entry point makes the
run's record of it.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

NAME = "journal.jsonl"


class Journal:
    """The file, opened at the first word."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._began = time.monotonic()
        self._descriptor: int | None = None

    def write(self, kind: str, **facts: Any) -> None:
        """Add a line, with the time and the seconds since this process began. Raises ValueError for NaN."""
        elapsed = round(time.monotonic() - self._began, 3)
        line = json.dumps(
            {"kind": kind, "time": now(), "elapsed": elapsed, **facts}, separators=(",", ":"), allow_nan=False
        )
        if self._descriptor is None:
            self._descriptor = _opened(self._path)
        os.write(self._descriptor, f"{line}\n".encode())


def read_journal(folder: Path) -> Iterator[dict[str, Any]]:
    """The lines, oldest first; one that a kill cut off is left out."""
    try:
        text = (folder / NAME).read_text(errors="replace")
    except FileNotFoundError:
        return
    for line in text.splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and "kind" in found:
            yield found  # pyright: ignore[reportUnknownVariableType]


def attempts(lines: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The lines of each process that took the run further, oldest first."""
    found: list[list[dict[str, Any]]] = []
    for line in lines:
        if line["kind"] == "started" or not found:
            found.append([])
        found[-1].append(line)
    return found


def now() -> str:
    """UTC, as RFC 3339 writes it. For people: nothing is decided by it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _opened(path: Path) -> int:
    """For adding, and for as long as the process lives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":  # the last line was cut off: what comes begins a new one
        os.write(descriptor, b"\n")
    return descriptor
