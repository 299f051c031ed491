"""A bad version that is promoted is sent back by its alarm, and the pin says so; a candidate answers nobody."""

import hashlib
import json
import shutil
import threading
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from commands import ROOT, copy_repository, groundplan
from model_archives import archive

from groundplan.canonical import digest
from groundplan.model_package import SCHEMA, Properties
from groundplan.release import Release, read_release

WORKLOAD, ENDPOINT = "till-reader", "groundplan-local-till-reader"
SCRIPT = """
def model_fn(model_dir):
    return "{version}"
def predict_fn(data, model):
    {work}
    return {{"version": model}}
"""
GOOD, FAILING, SLOW = "pass", "raise RuntimeError('no such feature')", "import time; time.sleep(0.7)"
P99_MS = 500
# What makes of the digit reader one for which somebody waits: two instances, in two zones.
DRIVERS = """
latency_p50_ms = 200
latency_p99_ms = 500
average_requests_per_second = 5
peak_requests_per_second = 10
payload_kib = 4
traffic = "steady"
availability_percent = 99.95
monthly_cost_ceiling_usd = 900
"""


class Till:
    """A repository with one workload, and its endpoint on the deployed platform."""

    def __init__(self, deployed: Any, root: Path) -> None:
        self._state, self.root, self.accounts = deployed.state, root, deployed.accounts
        self._s3, self._sagemaker, self._runtime, self._cloudwatch = (
            deployed.client(one) for one in ("s3", "sagemaker", "sagemaker-runtime", "cloudwatch")
        )
        self._group = self.accounts.names.model_package_group(WORKLOAD)
        self._bucket = self.accounts.names.artefacts_bucket()
        self._sagemaker.create_model_package_group(ModelPackageGroupName=self._group)

    def run(self, *arguments: str) -> Any:
        return groundplan(self._state, *arguments, at=self.root)

    def pinned(self) -> Release | None:
        return read_release(self.root, WORKLOAD, self.accounts.environment)

    def approved(self, version: str, work: str, against: str | None) -> str:
        """Register a version as the gate does with one that it found nothing wrong with, and approve it."""
        folder = f"workloads/{WORKLOAD}/output/{version}"
        contents = {
            "output/model.tar.gz": archive({"code/inference.py": SCRIPT.format(version=version, work=work)}),
            "record.json": b"{}",
            "verdict.json": b'{"passed": true}',
        }
        for name, content in contents.items():
            self._s3.put_object(Bucket=self._bucket, Key=f"{folder}/{name}", Body=content)
        model, record, verdict = (hashlib.sha256(content).hexdigest() for content in contents.values())
        any_digest = "a" * 64
        texts = Properties(
            format=SCHEMA,
            version=version,
            workload=WORKLOAD,
            training_job_name=f"{WORKLOAD}-{version.replace('.', '-')}",
            fingerprint=any_digest,
            code_digest=any_digest,
            environment_digest=any_digest,
            data_manifest_root=any_digest,
            held_out_sha256=any_digest,
            model_data_sha256=model,
            record_url=f"s3://{self._bucket}/{folder}/record.json",
            record_sha256=record,
            verdict_url=f"s3://{self._bucket}/{folder}/verdict.json",
            verdict_sha256=verdict,
            judged_against=against,
        ).texts()
        self._sagemaker.create_model_package(
            ModelPackageGroupName=self._group,
            ModelPackageDescription=f"{WORKLOAD}-{version} properties sha256 {digest(texts)}",
            ModelApprovalStatus="PendingManualApproval",
            InferenceSpecification={
                "Containers": [
                    {"Image": "none", "ModelDataUrl": f"s3://{self._bucket}/{folder}/output/model.tar.gz"}
                ],
                "SupportedContentTypes": ["application/json"],
                "SupportedResponseMIMETypes": ["application/json"],
            },
            CustomerMetadataProperties=texts,
        )
        done = self.run("approve", f"{WORKLOAD}-{version}")
        assert done.returncode == 0, done.stderr
        return f"{WORKLOAD}-{version}"

    def ask(self, number: int = 1) -> str:
        answer = self._runtime.invoke_endpoint(
            EndpointName=ENDPOINT, Body=str(number).encode(), ContentType="application/json"
        )
        return str(json.loads(answer["Body"].read())["version"])

    def rings(self) -> list[str]:
        """The alarms of the endpoint that ring."""
        found = self._cloudwatch.describe_alarms(AlarmNamePrefix=f"{ENDPOINT}-", StateValue="ALARM")
        return [one["AlarmName"] for one in found["MetricAlarms"]]


@pytest.fixture(scope="module")
def till(deployed: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Till]:
    root = copy_repository(tmp_path_factory.mktemp("repository"))
    folder = root / "workloads" / WORKLOAD
    (root / "workloads/digit-reader").rename(folder)
    shutil.rmtree(folder / "tables")
    for other in (root / "workloads").iterdir():
        if other != folder:
            shutil.rmtree(other)
    text = (folder / "workload.toml").read_text().replace("digit-reader", WORKLOAD)
    before, rest = text.split("[drivers]\n")
    _, after = rest.split("[drivers.quality]")
    (folder / "workload.toml").write_text(f"{before}[drivers]{DRIVERS}\n[drivers.quality]{after}")
    assert tomllib.loads((folder / "workload.toml").read_text())["drivers"]["latency_p99_ms"] == P99_MS
    made = Till(deployed, root)
    promoted = made.run("promote", made.approved("1.0.0", GOOD, None))
    assert promoted.returncode == 0, promoted.stdout + promoted.stderr
    assert made.ask() == "1.0.0"
    yield made
    deployed.client("cloudformation").delete_stack(StackName=made.accounts.names.stack(f"Serving-{WORKLOAD}"))


class Caller:
    """Somebody who asks all the time, and counts the answers by version, the errors by code."""

    def __init__(self, till: Till) -> None:
        self._till, self._ended, self.seen = till, threading.Event(), Counter[str]()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> "Caller":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._ended.wait(0.01):
            try:
                self.seen[self._till.ask()] += 1
            except ClientError as error:
                self.seen[error.response["Error"]["Code"]] += 1


@pytest.mark.parametrize(("version", "work", "alarm"), [("1.1.0", FAILING, "failing"), ("1.2.0", SLOW, "slow")])
def test_a_bad_version_is_sent_back_by_its_alarm_and_is_not_released_again_by_accident(
    till: Till, until: Callable[..., Any], version: str, work: str, alarm: str
) -> None:
    name = till.approved(version, work, f"{WORKLOAD}-1.0.0")
    until(lambda: not till.rings(), "the endpoint's alarms are quiet")
    with Caller(till) as caller:
        ended = till.run("promote", name)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    why = f"alarm {ENDPOINT}-{alarm} is in state ALARM"
    assert f"{name} does not serve" in ended.stderr
    assert why in ended.stderr
    assert "Traceback" not in ended.stderr

    assert till.ask() == "1.0.0"
    touched = caller.seen[version] + caller.seen["ModelError"]
    assert set(caller.seen) <= {"1.0.0", version, "ModelError"}
    # Ten per cent of two instances is one of the two.
    assert 0 < touched <= sum(caller.seen.values()) / 2 + 1

    pinned = till.pinned()
    assert pinned
    assert pinned.version == "1.0.0"
    assert why in pinned.withdrawn[version]
    assert str(ROOT) not in pinned.withdrawn[version]
    again = till.run("promote", name)
    assert again.returncode == 1
    assert why in again.stderr
    assert "--again --reason" in again.stderr
    assert till.pinned() == pinned


# Of one mind with 1.0.0 about odd numbers; breaks at three.
OTHER = "import time; time.sleep(0.02); assert data != 3; model = '1.0.0' if data % 2 else model"


def test_a_candidate_is_asked_what_everybody_asks_answers_nobody_and_is_compared(
    till: Till, until: Callable[..., Any]
) -> None:
    candidate = till.approved("1.3.0", OTHER, f"{WORKLOAD}-1.0.0")
    until(lambda: not till.rings(), "the endpoint's alarms are quiet")
    promoted = till.run("promote", candidate, "--shadow")
    assert promoted.returncode == 0, promoted.stdout + promoted.stderr
    assert f"pins {WORKLOAD}-1.0.0" in promoted.stdout
    assert f"in its shadow {candidate}" in promoted.stdout

    # A tenth is captured: one request of each ten that ask the same.
    assert {till.ask(count // 10) for count in range(40)} == {"1.0.0"}

    def compared() -> Any:
        told = till.run("compare", WORKLOAD, "--json")
        assert told.returncode == 0, told.stderr
        found = json.loads(told.stdout)
        return found if found["agreement"]["pairs"] == 4 and found["candidate"]["requests"] == 40 else None

    found = until(compared, "both answered what was captured")
    assert found["agreement"] == {"pairs": 4, "alike": 1, "unpaired": 0, "share": 0.25}
    serving, other = found["serving"], found["candidate"]
    assert (serving["version"], serving["requests"], serving["failed"]) == ("1.0.0", 40, 0)
    assert (other["version"], other["failed"]) == ("1.3.0", 10)
    assert other["latency_p50_ms"] > 20 > serving["latency_p50_ms"] > 0
    assert other["latency_p99_ms"] >= other["latency_p50_ms"]
    assert "agreement  25.0% of 4 captured requests" in till.run("compare", WORKLOAD).stdout
