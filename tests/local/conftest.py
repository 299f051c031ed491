"""The embedded AWS, started once a session by its own command line, and what tests ask of it."""

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pytest
from boto3.session import Session
from botocore.config import Config

Found = TypeVar("Found")
DEADLINE_SECONDS = 45.0


def run_embedded_aws(*arguments: str) -> subprocess.CompletedProcess[str]:
    """One command of the embedded AWS."""
    command = [sys.executable, "-m", "groundplan_local", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@dataclass(frozen=True)
class EmbeddedAws:
    """A running server."""

    endpoint_url: str
    state: Path

    def client(self, service: str, account: str, region: str = "us-east-1") -> Any:
        """A boto3 client of one account."""
        return _client(self.endpoint_url, service, account, region)


@cache
def _client(endpoint_url: str, service: str, account: str, region: str) -> Any:
    return Session().client(
        service,
        region_name=region,
        endpoint_url=endpoint_url,
        aws_access_key_id=account,
        aws_secret_access_key="embedded",
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture(scope="session")
def embedded_command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `python -m groundplan_local` with arguments."""
    return run_embedded_aws


@pytest.fixture(scope="session")
def embedded_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    """A server of this session's own, on a free port."""
    state = tmp_path_factory.mktemp("embedded-aws")
    started = run_embedded_aws("start", "--state", str(state))
    assert started.returncode == 0, started.stderr
    try:
        yield EmbeddedAws(json.loads((state / "server.json").read_text())["endpoint_url"], state)
    finally:
        run_embedded_aws("stop", "--state", str(state))


@pytest.fixture(scope="session")
def until() -> Callable[[Callable[[], Found]], Found]:
    """Waits for a condition and returns what it found; fails when the deadline passes."""

    def wait(condition: Callable[[], Found], seconds: float = DEADLINE_SECONDS) -> Found:
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, f"not within {seconds:.0f} seconds"
            time.sleep(0.02)
        return found

    return wait


@pytest.fixture
def unique() -> str:
    """A name that no other test uses."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture
def account() -> str:
    """An account that no other test uses."""
    return f"{uuid.uuid4().int % 10**11 + 10**11:012d}"
