"""The platform as a newcomer gets it: `groundplan demo` run once a session, on an embedded AWS of its own."""

import subprocess
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import boto3
import pytest
from commands import ROOT, groundplan

from groundplan.environment import read_environment
from groundplan.release import release_file
from groundplan_operate.accounts import Accounts

PIN = ROOT / release_file("digit-reader", "local")
ANSWERS_WITHIN_SECONDS = 60
T = TypeVar("T")


@dataclass(frozen=True)
class Deployed:
    """A deployed `local`: run commands against it, or ask its services."""

    state: Path
    demo: str
    accounts: Accounts

    def run(self, *arguments: str, at: Path = ROOT) -> subprocess.CompletedProcess[str]:
        """`groundplan <arguments>`."""
        return groundplan(self.state, *arguments, at=at)

    def client(self, service: str, account: Any = "ai") -> Any:
        """A boto3 client in an account."""
        return self.accounts.client(service, account)


@pytest.fixture(name="until", scope="session")
def _until() -> Callable[[Callable[[], Any], str], Any]:
    """`until(found, what)`: ask until there is an answer; fails with `what` when there is none in time."""
    return until


@pytest.fixture
def log_of(deployed: "Deployed") -> Callable[[str], list[str]]:
    """The lines of a training job's log, over all its streams."""

    def lines(job: str) -> list[str]:
        logs, group = deployed.client("logs"), "/aws/sagemaker/TrainingJobs"
        streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{job}/")["logStreams"]
        events: list[Any] = []
        for stream in streams:
            name = stream["logStreamName"]
            events += logs.get_log_events(logGroupName=group, logStreamName=name, startFromHead=True)["events"]
        return [event["message"] for event in sorted(events, key=lambda event: event["timestamp"])]

    return lines


def until(found: Callable[[], T | None], what: str) -> T:
    """Ask until there is an answer; fails with `what` when there is none in time."""
    deadline = time.monotonic() + ANSWERS_WITHIN_SECONDS
    while time.monotonic() < deadline:
        if answer := found():
            return answer
        time.sleep(0.1)
    pytest.fail(f"{what}: not within {ANSWERS_WITHIN_SECONDS} seconds")


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Generator[Deployed]:
    """`groundplan demo`, and what it leaves standing."""
    state = tmp_path_factory.mktemp("embedded-aws")
    with pytest.MonkeyPatch.context() as patch:
        # Tests read the state through the same code as the command.
        patch.setenv("GROUNDPLAN_LOCAL_STATE", str(state))
        kept = PIN.read_bytes() if PIN.exists() else None  # of a demo that stands on this machine
        PIN.unlink(missing_ok=True)
        try:
            demo = groundplan(state, "demo")
            assert demo.returncode == 0, demo.stdout + demo.stderr
            yield Deployed(state, demo.stdout, Accounts(ROOT, read_environment(ROOT, "local")))
        finally:
            PIN.unlink(missing_ok=True)
            if kept is not None:
                PIN.write_bytes(kept)
            stopped = groundplan(state, "stop")
            assert stopped.returncode == 0, stopped.stderr


@pytest.fixture(autouse=True)
def no_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine is signed in to has nothing to do with the embedded AWS."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    boto3.DEFAULT_SESSION = None
