"""The record beside a model on the deployed platform, and the alarm over a checkpoint that does not come."""

import hashlib
import json
import uuid
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from groundplan.run_record import read_record
from groundplan.workload import read_workload
from groundplan_operate.train import launch_defaults
from groundplan_runtime.integrations.checkpoint_watch import CheckpointWatch
from groundplan_runtime.integrations.sagemaker import SageMaker

SLEEPS = "import time; time.sleep(120)"
FAILS = "raise SystemExit('no such column: price')"


@pytest.fixture
def start(deployed: Any, until: Any) -> Generator[Callable[[str], str]]:
    """Start a job of `digit-reader` that runs a line of Python and knows nothing of the kit; it is stopped after."""
    defaults = launch_defaults(deployed.accounts, read_workload(deployed.accounts.root, "digit-reader"))
    base, sagemaker = f"{defaults.artefacts}/workloads/digit-reader", deployed.client("sagemaker")
    names: list[str] = []

    def run(line: str) -> str:
        names.append(f"digit-reader-{uuid.uuid4().hex[:12]}")
        sagemaker.create_training_job(
            TrainingJobName=names[-1],
            RoleArn=defaults.role_arn,
            AlgorithmSpecification={
                "TrainingImage": "none",
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["python", "-c", line],
            },
            OutputDataConfig={"S3OutputPath": f"{base}/output", "KmsKeyId": defaults.kms_key_arn},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 300},
            CheckpointConfig={"S3Uri": f"{base}/checkpoints/{names[-1]}"},
            Environment={"GROUNDPLAN_WORKLOAD": "digit-reader"},
        )
        return names[-1]

    yield run
    for name in names:
        if described(deployed, name)["TrainingJobStatus"] == "InProgress":
            sagemaker.stop_training_job(TrainingJobName=name)
        until(lambda name=name: described(deployed, name)["TrainingJobStatus"] != "InProgress", f"{name} to end")


def described(deployed: Any, name: str) -> Any:
    return deployed.client("sagemaker").describe_training_job(TrainingJobName=name)


def lineage(deployed: Any, subject: str) -> Any:
    done = deployed.run("lineage", subject, "-e", "local", "--json")
    return json.loads(done.stdout) if done.returncode == 0 else None


def stored(deployed: Any, uri: str) -> bytes:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return deployed.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()


def test_the_demos_model_has_a_record_beside_it_that_the_lineage_names(deployed: Any) -> None:
    answer = lineage(deployed, "digit-reader")
    run = next(each for each in answer["runs"] if each["status"] == "Completed" and each["forced_reason"] is None)
    content = stored(deployed, run["record_uri"])
    assert hashlib.sha256(content).hexdigest() == run["record_sha256"]
    record = read_record(content, "record.json").document
    assert record["kit"] == {"found": True, "reason": None}
    assert run["artefact"].startswith(run["record_uri"].removesuffix("record.json"))
    assert record["job"]["artefact_sha256"] == hashlib.sha256(stored(deployed, run["artefact"])).hexdigest()
    assert record["job"]["cost_usd"] == run["cost_usd"]
    assert float(run["cost_usd"]) > 0
    assert "ml.m5.large" in run["cost_basis"]
    assert record["request"]["CheckpointConfig"]["S3Uri"].endswith(record["fingerprint"])
    assert run["checkpoints_saved"] > 0
    assert run["metrics_by_slice"]
    assert run["hardware"]["memory_bytes_max"] > 0
    # It was measured here, whatever machine the job asked for.
    assert run["right_sizing"].startswith("right-sizing: cannot be told")


def test_a_script_that_fails_at_once_has_a_record_that_says_so(deployed: Any, start: Any, until: Any) -> None:
    name = start(FAILS)

    def recorded() -> Any:
        answer = lineage(deployed, name)
        return answer and answer["runs"][0]["status"] == "Failed" and answer["runs"][0]

    run = until(recorded, "the failure in the lineage")
    record = json.loads(stored(deployed, run["record_uri"]))
    assert (record["outcome"], record["kit"]["found"], run["artefact"]) == ("failed", False, None)
    assert "no such column" in record["failure"]
    assert "does not use the training kit" in record["kit"]["reason"]
    assert answer_is_alone(deployed, name)


def answer_is_alone(deployed: Any, name: str) -> bool:
    """Nothing came of it: no model, half or whole."""
    return lineage(deployed, name)["descendants"] == []


def test_the_picture_is_written_and_a_place_that_is_none_is_refused(deployed: Any, tmp_path: Any) -> None:
    done = deployed.run("lineage", "digit-reader", "-e", "local", "--html", str(tmp_path / "page.html"))
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "Training run — this one" in page
    refused = deployed.run("lineage", "digit-reader", "-e", "local", "--html", str(tmp_path / "absent/page.html"))
    assert refused.returncode == 2
    assert "No such file or directory; allowed: a file in a folder that is there" in refused.stderr


def test_a_job_that_leaves_no_checkpoint_for_long_rings(deployed: Any, start: Any, until: Any) -> None:
    name = start(SLEEPS)
    until(lambda: described(deployed, name)["SecondaryStatus"] == "Training", "the job to train")
    cloudwatch = deployed.client("cloudwatch")

    def alarm() -> Any:
        found = cloudwatch.describe_alarms()["MetricAlarms"]
        [one] = [each for each in found if each["MetricName"] == "NewestCheckpointAgeMinutes"]
        return one

    # The function itself looks, with what its role may do: the job is young, and nothing rings.
    [sweep] = [
        resource["PhysicalResourceId"]
        for resource in deployed.client("cloudformation").describe_stack_resources(
            StackName="groundplan-local-Lineage"
        )["StackResources"]
        if resource["ResourceType"] == "AWS::Lambda::Function" and resource["LogicalResourceId"].startswith("Sweep")
    ]
    answer = json.loads(deployed.client("lambda").invoke(FunctionName=sweep, Payload=b"{}")["Payload"].read())
    assert answer["training"] >= 1, answer
    assert alarm()["StateValue"] != "ALARM"
    # The same look, when an hour and more has passed.
    names = deployed.accounts.names
    watch = CheckpointWatch(
        SageMaker(deployed.client("sagemaker")),
        deployed.client("s3"),
        cloudwatch,
        bucket=names.artefacts_bucket(),
        environment=names.stem,
    )
    ages = watch.look(datetime.now(UTC) + timedelta(minutes=alarm()["Threshold"] + 1))
    assert ages[name] > alarm()["Threshold"]
    until(lambda: alarm()["StateValue"] == "ALARM", "the alarm to ring")
    assert [arn.rpartition(":")[2] for arn in alarm()["AlarmActions"]] == ["groundplan-local-alarms"]
    # A checkpoint comes, and what is told is young again; the alarm's period has to pass before it is quiet.
    prefix = f"workloads/digit-reader/checkpoints/{name}"
    deployed.client("s3").put_object(Bucket=names.artefacts_bucket(), Key=f"{prefix}/step-1.json", Body=b"{}")
    assert watch.look(datetime.now(UTC))[name] < 1
