"""Start, find and stop the server that runs detached; what is known of it lies in `server.json`."""

import fcntl
import json
import os
import shutil
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import psutil

from groundplan_local import processes
from groundplan_local.files import read_regular

START_SECONDS = 60.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.05
HEALTH_PATH = "/_ministack/health"
PROCESS = "process.json"  # where the leader of a process group is written down, in a folder of its own
BASE_VARIABLE = "SAGEMAKER_BASE_DIR"  # whatever inherits it belongs to the job, or the served model, of that folder
MLFLOW_VARIABLE = "GROUNDPLAN_LOCAL_MLFLOW"  # likewise of an MLflow server
# Folders below the state, and the variable by which the processes that belong to one are known.
GROUPS = {"training": BASE_VARIABLE, "serving": BASE_VARIABLE, "mlflow": MLFLOW_VARIABLE}
PORT_TAKEN = 2  # the exit status of `serve` when it could not have its port


class StartError(Exception):
    """The server did not start; the message is one line for people."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class StateError(Exception):
    """The state folder cannot be one; the message is one line for people."""


@contextmanager
def usable(state: Path) -> Generator[None]:
    """Whatever the file system refuses below is one sentence. Raises StateError."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, to Path.resolve()
        path = getattr(error, "filename", None) or state
        said = getattr(error, "strerror", None) or error
        raise StateError(
            f"{path}: {said}; --state must name a folder of this server's own that can be written to (it is made if "
            "it is not there): choose another, or move away what is in the way"
        ) from None


@dataclass(frozen=True)
class Server:
    """A server as `server.json` describes it. `process_started` tells it from a later process of the same id."""

    endpoint_url: str
    port: int
    pid: int
    process_started: float
    enforces_iam: bool = False

    @classmethod
    def this_process(cls, port: int, enforces_iam: bool) -> "Server":
        """The server that is being started by this very process."""
        pid = os.getpid()
        return cls(f"http://127.0.0.1:{port}", port, pid, processes.started_at(pid), enforces_iam)

    @classmethod
    def read(cls, state: Path) -> "Server | None":
        """From `server.json`; None when there is none or it does not describe a server.

        Raises OSError when it is something else than a file, or cannot be read.
        """
        try:
            server = cls(**json.loads(read_regular(state / "server.json").data))
        except (FileNotFoundError, ValueError, TypeError, RecursionError):
            return None
        numbers = (
            processes.is_process_id(server.pid) and _is_number(server.port) and _is_number(server.process_started)
        )
        return server if numbers and server.endpoint_url == f"http://127.0.0.1:{server.port}" else None

    def write(self, state: Path) -> None:
        """To `server.json`, as a whole."""
        draft = state / "server.json.draft"
        draft.write_text(json.dumps(self.to_json(), indent=2) + "\n")
        draft.replace(state / "server.json")

    def to_json(self) -> dict[str, Any]:
        """The documented keys of `server.json` and of `--json`."""
        return asdict(self)

    def process(self) -> psutil.Process | None:
        """The live process, if any."""
        return processes.find(self.pid, self.process_started)

    def answers(self) -> bool:
        """Whether it serves the bridged services as well as ministack's own."""
        # A proxy of the environment must not stand between this machine and itself.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{self.endpoint_url}{HEALTH_PATH}", timeout=5) as response:
                return "sagemaker" in json.load(response)["services"]
        except (OSError, HTTPException, ValueError, TypeError, KeyError):
            return False  # nobody, or somebody else


def running(state: Path) -> Server | None:
    """The server of this state folder, if it lives and answers. Raises StateError."""
    with usable(state):
        server = Server.read(state) if _is_folder(state) else None
    return server if server and server.process() and server.answers() else None


def start(state: Path, port: int, enforce_iam: bool = False) -> tuple[Server, bool]:
    """The server of this state folder, and whether it is new. Raises StartError, StateError."""
    with usable(state):
        state = state.resolve()
        state.mkdir(parents=True, exist_ok=True)
    with usable(state), _alone(state):
        if server := running(state):
            if server.enforces_iam != enforce_iam:
                does = "enforces" if server.enforces_iam else "does not enforce"
                raise StartError(f"a server that {does} IAM runs at {server.endpoint_url}: stop it first", 2)
            return server, False
        _end(state)  # what does not answer, and what it may have left behind
        return _start(state, port, enforce_iam), True


def stop(state: Path) -> Server | None:
    """End the server and its children; returns the server that was running, if any. Raises StateError."""
    with usable(state):
        state = state.resolve()
        if not _is_folder(state):
            return None
        with _alone(state):
            return _end(state)


def end_groups(state: Path) -> None:
    """End what a server that was killed could not: training jobs and MLflow, which are groups of their own."""
    for folder, variable in GROUPS.items():
        processes.end_remembered(state / folder, PROCESS, variable)


def _start(state: Path, port: int, enforce_iam: bool) -> Server:
    command = [sys.executable, "-m", "groundplan_local", "serve", "--state", str(state), "--port", str(port)]
    command += ["--enforce-iam"] if enforce_iam else []
    log = state / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if (exit_code := process.poll()) is not None:
            raise StartError(_last_line(log), 2 if exit_code == PORT_TAKEN else 1)
        server = Server.read(state)
        if server and server.pid == process.pid and server.answers():
            return server
        time.sleep(POLL_SECONDS)
    process.kill()
    process.wait()
    raise StartError(f"the server did not answer within {START_SECONDS:.0f} seconds; its log: {log}")


def _end(state: Path) -> Server | None:
    server = Server.read(state)
    process = server.process() if server else None
    if process:
        functions: list[psutil.Process] = []
        with suppress(psutil.Error):
            functions = process.children(recursive=True)
        with suppress(psutil.Error):
            process.terminate()
            if not processes.ended(process, STOP_SECONDS):
                process.kill()
                processes.ended(process, STOP_SECONDS)
        for left in functions:
            with suppress(psutil.Error):
                left.kill()
    end_groups(state)
    for folder in ("mlflow", "tmp"):
        shutil.rmtree(state / folder, ignore_errors=True)
    (state / "server.json").unlink(missing_ok=True)
    return server if process else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_folder(state: Path) -> bool:
    """Whether it is there. Raises OSError when something else is in its place."""
    try:
        if not stat.S_ISDIR(state.stat().st_mode):
            raise NotADirectoryError(None, "it is not a folder", str(state))
    except FileNotFoundError:
        return False
    return True


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else f"the server ended without a word; its log: {log}"


@contextmanager
def _alone(state: Path) -> Generator[None]:
    """One `start` or `stop` of a state folder at a time; the lock goes with the process that holds it."""
    with (state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
