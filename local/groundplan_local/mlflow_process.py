"""One MLflow server on this machine: a process of its own on loopback, with a SQLite store and a folder."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import psutil

from groundplan_local.lifecycle import MLFLOW_VARIABLE, PROCESS
from groundplan_local.processes import end_tree, remember

# Beside this interpreter's own environment: `make setup` makes both.
PYTHON = Path(sys.prefix).with_name(".venv-mlflow") / "bin" / "python"
START_SECONDS = 60.0
POLL_SECONDS = 0.1
NICENESS = 10  # its imports take seconds of a processor; a deployment goes on meanwhile, and goes first


class MlflowProcess:
    """Started at once, awaited only by who needs it.

    The application behind `mlflow server` is run without that command, which would start a second interpreter and
    import everything twice. What it is told by variables is private to MLflow, so its version is pinned exactly.
    """

    def __init__(self, folder: Path) -> None:
        """Raises FileNotFoundError when there is no MLflow on this machine."""
        if not PYTHON.exists():
            raise FileNotFoundError(f"{PYTHON} is not there: make setup installs MLflow")
        folder.mkdir(parents=True)
        self._folder, self._log = folder, folder / "mlflow.log"
        store = f"sqlite:///{folder / 'mlflow.db'}"
        variables = {
            "_MLFLOW_SERVER_FILE_STORE": store,
            "_MLFLOW_SERVER_REGISTRY_STORE": store,
            "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
            "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(folder / "artifacts"),
            "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
            # It tells its makers nothing: https://mlflow.org/docs/latest/community/usage-tracking
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # evaluations, in processes of their own
            "PYTHONWARNINGS": "ignore",
            MLFLOW_VARIABLE: str(folder),
        }
        # What would open it to other hosts and origins, or send it elsewhere, is not inherited.
        inherited = {name: value for name, value in os.environ.items() if "MLFLOW" not in name}
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening, self._log.open("wb") as log:
            # Bound here, so that the port is known and nobody can take it.
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            command = [str(PYTHON), "-m", "uvicorn", "--fd", str(listening.fileno())]
            self._process = subprocess.Popen(
                [*command, "--no-access-log", "mlflow.server.fastapi_app:app"],
                env={**inherited, **variables},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[listening.fileno()],
                start_new_session=True,
            )
        remember(folder / PROCESS, self._process.pid)
        with suppress(psutil.Error):
            psutil.Process(self._process.pid).nice(NICENESS)

    def answers(self, *, within_seconds: float = 0.2) -> bool:
        """Whether it is up by now. Until then its port takes connections, and nobody answers."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{self.url}/health", timeout=within_seconds) as answer:
                return answer.status == 200
        except OSError:
            return False

    def wait(self) -> bool:
        """Wait until it is up; False when it ended, or took too long."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            if self.answers(within_seconds=5):
                return True
            time.sleep(POLL_SECONDS)
        return False

    def last_words(self) -> str:
        """The end of its log."""
        lines = [line for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1] if lines else f"it said nothing; its log: {self._log}"

    def end(self) -> None:
        """End it and whatever it started, and remove what it stored."""
        end_tree(self._process.pid, (MLFLOW_VARIABLE, self._folder))
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
