"""What came from what: records of runs, model packages and endpoints, and the rows and events made of them.

Pure: the descriptions are those that SageMaker's Describe calls return, the answers are plain dictionaries.

Nodes are strings `<kind>/<id>`: `workload/<name>`, `run/<job name>`, `model/<s3 uri>`, `dataset/<manifest root>`,
`code/<commit>`, `environment/<lock digest>`, `package/<arn>`, `endpoint/<name>`. Times are UTC in ISO 8601 with
microseconds, so that they sort as text.

A record's `version` orders what is known of one node: later creation first, then progress (a terminal status is
never overwritten by one that is not), then the time of the last modification. Text comparison decides.
"""

import math
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, NoReturn

from groundplan.refusal import bad

Kind = Literal["run", "package", "endpoint"]
EventType = Literal["START", "RUNNING", "COMPLETE", "FAIL", "ABORT"]
SOURCE = "aws.sagemaker"
PRODUCER = "urn:groundplan:lineage:1"
STATE = "STATE"  # the row of a node itself
UP = "UP#"  # rows of its ancestors
RUN = "RUN#"  # rows of a workload's runs, by time

# What each event is about: kind, the detail that names it, and what such a name looks like.
_NAME = r"[A-Za-z0-9](-*[A-Za-z0-9]){0,62}"
_SUBJECTS: dict[str, tuple[Kind, str, str]] = {
    "SageMaker Training Job State Change": ("run", "TrainingJobName", _NAME),
    "SageMaker Model Package State Change": (
        "package",
        "ModelPackageArn",
        r"arn:[a-z-]+:sagemaker:[a-z0-9-]+:[0-9]{12}:model-package/[A-Za-z0-9/-]+",
    ),
    "SageMaker Endpoint State Change": ("endpoint", "EndpointName", _NAME),
}
_RUN_PROGRESS = {"InProgress": 0, "Stopping": 1, "Completed": 2, "Failed": 2, "Stopped": 2}
_PACKAGE_PROGRESS = {"Pending": 0, "InProgress": 1, "Completed": 2, "Failed": 2}
_DELETED = "Deleted"  # not a status of SageMaker's: it does not know the endpoint any more
_ENDING = ("Deleting", _DELETED)  # an endpoint does not come back from either

_OPEN_LINEAGE = "https://openlineage.io/spec"
_SCHEMAS = {
    "parent": "1-2-0/ParentRunFacet.json#/$defs/ParentRunFacet",
    "errorMessage": "1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet",
    "jobType": "2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet",
    "sourceCodeLocation": "1-1-0/SourceCodeLocationJobFacet.json#/$defs/SourceCodeLocationJobFacet",
    "version": "1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet",
}


# --- Events --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Subject:
    """What an event is about. `name` is a job's or endpoint's name or a package's ARN; `time` when it was sent."""

    kind: Kind
    name: str
    time: str

    @property
    def node(self) -> str:
        """Its node id."""
        return f"{self.kind}/{self.name}"


def foreign(event: object, *, account: str, region: str) -> str | None:
    """Why an event of EventBridge is none of this account's SageMaker; None when it is. BadInput without envelope."""
    own = {"source": SOURCE, "account": account, "region": region}
    for field, expected in own.items():
        given = _text(event, field)
        if given != expected:
            return f"{field} is {given}, not {expected}"
    return None


def subject_of(event: object) -> Subject:
    """What a state change event of SageMaker is about; raises BadInput with field, value and what is expected."""
    kind_of_event = _text(event, "detail-type")
    if kind_of_event not in _SUBJECTS:
        raise bad("event", "detail-type", kind_of_event, f"expected one of {', '.join(_SUBJECTS)}")
    kind, field, pattern = _SUBJECTS[kind_of_event]
    name = _text(_field(event, "detail"), field, "detail.")
    if not re.fullmatch(pattern, name):
        raise bad("event", f"detail.{field}", name, f"expected a text like {pattern}")
    sent = _text(event, "time")
    try:
        return Subject(kind, name, iso(datetime.fromisoformat(sent)))
    except ValueError:
        raise bad("event", "time", sent, "expected a time with its zone in ISO 8601") from None


def _field(holder: object, field: str, above: str = "") -> object:
    if not isinstance(holder, Mapping):
        _refuse_shape(above.rstrip("."), holder)
    return holder.get(field)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def _refuse_shape(field: str, value: object) -> NoReturn:
    raise bad("event", field, value, "expected an object with SageMaker's fields")


def _text(holder: object, field: str, above: str = "") -> str:
    value = _field(holder, field, above)
    if not isinstance(value, str) or not value:
        raise bad("event", f"{above}{field}", value, "expected a text")
    return value


# --- Records -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Transition:
    """One secondary status of a training job."""

    status: str
    started: str | None
    ended: str | None


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training job as SageMaker described it.

    The provenance (`workload` to `image_digest`) is what the platform's request carries in the job's environment
    variables; each is None for a job that came another way. `model` is the artefact's URI where there is one:
    when the job completed, or was stopped and still uploaded. Hyper-parameters are texts as SageMaker keeps them.
    """

    name: str
    arn: str
    status: str
    secondary_status: str | None
    created: str
    last_modified: str
    started: str | None
    ended: str | None
    workload: str | None
    environment: str | None
    fingerprint: str | None
    code_commit: str | None
    code_digest: str | None
    code_uri: str | None
    data_manifest: str | None
    data_manifest_root: str | None
    environment_digest: str | None
    image: str | None
    image_digest: str | None
    role_arn: str | None
    instance_type: str | None
    instance_count: int | None
    spot: bool
    hyperparameters: Mapping[str, str]
    metrics: Mapping[str, float]
    model: str | None
    interruptions: int
    training_seconds: int | None
    billable_seconds: int | None
    failure_reason: str | None
    parent_arn: str | None
    transitions: tuple[Transition, ...]

    @property
    def kind(self) -> Kind:
        """`run`."""
        return "run"

    @property
    def node(self) -> str:
        """`run/<job name>`."""
        return f"run/{self.name}"

    @property
    def version(self) -> str:
        """Orders what was read of this job."""
        return f"{self.created}#{_RUN_PROGRESS.get(self.status, 0)}#{self.last_modified}"

    @property
    def code(self) -> str | None:
        """`code/<commit>`; for code that differs from its commit or has none the tree's digest tells it apart."""
        commit, tree = self.code_commit, self.code_digest
        if commit and not commit.endswith("-dirty"):
            return f"code/{commit}"
        parts = [part for part in (commit, tree and (tree[:12] if commit else tree)) if part]
        return f"code/{'-'.join(parts)}" if parts else None

    @property
    def product(self) -> str | None:
        """The node that others are made from: the model."""
        return self.model and f"model/{self.model}"

    def edges(self) -> tuple[tuple[str, str], ...]:
        """Pairs (node, what it came from)."""
        sources = {
            "workload": self.workload,
            "dataset": self.data_manifest_root,
            "environment": self.environment_digest,
        }
        nodes = [f"{kind}/{name}" for kind, name in sources.items() if name]
        above = tuple((self.node, node) for node in [*nodes, *([self.code] if self.code else [])])
        return (*above, (self.product, self.node)) if self.product else above

    def at_start(self) -> "Run":
        """The same job at its creation: only what never changes."""
        return replace(
            self,
            status="InProgress",
            secondary_status="Starting",
            last_modified=self.created,
            started=None,
            ended=None,
            metrics={},
            model=None,
            interruptions=0,
            training_seconds=None,
            billable_seconds=None,
            failure_reason=None,
            transitions=(),
        )


@dataclass(frozen=True, kw_only=True)
class Package:
    """One model package as SageMaker described it. `models` are the URIs of its artefacts."""

    name: str
    arn: str
    group: str | None
    package_version: int | None
    status: str
    approval: str | None
    created: str
    last_modified: str
    models: tuple[str, ...]
    image_digests: tuple[str, ...]
    metadata: Mapping[str, str]

    @property
    def kind(self) -> Kind:
        """`package`."""
        return "package"

    @property
    def node(self) -> str:
        """`package/<arn>`."""
        return f"package/{self.arn}"

    @property
    def version(self) -> str:
        """Orders what was read of this package."""
        return f"{self.created}#{_PACKAGE_PROGRESS.get(self.status, 0)}#{self.last_modified}"

    @property
    def product(self) -> str | None:
        """The node that others are made from: the package."""
        return self.node

    def edges(self) -> tuple[tuple[str, str], ...]:
        """Pairs (package, model)."""
        return tuple((self.node, f"model/{uri}") for uri in self.models)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One endpoint as SageMaker described it. `serves` are nodes: packages, or models without a package.

    `unexplained` names the variants of which it is not known what they serve.
    """

    name: str
    arn: str
    status: str
    created: str
    last_modified: str
    config: str | None
    serves: tuple[str, ...]
    unexplained: tuple[str, ...]
    failure_reason: str | None

    @property
    def kind(self) -> Kind:
        """`endpoint`."""
        return "endpoint"

    @property
    def node(self) -> str:
        """`endpoint/<name>`."""
        return f"endpoint/{self.name}"

    @property
    def version(self) -> str:
        """Orders what was read of this endpoint; one made again under the same name is later."""
        return f"{self.created}#{int(self.status in _ENDING)}#{self.last_modified}"

    @property
    def product(self) -> str | None:
        """None: nothing is made from an endpoint."""
        return None

    def edges(self) -> tuple[tuple[str, str], ...]:
        """Pairs (endpoint, package or model)."""
        return tuple((self.node, node) for node in self.serves)

    def gone(self, at: str) -> "Endpoint":
        """The same endpoint after its deletion."""
        return replace(self, status=_DELETED, last_modified=max(at, self.last_modified), serves=(), unexplained=())


Record = Run | Package | Endpoint


def run_from_description(describe: Mapping[str, Any]) -> Run:
    """From the answer of DescribeTrainingJob; raises BadInput when a field that AWS always gives is missing."""
    variables: Mapping[str, str] = _inner(describe, "Environment")
    image: str | None = _inner(describe, "AlgorithmSpecification").get("TrainingImage")
    resources = _inner(describe, "ResourceConfig")
    status = _required(describe, "TrainingJobStatus")
    transitions = tuple(
        Transition(step["Status"], _time(step.get("StartTime")), _time(step.get("EndTime")))
        for step in describe.get("SecondaryStatusTransitions") or ()
    )
    artefact: str | None = _inner(describe, "ModelArtifacts").get("S3ModelArtifacts")
    commit = variables.get("GROUNDPLAN_CODE_COMMIT")
    created = _created(describe)
    known = [_time(describe.get("TrainingEndTime")), *(step.started for step in transitions), created]
    return Run(
        name=_required(describe, "TrainingJobName"),
        arn=_required(describe, "TrainingJobArn"),
        status=status,
        secondary_status=describe.get("SecondaryStatus"),
        created=created,
        last_modified=_time(describe.get("LastModifiedTime")) or max(time for time in known if time),
        started=_time(describe.get("TrainingStartTime")),
        ended=_time(describe.get("TrainingEndTime")),
        workload=variables.get("GROUNDPLAN_WORKLOAD") or None,
        environment=variables.get("GROUNDPLAN_ENVIRONMENT") or None,
        fingerprint=variables.get("GROUNDPLAN_FINGERPRINT") or None,
        code_commit=None if commit == "unknown" else commit or None,
        code_digest=variables.get("GROUNDPLAN_CODE_DIGEST") or None,
        code_uri=_channel_uri(describe, "code"),
        data_manifest=variables.get("GROUNDPLAN_DATA_MANIFEST") or None,
        data_manifest_root=variables.get("GROUNDPLAN_DATA_MANIFEST_ROOT") or None,
        environment_digest=variables.get("GROUNDPLAN_ENVIRONMENT_DIGEST") or None,
        image=image,
        image_digest=variables.get("GROUNDPLAN_IMAGE_DIGEST") or _digest_of(image),
        role_arn=describe.get("RoleArn"),
        instance_type=resources.get("InstanceType"),
        instance_count=resources.get("InstanceCount"),
        spot=bool(describe.get("EnableManagedSpotTraining")),
        hyperparameters=dict(describe.get("HyperParameters") or {}),
        metrics={
            metric["MetricName"]: float(metric["Value"]) for metric in describe.get("FinalMetricDataList") or ()
        },
        model=artefact if artefact and status in ("Completed", "Stopped") else None,
        interruptions=sum(step.status == "Interrupted" for step in transitions),
        training_seconds=describe.get("TrainingTimeInSeconds"),
        billable_seconds=describe.get("BillableTimeInSeconds"),
        failure_reason=describe.get("FailureReason") or None,
        parent_arn=describe.get("TuningJobArn") or describe.get("AutoMLJobArn") or None,
        transitions=transitions,
    )


def package_from_description(describe: Mapping[str, Any]) -> Package:
    """From the answer of DescribeModelPackage; raises BadInput when a field that AWS always gives is missing."""
    containers: Sequence[Mapping[str, Any]] = _inner(describe, "InferenceSpecification").get("Containers") or ()
    arn = _required(describe, "ModelPackageArn")
    return Package(
        name=arn.partition(":model-package/")[2],
        arn=arn,
        group=describe.get("ModelPackageGroupName"),
        package_version=describe.get("ModelPackageVersion"),
        status=_required(describe, "ModelPackageStatus"),
        approval=describe.get("ModelApprovalStatus"),
        created=_created(describe),
        last_modified=_time(describe.get("LastModifiedTime")) or _created(describe),
        models=_once(model_uri(container) for container in containers),
        image_digests=_once(c.get("ImageDigest") or _digest_of(c.get("Image")) for c in containers),
        metadata=dict(describe.get("CustomerMetadataProperties") or {}),
    )


def endpoint_from_description(
    describe: Mapping[str, Any], *, serves: Iterable[str], unexplained: Iterable[str] = ()
) -> Endpoint:
    """From the answer of DescribeEndpoint and the nodes that its variants serve; none while it is being deleted.

    Raises BadInput when a field that AWS always gives is missing.
    """
    status = _required(describe, "EndpointStatus")
    return Endpoint(
        name=_required(describe, "EndpointName"),
        arn=_required(describe, "EndpointArn"),
        status=status,
        created=_created(describe),
        last_modified=_time(describe.get("LastModifiedTime")) or _created(describe),
        config=describe.get("EndpointConfigName"),
        serves=() if status in _ENDING else _once(serves),
        unexplained=_once(unexplained),
        failure_reason=describe.get("FailureReason") or None,
    )


def model_uri(container: Mapping[str, Any]) -> str | None:
    """Where a container's model lies: `ModelDataUrl`, or the S3 source that newer requests name."""
    return container.get("ModelDataUrl") or _inner(container, "ModelDataSource", "S3DataSource").get("S3Uri")


def iso(time: datetime) -> str:
    """UTC with microseconds: always 27 characters, so text order is time order. Raises ValueError without a zone."""
    if time.tzinfo is None:
        raise ValueError(f"{time} has no zone")
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _inner(description: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    for field in path:
        description = description.get(field) or {}
    return description


def _time(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, int | float):
        return iso(datetime.fromtimestamp(value, UTC))
    raise bad("description", "", value, "expected a time: a datetime, or seconds since 1970")


def _created(describe: Mapping[str, Any]) -> str:
    return _time(describe.get("CreationTime")) or _required(describe, "CreationTime")


def _required(describe: Mapping[str, Any], field: str) -> str:
    value = describe.get(field)
    if not isinstance(value, str) or not value:
        raise bad("description", field, value, "SageMaker always gives this field")
    return value


def _digest_of(image: str | None) -> str | None:
    digest = (image or "").partition("@")[2]
    return digest if digest.startswith("sha256:") else None


def _channel_uri(describe: Mapping[str, Any], name: str) -> str | None:
    for channel in describe.get("InputDataConfig") or ():
        if channel.get("ChannelName") == name:
            return _inner(channel, "DataSource", "S3DataSource").get("S3Uri")
    return None


def _once(values: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))


# --- Rows ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Relation:
    """`node` came from `target`, `depth` steps away (1: directly).

    `version` is that of the node's record which said so. `until` is set when it was so and is not any more: an
    endpoint that serves something else since then.
    """

    node: str
    target: str
    depth: int
    version: str
    until: str | None = None

    def item(self) -> dict[str, Any]:
        """The row; the index `reversed` finds it by `target`."""
        kind, _, name = self.target.partition("/")
        row = {
            "node": self.node,
            "relation": f"{UP}{kind}#{name}",
            "target": self.target,
            "depth": self.depth,
            "version": self.version,
        }
        return row | ({"until": self.until} if self.until else {})

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "Relation":
        """From a row whose `relation` begins with `UP#`."""
        return cls(item["node"], item["target"], int(item["depth"]), item["version"], item.get("until"))


@dataclass(frozen=True)
class State:
    """What the table holds of one node. `record` are the fields of Run, Package or Endpoint, metrics as texts."""

    node: str
    kind: str
    name: str
    status: str
    created: str
    last_modified: str
    version: str
    record: Mapping[str, Any]

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "State":
        """From a row whose `relation` is `STATE` or begins with `RUN#`."""
        record: Mapping[str, Any] = item["record"]
        own = {field: record[field] for field in ("name", "status", "created", "last_modified")}
        return cls(node=item["subject"], kind=item["kind"], version=item["version"], record=record, **own)


def relations(
    record: Record, above: Mapping[str, Sequence[Relation]], below: Sequence[Relation]
) -> tuple[Relation, ...]:
    """Everything that this record says about who came from whom, at any distance.

    `above` holds for each node that the record names what it is already known to come from; `below` who is already
    known to come from the record's product. Those get the record's ancestors too, so it does not matter in which
    order a run, its package and its endpoint are written down.
    """
    edges = record.edges()
    found: dict[tuple[str, str], Relation] = {}

    def add(relation: Relation) -> None:
        key = (relation.node, relation.target)
        if key not in found or relation.depth < found[key].depth:
            found[key] = relation

    def climb(start: str, node: str, depth: int) -> None:
        for lower, upper in edges:
            if lower == node:
                add(Relation(start, upper, depth, record.version))
                climb(start, upper, depth + 1)
                for known in above.get(upper, ()):
                    add(Relation(start, known.target, depth + known.depth, record.version))

    for node in dict.fromkeys(lower for lower, _ in edges):
        climb(node, node, 1)
    own = {lower for lower, _ in edges}
    inherited = [relation for relation in found.values() if relation.node == record.product]
    for heir in below:
        if heir.node not in own:
            for relation in inherited:
                add(Relation(heir.node, relation.target, heir.depth + relation.depth, heir.version))
    return tuple(found.values())


def items(
    record: Record, above: Mapping[str, Sequence[Relation]], below: Sequence[Relation]
) -> tuple[dict[str, Any], ...]:
    """The rows of a record, in the order in which they are to be written.

    The row of the node itself is the last: where it stands, all the others do. Numbers are integers; metrics are
    the shortest text that reads back as the same float, since DynamoDB has neither floats nor NaN.
    """
    state = {
        "node": record.node,
        "relation": STATE,
        "subject": record.node,
        "kind": record.kind,
        "version": record.version,
        "record": _storable(asdict(record)),
    }
    rows = [relation.item() for relation in relations(record, above, below)]
    if isinstance(record, Run) and record.workload:
        index = {"node": f"workload/{record.workload}", "relation": f"{RUN}{record.created}#{record.name}"}
        rows.append(state | index)
    return (*rows, state)


def _storable(value: Any) -> Any:
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Mapping):
        return {key: _storable(member) for key, member in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, tuple | list):
        return [_storable(member) for member in value]  # pyright: ignore[reportUnknownVariableType]
    return value


# --- OpenLineage ---------------------------------------------------------------------------------------------------


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
        words: Mapping[str, EventType] = {"Creating": "START", "Failed": "FAIL", **dict.fromkeys(_ENDING, "COMPLETE")}
        return words.get(record.status, "RUNNING")
    ends: Mapping[str, EventType] = {"Completed": "COMPLETE", "Failed": "FAIL", "Stopped": "ABORT"}
    first = "Pending" if isinstance(record, Package) else "InProgress"
    if record.status == first and record.last_modified == record.created:
        return "START"
    return ends.get(record.status, "RUNNING")


def open_lineage_event(record: Record, *, producer: str = PRODUCER) -> dict[str, Any]:
    """An OpenLineage 2-0-2 RunEvent; `producer` is a URI. What SageMaker did not tell is null or left out.

    Facets of our own, since OpenLineage has none for machine learning: `groundplan_training`,
    `groundplan_registration`, `groundplan_serving`. Metrics are numbers, or texts where JSON has no number for them.
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
        metrics={name: value if math.isfinite(value) else repr(value) for name, value in run.metrics.items()},
        instance_type=run.instance_type,
        instance_count=run.instance_count,
        spot=run.spot,
        interruptions=run.interruptions,
        training_seconds=run.training_seconds,
        billable_seconds=run.billable_seconds,
    )
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
    return (
        {"runId": run_id(run.arn), "facets": facets},
        {"name": f"training/{run.workload or run.name}", "facets": job_facets},
        inputs,
        [_dataset(run.model)] if run.model else [],
    )


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
