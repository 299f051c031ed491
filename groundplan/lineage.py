# TEMPORARY NOTE to whoever wrote the 778-line version of this file in parallel: the lead needed lineage to go on and
# wrote this shorter one together with runtime/groundplan_runtime/{recorder.py,handlers/*,integrations/*}, taking your
# ideas for dirty code, recreated endpoints and OpenLineage names. It stays. Do NOT restore yours. What is left of your
# task: ONLY tests/unit/test_lineage_*.py and tests/events/*.json against THIS code (mend real bugs you find in it, in
# place, small). Finish with your report. Leave this note; the lead removes it.
"""What was made from what: from SageMaker's descriptions to records, their edges, and OpenLineage events.

Pure: no clock, no network, nothing beyond the standard library, since Lambda functions import it at every cold start.
A record is one node of the graph with what is known of it and the nodes it was made from.
"""

import json
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

PRODUCER = "urn:groundplan:lineage:1"
# https://openlineage.io/docs/spec/object-model
SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
FACETS = {
    "errorMessage": "https://openlineage.io/spec/facets/1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet",
    "sourceCodeLocation": "https://openlineage.io/spec/facets/1-1-0/SourceCodeLocationJobFacet.json"
    "#/$defs/SourceCodeLocationJobFacet",
    "version": "https://openlineage.io/spec/facets/1-0-1/DatasetVersionDatasetFacet.json"
    "#/$defs/DatasetVersionDatasetFacet",
}
ENDED = frozenset({"Completed", "Failed", "Stopped"})
_EVENT_TYPES = {
    "InProgress": "RUNNING",
    "Stopping": "RUNNING",
    "Completed": "COMPLETE",
    "Failed": "FAIL",
    "Stopped": "ABORT",
    "Creating": "START",
    "Deleted": "COMPLETE",
    "InService": "RUNNING",
}


@dataclass(frozen=True)
class Record:
    """One node, as the service described it at `last_modified` (milliseconds since 1970).

    `node` is `<kind>/<identity>`; `parents` are the nodes it was made from, `outputs` the nodes made by it, and
    `document` is JSON-serialisable.
    """

    node: str
    arn: str
    status: str
    last_modified: int
    document: Mapping[str, Any]
    parents: Sequence[str] = field(default=())
    outputs: Sequence[str] = field(default=())

    @property
    def kind(self) -> str:
        """`run`, `package` or `endpoint`."""
        return self.node.partition("/")[0]

    @property
    def ended(self) -> bool:
        """Whether it is final: a training job's name is used once, an endpoint's may be used again."""
        return self.kind == "run" and self.status in ENDED

    def edges(self) -> list[tuple[str, str]]:
        """Pairs (made, made from)."""
        return [(self.node, parent) for parent in self.parents] + [(output, self.node) for output in self.outputs]


def run_record(job: Mapping[str, Any]) -> Record:
    """From the answer of sagemaker:DescribeTrainingJob.

    Provenance comes from the job's `Environment`, where `groundplan.training_request` put it; of a job that was
    launched otherwise it is None, and the run is recorded all the same.
    """
    given: Mapping[str, str] = job.get("Environment", {})
    image = str(job.get("AlgorithmSpecification", {}).get("TrainingImage", ""))
    artefact: str | None = job.get("ModelArtifacts", {}).get("S3ModelArtifacts")
    status = str(job["TrainingJobStatus"])
    # SageMaker names the artefact's place before there is one.
    made = artefact if status in ("Completed", "Stopped") else None
    document: dict[str, Any] = {
        "training_job_name": job["TrainingJobName"],
        "training_job_arn": job["TrainingJobArn"],
        "status": status,
        "failure_reason": job.get("FailureReason"),
        "workload": given.get("GROUNDPLAN_WORKLOAD"),
        "environment": given.get("GROUNDPLAN_ENVIRONMENT"),
        "fingerprint": given.get("GROUNDPLAN_FINGERPRINT"),
        "code_commit": given.get("GROUNDPLAN_CODE_COMMIT"),
        "code_digest": given.get("GROUNDPLAN_CODE_DIGEST"),
        "code_uri": _channel_uri(job, "code"),
        "data_manifest": given.get("GROUNDPLAN_DATA_MANIFEST"),
        "data_manifest_root": given.get("GROUNDPLAN_DATA_MANIFEST_ROOT"),
        "environment_digest": given.get("GROUNDPLAN_ENVIRONMENT_DIGEST"),
        "image": image,
        "image_digest": given.get("GROUNDPLAN_IMAGE_DIGEST") or image.partition("@")[2] or None,
        "hyperparameters": dict(job.get("HyperParameters", {})),
        "metrics": {
            metric["MetricName"]: f"{float(metric['Value']):.6g}" for metric in job.get("FinalMetricDataList", [])
        },
        "artefact": made,
        "role_arn": job.get("RoleArn"),
        "instance_type": job.get("ResourceConfig", {}).get("InstanceType"),
        "instance_count": job.get("ResourceConfig", {}).get("InstanceCount"),
        "spot": bool(job.get("EnableManagedSpotTraining")),
        "interruptions": sum(step["Status"] == "Interrupted" for step in job.get("SecondaryStatusTransitions", [])),
        "training_seconds": job.get("TrainingTimeInSeconds"),
        "billable_seconds": job.get("BillableTimeInSeconds"),
        "created": _iso(job.get("CreationTime")),
        "started": _iso(job.get("TrainingStartTime")),
        "ended": _iso(job.get("TrainingEndTime")),
    }
    made_from = {
        "workload": document["workload"],
        "dataset": document["data_manifest_root"],
        "code": _code(document),
        "environment": document["environment_digest"],
        "image": document["image_digest"],
    }
    return Record(
        node=f"run/{job['TrainingJobName']}",
        arn=str(job["TrainingJobArn"]),
        status=status,
        last_modified=milliseconds(job.get("LastModifiedTime") or job["CreationTime"]),
        document=document,
        parents=tuple(f"{kind}/{identity}" for kind, identity in made_from.items() if identity),
        outputs=(f"model/{made}",) if made else (),
    )


def package_record(package: Mapping[str, Any]) -> Record:
    """From the answer of sagemaker:DescribeModelPackage; made from the artefacts of its containers."""
    arn = str(package["ModelPackageArn"])
    containers: Iterable[Mapping[str, Any]] = package.get("InferenceSpecification", {}).get("Containers", [])
    artefacts = [str(container["ModelDataUrl"]) for container in containers if container.get("ModelDataUrl")]
    return Record(
        node=f"package/{arn}",
        arn=arn,
        status=str(package["ModelPackageStatus"]),
        last_modified=milliseconds(package.get("LastModifiedTime") or package["CreationTime"]),
        document={
            "model_package_arn": arn,
            "model_package_group": package.get("ModelPackageGroupName"),
            "version": package.get("ModelPackageVersion"),
            "status": package["ModelPackageStatus"],
            "approval_status": package.get("ModelApprovalStatus"),
            "artefacts": artefacts,
            "created": _iso(package.get("CreationTime")),
        },
        parents=tuple(f"model/{artefact}" for artefact in artefacts),
    )


def endpoint_record(endpoint: Mapping[str, Any], models: Iterable[Mapping[str, Any]]) -> Record:
    """From the answers of sagemaker:DescribeEndpoint and, for each of its variants, sagemaker:DescribeModel."""
    parents: list[str] = []
    for model in models:
        primary = model.get("PrimaryContainer")
        for container in ([primary] if primary else []) + list(model.get("Containers", [])):
            if container.get("ModelPackageName"):
                parents.append(f"package/{container['ModelPackageName']}")
            elif container.get("ModelDataUrl"):
                parents.append(f"model/{container['ModelDataUrl']}")
    return Record(
        node=f"endpoint/{endpoint['EndpointName']}",
        arn=str(endpoint["EndpointArn"]),
        status=str(endpoint["EndpointStatus"]),
        last_modified=milliseconds(endpoint.get("LastModifiedTime") or endpoint["CreationTime"]),
        document={
            "endpoint_name": endpoint["EndpointName"],
            "endpoint_arn": endpoint["EndpointArn"],
            "endpoint_config": endpoint.get("EndpointConfigName"),
            "status": endpoint["EndpointStatus"],
            "failure_reason": endpoint.get("FailureReason"),
            "created": _iso(endpoint.get("CreationTime")),
        },
        parents=tuple(dict.fromkeys(parents)),
    )


def open_lineage_event(record: Record) -> dict[str, Any]:
    """The record as an OpenLineage RunEvent: standard facets where there are any, ours prefixed `groundplan_`."""
    document = record.document
    facets = _facet(f"groundplan_{record.kind}", {"status": record.status, **document})
    if document.get("failure_reason"):
        facets |= _facet("errorMessage", {"message": document["failure_reason"], "programmingLanguage": "UNKNOWN"})
    job_facets: dict[str, Any] = {}
    if document.get("code_uri"):
        code = {"type": "git", "url": document["code_uri"], "version": document["code_commit"]}
        job_facets = _facet("sourceCodeLocation", code)
    return {
        "eventType": _EVENT_TYPES.get(record.status, "OTHER"),
        "eventTime": _iso_of(record.last_modified),
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
        "run": {"runId": str(uuid.uuid5(uuid.NAMESPACE_URL, record.arn)), "facets": facets},
        "job": {"namespace": _namespace(record.arn), "name": _job_name(record), "facets": job_facets},
        "inputs": [_dataset(record, parent) for parent in record.parents if parent.startswith(_DATA)],
        "outputs": [_dataset(record, output) for output in record.outputs],
    }


def event_key(record: Record) -> str:
    """Where the event is stored: named by what it tells, so that telling it twice stores it once."""
    day = _iso_of(record.last_modified)[:10].replace("-", "/")
    name = record.node.rpartition("/")[2]
    return f"events/{day}/{record.kind}/{name}/{record.last_modified}-{record.status}.json"


def event_body(record: Record) -> bytes:
    """The event's bytes; the same record gives the same bytes."""
    return json.dumps(open_lineage_event(record), sort_keys=True).encode()


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970 of an aware time."""
    return round(moment.timestamp() * 1000)


_DATA = ("dataset/", "model/", "package/")


def _code(document: Mapping[str, Any]) -> str | None:
    """The commit; where the code was not what was committed, the digest of its tree, which is."""
    commit: str | None = document["code_commit"]
    if commit and re.fullmatch(r"[0-9a-f]{40}", commit):
        return commit
    return document["code_digest"]


def _facet(name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """One facet under its name; OpenLineage's own where its specification has one of that name."""
    schema = FACETS.get(name, f"urn:groundplan:{name}:1")
    return {name: {"_producer": PRODUCER, "_schemaURL": schema, **content}}


def _dataset(record: Record, node: str) -> dict[str, Any]:
    """Namespace and name as https://openlineage.io/docs/spec/naming has them for S3; packages by their ARN."""
    kind, _, identity = node.partition("/")
    place = str(record.document.get("data_manifest")) if kind == "dataset" else identity
    facets = _facet("version", {"datasetVersion": identity}) if kind == "dataset" else {}
    if place.startswith("s3://"):
        bucket, _, key = place.removeprefix("s3://").partition("/")
        return {"namespace": f"s3://{bucket}", "name": key, "facets": facets}
    return {"namespace": _namespace(record.arn), "name": identity, "facets": facets}


def _channel_uri(job: Mapping[str, Any], name: str) -> str | None:
    for channel in job.get("InputDataConfig", []):
        if channel["ChannelName"] == name:
            uri: str | None = channel["DataSource"].get("S3DataSource", {}).get("S3Uri")
            return uri
    return None


def _namespace(arn: str) -> str:
    """`sagemaker:<region>:<account>`."""
    return ":".join(arn.split(":")[2:5])


def _job_name(record: Record) -> str:
    verb = {"run": "train", "package": "register", "endpoint": "serve"}[record.kind]
    return f"{verb}/{record.document.get('workload') or record.node.partition('/')[2]}"


def _iso(moment: datetime | None) -> str | None:
    return _iso_of(milliseconds(moment)) if moment else None


def _iso_of(since_1970: int) -> str:
    return datetime.fromtimestamp(since_1970 / 1000, UTC).isoformat(timespec="milliseconds")
