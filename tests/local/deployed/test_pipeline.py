"""From data to a model by one state machine: validated, preprocessed once, trained; invalid data are quarantined."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
def repository(deployed: Any, tmp_path: Path) -> Path:
    """This one's parts that the command reads, with workloads that may be changed."""
    root: Path = deployed.accounts.root
    for name in ("environments", "workloads"):
        shutil.copytree(root / name, tmp_path / name)
    for name in ("cdk.json", "requirements.lock", "pyproject.toml"):
        shutil.copy(root / name, tmp_path / name)
    for path in root.iterdir():
        if path.is_dir() and not (tmp_path / path.name).exists():
            (tmp_path / path.name).symlink_to(path)
    return tmp_path


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


def test_data_are_validated_and_preprocessed_once_for_two_trainings(
    deployed: Any, train: Callable[..., subprocess.CompletedProcess[str]], log_of: Any
) -> None:
    before = preparations(deployed)
    first = train(epochs=3)
    assert first.returncode == 0, first.stderr
    [made] = preparations(deployed)[len(before) :]
    assert [line for line in log_of(made) if "every byte" in line or line == "preprocessed"] == [
        "every byte is the one that was ingested",
        "preprocessed",
    ]
    [job] = json.loads(first.stdout)["training_jobs"]
    described = deployed.client("sagemaker").describe_training_job(TrainingJobName=job["training_job_name"])
    places = [one["DataSource"]["S3DataSource"]["S3Uri"] for one in described["InputDataConfig"]]
    assert sum(f"/prepared/{made}/output/model/" in place for place in places) == 2
    second = train(epochs=4)
    assert second.returncode == 0, second.stderr
    assert preparations(deployed)[len(before) :] == [made]


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
