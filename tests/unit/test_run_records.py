"""The record of a run: what is read, what is refused, what it adds, what it costs, and where it is stored."""

import hashlib
import io
import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
import pytest
from botocore.response import StreamingBody

from groundplan.lineage.records import Run, Slice, run_from_description
from groundplan.prices import read_prices
from groundplan.refusal import BadInput
from groundplan.run_cost import run_cost
from groundplan.run_record import LARGEST_BYTES, REQUEST, read_record
from groundplan_runtime.integrations import run_records
from groundplan_runtime.integrations.run_records import RunRecords

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
ARN = "arn:aws:sagemaker:us-east-1:222222222222"
JOB = "digit-reader-5f2c9b41d0aa-20261120120000"
OUTPUT = "s3://artefacts/workloads/digit-reader/output"
CHECKPOINTS = "s3://artefacts/workloads/digit-reader/checkpoints/f00d"
KIT = "workloads/digit-reader/checkpoints/f00d/record.json"
MODEL = f"workloads/digit-reader/output/{JOB}/output/model.tar.gz"
RECORD = f"workloads/digit-reader/output/{JOB}/record.json"
GIB = 2**30


def described(**changes: Any) -> dict[str, Any]:
    """What DescribeTrainingJob says."""
    told = {
        "TrainingJobName": JOB,
        "TrainingJobArn": f"{ARN}:training-job/{JOB}",
        "TrainingJobStatus": "Completed",
        "CreationTime": START,
        "TrainingStartTime": START + timedelta(minutes=1),
        "TrainingEndTime": START + timedelta(minutes=9),
        "LastModifiedTime": START + timedelta(minutes=10),
        "SecondaryStatusTransitions": [
            {"Status": "Training", "StartTime": START},
            {"Status": "Interrupted", "StartTime": START},
            {"Status": "Training", "StartTime": START},
        ],
        "TrainingTimeInSeconds": 420,
        "BillableTimeInSeconds": 126,
        "EnableManagedSpotTraining": True,
        "HyperParameters": {"epochs": "60", "seed": "7"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30},
        "OutputDataConfig": {"S3OutputPath": OUTPUT},
        "CheckpointConfig": {"S3Uri": CHECKPOINTS},
        "ModelArtifacts": {"S3ModelArtifacts": f"s3://artefacts/{MODEL}"},
        "FinalMetricDataList": [{"MetricName": "loss", "Value": 0.5, "Timestamp": START}],
        "Environment": {"GROUNDPLAN_WORKLOAD": "digit-reader", "GROUNDPLAN_FINGERPRINT": "f" * 64},
        **changes,
    }
    return {key: value for key, value in told.items() if value is not None}


def kit(**changes: Any) -> dict[str, Any]:
    """What the training kit wrote."""
    return {
        "schema": "groundplan.run/1",
        "workload": "digit-reader",
        "training_job_name": JOB,
        "kit_digest": "k" * 64,
        "seeds": {"seed": 7},
        "metrics": [
            metric("accuracy", 0.5, step=1),
            metric("accuracy", 0.97, step=2),
            metric("accuracy", 0.9, slice={"digit": "8"}),
            metric("loss", None, step=2),
        ],
        "hardware": {
            "cpus": 2,
            "cpu_percent_mean": 22.5,
            "cpu_percent_max": 90.0,
            "memory_bytes_total": int(7.6 * GIB),
            "memory_bytes_max": GIB,
            "gpus": [],
            "disk_bytes_max": 5,
            "seconds": 300.0,
        },
        "checkpoints": {"saved": 6, "resumed_from_step": 3, "seconds": 0.2},
        "attempts": 2,
        "started": "2026-11-20T12:01:00Z",
        "ended": None,
        "outcome": "running",
        "failure": None,
        **changes,
    }


def metric(name: str, value: float | None, **changes: Any) -> dict[str, Any]:
    return {"name": name, "value": value, "step": None, "time": "2026-11-20T12:02:00Z", "slice": None, **changes}


class Bucket:
    """boto3's S3 client; of the bucket `artefacts`."""

    def __init__(self, objects: Mapping[str, bytes]) -> None:
        self.objects = dict(objects)
        self.read: list[str] = []

    def list_objects_v2(self, *, Bucket: str, Prefix: str, MaxKeys: int) -> dict[str, Any]:  # noqa: N803
        assert Bucket == "artefacts"
        found = sorted(key for key in self.objects if key.startswith(Prefix))[:MaxKeys]
        return {"Contents": [{"Key": key, "Size": len(self.objects[key])} for key in found]} if found else {}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: ARG002, N803
        self.read.append(Key)
        content = self.objects[Key]
        return {
            "Body": StreamingBody(io.BytesIO(content), len(content)),
            "ContentLength": len(content),
            "VersionId": "v1",
        }

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> None:  # noqa: N803
        assert (Bucket, ContentType) == ("artefacts", "application/json")
        self.objects[Key] = Body


def kept(bucket: Bucket, **changes: Any) -> tuple[Run, dict[str, Any]]:
    """The run and its record, after a job of which SageMaker says so."""
    told = described(**changes)
    run = RunRecords(bucket, "artefacts", ["ml.m5.large"]).keep(run_from_description(told), told)
    return run, json.loads(bucket.objects.get(RECORD, b"null"))


def whole() -> Bucket:
    """A bucket with the kit's record and a model."""
    return Bucket({KIT: json.dumps(kit()).encode(), MODEL: b"model"})


# Reading -----------------------------------------------------------------------------------------------------------


def test_a_record_is_read_whole_and_typed() -> None:
    record = read_record(json.dumps(kit(something_newer=1)).encode(), "record.json")
    assert record.training_job_name == JOB
    assert record.document["something_newer"] == 1
    assert record.last_metrics()["accuracy"] == 0.97
    assert record.last_slices() == (Slice("accuracy", 0.9, {"digit": "8"}),)
    assert record.hardware is not None
    assert record.hardware.memory_bytes_max == GIB


def test_an_older_record_without_a_field_is_read() -> None:
    record = read_record(b'{"schema": "groundplan.run/1", "training_job_name": "x"}', "record.json")
    assert (record.metrics, record.hardware, record.checkpoints) == ((), None, None)


def test_a_number_that_json_does_not_have_is_none() -> None:
    record = read_record(b'{"schema": "groundplan.run/1", "metrics": [{"name": "x", "value": NaN}]}', "record.json")
    assert record.metrics[0].value is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it must be JSON"),
        (b"[" * 100_000, "it must be JSON"),
        (b"[]", "it must be a JSON object"),
        (b"{}", 'schema: None is not allowed; allowed: "groundplan.run/1"'),
        (b'{"schema": "groundplan.run/2"}', "schema: 'groundplan.run/2' is not allowed.*newer"),
        (json.dumps(kit(metrics={})).encode(), "metrics: .*a JSON array"),
        (json.dumps(kit(metrics=[7])).encode(), r"metrics\.0: .*a JSON object"),
        (json.dumps(kit(metrics=[metric("x", True)])).encode(), r"metrics\.0\.value: .*a finite number"),
        (json.dumps(kit(metrics=[metric("", 1)])).encode(), r"metrics\.0\.name: .*1 to 256 characters"),
        (json.dumps(kit(metrics=[metric("x", 10**400)])).encode(), r"metrics\.0\.value: "),
        (json.dumps(kit(metrics=[metric("x", 1, slice={"": "a"})])).encode(), r"metrics\.0\.slice: "),
        (json.dumps(kit(metrics=[metric("x", 1, slice={"digit": 8})])).encode(), r"metrics\.0\.slice\.digit: "),
        (json.dumps(kit(training_job_name="\ud800")).encode(), "training_job_name: "),
        (json.dumps(kit(hardware={"cpus": "4"})).encode(), r"hardware\.cpus: '4' is not allowed"),
        (b" " * (LARGEST_BYTES + 1), "at most"),
    ],
)
def test_what_is_no_record_is_refused_with_field_value_and_what_is_allowed(content: bytes, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        read_record(content, "record.json")


# Keeping -----------------------------------------------------------------------------------------------------------


def test_the_record_beside_the_model_is_the_kits_with_what_only_sagemaker_knows() -> None:
    bucket = whole()
    run, record = kept(bucket)
    assert record["job"] | {"cost_basis": ""} == {
        "arn": f"{ARN}:training-job/{JOB}",
        "status": "Completed",
        "failure_reason": None,
        "created": "2026-11-20T12:00:00.000000Z",
        "started": "2026-11-20T12:01:00.000000Z",
        "ended": "2026-11-20T12:09:00.000000Z",
        "training_seconds": 420,
        "billable_seconds": 126,
        "interruptions": 1,
        "instance_type": "ml.m5.large",
        "instance_count": 1,
        "spot": True,
        "cost_usd": "0.004025",
        "cost_basis": "",
        "artefact": f"s3://artefacts/{MODEL}",
        "artefact_bytes": 5,
        "artefact_version": "v1",
        "artefact_sha256": hashlib.sha256(b"model").hexdigest(),
        "artefact_sha256_reason": None,
        "forced_reason": None,
    }
    assert (record["outcome"], record["seeds"], record["attempts"]) == ("completed", {"seed": 7}, 2)
    assert record["kit"] == {"found": True, "reason": None}
    assert record["metrics"] == kit()["metrics"]
    assert record["request"]["ResourceConfig"]["VolumeSizeInGB"] == 30
    assert "CreationTime" not in record["request"]
    assert run.record_uri == f"s3://artefacts/{RECORD}"
    assert run.record_sha256 == hashlib.sha256(bucket.objects[RECORD]).hexdigest()
    assert run.artefact_sha256 == hashlib.sha256(b"model").hexdigest()
    assert read_record(bucket.objects[RECORD], "x").document == record


def test_the_run_carries_cost_slices_hardware_and_checkpoints() -> None:
    run, _ = kept(whole())
    assert (run.cost_usd, run.metrics["accuracy"], run.slices[0].slice) == ("0.004025", 0.97, {"digit": "8"})
    assert run.hardware is not None
    assert run.hardware["memory_bytes_max"] == GIB
    assert (run.checkpoints_saved, run.resumed_from_step) == (6, 3)
    assert str(run.right_sizing).startswith("right-sizing: memory peaked at 1.0 of 8 GiB, CPU mean 22 % of 2")


def test_a_metric_of_the_kit_is_exact_where_the_log_has_less_of_it() -> None:
    run, _ = kept(whole(), FinalMetricDataList=[{"MetricName": "accuracy", "Value": 0.9700000286}])
    assert run.metrics["accuracy"] == 0.97


def test_a_job_that_goes_on_is_not_touched() -> None:
    bucket = whole()
    run, record = kept(bucket, TrainingJobStatus="InProgress")
    assert (record, run.cost_usd, bucket.read) == (None, None, [])


def test_the_same_job_told_again_gives_the_same_bytes() -> None:
    bucket = whole()
    kept(bucket)
    first = bucket.objects[RECORD]
    kept(bucket)
    assert bucket.objects[RECORD] == first


@pytest.mark.parametrize(
    ("objects", "changes", "reason"),
    [
        ({}, {}, "does not use the training kit, or failed before it began"),
        ({}, {"CheckpointConfig": None}, "keeps no checkpoints"),
        ({}, {"CheckpointConfig": {"S3Uri": "s3://elsewhere/x"}}, "lies outside"),
        ({}, {"CheckpointConfig": {"S3Uri": "s3://artefacts/secrets"}}, "lies outside"),
        ({KIT: kit(training_job_name="another")}, {}, "is of another: this job failed before the kit began"),
        ({KIT: kit(schema="groundplan.run/9")}, {}, "groundplan.run/9"),
        ({f"{KIT}.tmp": kit()}, {}, "there is no"),
    ],
)
def test_a_job_without_a_record_of_the_kit_has_one_that_says_so(
    objects: dict[str, Any], changes: dict[str, Any], reason: str
) -> None:
    bucket = Bucket({key: json.dumps(value).encode() for key, value in objects.items()})
    run, record = kept(bucket, **changes)
    assert record["kit"]["found"] is False
    assert reason in record["kit"]["reason"]
    assert [(one["name"], one["value"]) for one in record["metrics"]] == [("loss", 0.5)]
    assert (record["attempts"], record["hardware"], record["workload"]) == (2, None, "digit-reader")
    assert record["job"]["cost_usd"] == run.cost_usd == "0.004025"
    assert "cannot be told: the run left no measure" in str(run.right_sizing)


def test_a_record_too_large_to_be_one_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_records, "LARGEST_BYTES", 10)
    bucket = whole()
    _, record = kept(bucket)
    assert "at most 10 are read" in record["kit"]["reason"]
    assert KIT not in bucket.read


def test_a_failed_job_is_recorded_as_failed_whatever_the_kit_said() -> None:
    bucket = Bucket({KIT: json.dumps(kit()).encode()})
    run, record = kept(
        bucket, TrainingJobStatus="Failed", FailureReason="AlgorithmError: killed", BillableTimeInSeconds=None
    )
    assert (record["outcome"], record["failure"]) == ("failed", "AlgorithmError: killed")
    assert (record["job"]["artefact"], record["job"]["artefact_sha256"]) == (None, None)
    assert record["job"]["cost_usd"] is None
    assert record["job"]["cost_basis"] == "SageMaker does not say how many seconds it bills"
    assert run.model is None


def test_an_artefact_too_large_to_be_hashed_or_gone_has_no_checksum_and_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_records, "LARGEST_HASHED_BYTES", 4)
    _, record = kept(whole())
    assert (record["job"]["artefact_sha256"], record["job"]["artefact_bytes"]) == (None, 5)
    assert "more than 4 bytes" in record["job"]["artefact_sha256_reason"]
    _, record = kept(Bucket({KIT: json.dumps(kit()).encode()}))
    assert record["job"]["artefact_sha256_reason"] == "it is not there any more"


def test_a_job_whose_output_lies_elsewhere_keeps_its_cost_and_a_line_says_that_it_has_no_record(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bucket = whole()
    before = set(bucket.objects)
    run, _ = kept(bucket, OutputDataConfig={"S3OutputPath": "s3://mine/out"})
    assert (run.record_uri, run.record_sha256, run.cost_usd) == (None, None, "0.004025")
    assert set(bucket.objects) == before
    assert [line.getMessage() for line in caplog.records if line.levelno == logging.WARNING] == [
        "no record beside the model: its place is not the platform's"
    ]


def test_slices_beyond_what_a_row_holds_are_in_the_record_and_a_line_says_so(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_records, "MOST_SLICES", 2)
    metrics = [metric("accuracy", 0.5, slice={"user": str(number)}) for number in range(5)]
    run, record = kept(Bucket({KIT: json.dumps(kit(metrics=metrics)).encode()}))
    assert (len(run.slices), len(record["metrics"])) == (2, 5)
    assert "not all slices are in the table; the record has them" in caplog.text


def test_the_record_holds_every_member_of_the_request_that_sagemaker_gives_back() -> None:
    model: Any = botocore.session.get_session().get_service_model("sagemaker")
    asked = set(model.operation_model("CreateTrainingJob").input_shape.members)
    assert set(REQUEST) == asked & set(model.operation_model("DescribeTrainingJob").output_shape.members)


def test_the_record_has_no_number_that_json_does_not_know() -> None:
    content = json.dumps(kit()).replace("0.97", "NaN").encode()
    bucket = Bucket({KIT: content})
    run, _ = kept(bucket, FinalMetricDataList=[{"MetricName": "x", "Value": float("inf")}])
    json.loads(bucket.objects[RECORD], parse_constant=lambda word: pytest.fail(word))
    assert repr(run.metrics["accuracy"]) == "nan"


# Cost --------------------------------------------------------------------------------------------------------------


def test_a_cluster_costs_as_many_times_as_it_has_machines() -> None:
    book = read_prices(None, "us-east-1")
    one, four = (run_cost(book, "ml.m5.large", count, 3600) for count in (1, 4))
    assert (one.usd, four.usd) == ("0.115000", "0.460000")
    assert four.basis.startswith("3600 billable seconds of 4 x ml.m5.large at $0.115 per hour in us-east-1 (cross")


@pytest.mark.parametrize(
    ("region", "instance_type", "seconds", "basis"),
    [
        ("us-east-1", "ml.nothing.large", 60, "ml.nothing.large has no price"),
        ("af-south-1", "ml.m5.large", 60, "there is no price file for af-south-1"),
        ("us-east-1", "ml.m5.large", None, "does not say how many seconds"),
        ("us-east-1", None, 60, "does not name one instance type"),
    ],
)
def test_a_cost_that_is_not_known_is_none_with_the_reason_and_never_nothing(
    region: str, instance_type: str | None, seconds: int | None, basis: str
) -> None:
    cost = run_cost(read_prices(None, region), instance_type, 1, seconds)
    assert cost.usd is None
    assert basis in cost.basis
