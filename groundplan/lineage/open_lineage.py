"""Records as OpenLineage RunEvents. https://openlineage.io/docs/spec/object-model"""

import math
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from groundplan.lineage.records import ENDING, Endpoint, Package, Record, Run

EventType = Literal["START", "RUNNING", "COMPLETE", "FAIL", "ABORT"]
PRODUCER = "urn:groundplan:lineage:1"
_OPEN_LINEAGE = "https://openlineage.io/spec"
_SCHEMAS = {
    "parent": "1-2-0/ParentRunFacet.json#/$defs/ParentRunFacet",
    "errorMessage": "1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet",
    "jobType": "2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet",
    "sourceCodeLocation": "1-1-0/SourceCodeLocationJobFacet.json#/$defs/SourceCodeLocationJobFacet",
    "version": "1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet",
}


def open_lineage_events(record: Record, *, producer: str = PRODUCER) -> dict[str, dict[str, Any]]:
    """The RunEvents of what is recorded, by their keys in the event store.

    A training job always gives its START too, which OpenLineage asks for: it holds only what never changes, so it
    is the same whenever it is made. Keys are made of what is recorded, never of how it came to be known.
    """
    states: list[Record] = [record.at_start()] if isinstance(record, Run) else []
    if not states or event_type(record) != "START":
        states.append(record)
    return {event_key(state): open_lineage_event(state, producer=producer) for state in states}


def event_key(record: Record) -> str:
    """`events/<yyyy>/<mm>/<dd>/<kind>/<name>/<event type>-<time>.json`, by the time of the last modification."""
    day = record.last_modified[:10].replace("-", "/")
    moment = re.sub(r"[-:]", "", record.last_modified)
    return f"events/{day}/{record.kind}/{record.name}/{event_type(record)}-{moment}.json"


def event_type(record: Record) -> EventType:
    """OpenLineage's word for the record's status."""
    if isinstance(record, Endpoint):
        words: Mapping[str, EventType] = {"Creating": "START", "Failed": "FAIL", **dict.fromkeys(ENDING, "COMPLETE")}
        return words.get(record.status, "RUNNING")
    ends: Mapping[str, EventType] = {"Completed": "COMPLETE", "Failed": "FAIL", "Stopped": "ABORT"}
    first = "Pending" if isinstance(record, Package) else "InProgress"
    if record.status == first and record.last_modified == record.created:
        return "START"
    return ends.get(record.status, "RUNNING")


def open_lineage_event(record: Record, *, producer: str = PRODUCER) -> dict[str, Any]:
    """An OpenLineage 2-0-2 RunEvent; `producer` is a URI. What SageMaker did not tell is null or left out.

    Facets of our own, since OpenLineage has none for machine learning: `groundplan_training` and, once a run has
    ended, `groundplan_cost`, `groundplan_metrics_by_slice`, `groundplan_hardware`, `groundplan_checkpoints`,
    `groundplan_record`; `groundplan_registration`; `groundplan_serving`. Metrics are numbers, or texts where JSON has
    no number for them.
    """
    parts = _Parts(producer)
    if isinstance(record, Run):
        run, job, inputs, outputs = _training(record, parts)
    elif isinstance(record, Package):
        run, job, inputs, outputs = _registration(record, parts)
    else:
        run, job, inputs, outputs = _serving(record, parts)
    return {
        "eventType": event_type(record),
        "eventTime": record.last_modified,
        "producer": producer,
        "schemaURL": f"{_OPEN_LINEAGE}/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": run,
        "job": {"namespace": _namespace(record.arn), **job},
        "inputs": inputs,
        "outputs": outputs,
    }


_Half = tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]


@dataclass(frozen=True)
class _Parts:
    """Facets under one producer."""

    producer: str

    def facet(self, name: str, **fields: Any) -> dict[str, dict[str, Any]]:
        """One facet under its key."""
        own = f"{PRODUCER}:{name}#"
        schema = f"{_OPEN_LINEAGE}/facets/{_SCHEMAS[name]}" if name in _SCHEMAS else own
        return {name: {"_producer": self.producer, "_schemaURL": schema, **fields}}

    def job_type(self, name: str, *, processing: str) -> dict[str, dict[str, Any]]:
        """The facet that says what sort of job it is."""
        return self.facet("jobType", processingType=processing, integration="SAGEMAKER", jobType=name)


def _training(run: Run, parts: _Parts) -> _Half:
    facets = parts.facet(
        "groundplan_training",
        training_job_name=run.name,
        training_job_arn=run.arn,
        status=run.status,
        secondary_status=run.secondary_status,
        workload=run.workload,
        environment=run.environment,
        fingerprint=run.fingerprint,
        code_commit=run.code_commit,
        code_digest=run.code_digest,
        data_manifest_root=run.data_manifest_root,
        environment_digest=run.environment_digest,
        image=run.image,
        image_digest=run.image_digest,
        hyperparameters=dict(run.hyperparameters),
        metrics={name: _number(value) for name, value in run.metrics.items()},
        instance_type=run.instance_type,
        instance_count=run.instance_count,
        spot=run.spot,
        forced_reason=run.forced_reason,
        interruptions=run.interruptions,
        training_seconds=run.training_seconds,
        billable_seconds=run.billable_seconds,
    )
    facets |= _of_the_record(run, parts)
    if run.parent_arn:
        parent = {"namespace": _namespace(run.parent_arn), "name": _resource(run.parent_arn)}
        facets |= parts.facet("parent", run={"runId": run_id(run.parent_arn)}, job=parent)
    if run.status == "Failed" or run.failure_reason:
        message = run.failure_reason or "SageMaker gave no reason"
        facets |= parts.facet("errorMessage", message=message, programmingLanguage="UNKNOWN")
    job_facets = parts.job_type("TRAINING", processing="BATCH")
    if run.code_uri:
        version = {"version": run.code_commit} if run.code_commit else {}
        job_facets |= parts.facet("sourceCodeLocation", type="git", url=run.code_uri, **version)
    inputs: list[dict[str, Any]] = []
    if run.data_manifest:
        root = run.data_manifest_root
        data = _dataset(run.data_manifest.rpartition("/")[0])
        inputs.append(data | {"facets": parts.facet("version", datasetVersion=root) if root else {}})
    inputs += [_dataset(base) for base in run.bases]
    return (
        {"runId": run_id(run.arn), "facets": facets},
        {"name": f"training/{run.workload or run.name}", "facets": job_facets},
        inputs,
        [_dataset(run.model)] if run.model else [],
    )


def _of_the_record(run: Run, parts: _Parts) -> dict[str, Any]:
    """What the record of a run that has ended adds; each facet only where something is known."""
    facets: dict[str, Any] = {}
    if run.cost_basis:
        facets |= parts.facet(
            "groundplan_cost", cost_usd=run.cost_usd, basis=run.cost_basis, right_sizing=run.right_sizing
        )
    if run.slices:
        slices = [{"name": one.name, "value": _number(one.value), "slice": dict(one.slice)} for one in run.slices]
        facets |= parts.facet("groundplan_metrics_by_slice", metrics=slices)
    if run.hardware:
        facets |= parts.facet("groundplan_hardware", **run.hardware)
    if run.checkpoints_saved is not None:
        saved, resumed = run.checkpoints_saved, run.resumed_from_step
        facets |= parts.facet("groundplan_checkpoints", saved=saved, resumed_from_step=resumed)
    if run.record_uri:
        facets |= parts.facet(
            "groundplan_record",
            uri=run.record_uri,
            sha256=run.record_sha256,
            artefact_sha256=run.artefact_sha256,
        )
    return facets


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else repr(value)


def _registration(package: Package, parts: _Parts) -> _Half:
    facets = parts.facet(
        "groundplan_registration",
        model_package_arn=package.arn,
        status=package.status,
        approval=package.approval,
        image_digests=list(package.image_digests),
        metadata=dict(package.metadata),
    )
    return (
        {"runId": run_id(package.arn), "facets": facets},
        {
            "name": f"registration/{package.group or package.name}",
            "facets": parts.job_type("REGISTRATION", processing="BATCH"),
        },
        [_dataset(uri) for uri in package.models],
        [_dataset(package.arn)],
    )


def _serving(endpoint: Endpoint, parts: _Parts) -> _Half:
    facets = parts.facet(
        "groundplan_serving",
        endpoint_arn=endpoint.arn,
        status=endpoint.status,
        endpoint_config=endpoint.config,
        unexplained_variants=list(endpoint.unexplained),
    )
    if endpoint.failure_reason:
        facets |= parts.facet("errorMessage", message=endpoint.failure_reason, programmingLanguage="UNKNOWN")
    return (
        {"runId": run_id(f"{endpoint.arn}@{endpoint.created}"), "facets": facets},
        {"name": f"serving/{endpoint.name}", "facets": parts.job_type("ENDPOINT", processing="SERVICE")},
        [_dataset(node.partition("/")[2]) for node in endpoint.serves],
        [],
    )


def run_id(arn: str) -> str:
    """OpenLineage's runId: the version 5 UUID of an ARN in the namespace of URLs."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, arn))


def _dataset(identity: str) -> dict[str, Any]:
    """`s3://bucket/key` as OpenLineage names it; an ARN by the service of its account and the resource."""
    if identity.startswith("s3://"):
        bucket, _, key = identity.removeprefix("s3://").partition("/")
        return {"namespace": f"s3://{bucket}", "name": key or "/"}
    return {"namespace": _namespace(identity), "name": _resource(identity)}


def _namespace(arn: str) -> str:
    return ":".join(arn.split(":")[:5])


def _resource(arn: str) -> str:
    return arn.split(":", 5)[-1]
