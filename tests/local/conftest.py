"""The embedded AWS, started once a session by its own command line, and what tests ask of it."""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
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
    """One command of the embedded AWS, from a shell that has a variable by which ministack would enforce IAM."""
    command = [sys.executable, "-m", "groundplan_local", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, "AUTH": "true"})


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


@contextmanager
def serving(state: Path, *options: str) -> Generator[EmbeddedAws]:
    """A server of one's own, on a free port."""
    started = run_embedded_aws("start", "--state", str(state), *options)
    assert started.returncode == 0, started.stderr
    try:
        yield EmbeddedAws(json.loads((state / "server.json").read_text())["endpoint_url"], state)
    finally:
        run_embedded_aws("stop", "--state", str(state))


@pytest.fixture(scope="session")
def embedded_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    """A server of this session's own, on a free port."""
    with serving(tmp_path_factory.mktemp("embedded-aws")) as server:
        yield server


@pytest.fixture(scope="module")
def enforcing_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    """A server that enforces IAM."""
    with serving(tmp_path_factory.mktemp("enforcing-aws"), "--enforce-iam") as server:
        yield server


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


class Laboratory:
    """One account with a bucket, where scripts are trained."""

    account = "888888888888"
    role = f"arn:aws:iam::{account}:role/Training"

    def __init__(self, embedded_aws: EmbeddedAws, wait: Callable[..., Any]) -> None:
        self.sagemaker = embedded_aws.client("sagemaker", self.account)
        self.s3 = embedded_aws.client("s3", self.account)
        self.logs = embedded_aws.client("logs", self.account)
        self.bucket = f"laboratory-{uuid.uuid4().hex[:8]}"
        self.s3.create_bucket(Bucket=self.bucket)
        self._wait = wait

    def request(self, script: str, **changes: Any) -> dict[str, Any]:
        """A request that runs `script`; `changes` replace or add members."""
        name = f"job-{uuid.uuid4().hex[:12]}"
        self.put(f"{name}/code/train.py", script.encode())
        request = {
            "TrainingJobName": name,
            "RoleArn": self.role,
            "AlgorithmSpecification": {
                "TrainingImage": "none",
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["python", "/opt/ml/input/data/code/train.py"],
            },
            "InputDataConfig": [self.channel("code", f"{name}/code/")],
            "OutputDataConfig": {"S3OutputPath": self.uri("output")},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        }
        return {member: value for member, value in {**request, **changes}.items() if value is not None}

    def spot(self, tags: Mapping[str, str], checkpoints: str) -> dict[str, Any]:
        """What makes a request one for spot capacity."""
        return {
            "EnableManagedSpotTraining": True,
            "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60},
            "CheckpointConfig": {"S3Uri": self.uri(checkpoints)},
            "Tags": [{"Key": f"embedded-aws:{key}", "Value": value} for key, value in tags.items()],
        }

    def start(self, script: str, **changes: Any) -> str:
        """Create a job; returns its name."""
        request = self.request(script, **changes)
        self.sagemaker.create_training_job(**request)
        return request["TrainingJobName"]

    def train(self, script: str, **changes: Any) -> dict[str, Any]:
        """Create a job and wait for its end; returns its description."""
        return self.ended(self.start(script, **changes))

    def describe(self, name: str) -> dict[str, Any]:
        """DescribeTrainingJob."""
        return self.sagemaker.describe_training_job(TrainingJobName=name)

    def ended(self, name: str) -> dict[str, Any]:
        """The job's description once nothing more happens to it."""
        return self._wait(
            lambda: (found := self.describe(name))["TrainingJobStatus"] not in ("InProgress", "Stopping") and found
        )

    def entered(self, name: str, secondary: str) -> dict[str, Any]:
        """The job's description once it was in a secondary status."""
        return self._wait(lambda: secondary in self.path(found := self.describe(name)) and found)

    def path(self, job: Mapping[str, Any]) -> list[str]:
        """The secondary statuses that a job went through."""
        return [transition["Status"] for transition in job["SecondaryStatusTransitions"]]

    def log(self, name: str) -> list[str]:
        """The lines of a job's log."""
        group = "/aws/sagemaker/TrainingJobs"
        streams = self.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")["logStreams"]
        if not streams:
            return []
        events = self.logs.get_log_events(
            logGroupName=group, logStreamName=streams[0]["logStreamName"], startFromHead=True
        )["events"]
        return [event["message"] for event in events]

    def channel(self, name: str, prefix: str, kind: str = "S3Prefix") -> dict[str, Any]:
        """A channel of the objects below a prefix of the bucket."""
        source = {"S3DataType": kind, "S3Uri": self.uri(prefix), "S3DataDistributionType": "FullyReplicated"}
        return {"ChannelName": name, "DataSource": {"S3DataSource": source}}

    def uri(self, key: str) -> str:
        """The address of a key in the bucket."""
        return f"s3://{self.bucket}/{key}"

    def put(self, key: str, content: bytes) -> None:
        """An object into the bucket."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)

    def get(self, key: str) -> bytes:
        """An object of the bucket."""
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def keys(self, prefix: str) -> list[str]:
        """The objects below a prefix, without it."""
        found = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        return [item["Key"].removeprefix(prefix) for item in found]


@pytest.fixture(scope="session")
def laboratory(embedded_aws: EmbeddedAws, until: Callable[..., Any]) -> Laboratory:
    """Where scripts are trained."""
    return Laboratory(embedded_aws, until)


@pytest.fixture
def unique() -> str:
    """A name that no other test uses."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture
def account() -> str:
    """An account that no other test uses."""
    return f"{uuid.uuid4().int % 10**11 + 10**11:012d}"
