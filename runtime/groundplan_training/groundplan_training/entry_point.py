"""The container's first process: starts the script, passes signals on, and says how it ended.

As process 1 it has duties that a script does not know of. A signal to a container reaches its first process only, and
process 1 ignores those that it has not asked for; what the script leaves behind becomes its child. It gives the
script the contract's variables, watches what it uses, and writes the failure file and the run's record.
"""

import ctypes
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from resource import struct_rusage
from types import FrameType
from typing import IO, cast

from groundplan_training.container import BASE_VARIABLE, Container
from groundplan_training.hardware import Hardware
from groundplan_training.record import record, write_record

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
# SageMaker waits 120 seconds between SIGTERM and SIGKILL; what is left is for the record.
GRACE_SECONDS = 110.0
GRACE_VARIABLE = "GROUNDPLAN_GRACE_SECONDS"
RECORD_EVERY_SECONDS = 15.0
TICK_SECONDS = 1.0
END_SECONDS = 5.0
LINES_KEPT = 20
MOST_CHARACTERS = 1024  # of FailureReason
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


class EntryPoint:
    """One script in one container."""

    def __init__(self, container: Container, archive: Path, script: Path, arguments: Sequence[str]) -> None:
        self._container, self._archive, self._script = container, archive, script
        self._arguments = [*arguments]
        self._stderr: deque[str] = deque(maxlen=LINES_KEPT)
        self._asked_to_end = 0.0
        self._group = 0

    def run(self) -> int:
        """The exit code for the container: the script's own, 128 and the signal, or 1 without a model."""
        try:
            self._prepare()
            process = self._start()
        except (OSError, ValueError) as error:
            return self._fail(self._cannot(error), 1)
        hardware = Hardware(process.pid, self._container.base)
        copying = threading.Thread(target=self._copy, args=(cast(IO[bytes], process.stderr),), daemon=True)
        copying.start()
        code = self._wait(process, hardware)
        self._end_the_rest()
        copying.join(END_SECONDS)  # what left the session may hold the pipe open
        hardware.stop()
        failure = self._failure(code, hardware)
        self._write_record(hardware, ended=True, failure=failure)
        if not failure:
            return 0
        return self._fail(failure, code if code > 0 else 128 - code if code else 1)

    def _prepare(self) -> None:
        for folder in (self._container.model, self._container.output_data, self._container.checkpoints):
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        if not self._script.is_file():
            raise ValueError(f"{self._script} is not there; the channel code should hold the script")
        # What the script leaves behind comes here also when this is not process 1.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def _start(self) -> "subprocess.Popen[bytes]":
        container = self._container
        found = [str(self._archive), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {
            **os.environ,
            **container.variables(self._script.name),
            BASE_VARIABLE: str(container.base),
            "PYTHONPATH": os.pathsep.join(found),
            "PYTHONUNBUFFERED": "1",
        }
        for number in FORWARDED:
            signal.signal(number, self._forward)
        process = subprocess.Popen(
            [sys.executable, str(self._script), *self._arguments, *container.arguments()],
            cwd=self._script.parent,
            env=environment,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._group = process.pid
        if self._asked_to_end:
            self._pass_on(signal.SIGTERM)
        return process

    def _wait(self, process: "subprocess.Popen[bytes]", hardware: Hardware) -> int:
        """Reap whatever ends until the script has; returns its exit code, negative for a signal."""
        grace, written = _grace_seconds(), time.monotonic()
        # From here on SIGCHLD is waited for, and not before: the script must not inherit that it is blocked.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        while True:
            for pid, status, used in _ended():
                hardware.ended(used)
                if pid == process.pid:
                    process.returncode = os.waitstatus_to_exitcode(status)  # it is reaped: Popen need not look for it
                    return process.returncode
            now = time.monotonic()
            if self._asked_to_end and now - self._asked_to_end > grace:
                print(f"the script has not ended {grace:g} s after SIGTERM: killed", file=sys.stderr, flush=True)
                self._asked_to_end = now
                self._kill_group()
            if now - written > RECORD_EVERY_SECONDS:
                self._write_record(hardware, ended=False, failure=None)
                written = now
            signal.sigtimedwait({signal.SIGCHLD}, TICK_SECONDS)

    def _end_the_rest(self) -> None:
        """Nothing of the script's runs on behind the record."""
        self._kill_group()
        deadline = time.monotonic() + END_SECONDS
        while (children := _children()) and time.monotonic() < deadline:
            for child in children:
                _send(child, signal.SIGKILL)
            signal.sigtimedwait({signal.SIGCHLD}, TICK_SECONDS)
            for _ in _ended():
                pass

    def _forward(self, number: int, _: FrameType | None) -> None:
        if number in ENDING and not self._asked_to_end:
            self._asked_to_end = time.monotonic()
        self._pass_on(signal.Signals(number))

    def _pass_on(self, number: signal.Signals) -> None:
        """To the script alone: it needs its workers for the step that it is doing, and ends them itself."""
        if self._group:
            _send(self._group, number)

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._group, signal.SIGKILL)

    def _copy(self, stderr: IO[bytes]) -> None:
        for line in stderr:
            sys.stderr.buffer.write(line)
            sys.stderr.buffer.flush()
            if text := line.decode(errors="replace").strip():
                self._stderr.append(text)

    def _failure(self, code: int, hardware: Hardware) -> str | None:
        """Why the run failed; None when it did not."""
        said = self._said()
        if code == 0 and said:
            return said
        if code == 0:
            if self._asked_to_end or not self._container.is_primary() or any(self._container.model.iterdir()):
                return None
            return f"{self._script.name} ended well, but wrote no model to {self._container.model} (SM_MODEL_DIR)"
        last = self._stderr[-1] if self._stderr else "the script said nothing"
        if code == -signal.SIGKILL and not self._asked_to_end:
            memory = hardware.summary()
            used, there = memory["memory_bytes_max"] / 2**30, memory["memory_bytes_total"] / 2**30
            return (
                f"{self._script.name} was killed (SIGKILL), most likely for want of memory: it held {used:.2f} of "
                f"{there:.2f} GiB; take a larger instance_type or smaller batches"
            )
        if code < 0:
            return said or f"{self._script.name} was ended by {signal.Signals(-code).name}: {last}"
        if any("No space left on device" in line for line in self._stderr):
            last += "; the disk is full: raise [training] volume_gib"
        return said or f"{last} (exit code {code})"

    def _said(self) -> str:
        """What the script itself wrote into the failure file."""
        try:
            return self._container.failure.read_text(errors="replace").strip()
        except OSError:
            return ""

    def _fail(self, reason: str, code: int) -> int:
        print(f"groundplan_training: {reason}", file=sys.stderr, flush=True)
        try:
            self._container.failure.parent.mkdir(parents=True, exist_ok=True)
            self._container.failure.write_text(reason[:MOST_CHARACTERS])
        except OSError as error:
            print(f"groundplan_training: {self._container.failure}: {error.strerror}", file=sys.stderr, flush=True)
        return code

    def _cannot(self, error: Exception) -> str:
        if isinstance(error, PermissionError):
            return (
                f"user {os.getuid()} may not write to {error.filename}: SageMaker made it for another; "
                "take USER out of the image's Dockerfile"
            )
        return f"{self._script.name} cannot be started: {error}"

    def _write_record(self, hardware: Hardware, *, ended: bool, failure: str | None) -> None:
        """Among the checkpoints from the first host only: the others' folders go to the same place in S3."""
        document = record(self._container, hardware=hardware.summary(), ended=ended, failure=failure)
        folders = [self._container.checkpoints] if self._container.is_primary() else []
        for folder in [*folders, *([self._container.output_data] if ended else [])]:
            try:
                write_record(document, folder)
            except OSError as error:  # a full disk; the other folder may be on another
                print(f"groundplan_training: no record in {folder}: {error.strerror}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str]) -> int:
    """`groundplan_training.pyz SCRIPT [ARGUMENT …]`: the script lies beside the archive, or where its path says."""
    if not arguments:
        print("groundplan_training: usage: python groundplan_training.pyz SCRIPT [ARGUMENT ...]", file=sys.stderr)
        return 2
    here = Path(__file__).resolve().parents[1]  # the archive, or the folder that holds the package
    container = Container.here()
    script = (here.parent if here.is_file() else Path.cwd()) / arguments[0]
    return EntryPoint(container, here, script, arguments[1:]).run()


def _grace_seconds() -> float:
    text = os.environ.get(GRACE_VARIABLE, "")
    try:
        return float(text) if text else GRACE_SECONDS
    except ValueError:
        return GRACE_SECONDS


def _ended() -> Iterator[tuple[int, int, struct_rusage]]:
    """Process id, wait status and what was used by each child that has ended: they are reaped by this."""
    while True:
        try:
            pid, status, used = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        yield pid, status, used


def _children() -> list[int]:
    """Process ids whose parent is this process."""
    mine = str(os.getpid())
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        if fields[1] == mine:
            found.append(int(folder.name))
    return found


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
