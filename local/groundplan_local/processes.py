"""Processes that are remembered in files, so that whoever comes next can find and end them."""

import json
import os
import signal
from contextlib import suppress
from pathlib import Path

import psutil


def started_at(pid: int) -> float:
    """When a live process began. Raises psutil.NoSuchProcess."""
    return psutil.Process(pid).create_time()


def find(pid: int, started: float) -> psutil.Process | None:
    """The live process; None when it ended, even if another one has its id by now."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        if abs(process.create_time() - started) < 1 and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def remember(file: Path, pid: int) -> None:
    """Write down a process group's leader."""
    with suppress(psutil.Error):
        file.write_text(json.dumps({"pid": pid, "process_started": started_at(pid)}))


def end_remembered(folder: Path, name: str) -> None:
    """Kill the groups whose leaders are written down in files of this name anywhere below `folder`."""
    for file in folder.rglob(name):
        try:
            remembered = json.loads(file.read_text())
            leader = find(remembered["pid"], remembered["process_started"])
        except (OSError, ValueError, KeyError):
            continue
        if leader:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(leader.pid, signal.SIGKILL)
