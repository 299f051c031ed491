"""What serves one workload in the ai account, from its release pin."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Protocol

from aws_cdk import aws_s3 as s3
from constructs import Construct

from groundplan.canonical import digest
from groundplan.names import TRAFFIC_DAYS, Names
from groundplan.refusal import bad
from groundplan.release import Candidate, Release
from groundplan.serving.design import Design, Fleet
from groundplan.serving.neuron import MACHINES, REGISTRY, Compiled, NeuronImage, image_for, refuse_misfit
from groundplan.serving.offers import refuse_unoffered
from groundplan.workload import Workload
from groundplan_constructs import (
    AsyncEndpoint,
    AsyncEndpointProps,
    BatchTransform,
    BatchTransformProps,
    Capture,
    ComponentEndpoint,
    ComponentEndpointProps,
    EndpointBasics,
    Placement,
    RealTimeEndpoint,
    RealTimeEndpointProps,
    Served,
    ServerlessEndpoint,
    ServerlessEndpointProps,
    ServingRole,
    ServingRoleProps,
)
from stacks.account_stack import AccountStack
from stacks.ai_platform import Platform
from stacks.network import JobNetwork

NIGHTLY = "cron(0 22 * * ? *)"  # when the plan's nights begin, in UTC


class Pin(Protocol):
    """What a release says of the model that serves."""

    @property
    def version(self) -> str: ...
    @property
    def model_data_url(self) -> str: ...
    @property
    def image_digest(self) -> str | None: ...
    @property
    def serial(self) -> int: ...


class Serving(AccountStack):
    """Role, model and what answers with it, in the mode that the plan chose."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: Names,
        platform: Platform,
        network: JobNetwork,
        workload: Workload,
        design: Design,
        pin: Pin,
    ) -> None:
        description = f"Serves {workload.name} {pin.version}"
        super().__init__(scope, construct_id, names=names, account="ai", description=description)
        self.workload, self._design, self._pin, self._platform = workload, design, pin, platform
        place = Placement(network.subnet_ids, network.security_group_ids)
        self._place = None if design.mode == "serverless" else place
        self._artefacts = s3.Bucket.from_bucket_name(self, "Artefacts", names.artefacts_bucket())
        served = self._served("Role", pin)
        self._candidate = self._shadow()
        self._basics = EndpointBasics(
            name=names.endpoint(workload.name),
            served=served,
            promise=design.promise,
            encryption_key=platform.key,
            alarm_topic=platform.alarms,
            production=names.environment.retain_data,
        )
        make: Mapping[str, Callable[[], Construct]] = {
            "real-time": self._real_time,
            "serverless": self._serverless,
            "asynchronous": self._asynchronous,
            "component": self._component,
            "batch-transform": self._batch_transform,
        }
        make[design.mode]()

    def _shadow(self) -> Served | None:
        """The pin's candidate, where it has one and the mode has shadows."""
        candidate = self._pin.candidate if isinstance(self._pin, Release) else None
        if candidate is None:
            return None
        try:
            refuse_unoffered(self._design.mode, "shadow variant")
        except ValueError as error:
            raise bad(self._source, "candidate", candidate.version, str(error)) from None
        return self._served("CandidateRole", candidate)

    @property
    def _source(self) -> str:
        return f"workloads/{self.workload.name}/release.{self.names.environment.name}.toml"

    def _served(self, role_id: str, model: Pin | Candidate) -> Served:
        names, workload, url, place = self.names, self.workload.name, model.model_data_url, self._place
        own = f"s3://{names.artefacts_bucket()}/"
        if not url.startswith(own):
            allowed = f"allowed: an archive in {own}"
            raise bad(self._source, "model_data_url", url, allowed)
        neuron = self._neuron()
        repository = neuron.repository if neuron else names.repository(workload)
        account = REGISTRY if neuron else self.account
        role = ServingRole(
            self,
            role_id,
            props=ServingRoleProps(
                role_name=names.serving_role(workload, digest([url, place is None, self._pin.serial])[:8]),
                bucket=self._artefacts,
                model_key=url.removeprefix(own),
                encryption_key=self._platform.key,
                repository_arn=self.format_arn(
                    service="ecr", account=account, resource="repository", resource_name=repository
                ),
                placement=place,
                reads=[names.traffic(workload, "requests")] if self._queued else [],
                writes=self._written(),
            ),
        )
        image = neuron.uri(names.environment.region) if neuron else self._image(model.image_digest)
        return Served(image=image, model_data_url=url, role=role, placement=place)

    @property
    def _queued(self) -> bool:
        return self._design.mode in ("asynchronous", "batch-transform")

    @property
    def _captured(self) -> bool:
        """Whether traffic may lie in S3 for as long as captured traffic does."""
        return self._design.mode == "real-time" and self.workload.data.retention_days >= TRAFFIC_DAYS

    def _written(self) -> list[str]:
        if self._queued:
            return [self.names.traffic(self.workload.name, what) for what in ("answers", "failures")]
        return [self.names.traffic(self.workload.name, "capture")] if self._captured else []

    def _image(self, digest: str | None) -> str:
        registry = f"{self.account}.dkr.ecr.{self.region}.{self.url_suffix}"
        repository = f"{registry}/{self.names.repository(self.workload.name)}"
        return f"{repository}@{digest}" if digest else f"{repository}:unpinned"

    def _neuron(self) -> NeuronImage | None:
        """AWS's image for Inferentia2, when the model was compiled for its SDK and goes onto the machine."""
        custom, fleet = self.workload.model.custom, self._design.fleet
        if fleet is None or custom is None or fleet.instance_type not in MACHINES:
            return None
        where = f"workloads/{self.workload.name}/workload.toml"
        compiled, sdk = custom.compiled, custom.neuron_sdk
        if compiled is None or sdk is None:
            missing = "compiled" if sdk else "neuron_sdk"
            allowed = "what it was compiled for: without it nobody can tell whether it goes onto Inferentia2"
            raise bad(where, f"model.custom.{missing}", "nothing", allowed)
        try:
            image = image_for(custom.framework, sdk, self.names.environment.region)
            model = Compiled(
                framework=custom.framework,
                neuron_sdk=sdk,
                parameters_billion=custom.parameters_billion or Decimal(0),
                bytes_per_parameter=custom.bytes_per_parameter,
                kv_bytes_per_token=compiled.kv_bytes_per_token,
                cores=compiled.cores,
                sequence_length=compiled.sequence_length,
                batch_size=compiled.batch_size,
            )
            refuse_misfit(fleet.instance_type, model, image)
        except ValueError as error:
            raise bad(where, "model.custom", sdk, str(error)) from None
        return image

    def _fleet(self) -> Fleet:
        """The plan's; in production two instances at least, unless it goes to zero."""
        fleet = self._design.fleet
        if fleet is None:
            raise TypeError(f"{self._design.mode} without instances")
        if not self._basics.production or not fleet.least or fleet.least > 1:
            return fleet
        return Fleet(**{**vars(fleet), "least": 2, "most": max(fleet.most, 2)})

    def _uri(self, *prefixes: str) -> list[str]:
        return [f"s3://{self.names.artefacts_bucket()}/{prefix}" for prefix in prefixes]

    def _real_time(self) -> Construct:
        [uri] = self._uri(self.names.traffic(self.workload.name, "capture"))
        capture = Capture(uri=uri.rstrip("/")) if self._captured else None
        props = RealTimeEndpointProps(
            basics=self._basics, fleet=self._fleet(), capture=capture, candidate=self._candidate
        )
        return RealTimeEndpoint(self, "Endpoint", props=props)

    def _serverless(self) -> Construct:
        design = self._design
        props = ServerlessEndpointProps(
            basics=self._basics, memory_mib=design.memory_mib, concurrency=design.concurrency
        )
        return ServerlessEndpoint(self, "Endpoint", props=props)

    def _asynchronous(self) -> Construct:
        answers, failures = self._uri(*self._written())
        props = AsyncEndpointProps(
            basics=self._basics,
            fleet=self._fleet(),
            answers_uri=answers.rstrip("/"),
            failures_uri=failures.rstrip("/"),
            backlog_seconds=max(1, int(min(self.workload.drivers.tolerance_ms / 1000, 3600))),
        )
        return AsyncEndpoint(self, "Endpoint", props=props)

    def _component(self) -> Construct:
        props = ComponentEndpointProps(
            basics=self._basics,
            fleet=self._fleet(),
            memory_mib=self._design.model_memory_mib,
            accelerators=self._design.accelerators,
        )
        return ComponentEndpoint(self, "Endpoint", props=props)

    def _batch_transform(self) -> Construct:
        workload, limits = self.workload.name, self.names.environment.limits.instance_types
        if (kind := self._fleet().instance_type) not in limits:
            allowed = f"the plan runs {workload}'s jobs on {kind}: add it, for other machines are denied to every job"
            raise bad(f"environments/{self.names.environment.name}.toml", "limits.instance_types", limits, allowed)
        props = BatchTransformProps(
            basics=self._basics,
            fleet=self._fleet(),
            bucket_name=self.names.artefacts_bucket(),
            requests_prefix=self.names.traffic(workload, "requests"),
            answers_prefix=self.names.traffic(workload, "answers"),
            schedule=NIGHTLY if self.workload.drivers.traffic == "nightly" else None,
        )
        return BatchTransform(self, "Batch", props=props)
