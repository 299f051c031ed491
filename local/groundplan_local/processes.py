"""Processes that are remembered in files, so that whoever comes next can find and end them."""

import json
import os
import select
import signal
import sys
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


def ended(process: psutil.Process, seconds: float) -> bool:
    """Wait for a process of anybody's; whether it ended in time, though nobody may have collected it yet."""
    if sys.platform != "linux":
        return not psutil.wait_procs([process], timeout=seconds)[1]
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)


def end_family() -> None:
    """Kill every process that this one started, and theirs."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            child.kill()


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
