"""A model that was made again: the same bytes, metrics within tolerance, or neither, and what is said of it."""

import hashlib
import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from groundplan.canonical import canonical_json
from groundplan.environment import read_environment
from groundplan.refusal import Refused
from groundplan.run_record import SCHEMA, read_record
from groundplan.workload import read_workload
from groundplan_operate import reproduce
from groundplan_operate.reproduce import Reproduction, reproduced

ROOT = Path(__file__).parents[2]
BUCKET = "artefacts"
MADE = {"weights.json": b"[1, 2]", "labels.txt": b"0 1"}


def archive(files: Mapping[str, bytes], packed_at: int) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(content), packed_at
            tar.addfile(entry, io.BytesIO(content))
    return target.getvalue()


def record(metrics: Mapping[str, float | None]) -> Any:
    document = {"schema": SCHEMA, "metrics": [{"name": name, "value": value} for name, value in metrics.items()]}
    return read_record(canonical_json(document), "record.json")


@pytest.fixture
def again(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`again(files, now, was, status=…)`: the reproduction, of a run that leaves these files and metrics."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "embedded")

    def run(
        files: Mapping[str, bytes],
        now: Mapping[str, float | None],
        was: Mapping[str, float | None],
        status: str = "Completed",
        tolerance: float = 0.01,
    ) -> Reproduction:
        s3: Any = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket=BUCKET)
        before, after = archive(MADE, packed_at=1), archive(files, packed_at=2)
        s3.put_object(Bucket=BUCKET, Key="before", Body=before)
        s3.put_object(Bucket=BUCKET, Key="after", Body=after)
        entry = {
            "name": "again",
            "artefact": f"s3://{BUCKET}/after",
            "artefact_sha256": hashlib.sha256(after).hexdigest(),
            "metrics": now,
        }
        properties = SimpleNamespace(copied_from=None, model_data_sha256=hashlib.sha256(before).hexdigest())
        package: Any = SimpleNamespace(
            name="digit-reader-1.0.0", model_data_url=f"s3://{BUCKET}/before", properties=properties
        )
        environment = read_environment(ROOT, "local")
        accounts: Any = SimpleNamespace(root=ROOT, environment=environment, client=lambda *_: s3)
        seams: Mapping[str, Callable[..., Any]] = {
            "candidate_of": lambda *_: SimpleNamespace(record=record(was)),
            "check_package": lambda *_: None,
            "_verify": lambda *_: None,
            "_launch": lambda *_: "again",
            "follow": lambda *_: {"TrainingJobStatus": status, "FailureReason": "no memory"},
            "wait_for_run": lambda *_: True,
            "ask": lambda *_: SimpleNamespace(runs=[entry]),
        }
        for name, stub in seams.items():
            monkeypatch.setattr(reproduce, name, stub)
        return reproduced(accounts, read_workload(ROOT, "digit-reader"), package, tolerance, lambda _: None)

    with mock_aws():
        yield run


def test_the_same_files_are_identical_bytes_whenever_they_were_packed(again: Any) -> None:
    found = again(MADE, now={}, was={"accuracy": 0.9})
    assert (found.result, found.differences) == ("identical bytes", ())


def test_other_bytes_with_metrics_within_tolerance_are_said_to_be_that_and_which(again: Any) -> None:
    found = again({**MADE, "weights.json": b"[1, 3]"}, now={"accuracy": 0.905}, was={"accuracy": 0.9})
    assert found.result == "metrics within tolerance"
    [line] = found.differences
    assert line.startswith("weights.json: sha256 ")


@pytest.mark.parametrize("now", [0.92, 0.88, float("nan"), float("inf"), None])
def test_a_metric_beyond_the_tolerance_is_different_and_named_first(again: Any, now: float | None) -> None:
    found = again(
        {**MADE, "weights.json": b"[9]"}, now={"accuracy": now, "loss": 0.1}, was={"accuracy": 0.9, "loss": 0.1}
    )
    assert found.result == "different"
    assert found.differences[0].startswith("metric accuracy: 0.9 before, ")
    assert not any("loss" in line for line in found.differences)


def test_a_metric_that_was_no_number_proves_nothing(again: Any) -> None:
    assert again({}, now={"accuracy": 0.9}, was={"accuracy": None}).result == "different"


def test_where_no_metric_was_kept_a_byte_that_differs_is_different(again: Any) -> None:
    found = again({"weights.json": b"[1, 2]"}, now={"accuracy": 1.0}, was={})
    assert found.result == "different"
    assert "no metric" in found.differences[0]
    assert found.differences[1].endswith("before, not there now")


def test_a_run_that_fails_is_refused_with_its_reason(again: Any) -> None:
    with pytest.raises(Refused, match="no memory"):
        again(MADE, now={}, was={}, status="Failed")
