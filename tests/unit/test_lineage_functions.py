"""The two functions of the lineage: whatever is delivered, in whatever order, the table comes to the truth."""

import io
import json
import logging
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count, permutations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from groundplan.claim import Launch
from groundplan.lineage.records import iso, run_from_description
from groundplan.lineage.rows import Relation, record_of
from groundplan.refusal import BadInput
from groundplan.run_cost import Cost
from groundplan_operate.lineage import run_as_json
from groundplan_runtime.handlers import record_lineage, sweep_lineage
from groundplan_runtime.integrations.checkpoint_watch import CheckpointWatch
from groundplan_runtime.integrations.event_store import EventStore
from groundplan_runtime.integrations.lineage_recorder import LineageRecorder
from groundplan_runtime.integrations.lineage_sweep import LineageSweep, SweepIncomplete
from groundplan_runtime.integrations.lineage_table import LineageTable
from groundplan_runtime.integrations.run_claims import RunClaims
from groundplan_runtime.integrations.run_records import RunRecords
from groundplan_runtime.integrations.sagemaker import NotKnown, SageMaker
from groundplan_runtime.lineage_settings import Settings

EVENTS = Path(__file__).parents[1] / "events"
START = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOW = START + timedelta(hours=3)
ARN = "arn:aws:sagemaker:us-east-1:222222222222"
JOB = "digit-reader-5f2c9b41d0aa-20261120120000"
MODEL = f"s3://artefacts/workloads/digit-reader/output/{JOB}/output/model.tar.gz"
PACKAGE = f"{ARN}:model-package/groundplan-dev-digit-reader/3"
CONTEXT: Any = SimpleNamespace(
    function_name="record",
    memory_limit_in_mb=256,
    invoked_function_arn="arn:aws:lambda:us-east-1:222222222222:function:record",
    aws_request_id="request",
)
NUMBERS = count()


def after(minutes: float) -> datetime:
    """Minutes after the job's creation."""
    return START + timedelta(minutes=minutes)


def job(name: str = JOB, status: str = "Completed", minute: float = 10, **changes: Any) -> dict[str, Any]:
    """What DescribeTrainingJob says."""
    return {
        "TrainingJobName": name,
        "TrainingJobArn": f"{ARN}:training-job/{name}",
        "TrainingJobStatus": status,
        "SecondaryStatus": status,
        "ModelArtifacts": {"S3ModelArtifacts": MODEL.replace(JOB, name)},
        "CreationTime": START,
        "LastModifiedTime": after(minute),
        "OutputDataConfig": {"S3OutputPath": "s3://artefacts/workloads/digit-reader/output"},
        "CheckpointConfig": {"S3Uri": "s3://artefacts/workloads/digit-reader/checkpoints/f00d"},
        "Environment": {
            "GROUNDPLAN_WORKLOAD": "digit-reader",
            "GROUNDPLAN_CODE_COMMIT": "c0ffee",
            "GROUNDPLAN_DATA_MANIFEST_ROOT": "da7a",
        },
        **changes,
    }


class FakeSageMaker:
    """boto3's client of an account: its dictionaries are what there is.

    Lists come one line a page; as in AWS, that of the packages does not tell when one was modified.
    """

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.packages: dict[str, dict[str, Any]] = {}
        self.endpoints: dict[str, dict[str, Any]] = {}
        self.configs: dict[str, dict[str, Any]] = {}
        self.models: dict[str, dict[str, Any]] = {}
        self.broken: set[str] = set()
        self.described: list[str] = []

    def describe_training_job(self, *, TrainingJobName: str) -> dict[str, Any]:  # noqa: N803 - boto3's
        return self._answer(self.jobs, TrainingJobName, "Requested resource not found.")

    def describe_model_package(self, *, ModelPackageName: str) -> dict[str, Any]:  # noqa: N803
        return self._answer(self.packages, ModelPackageName, f"ModelPackage {ModelPackageName} does not exist.")

    def describe_endpoint(self, *, EndpointName: str) -> dict[str, Any]:  # noqa: N803
        return self._answer(self.endpoints, EndpointName, f'Could not find endpoint "{EndpointName}".')

    def describe_endpoint_config(self, *, EndpointConfigName: str) -> dict[str, Any]:  # noqa: N803
        return self._answer(self.configs, EndpointConfigName, "Could not find endpoint configuration.")

    def describe_model(self, *, ModelName: str) -> dict[str, Any]:  # noqa: N803
        return self._answer(self.models, ModelName, "Could not find model.")

    def get_paginator(self, operation_name: str) -> Any:
        lists = {
            "list_training_jobs": ("TrainingJobSummaries", self.jobs),
            "list_model_package_groups": ("ModelPackageGroupSummaryList", {"g": {"ModelPackageGroupName": "g"}}),
            "list_model_packages": ("ModelPackageSummaryList", self.packages),
            "list_endpoints": ("Endpoints", self.endpoints),
        }
        key, lines = lists[operation_name]

        def paginate(**request: Any) -> Iterator[dict[str, Any]]:
            if operation_name in self.broken:
                raise self._error("ThrottlingException", "Rate exceeded")
            since = request.get("LastModifiedTimeAfter")
            for line in list(lines.values()):
                if request.get("StatusEquals") not in (None, line.get("TrainingJobStatus")):
                    continue
                if since is None or line["LastModifiedTime"] > since:
                    hidden = {"LastModifiedTime"} if operation_name == "list_model_packages" else set[str]()
                    yield {key: [{name: value for name, value in line.items() if name not in hidden}]}

        return SimpleNamespace(paginate=paginate)

    def _answer(self, of: Mapping[str, dict[str, Any]], name: str, unknown: str) -> dict[str, Any]:
        self.described.append(name)
        if name in self.broken:
            raise self._error("ThrottlingException", "Rate exceeded")
        if name not in of:
            raise self._error("ValidationException", unknown)
        return of[name]

    @staticmethod
    def _error(code: str, message: str) -> ClientError:
        return ClientError({"Error": {"Code": code, "Message": message}}, "Describe")


class FakeS3:
    """boto3's client: keys of the event bucket, and of the artefacts bucket with their times."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.times: dict[str, datetime] = {}
        self.page = 1000

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str = "") -> None:  # noqa: ARG002, N803
        assert self.objects.setdefault(Key, Body) == Body, f"{Key} was put with other bytes"
        self.times[Key] = START

    def list_objects_v2(self, *, Bucket: str, Prefix: str, **request: Any) -> dict[str, Any]:  # noqa: ARG002, N803
        keys = sorted(key for key in self.objects if key.startswith(Prefix))
        start = int(request.get("ContinuationToken", 0))
        shown = keys[start : start + min(self.page, request.get("MaxKeys", self.page))]
        more = start + len(shown) < len(keys)
        entries = [{"Key": key, "Size": len(self.objects[key]), "LastModified": self.times[key]} for key in shown]
        token = {"NextContinuationToken": str(start + len(shown))} if more else {}
        return {"Contents": entries, "IsTruncated": more, **token}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: ARG002, N803
        content = self.objects[Key]
        body = StreamingBody(io.BytesIO(content), len(content))
        return {"Body": body, "ContentLength": len(content), "VersionId": "v1"}


class FakeCloudWatch:
    """boto3's client: what was published."""

    def __init__(self) -> None:
        self.published: list[dict[str, Any]] = []

    def put_metric_data(self, **request: Any) -> None:
        self.published.append(request)


class Account:
    """SageMaker, a lineage table with its reversed index as the stack makes it, and an event bucket."""

    def __init__(self, dynamodb: Any) -> None:
        self.sagemaker, self.s3 = FakeSageMaker(), FakeS3()
        self.dynamodb_table = dynamodb.create_table(
            TableName=f"lineage-{next(NUMBERS)}",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[_key("node", "HASH"), _key("relation", "RANGE")],
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in ("node", "relation", "target")
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "reversed",
                    "KeySchema": [_key("target", "HASH"), _key("node", "RANGE")],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        )
        self.table = LineageTable(self.dynamodb_table)
        sagemaker, events = SageMaker(self.sagemaker), EventStore(self.s3, "events")
        self.claims = RunClaims(self.dynamodb_table, sagemaker, lambda _: Cost("0.01", "a price"))
        self.records = RunRecords(self.s3, "artefacts", ["ml.m5.large", "ml.c5.2xlarge"])
        self.recorder = LineageRecorder(sagemaker, self.table, events, self.claims, self.records)
        self.cloudwatch = FakeCloudWatch()
        self.watch = CheckpointWatch(
            sagemaker, self.s3, self.cloudwatch, bucket="artefacts", environment="groundplan-dev"
        )

    def rows(self) -> list[dict[str, Any]]:
        """The whole table."""
        return sorted(self.dynamodb_table.scan()["Items"], key=lambda row: (row["node"], row["relation"]))

    def register(self, minute: float = 20, **changes: Any) -> None:
        """A package of the job's model."""
        self.sagemaker.packages[PACKAGE] = {
            "ModelPackageArn": PACKAGE,
            "ModelPackageGroupName": "groundplan-dev-digit-reader",
            "ModelPackageVersion": 3,
            "ModelPackageStatus": "Completed",
            "ModelApprovalStatus": "PendingManualApproval",
            "CreationTime": after(20),
            "LastModifiedTime": after(minute),
            "InferenceSpecification": {"Containers": [{"Image": "image", "ModelDataUrl": MODEL}]},
            **changes,
        }

    def serve(self, config: str, container: dict[str, Any], *, minute: float, status: str = "InService") -> None:
        """An endpoint with a config of one model."""
        self.sagemaker.models[f"model-of-{config}"] = {"PrimaryContainer": container}
        variant = {"VariantName": "AllTraffic", "ModelName": f"model-of-{config}"}
        self.sagemaker.configs[config] = {"ProductionVariants": [variant]}
        self.sagemaker.endpoints["digit-reader"] = {
            "EndpointName": "digit-reader",
            "EndpointArn": f"{ARN}:endpoint/digit-reader",
            "EndpointConfigName": config,
            "EndpointStatus": status,
            "CreationTime": after(40),
            "LastModifiedTime": after(minute),
        }


def _key(name: str, kind: str) -> dict[str, str]:
    return {"AttributeName": name, "KeyType": kind}


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[Any]:
    with mock_aws():
        resource: Any = boto3.resource
        yield resource("dynamodb", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")


@pytest.fixture
def account(dynamodb: Any, monkeypatch: pytest.MonkeyPatch) -> Account:
    made = Account(dynamodb)
    monkeypatch.setattr(record_lineage, "_recorder", lambda: made.recorder)
    monkeypatch.setattr(sweep_lineage, "_sweep", lambda: LineageSweep(made.recorder))
    monkeypatch.setattr(sweep_lineage, "_watch", lambda: made.watch)
    return made


def sample(name: str, **changes: Any) -> dict[str, Any]:
    """An event of tests/events."""
    return json.loads((EVENTS / f"{name}.json").read_text()) | changes


def deliver(event: object) -> dict[str, Any]:
    """Invoke the function as EventBridge does."""
    invoke: Any = record_lineage.handler
    return invoke(event, CONTEXT)


def above(account: Account, node: str) -> dict[str, int]:
    """What a node came from, with the distance."""
    return {relation.target: relation.depth for relation in account.table.ancestors(node)}


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged as a warning or worse."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


# One event ---------------------------------------------------------------------------------------------------------


def test_an_event_is_only_a_trigger_and_the_truth_is_read_from_the_api(account: Account) -> None:
    account.sagemaker.jobs[JOB] = job()
    assert deliver(sample("training_job_in_progress")) == {"recorded": 1}
    state = account.table.get(f"run/{JOB}")
    assert state is not None
    assert (state.status, state.name, state.kind) == ("Completed", JOB, "run")
    assert state.record["model"] == MODEL


def test_a_repeated_event_changes_nothing(account: Account) -> None:
    account.sagemaker.jobs[JOB] = job()
    deliver(sample("training_job_completed"))
    rows, objects = account.rows(), dict(account.s3.objects)
    assert deliver(sample("training_job_completed")) == {"recorded": 1}
    assert (account.rows(), account.s3.objects) == (rows, objects)
    assert sorted(key.rpartition("/")[2][:5] for key in objects) == ["COMPL", "START", "recor"]


def test_a_shadow_run_is_recorded_with_null_provenance(account: Account) -> None:
    account.sagemaker.jobs[JOB] = job(Environment={})
    assert deliver(sample("training_job_completed")) == {"recorded": 1}
    state = account.table.get(f"run/{JOB}")
    assert state is not None
    assert [state.record[name] for name in ("workload", "fingerprint", "code_commit")] == [None, None, None]
    assert above(account, f"model/{MODEL}") == {f"run/{JOB}": 1}


@pytest.mark.parametrize("changes", [{"detail": None}, {"detail": {"TrainingJobName": 7}}, {"detail-type": "x"}])
def test_a_malformed_event_raises_and_leaves_nothing(account: Account, changes: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="event: detail"):
        deliver(sample("training_job_completed") | changes)
    assert account.rows() == []
    assert account.s3.objects == {}


def test_a_job_that_aws_does_not_know_raises_with_its_name(account: Account) -> None:
    with pytest.raises(NotKnown, match=f"run {JOB} is not known to SageMaker .* expected one of this account"):
        deliver(sample("training_job_completed"))
    assert account.rows() == []


def test_what_aws_refuses_for_another_reason_is_not_taken_for_unknown(account: Account) -> None:
    account.sagemaker.broken.add(JOB)
    with pytest.raises(ClientError, match="Rate exceeded"):
        deliver(sample("training_job_completed"))


@pytest.mark.parametrize(
    ("field", "value"), [("account", "333333333333"), ("region", "eu-west-1"), ("source", "my.app")]
)
def test_a_foreign_event_has_no_effect_and_one_line_says_so(
    account: Account, caplog: pytest.LogCaptureFixture, field: str, value: str
) -> None:
    account.sagemaker.jobs[JOB] = job()
    answer = deliver(sample("training_job_completed") | {field: value})
    assert answer["recorded"] == 0
    assert answer["ignored"].startswith(f"{field} is {value}")
    assert warnings(caplog) == ["ignored a foreign event"]
    assert account.rows() == []
    assert account.sagemaker.described == []


def test_a_deleted_package_stays_recorded(account: Account) -> None:
    account.register()
    deliver(sample("model_package_approved"))
    del account.sagemaker.packages[PACKAGE]
    rows = account.rows()
    assert deliver(sample("model_package_approved")) == {"recorded": 0}
    assert account.rows() == rows


# Any order ---------------------------------------------------------------------------------------------------------

LIFE = [
    job(status="InProgress", minute=0, SecondaryStatus="Starting"),
    job(status="InProgress", minute=1, SecondaryStatus="Training", TrainingStartTime=after(1)),
    job(status="InProgress", minute=2, SecondaryStatus="Interrupted", TrainingStartTime=after(1)),
    job(status="Stopping", minute=3, TrainingStartTime=after(1)),
    job(status="Stopped", minute=4, TrainingEndTime=after(4)),
    job(status="InProgress", minute=9),  # nonsense that a clock may tell: not terminal, yet later than the end
]
LAST = 4


@given(st.lists(st.integers(0, len(LIFE) - 1), max_size=5).flatmap(lambda seen: st.permutations([*seen, LAST])))
@settings(max_examples=25, deadline=None)
def test_any_order_and_repetition_of_what_was_read_gives_the_same_table(dynamodb: Any, seen: list[int]) -> None:
    expected, account = Account(dynamodb), Account(dynamodb)
    expected.sagemaker.jobs[JOB] = LIFE[LAST]
    expected.recorder.record("run", JOB)
    for moment in seen:
        account.sagemaker.jobs[JOB] = LIFE[moment]
        account.recorder.record("run", JOB)
    assert account.rows() == expected.rows()
    assert sum("/START-" in key for key in account.s3.objects) == 1
    assert len([key for key in account.s3.objects if key.startswith("events/")]) == 1 + len(set(seen) - {0})


def test_a_terminal_state_is_not_overwritten_by_one_that_is_not(account: Account) -> None:
    for moment in (LAST, 5, 0):
        account.sagemaker.jobs[JOB] = LIFE[moment]
        account.recorder.record("run", JOB)
    state = account.table.get(f"run/{JOB}")
    assert state is not None
    assert state.status == "Stopped"


CHAIN = {
    "workload/digit-reader": 4,
    "code/c0ffee": 4,
    "dataset/da7a": 4,
    f"run/{JOB}": 3,
    f"model/{MODEL}": 2,
    f"package/{PACKAGE}": 1,
}


@pytest.mark.parametrize("order", [*permutations(["run", "package", "endpoint"])])
def test_in_whatever_order_a_chain_is_recorded_its_ends_know_of_each_other(
    account: Account, order: Sequence[str]
) -> None:
    account.sagemaker.jobs[JOB] = job()
    account.register()
    account.serve("config-1", {"ModelPackageName": PACKAGE}, minute=45)
    events = {
        "run": "training_job_completed",
        "package": "model_package_approved",
        "endpoint": "endpoint_in_service",
    }
    for kind in order:
        assert deliver(sample(events[kind])) == {"recorded": 1}
    assert above(account, "endpoint/digit-reader") == CHAIN
    below = [(relation.node, relation.depth) for relation in account.table.descendants("dataset/da7a")]
    assert below == [
        (f"run/{JOB}", 1),
        (f"model/{MODEL}", 2),
        (f"package/{PACKAGE}", 3),
        ("endpoint/digit-reader", 4),
    ]


class Counted:
    """A table that counts its requests by their kind, and gives one row a page when asked to."""

    def __init__(self, table: Any, page: int | None = None) -> None:
        self._table, self._page, self.requests = table, {"Limit": page} if page else {}, Counter[str]()
        self.name = table.name
        self.meta = SimpleNamespace(client=SimpleNamespace(batch_get_item=self._batch))

    def _batch(self, **request: Any) -> Any:
        self.requests["batch"] += 1
        return self._table.meta.client.batch_get_item(**request)

    def put_item(self, **request: Any) -> Any:
        return self._table.put_item(**request)

    def get_item(self, **request: Any) -> Any:
        self.requests["get"] += 1
        return self._table.get_item(**request)

    def query(self, **request: Any) -> Any:
        self.requests["query"] += 1
        return self._table.query(**request, **self._page)


def fine_tuned(account: Account, times: int) -> list[str]:
    """Jobs of which each begins with the model of the one before it; the last is registered and served."""
    names = [f"job-{number}" for number in range(times)]
    for number, name in enumerate(names):
        base = MODEL.replace(JOB, f"job-{number - 1}")
        channels = [{"ChannelName": "base", "DataSource": {"S3DataSource": {"S3Uri": base}}}] if number else []
        account.sagemaker.jobs[name] = job(name, minute=number, InputDataConfig=channels)
    account.register(
        InferenceSpecification={"Containers": [{"Image": "i", "ModelDataUrl": MODEL.replace(JOB, names[-1])}]}
    )
    account.serve("config-1", {"ModelPackageName": PACKAGE}, minute=45)
    return names


@pytest.mark.parametrize("times", [1, 2, 5])
def test_ancestors_and_descendants_of_any_depth_take_one_query_each(account: Account, times: int) -> None:
    for name in fine_tuned(account, times):
        account.recorder.record("run", name)
    account.recorder.record("package", PACKAGE)
    account.recorder.record("endpoint", "digit-reader")
    counted = Counted(account.dynamodb_table)
    table = LineageTable(counted)
    # Endpoint, package, then model and run of each time: twelve steps after five times.
    first = {relation.target: relation.depth for relation in table.ancestors("endpoint/digit-reader")}
    assert first["run/job-0"] == 1 + 2 * times
    assert counted.requests == {"query": 1}
    below = {relation.node: relation.depth for relation in table.descendants("run/job-0")}
    assert below["endpoint/digit-reader"] == 1 + 2 * times
    assert counted.requests == {"query": 2}
    assert len(table.get_many([*first, *below])) == times + 2
    assert counted.requests == {"query": 2, "batch": 1}


@pytest.mark.parametrize("order", [*permutations(["run job-0", "run job-1", "run job-2", "package"])])
def test_in_whatever_order_fine_tuned_runs_are_recorded_the_first_is_known_to_the_last(
    account: Account, order: Sequence[str]
) -> None:
    fine_tuned(account, 3)
    for what in order:
        kind: Any = what.partition(" ")[0]
        account.recorder.record(kind, what.partition(" ")[2] or PACKAGE)
    assert above(account, f"package/{PACKAGE}")["run/job-0"] == 6
    assert above(account, f"package/{PACKAGE}")["dataset/da7a"] == 3


def test_the_sweep_mends_the_ancestors_of_a_run_that_began_with_a_model(account: Account) -> None:
    first, second = fine_tuned(account, 2)
    account.recorder.record("run", second)
    account.table.descendants = lambda node, *, past=False: ()  # noqa: ARG005
    account.recorder.record("run", first)
    assert f"run/{first}" not in above(account, f"run/{second}")
    sweep(account)
    assert above(account, f"run/{second}")[f"run/{first}"] == 2


def test_more_nodes_than_one_request_takes_are_read_in_several(account: Account) -> None:
    names = [f"job-{number}" for number in range(130)]
    for name in names:
        account.sagemaker.jobs[name] = job(name)
        account.recorder.record("run", name)
    counted = Counted(account.dynamodb_table)
    nodes = [f"run/{name}" for name in names]
    found = LineageTable(counted).get_many([*nodes, "dataset/da7a", "run/nobody", *nodes])
    assert sorted(state.name for state in found) == sorted(names)
    assert counted.requests == {"batch": 2}


KIT_RECORD = "workloads/digit-reader/checkpoints/f00d/record.json"


def kit_leaves(account: Account, **changes: Any) -> None:
    """The record of the training kit, with the checkpoints of the job's fingerprint."""
    kit = {
        "schema": "groundplan.run/1",
        "training_job_name": JOB,
        "metrics": [{"name": "accuracy", "value": 0.875, "slice": {"digit": "8"}}],
        "hardware": {"cpus": 2, "cpu_percent_mean": 22.5},
        "checkpoints": {"saved": 6, "resumed_from_step": 3},
        **changes,
    }
    account.s3.objects[KIT_RECORD], account.s3.times[KIT_RECORD] = json.dumps(kit).encode(), START


def test_a_record_is_stored_once_whatever_came_after_the_run(account: Account) -> None:
    account.sagemaker.jobs[JOB] = job(
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1}, BillableTimeInSeconds=126
    )
    kit_leaves(account)
    deliver(sample("training_job_completed"))
    rows, stored = account.rows(), dict(account.s3.objects)
    kit_leaves(account, training_job_name="another-job", checkpoints={"saved": 0})
    account.recorder.records = RunRecords(account.s3, "artefacts", [])  # no right-sizing any more
    deliver(sample("training_job_completed"))
    assert account.rows() == rows
    assert account.s3.objects == stored | {KIT_RECORD: account.s3.objects[KIT_RECORD]}


def test_what_a_run_left_stands_in_its_row_and_reads_back(account: Account) -> None:
    account.sagemaker.jobs[JOB] = job(
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1}, BillableTimeInSeconds=126
    )
    kit_leaves(account)
    deliver(sample("training_job_completed"))
    [state] = account.table.runs_of("digit-reader")
    run: Any = record_of(state)
    assert (run.cost_usd, run.checkpoints_saved) == ("0.004025", 6)
    assert run.slices == [{"name": "accuracy", "value": "0.875", "slice": {"digit": "8"}}]
    shown = run_as_json(state.record)
    assert shown["metrics_by_slice"] == [{"name": "accuracy", "value": 0.875, "slice": {"digit": "8"}}]
    assert shown["hardware"]["cpu_percent_mean"] == 22.5
    [event] = [json.loads(content) for key, content in account.s3.objects.items() if "/COMPLETE-" in key]
    assert event["run"]["facets"]["groundplan_cost"]["cost_usd"] == "0.004025"


def test_a_row_that_an_older_groundplan_wrote_is_read(account: Account) -> None:
    account.sagemaker.jobs[JOB] = job()
    account.recorder.record("run", JOB)
    state = account.table.get(f"run/{JOB}")
    assert state is not None
    known = "name arn status created last_modified workload code_commit data_manifest_root model metrics".split()
    old = replace(state, record={name: state.record[name] for name in known})
    assert record_of(old).edges()[0] == (f"run/{JOB}", "workload/digit-reader")
    assert run_as_json(old.record)["cost_usd"] is None
    assert run_as_json(old.record)["metrics_by_slice"] == []


def test_long_answers_are_read_page_by_page(account: Account) -> None:
    account.sagemaker.jobs[JOB] = job()
    account.recorder.record("run", JOB)
    table = LineageTable(Counted(account.dynamodb_table, page=1))
    assert len(table.ancestors(f"model/{MODEL}")) == 4
    assert [relation.node for relation in table.descendants("code/c0ffee")] == [f"run/{JOB}", f"model/{MODEL}"]


def test_the_runs_of_a_workload_come_newest_first_each_once(account: Account) -> None:
    for number in (2, 1, 3):
        account.sagemaker.jobs[f"job-{number}"] = job(f"job-{number}", CreationTime=after(number))
        for _ in range(2):
            account.recorder.record("run", f"job-{number}")
    assert [state.name for state in account.table.runs_of("digit-reader")] == ["job-3", "job-2", "job-1"]
    assert [state.name for state in account.table.runs_of("digit-reader", limit=1)] == ["job-3"]
    assert account.table.runs_of("nobody") == ()


# Endpoints ---------------------------------------------------------------------------------------------------------


def test_an_endpoint_serves_what_it_serves_now_and_is_known_to_have_served_the_rest(account: Account) -> None:
    account.serve("config-1", {"ModelDataUrl": "s3://models/old"}, minute=45)
    deliver(sample("endpoint_in_service"))
    account.serve("config-2", {"ModelDataUrl": "s3://models/new"}, minute=60)
    deliver(sample("endpoint_in_service"))
    assert above(account, "endpoint/digit-reader") == {"model/s3://models/new": 1}
    assert account.table.descendants("model/s3://models/old") == ()
    [past] = account.table.descendants("model/s3://models/old", past=True)
    assert (past.node, past.until) == ("endpoint/digit-reader", iso(after(60)))


def test_a_stale_reading_of_an_endpoint_does_not_bring_back_what_it_served(account: Account) -> None:
    account.serve("config-2", {"ModelDataUrl": "s3://models/new"}, minute=60)
    account.recorder.record("endpoint", "digit-reader")
    account.serve("config-1", {"ModelDataUrl": "s3://models/old"}, minute=45)
    assert account.recorder.record("endpoint", "digit-reader") == 0
    assert above(account, "endpoint/digit-reader") == {"model/s3://models/new": 1}


def test_a_deleted_endpoint_serves_nothing_and_one_made_again_serves_again(account: Account) -> None:
    account.serve("config-1", {"ModelDataUrl": MODEL}, minute=45)
    deliver(sample("endpoint_in_service"))
    gone = account.sagemaker.endpoints.pop("digit-reader")
    for name in ("endpoint_deleting", "endpoint_in_service", "endpoint_deleting"):
        deliver(sample(name))
    state = account.table.get("endpoint/digit-reader")
    assert state is not None
    assert (state.status, state.last_modified) == ("Deleted", "2026-11-20T14:00:00.000000Z")
    assert account.table.ancestors("endpoint/digit-reader") == ()
    account.sagemaker.endpoints["digit-reader"] = gone | {"CreationTime": after(50), "LastModifiedTime": after(55)}
    assert deliver(sample("endpoint_in_service")) == {"recorded": 1}
    assert above(account, "endpoint/digit-reader") == {f"model/{MODEL}": 1}


def test_an_endpoint_that_is_being_deleted_serves_nothing(account: Account) -> None:
    account.serve("config-1", {"ModelDataUrl": MODEL}, minute=45)
    deliver(sample("endpoint_in_service"))
    account.serve("config-1", {"ModelDataUrl": MODEL}, minute=50, status="Deleting")
    deliver(sample("endpoint_deleting"))
    assert account.table.ancestors("endpoint/digit-reader") == ()


def test_an_endpoint_whose_config_was_deleted_is_known_by_what_was_read_earlier(account: Account) -> None:
    account.serve("config-1", {"ModelDataUrl": MODEL}, minute=45)
    deliver(sample("endpoint_in_service"))
    account.sagemaker.configs.clear()
    account.sagemaker.endpoints["digit-reader"]["LastModifiedTime"] = after(50)
    deliver(sample("endpoint_in_service"))
    assert above(account, "endpoint/digit-reader") == {f"model/{MODEL}": 1}


def test_a_variant_of_which_it_is_not_known_what_it_serves_is_named_in_a_line(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    account.serve("config-1", {"ModelDataUrl": MODEL}, minute=45)
    account.sagemaker.configs["config-1"]["ProductionVariants"].append({"VariantName": "Components"})
    deliver(sample("endpoint_in_service"))
    assert warnings(caplog) == ["variants whose models are not known"]
    state = account.table.get("endpoint/digit-reader")
    assert state is not None
    assert state.record["unexplained"] == ["Components"]
    assert above(account, "endpoint/digit-reader") == {f"model/{MODEL}": 1}


# The sweep ---------------------------------------------------------------------------------------------------------


def sweep(account: Account, now: datetime = NOW) -> dict[str, int]:
    """One run of the sweep."""
    return LineageSweep(account.recorder).run(now)


def test_the_sweep_finds_a_job_whose_events_were_withheld(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    account.sagemaker.jobs[JOB] = job()
    account.sagemaker.jobs["told"] = job("told")
    account.recorder.record("run", "told")
    assert sweep(account) == {"checked": 2, "recorded": 1}
    assert warnings(caplog) == ["recovered by sweep"]
    [line] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert line.__dict__["item"] == JOB
    assert account.table.get(f"run/{JOB}") is not None
    assert sweep(account)["recorded"] == 0


def test_the_first_sweep_looks_at_everything_and_later_ones_at_an_hour_of_overlap(account: Account) -> None:
    account.sagemaker.jobs["old"] = job("old", LastModifiedTime=NOW - timedelta(days=400))
    account.sagemaker.jobs["recent"] = job("recent", LastModifiedTime=NOW - timedelta(minutes=59))
    assert sweep(account) == {"checked": 2, "recorded": 2}
    assert account.table.watermark() == iso(NOW)
    assert sweep(account, NOW + timedelta(minutes=15)) == {"checked": 1, "recorded": 0}


def test_the_sweep_finds_a_stale_status_and_an_approval_that_no_event_told(account: Account) -> None:
    account.sagemaker.jobs[JOB] = job(status="InProgress", minute=1)
    account.register()
    sweep(account)
    account.sagemaker.jobs[JOB] = job(LastModifiedTime=NOW)
    account.register(ModelApprovalStatus="Approved", LastModifiedTime=NOW + timedelta(days=2))
    assert sweep(account, NOW + timedelta(days=3)) == {"checked": 2, "recorded": 2}
    run, package = account.table.get(f"run/{JOB}"), account.table.get(f"package/{PACKAGE}")
    assert run is not None
    assert package is not None
    assert (run.status, package.record["approval"]) == ("Completed", "Approved")


def test_the_sweep_settles_a_claim_of_which_the_event_was_lost_and_tries_again_when_it_failed(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish = Launch(
        fingerprint="f" * 64,
        workload="digit-reader",
        environment="dev",
        launch_id="1",
        training_job_name=JOB,
        seconds=60,
    )
    account.claims.take(wish, START)
    variables = {**job()["Environment"], "GROUNDPLAN_FINGERPRINT": "f" * 64}
    account.sagemaker.jobs[JOB] = job(LastModifiedTime=NOW, Environment=variables)
    with monkeypatch.context() as broken:
        broken.setattr(account.claims, "settle", lambda _: 1 / 0)
        with pytest.raises(SweepIncomplete, match=JOB):
            sweep(account)
    assert account.table.get(f"run/{JOB}") is None, "where the run stands, its claim is settled"
    sweep(account)
    claim = account.claims.get("f" * 64)
    assert claim
    assert (claim.status, claim.succeeded_job, claim.cost_usd) == ("SUCCEEDED", JOB, "0.01")


def test_one_failing_item_does_not_stop_the_others_and_leaves_the_watermark(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    sweep(account)
    for name in ("first", "broken", "last"):
        account.sagemaker.jobs[name] = job(name, LastModifiedTime=NOW)
    account.register(LastModifiedTime=NOW)
    account.sagemaker.broken |= {"broken", PACKAGE}
    with pytest.raises(SweepIncomplete, match=f"2 not recorded: run broken, package {PACKAGE}"):
        sweep(account, NOW + timedelta(hours=5))
    assert account.table.watermark() == iso(NOW)
    assert [account.table.get(f"run/{name}") is not None for name in ("first", "broken", "last")] == [
        True,
        False,
        True,
    ]
    assert warnings(caplog).count("not recorded") == 2
    account.sagemaker.broken.clear()
    assert sweep(account, NOW + timedelta(hours=5))["recorded"] == 2
    assert account.table.watermark() == iso(NOW + timedelta(hours=5))


def test_a_list_that_fails_does_not_stop_the_other_lists(account: Account) -> None:
    account.sagemaker.jobs[JOB] = job()
    account.serve("config-1", {"ModelDataUrl": MODEL}, minute=45)
    account.sagemaker.broken.add("list_model_packages")
    with pytest.raises(SweepIncomplete, match="the list of model packages"):
        sweep(account)
    assert account.table.get("endpoint/digit-reader") is not None
    assert account.table.watermark() is None


def test_the_sweep_mends_ancestors_that_two_records_missed_at_once(account: Account) -> None:
    account.sagemaker.jobs[JOB] = job()
    account.register()
    account.recorder.record("package", PACKAGE)
    # The run is written while the index does not show the package yet.
    account.table.descendants = lambda node, *, past=False: ()  # noqa: ARG005
    account.recorder.record("run", JOB)
    assert above(account, f"package/{PACKAGE}") == {f"model/{MODEL}": 1}
    assert sweep(account)["recorded"] == 1
    assert above(account, f"package/{PACKAGE}")[f"run/{JOB}"] == 2


def test_the_schedules_function_answers_what_it_did(account: Account) -> None:
    account.sagemaker.jobs[JOB] = job()
    invoke: Any = sweep_lineage.handler
    assert invoke({}, CONTEXT) == {"checked": 1, "recorded": 1, "training": 0}


def test_the_watermark_never_moves_back(account: Account) -> None:
    account.table.set_watermark(iso(NOW))
    account.table.set_watermark(iso(START))
    assert account.table.watermark() == iso(NOW)


# Joints ------------------------------------------------------------------------------------------------------------


def test_what_failed_between_the_rows_is_done_again(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    account.sagemaker.jobs[JOB] = job()
    put, writes = account.dynamodb_table.put_item, count()

    def fails_at_the_third(**request: Any) -> Any:
        if next(writes) == 2:
            raise ConnectionError("lost")
        return put(**request)

    monkeypatch.setattr(account.dynamodb_table, "put_item", fails_at_the_third)
    with pytest.raises(ConnectionError):
        deliver(sample("training_job_completed"))
    assert account.table.get(f"run/{JOB}") is None
    assert sweep(account) == {"checked": 1, "recorded": 1}
    assert len(above(account, f"model/{MODEL}")) == 4


def test_a_relation_reads_back_as_it_was_written(account: Account) -> None:
    relation = Relation("endpoint/e", "model/s3://bucket/a#b", 2, "1", until="2")
    account.table.put([relation.item()])
    assert account.table.ancestors("endpoint/e", past=True) == (relation,)


def test_a_record_reads_back_with_plain_numbers(account: Account) -> None:
    metrics = [{"MetricName": "loss", "Value": 1e-300}, {"MetricName": "bad", "Value": float("nan")}]
    account.sagemaker.jobs[JOB] = job(TrainingTimeInSeconds=420, FinalMetricDataList=metrics)
    account.recorder.record("run", JOB)
    state = account.table.get(f"run/{JOB}")
    assert state is not None
    assert state.record["training_seconds"] == 420
    assert type(state.record["training_seconds"]) is int
    assert state.record["metrics"] == {"loss": "1e-300", "bad": "nan"}
    assert state.version == run_from_description(account.sagemaker.jobs[JOB]).version


SETTINGS = ("LINEAGE_TABLE", "EVENT_BUCKET", "ARTEFACTS_BUCKET", "ENVIRONMENT", "INSTANCE_TYPES")


@pytest.mark.parametrize("missing", SETTINGS)
def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    for name in SETTINGS:
        monkeypatch.setenv(name, "x y")
    assert Settings.read() == Settings("x y", "x y", "x y", "x y", ("x", "y"))
    monkeypatch.delenv(missing)
    with pytest.raises(BadInput, match=missing):
        Settings.read()


def test_importing_the_handlers_needs_no_aws_and_brings_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "import groundplan_runtime.handlers.record_lineage, groundplan_runtime.handlers.sweep_lineage\n"
        "print(sorted({'pydantic', 'openlineage', 'aws_cdk', 'moto'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PATH": "/usr/bin"})
    assert (done.stdout, done.stderr) == ("[]\n", "")
