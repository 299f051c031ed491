"""Records of runs, model packages and endpoints, from what SageMaker's Describe calls return."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from groundplan.refusal import bad

Kind = Literal["run", "package", "endpoint"]
_ENDED = 2
_RUN_PROGRESS = {"InProgress": 0, "Stopping": 1, "Completed": _ENDED, "Failed": _ENDED, "Stopped": _ENDED}
_PACKAGE_PROGRESS = {"Pending": 0, "InProgress": 1, "Completed": 2, "Failed": 2}
DELETED = "Deleted"  # not a status of SageMaker's: it does not know the endpoint any more
ENDING = ("Deleting", DELETED)  # an endpoint does not come back from either


@dataclass(frozen=True)
class Transition:
    """One secondary status of a training job."""

    status: str
    started: str | None
    ended: str | None


@dataclass(frozen=True)
class Slice:
    """The last value of a metric on a part of the data, as `{"digit": "3"}`."""

    name: str
    value: float
    slice: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training job as SageMaker described it.

    The provenance (`workload` to `image_digest`) is what the platform's request carries in the job's environment
    variables; each is None for a job that came another way. `model` is the artefact's URI where there is one:
    when the job completed, or was stopped and still uploaded. Hyper-parameters are texts as SageMaker keeps them.
    `bases` are artefacts that the job began with. What stands after `transitions` comes from the run's record, once
    the job has ended: `record_uri` is None where none could be stored.
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
    forced_reason: str | None
    transitions: tuple[Transition, ...]
    bases: tuple[str, ...] = ()
    cost_usd: str | None = None
    cost_basis: str | None = None
    record_uri: str | None = None
    record_sha256: str | None = None
    artefact_sha256: str | None = None
    slices: tuple[Slice, ...] = ()
    hardware: Mapping[str, float | None] | None = None
    checkpoints_saved: int | None = None
    resumed_from_step: int | None = None
    right_sizing: str | None = None

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
        nodes += [*([self.code] if self.code else []), *(f"model/{uri}" for uri in self.bases)]
        above = tuple((self.node, node) for node in nodes)
        return (*above, (self.product, self.node)) if self.product else above

    @property
    def has_ended(self) -> bool:
        """Whether SageMaker changes nothing of it any more."""
        return _RUN_PROGRESS.get(self.status) == _ENDED

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
            **_UNKNOWN_UNTIL_THE_END,
        )


_UNKNOWN_UNTIL_THE_END: dict[str, Any] = {
    field: Run.__dataclass_fields__[field].default
    for field in """
        cost_usd cost_basis record_uri record_sha256 artefact_sha256 slices hardware checkpoints_saved
        resumed_from_step right_sizing
    """.split()
}


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
        return f"{self.created}#{int(self.status in ENDING)}#{self.last_modified}"

    @property
    def product(self) -> str | None:
        """None: nothing is made from an endpoint."""
        return None

    def edges(self) -> tuple[tuple[str, str], ...]:
        """Pairs (endpoint, package or model)."""
        return tuple((self.node, node) for node in self.serves)

    def gone(self, at: str) -> "Endpoint":
        """The same endpoint after its deletion."""
        return replace(self, status=DELETED, last_modified=max(at, self.last_modified), serves=(), unexplained=())


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
        forced_reason=variables.get("GROUNDPLAN_FORCED_REASON") or None,
        transitions=transitions,
        bases=_bases(describe),
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
        serves=() if status in ENDING else _once(serves),
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


def _bases(describe: Mapping[str, Any]) -> tuple[str, ...]:
    """The channels that are one model archive: SageMaker calls every one of its own making `model.tar.gz`."""
    channels: Sequence[Mapping[str, Any]] = describe.get("InputDataConfig") or ()
    uris = (_inner(channel, "DataSource", "S3DataSource").get("S3Uri") for channel in channels)
    own = _inner(describe, "ModelArtifacts").get("S3ModelArtifacts")
    return _once(uri for uri in uris if uri and uri.endswith("/model.tar.gz") and uri != own)


def _once(values: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))
