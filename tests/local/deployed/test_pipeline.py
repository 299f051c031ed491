"""From data to a registered model by one state machine: validated, preprocessed once, trained, judged, registered."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import copy_repository

from groundplan.workload import read_workload
from groundplan_operate.ingest import current_dataset, put_dataset

PREPROCESS = """
import os
import shutil
import sys
from pathlib import Path

for channel in ("train", "validation"):
    target = Path(os.environ["GROUNDPLAN_PREPARED"], channel)
    shutil.copytree(os.environ[f"SM_CHANNEL_{channel.upper()}"], target)
    for file in target.iterdir():
        if file.stat().st_size < LEAST_BYTES:
            sys.exit(f"invalid data: {channel}/{file.name} has fewer than LEAST_BYTES bytes")
print("preprocessed")
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """This one, with workloads that may be changed."""
    root = tmp_path / "repository"
    root.mkdir()
    return copy_repository(root)


@pytest.fixture
def train(deployed: Any, repository: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`groundplan train digit-reader --state-machine --json` there, with a preprocess.py and so many epochs."""

    def run(*, epochs: int, least_bytes: int = 1) -> subprocess.CompletedProcess[str]:
        folder = repository / "workloads/digit-reader"
        (folder / "preprocess.py").write_text(PREPROCESS.replace("LEAST_BYTES", str(least_bytes)))
        file = folder / "workload.toml"
        file.write_text(re.sub(r"epochs = \d+", f"epochs = {epochs}", file.read_text()))
        return deployed.run("train", "digit-reader", "-e", "local", "--state-machine", "--json", at=repository)

    return run


def preparations(deployed: Any) -> list[str]:
    """The jobs that prepared, oldest first."""
    jobs = deployed.client("sagemaker").list_training_jobs(
        SortBy="CreationTime", SortOrder="Ascending", MaxResults=100
    )
    names = [job["TrainingJobName"] for job in jobs["TrainingJobSummaries"]]
    return [name for name in names if name.endswith("-prepare")]


def execution(deployed: Any, until: Any) -> dict[str, Any]:
    """The newest execution, at its end."""
    states, accounts = deployed.client("stepfunctions"), deployed.accounts
    machine = f"arn:aws:states:{accounts.environment.region}:{accounts.environment.accounts.ai}:stateMachine"
    arn = f"{machine}:{accounts.names.training_machine()}"
    newest = states.list_executions(stateMachineArn=arn)["executions"][0]["executionArn"]
    return until(
        lambda: (told := states.describe_execution(executionArn=newest))["status"] != "RUNNING" and told,
        "the end of the execution",
    )


def test_data_are_prepared_once_for_two_trainings_and_the_model_that_passes_the_gate_is_registered(
    deployed: Any, train: Callable[..., subprocess.CompletedProcess[str]], log_of: Any, until: Any
) -> None:
    before = preparations(deployed)
    stopped = train(epochs=2)
    assert stopped.returncode == 1
    assert "was stopped: " in stopped.stderr
    told = execution(deployed, until)
    assert (told["status"], told["error"]) == ("FAILED", "StoppedAtTheGate")
    [made] = preparations(deployed)[len(before) :]
    assert [line for line in log_of(made) if "every byte" in line or line == "preprocessed"] == [
        "every byte is the one that was ingested",
        "preprocessed",
    ]
    passed = train(epochs=61)
    assert passed.returncode == 0, passed.stderr
    assert preparations(deployed)[len(before) :] == [made]
    [job] = json.loads(passed.stdout)["training_jobs"]
    described = deployed.client("sagemaker").describe_training_job(TrainingJobName=job["training_job_name"])
    places = [one["DataSource"]["S3DataSource"]["S3Uri"] for one in described["InputDataConfig"]]
    assert sum(f"/prepared/{made}/output/model/" in place for place in places) == 2
    told = execution(deployed, until)
    assert told["status"] == "SUCCEEDED"
    output = json.loads(told["output"])
    assert output["training_job_name"] == job["training_job_name"]
    assert output["model_version"] == job["model_version"]
    package = deployed.client("sagemaker").describe_model_package(ModelPackageName=output["model_package_arn"])
    assert package["ModelApprovalStatus"] == "PendingManualApproval"


def test_data_that_preprocess_refuses_are_quarantined_and_named_and_no_training_takes_them_again(
    deployed: Any, repository: Path, train: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    accounts, workload = deployed.accounts, read_workload(repository, "digit-reader")
    good, s3 = current_dataset(accounts, workload), deployed.client("s3", "data")
    pointer = f"{workload.name}/{workload.data.dataset}/current.json"
    kept = s3.get_object(Bucket=good.bucket, Key=pointer)["Body"].read()
    folder = tmp_path / "bad"
    for entry in good.entries:
        file = folder / entry.key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(s3.get_object(Bucket=good.bucket, Key=f"{good.prefix}/{entry.key}")["Body"].read())
    (folder / "train/short.csv").write_text("1\n")
    try:
        bad = put_dataset(accounts, workload, folder)
        refused = train(epochs=5, least_bytes=100)
        jobs = preparations(deployed)
        again = train(epochs=5, least_bytes=100)
    finally:
        s3.put_object(Bucket=good.bucket, Key=pointer, Body=kept)
    assert refused.returncode == 1
    assert "InvalidData" in refused.stderr
    assert "train/short.csv has fewer than 100 bytes" in refused.stderr
    key = f"workloads/digit-reader/quarantine/{bad.root}.json"
    said = json.loads(
        deployed.client("s3").get_object(Bucket=accounts.names.artefacts_bucket(), Key=key)["Body"].read()
    )
    assert "train/short.csv" in said["invalid"]
    assert again.returncode == 1
    assert "in quarantine" in again.stderr
    assert preparations(deployed) == jobs
