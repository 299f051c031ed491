"""Processes that are remembered in files, so that whoever comes next can find and end them."""

import json
import os
import select
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TypeGuard

import psutil

from groundplan_local.files import read_regular

# Ended, though its parent has not collected it yet.
COLLECTABLE = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
KILL_ROUNDS = 10
KILL_SECONDS = 1.0


def started_at(pid: int) -> float:
    """When a live process began. Raises psutil.NoSuchProcess."""
    return psutil.Process(pid).create_time()


def find(pid: object, started: object) -> psutil.Process | None:
    """The live process; None when it ended, even if another one has its id by now, or when this is no process."""
    if not is_process_id(pid) or not isinstance(started, int | float):
        return None
    with suppress(psutil.Error, OverflowError):
        process = psutil.Process(pid)
        if abs(process.create_time() - started) < 1 and process.status() not in COLLECTABLE:
            return process
    return None


def is_process_id(value: object) -> TypeGuard[int]:
    """Whether it may be the id of a process that this one may signal: 0 and -1 mean others than a process."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 1


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
    _kill(psutil.Process().children(recursive=True))


def end_tree(leader: int, mark: tuple[str, Path]) -> None:
    """Kill a process group, what descends from its leader, and what bears the mark; return when nothing is left.

    A process that left the group and whose parent ended can be told by nothing but the mark.
    """
    variable, folder = mark
    for _ in range(KILL_ROUNDS):  # what is killed may have started another just before
        others = [*_descendants(leader), *(found for found in _marked(variable, folder) if found.pid != leader)]
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)
        if not others:
            return
        _kill(others)


def remember(file: Path, pid: int) -> None:
    """Write down a process group's leader."""
    with suppress(psutil.Error):
        file.write_text(json.dumps({"pid": pid, "process_started": started_at(pid)}))


def end_remembered(folder: Path, name: str, variable: str) -> None:
    """Kill the groups whose leaders are written down in files `*/*/*/name` of `folder`, and all that they started.

    What left its group is known by the environment variable that names a folder below `folder`.
    """
    for file in folder.glob(f"*/*/*/{name}"):
        try:
            remembered = json.loads(read_regular(file).data)
            pid, started = remembered["pid"], remembered["process_started"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
        if leader := find(pid, started):
            others = _descendants(leader.pid)
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(leader.pid, signal.SIGKILL)
            _kill(others)
    for _ in range(KILL_ROUNDS):
        if not (left := _marked(variable, folder)):
            return
        _kill(left)


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def _marked(variable: str, folder: Path) -> list[psutil.Process]:
    """The live processes, but for this one, whose environment names this folder, or one below, in `variable`."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        # Those of other users do not show their environment, those that ended have none.
        with suppress(psutil.Error, OSError):
            if Path(process.environ().get(variable, "/")).is_relative_to(folder) and process.pid != os.getpid():
                found.append(process)
    return found


def _kill(killed: list[psutil.Process]) -> None:
    for process in killed:
        with suppress(psutil.Error):
            process.kill()
    for process in killed:
        ended(process, KILL_SECONDS)
