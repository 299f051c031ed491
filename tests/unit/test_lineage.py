"""Lineage as pure functions: what is read from descriptions, the ancestors it gives, and valid OpenLineage events."""

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from openlineage.client.event_v2 import Dataset, InputDataset, Job, OutputDataset, Run, RunEvent, RunState

from groundplan.lineage.events import foreign, subject_of
from groundplan.lineage.open_lineage import event_key, open_lineage_event, open_lineage_events, run_id
from groundplan.lineage.records import (
    Slice,
    endpoint_from_description,
    iso,
    package_from_description,
    run_from_description,
)
from groundplan.lineage.rows import Relation, items, relations
from groundplan.refusal import BadInput

EVENTS = Path(__file__).parents[1] / "events"
START = datetime(2026, 11, 20, 12, tzinfo=UTC)
ARN = "arn:aws:sagemaker:us-east-1:222222222222"
JOB = "digit-reader-5f2c9b41d0aa-20261120120000"
MODEL = f"s3://artefacts/workloads/digit-reader/output/{JOB}/output/model.tar.gz"
PACKAGE = f"{ARN}:model-package/groundplan-dev-digit-reader/3"
ENVIRONMENT = {
    "GROUNDPLAN_WORKLOAD": "digit-reader",
    "GROUNDPLAN_ENVIRONMENT": "dev",
    "GROUNDPLAN_FINGERPRINT": "f" * 64,
    "GROUNDPLAN_CODE_COMMIT": "c0ffee" + "0" * 34,
    "GROUNDPLAN_CODE_DIGEST": "c" * 64,
    "GROUNDPLAN_DATA_MANIFEST": "s3://curated/digit-reader/digits/da7a/manifest.json",
    "GROUNDPLAN_DATA_MANIFEST_ROOT": "d" * 64,
    "GROUNDPLAN_ENVIRONMENT_DIGEST": "e" * 64,
}
# The facets of the standard that are used here, and the classes that know their form.
FACETS = {
    "parent": ("parent_run", "ParentRunFacet"),
    "errorMessage": ("error_message_run", "ErrorMessageRunFacet"),
    "jobType": ("job_type_job", "JobTypeJobFacet"),
    "sourceCodeLocation": ("source_code_location_job", "SourceCodeLocationJobFacet"),
    "version": ("dataset_version_dataset", "DatasetVersionDatasetFacet"),
}


def event(name: str) -> dict[str, Any]:
    """A sample from tests/events."""
    return json.loads((EVENTS / f"{name}.json").read_text())


def job(**changes: Any) -> dict[str, Any]:
    """What DescribeTrainingJob says of a job that was interrupted once and completed."""

    def step(status: str, minute: int) -> dict[str, Any]:
        return {"Status": status, "StartTime": START + timedelta(minutes=minute), "StatusMessage": status}

    described = {
        "TrainingJobName": JOB,
        "TrainingJobArn": f"{ARN}:training-job/{JOB}",
        "ModelArtifacts": {"S3ModelArtifacts": MODEL},
        "TrainingJobStatus": "Completed",
        "SecondaryStatus": "Completed",
        "HyperParameters": {"epochs": "60", "seed": "7"},
        "AlgorithmSpecification": {"TrainingImage": f"registry/digit-reader@sha256:{'1' * 64}"},
        "RoleArn": "arn:aws:iam::222222222222:role/training",
        "InputDataConfig": [
            {"ChannelName": "code", "DataSource": {"S3DataSource": {"S3Uri": "s3://artefacts/code/c0de/"}}}
        ],
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        "EnableManagedSpotTraining": True,
        "CreationTime": START,
        "TrainingStartTime": START + timedelta(minutes=1),
        "TrainingEndTime": START + timedelta(minutes=10),
        "LastModifiedTime": START + timedelta(minutes=10),
        "SecondaryStatusTransitions": [
            step("Starting", 0),
            step("Training", 1),
            step("Interrupted", 3),
            step("Starting", 5),
            step("Training", 6),
            step("Completed", 10),
        ],
        "FinalMetricDataList": [{"MetricName": "accuracy", "Value": 0.9718, "Timestamp": START}],
        "TrainingTimeInSeconds": 420,
        "BillableTimeInSeconds": 126,
        "Environment": ENVIRONMENT,
    }
    return {key: value for key, value in (described | changes).items() if value is not None}


def package(**changes: Any) -> dict[str, Any]:
    """What DescribeModelPackage says of the job's registered model."""
    return {
        "ModelPackageName": "groundplan-dev-digit-reader/3",
        "ModelPackageGroupName": "groundplan-dev-digit-reader",
        "ModelPackageVersion": 3,
        "ModelPackageArn": PACKAGE,
        "CreationTime": START + timedelta(minutes=20),
        "InferenceSpecification": {"Containers": [{"Image": "image", "ModelDataUrl": MODEL}]},
        "ModelPackageStatus": "Completed",
        "ModelApprovalStatus": "PendingManualApproval",
        **changes,
    }


def endpoint(**changes: Any) -> dict[str, Any]:
    """What DescribeEndpoint says."""
    return {
        "EndpointName": "digit-reader",
        "EndpointArn": f"{ARN}:endpoint/digit-reader",
        "EndpointConfigName": "config-1",
        "EndpointStatus": "InService",
        "CreationTime": START + timedelta(minutes=40),
        "LastModifiedTime": START + timedelta(minutes=45),
        **changes,
    }


def test_a_run_carries_what_made_it_and_what_it_made() -> None:
    run = run_from_description(job())
    assert (run.workload, run.fingerprint, run.data_manifest_root) == ("digit-reader", "f" * 64, "d" * 64)
    assert run.image_digest == f"sha256:{'1' * 64}"
    assert run.hyperparameters == {"epochs": "60", "seed": "7"}
    assert run.metrics == {"accuracy": 0.9718}
    assert (run.interruptions, run.training_seconds, run.billable_seconds) == (1, 420, 126)
    assert set(run.edges()) == {
        (f"run/{JOB}", "workload/digit-reader"),
        (f"run/{JOB}", f"dataset/{'d' * 64}"),
        (f"run/{JOB}", f"environment/{'e' * 64}"),
        (f"run/{JOB}", f"code/{ENVIRONMENT['GROUNDPLAN_CODE_COMMIT']}"),
        (f"model/{MODEL}", f"run/{JOB}"),
    }


def test_a_job_launched_past_the_platform_is_a_run_without_provenance() -> None:
    run = run_from_description(job(Environment=None, AlgorithmSpecification={"TrainingImage": "image:latest"}))
    provenance = ("workload", "environment", "fingerprint", "code_commit", "code_digest", "data_manifest")
    assert {
        name: getattr(run, name) for name in (*provenance, "image_digest", "environment_digest")
    } == dict.fromkeys((*provenance, "image_digest", "environment_digest"))
    assert run.edges() == ((f"model/{MODEL}", f"run/{JOB}"),)


@pytest.mark.parametrize(
    ("status", "has_model"), [("Completed", True), ("Stopped", True), ("Failed", False), ("InProgress", False)]
)
def test_a_model_comes_of_a_run_that_completed_or_was_stopped(status: str, has_model: bool) -> None:
    # SageMaker names the artefact's place before anything lies there.
    assert (run_from_description(job(TrainingJobStatus=status)).model is not None) is has_model


def test_a_stopped_run_that_left_nothing_has_no_model() -> None:
    assert run_from_description(job(TrainingJobStatus="Stopped", ModelArtifacts=None)).model is None


@pytest.mark.parametrize(
    ("commit", "node"),
    [("c0ffee", "code/c0ffee"), ("c0ffee-dirty", f"code/c0ffee-dirty-{'c' * 12}"), ("unknown", f"code/{'c' * 64}")],
)
def test_code_that_differs_from_its_commit_is_told_apart_by_its_digest(commit: str, node: str) -> None:
    run = run_from_description(job(Environment={**ENVIRONMENT, "GROUNDPLAN_CODE_COMMIT": commit}))
    assert run.code == node


def test_a_description_without_a_name_is_refused_by_field() -> None:
    with pytest.raises(BadInput, match="TrainingJobName: None is not allowed"):
        run_from_description(job(TrainingJobName=None))


def test_times_are_utc_of_one_length_so_that_text_order_is_time_order() -> None:
    east = START.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert iso(east) == iso(START) == "2026-11-20T12:00:00.000000Z"
    with pytest.raises(ValueError, match="no zone"):
        iso(START.replace(tzinfo=None))


def test_a_terminal_status_is_later_than_any_that_is_not() -> None:
    ended = run_from_description(job()).version
    late = run_from_description(job(TrainingJobStatus="InProgress", LastModifiedTime=START + timedelta(days=1)))
    assert late.version < ended


# Ancestors ---------------------------------------------------------------------------------------------------------


def targets(found: tuple[Relation, ...], node: str) -> dict[str, int]:
    """What a node came from, with the distance."""
    return {relation.target: relation.depth for relation in found if relation.node == node}


def test_a_model_comes_from_its_run_and_all_that_the_run_came_from() -> None:
    found = targets(relations(run_from_description(job()), {}, ()), f"model/{MODEL}")
    assert found[f"run/{JOB}"] == 1
    assert found[f"dataset/{'d' * 64}"] == found["workload/digit-reader"] == 2


def test_a_package_comes_from_the_dataset_three_steps_away() -> None:
    known = {f"model/{MODEL}": relations(run_from_description(job()), {}, ())}
    of_model = tuple(r for r in known[f"model/{MODEL}"] if r.node == f"model/{MODEL}")
    found = targets(
        relations(package_from_description(package()), {f"model/{MODEL}": of_model}, ()), f"package/{PACKAGE}"
    )
    assert found == {
        f"model/{MODEL}": 1,
        f"run/{JOB}": 2,
        "workload/digit-reader": 3,
        f"dataset/{'d' * 64}": 3,
        f"environment/{'e' * 64}": 3,
        f"code/{ENVIRONMENT['GROUNDPLAN_CODE_COMMIT']}": 3,
    }


def test_a_run_recorded_late_gives_its_ancestors_to_a_package_that_was_there_before() -> None:
    heir = Relation(f"package/{PACKAGE}", f"model/{MODEL}", 1, "package's version")
    found = relations(run_from_description(job()), {}, [heir])
    assert targets(found, heir.node)[f"dataset/{'d' * 64}"] == 3
    assert {relation.version for relation in found if relation.node == heir.node} == {"package's version"}


def test_of_two_ways_the_shorter_counts() -> None:
    above = {f"package/{PACKAGE}": (Relation(f"package/{PACKAGE}", f"model/{MODEL}", 1, "1"),)}
    serving = endpoint_from_description(endpoint(), serves=[f"package/{PACKAGE}", f"model/{MODEL}"])
    assert targets(relations(serving, above, ()), "endpoint/digit-reader")[f"model/{MODEL}"] == 1


def test_the_row_of_the_node_itself_is_written_last_and_holds_no_float() -> None:
    rows = items(run_from_description(job()), {}, ())
    assert rows[-1]["relation"] == "STATE"
    assert rows[-1]["record"]["metrics"] == {"accuracy": "0.9718"}
    assert "float" not in {type(value).__name__ for row in rows for value in _leaves(row)}


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for member in value.values() for leaf in _leaves(member)]
    if isinstance(value, list | tuple):
        return [leaf for member in value for leaf in _leaves(member)]
    return [value]


# OpenLineage -------------------------------------------------------------------------------------------------------


def check(document: dict[str, Any]) -> RunEvent:
    """The library's own RunEvent of a document; fails on a facet that the library would not have written so."""
    run, of = document["run"], document["job"]
    assert set(document) == {"eventType", "eventTime", "producer", "schemaURL", "run", "job", "inputs", "outputs"}
    made = RunEvent(
        eventType=RunState[document["eventType"]],
        eventTime=document["eventTime"],
        producer=document["producer"],
        run=Run(runId=run["runId"], facets=_facets(run["facets"])),
        job=Job(namespace=of["namespace"], name=of["name"], facets=_facets(of["facets"])),
        inputs=[_dataset(InputDataset, each) for each in document["inputs"]],
        outputs=[_dataset(OutputDataset, each) for each in document["outputs"]],
    )
    assert made.schemaURL == document["schemaURL"]
    json.dumps(document, allow_nan=False)
    return made


def _dataset(kind: type[Dataset], document: dict[str, Any]) -> Any:
    assert set(document) <= {"namespace", "name", "facets"}
    return kind(namespace=document["namespace"], name=document["name"], facets=_facets(document.get("facets", {})))


def _facets(facets: dict[str, Any]) -> dict[str, Any]:
    made = {}
    for name, facet in facets.items():
        fields = {key: value for key, value in facet.items() if not key.startswith("_")}
        assert all(urlsplit(facet[key]).scheme for key in ("_producer", "_schemaURL"))
        if name.startswith("groundplan_"):
            continue
        module, of = FACETS[name]
        made[name] = getattr(import_module(f"openlineage.client.generated.{module}"), of)(**fields)
        assert made[name]._get_schema() == facet["_schemaURL"]
    return made


def test_a_completed_run_is_a_valid_openlineage_event() -> None:
    document = open_lineage_event(run_from_description(job()), producer="https://example.com/groundplan")
    made = check(document)
    assert made.eventType is RunState.COMPLETE
    assert made.run.runId == str(uuid.uuid5(uuid.NAMESPACE_URL, f"{ARN}:training-job/{JOB}"))
    assert (made.job.namespace, made.job.name) == (ARN, "training/digit-reader")
    [data], [model] = document["inputs"], document["outputs"]
    assert (data["namespace"], data["name"]) == ("s3://curated", "digit-reader/digits/da7a")
    assert data["facets"]["version"]["datasetVersion"] == "d" * 64
    assert f"{model['namespace']}/{model['name']}" == MODEL
    code = document["job"]["facets"]["sourceCodeLocation"]
    assert (code["version"], code["url"]) == (ENVIRONMENT["GROUNDPLAN_CODE_COMMIT"], "s3://artefacts/code/c0de/")
    training = document["run"]["facets"]["groundplan_training"]
    assert training["metrics"] == {"accuracy": 0.9718}
    assert training["fingerprint"] == "f" * 64
    assert training["environment_digest"] == "e" * 64


def test_a_run_that_ended_tells_its_cost_slices_hardware_checkpoints_and_why_it_was_forced() -> None:
    known = {
        "cost_usd": "0.004025",
        "cost_basis": "126 billable seconds",
        "slices": (Slice("accuracy", 0.9, {"digit": "8"}), Slice("accuracy", float("nan"), {"digit": "9"})),
        "hardware": {"cpus": 2, "cpu_percent_mean": 22.5},
        "checkpoints_saved": 6,
        "resumed_from_step": 3,
        "record_uri": "s3://artefacts/record.json",
        "record_sha256": "a" * 64,
    }
    forced = ENVIRONMENT | {"GROUNDPLAN_FORCED_REASON": "the data was mended"}
    run = replace(run_from_description(job(Environment=forced)), **known)
    start, end = open_lineage_events(run).values()
    for document in (start, end):
        check(document)
    facets = end["run"]["facets"]
    assert facets["groundplan_cost"]["cost_usd"] == "0.004025"
    assert facets["groundplan_metrics_by_slice"]["metrics"] == [
        {"name": "accuracy", "value": 0.9, "slice": {"digit": "8"}},
        {"name": "accuracy", "value": "nan", "slice": {"digit": "9"}},
    ]
    assert facets["groundplan_hardware"]["cpu_percent_mean"] == 22.5
    assert (facets["groundplan_checkpoints"]["saved"], facets["groundplan_checkpoints"]["resumed_from_step"]) == (
        6,
        3,
    )
    assert facets["groundplan_record"]["sha256"] == "a" * 64
    assert facets["groundplan_training"]["forced_reason"] == "the data was mended"
    later = {"groundplan_cost", "groundplan_metrics_by_slice", "groundplan_hardware", "groundplan_checkpoints"}
    assert not later & set(start["run"]["facets"])


def test_a_run_that_began_with_a_model_has_it_among_its_inputs() -> None:
    base = MODEL.replace(JOB, "earlier")
    channels = [
        {"ChannelName": name, "DataSource": {"S3DataSource": {"S3Uri": uri}}}
        for name, uri in {"base": base, "own": MODEL, "data": "s3://curated/x/"}.items()
    ]
    run = run_from_description(job(InputDataConfig=channels))
    assert run.bases == (base,)
    assert (run.node, f"model/{base}") in run.edges()
    document = open_lineage_event(run)
    check(document)
    assert [f"{each['namespace']}/{each['name']}" for each in document["inputs"]][1:] == [base]


@pytest.mark.parametrize(
    ("status", "word"),
    [("InProgress", "RUNNING"), ("Stopping", "RUNNING"), ("Failed", "FAIL"), ("Stopped", "ABORT")],
)
def test_every_status_has_openlineages_word(status: str, word: str) -> None:
    document = open_lineage_event(run_from_description(job(TrainingJobStatus=status, FailureReason="out of memory")))
    assert check(document).eventType is RunState[word]
    assert document["run"]["facets"]["errorMessage"]["message"] == "out of memory"


def test_a_failed_run_without_a_reason_says_that_there_is_none() -> None:
    document = open_lineage_event(run_from_description(job(TrainingJobStatus="Failed")))
    check(document)
    assert document["run"]["facets"]["errorMessage"]["message"] == "SageMaker gave no reason"


def test_a_run_of_a_tuning_job_names_its_parent() -> None:
    tuning = f"{ARN}:hyper-parameter-tuning-job/search"
    document = open_lineage_event(run_from_description(job(TuningJobArn=tuning)))
    check(document)
    parent = document["run"]["facets"]["parent"]
    assert parent["run"] == {"runId": run_id(tuning)}
    assert parent["job"] == {"namespace": ARN, "name": "hyper-parameter-tuning-job/search"}


def test_a_run_without_provenance_is_a_valid_event_without_inputs() -> None:
    document = open_lineage_event(run_from_description(job(Environment=None, InputDataConfig=None)))
    check(document)
    assert document["inputs"] == []
    assert document["job"]["name"] == f"training/{JOB}"


def test_a_metric_that_json_has_no_number_for_is_kept_as_a_text() -> None:
    metrics = [{"MetricName": name, "Value": float(name)} for name in ("nan", "inf")]
    document = open_lineage_event(run_from_description(job(FinalMetricDataList=metrics)))
    check(document)
    assert document["run"]["facets"]["groundplan_training"]["metrics"] == {"nan": "nan", "inf": "inf"}


def test_every_run_has_one_start_whatever_was_seen_of_it_first() -> None:
    starts = set()
    for changes in (
        {},
        {"TrainingJobStatus": "Failed"},
        {"TrainingJobStatus": "InProgress", "LastModifiedTime": START},
    ):
        documents = open_lineage_events(run_from_description(job(**changes)))
        for document in documents.values():
            check(document)
        starts |= {json.dumps([key, value]) for key, value in documents.items() if value["eventType"] == "START"}
    assert len(starts) == 1


def test_packages_and_endpoints_are_valid_events_too() -> None:
    registered = open_lineage_event(package_from_description(package()))
    assert check(registered).eventType is RunState.COMPLETE
    assert registered["outputs"][0]["name"] == "model-package/groundplan-dev-digit-reader/3"
    serving = endpoint_from_description(endpoint(FailureReason="no capacity"), serves=[f"package/{PACKAGE}"])
    served = open_lineage_event(serving)
    assert check(served).eventType is RunState.RUNNING
    assert served["inputs"] == registered["outputs"]
    assert check(open_lineage_event(serving.gone(iso(START)))).eventType is RunState.COMPLETE


def test_keys_are_made_of_what_is_recorded() -> None:
    assert event_key(run_from_description(job())) == (
        f"events/2026/11/20/run/{JOB}/COMPLETE-20261120T121000.000000Z.json"
    )
    assert event_key(package_from_description(package())).startswith(
        "events/2026/11/20/package/groundplan-dev-digit-reader/3/COMPLETE-"
    )


# Events ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "node"),
    [
        ("training_job_in_progress", f"run/{JOB}"),
        ("training_job_completed", f"run/{JOB}"),
        ("model_package_approved", f"package/{PACKAGE}"),
        ("endpoint_in_service", "endpoint/digit-reader"),
        ("endpoint_deleting", "endpoint/digit-reader"),
    ],
)
def test_an_event_names_its_subject(name: str, node: str) -> None:
    assert subject_of(event(name)).node == node
    assert foreign(event(name), account="222222222222", region="us-east-1") is None


@pytest.mark.parametrize(
    ("field", "value", "telling"),
    [
        ("detail", None, "detail: None is not allowed; expected an object"),
        ("detail", [], r"detail: \[\] is not allowed; expected an object"),
        ("detail", "text", "detail: 'text' is not allowed; expected an object"),
        ("detail", {}, "detail.TrainingJobName: None is not allowed; expected a text"),
        ("detail", {"TrainingJobName": 7}, "detail.TrainingJobName: 7 is not allowed; expected a text"),
        ("detail", {"TrainingJobName": "../x"}, r"detail.TrainingJobName: '\.\./x' is not allowed"),
        ("detail", {"TrainingJobName": "x" * 64}, "detail.TrainingJobName: .* is not allowed"),
        ("detail-type", None, "detail-type: None is not allowed; expected a text"),
        ("detail-type", "SageMaker Model State Change", "detail-type: .* expected one of SageMaker Training Job"),
        ("time", "yesterday", "time: 'yesterday' is not allowed; expected a time"),
        ("time", "2026-11-20T12:00:00", "time: .* expected a time with its zone"),
    ],
)
def test_a_malformed_event_is_refused_with_field_value_and_what_is_expected(
    field: str, value: object, telling: str
) -> None:
    with pytest.raises(BadInput, match=telling):
        subject_of(event("training_job_completed") | {field: value})


@pytest.mark.parametrize("malformed", [None, [], "text", {}, {"source": 7}])
def test_what_is_no_event_is_refused(malformed: object) -> None:
    with pytest.raises(BadInput, match=r"event: .* is not allowed"):
        foreign(malformed, account="222222222222", region="us-east-1")


@pytest.mark.parametrize(
    ("field", "value"), [("account", "333333333333"), ("region", "eu-west-1"), ("source", "my.app")]
)
def test_a_foreign_event_is_told_by_the_field_that_differs(field: str, value: str) -> None:
    reason = foreign(event("training_job_completed") | {field: value}, account="222222222222", region="us-east-1")
    assert reason is not None
    assert reason.startswith(f"{field} is {value}, not ")
