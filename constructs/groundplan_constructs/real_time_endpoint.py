"""A model that answers at once, on CPU, Graviton, GPU or Inferentia2."""

from dataclasses import dataclass, field

from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from groundplan.serving.design import Fleet
from groundplan.serving.scaling import target
from groundplan_constructs.data_capture import Capture
from groundplan_constructs.endpoint_alarms import saturated
from groundplan_constructs.endpoint_basics import (
    CANDIDATE,
    VARIANT,
    EndpointBasics,
    configured,
    variant,
    watch,
)
from groundplan_constructs.rollout import Rollout
from groundplan_constructs.scaling import Scaling, ScalingProps, tracking
from groundplan_constructs.served_model import Served, ServedModel


@dataclass(frozen=True, kw_only=True)
class RealTimeEndpointProps:
    """On what it runs, how it is watched while it changes, and what of its traffic is kept.

    `candidate` is served a copy of every request and its answers go to nobody but `capture`.
    """

    basics: EndpointBasics
    fleet: Fleet
    capture: Capture | None = None
    rollout: Rollout = field(default_factory=Rollout)
    candidate: Served | None = None


class RealTimeEndpoint(Construct):
    """Model, configuration, endpoint, scaling, alarms and dashboard. The endpoint's name stays, all others change.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/realtime-endpoints.html
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: RealTimeEndpointProps) -> None:
        super().__init__(scope, construct_id)
        basics, fleet = props.basics, props.fleet
        basics.refuse_one_machine(fleet.least)
        if fleet.least < 1:
            raise ValueError(f"{basics.name}: a real-time endpoint has at least 1 instance, got {fleet.least}")
        alarms = watch(self, basics, "real-time", more=[saturated(fleet, "Instance", basics.dimensions)])
        models = [ServedModel(self, "Model", name=basics.name, served=basics.served)]
        if props.candidate:
            models.append(ServedModel(self, "CandidateModel", name=basics.name, served=props.candidate))
        configuration = configured(
            self,
            basics,
            kms_key_id=basics.volume_key(fleet.instance_type),
            data_capture_config=props.capture.configuration(basics.encryption_key) if props.capture else None,
            production_variants=[variant(models[0].name, fleet)],
            shadow_production_variants=[variant(one.name, fleet, name=CANDIDATE) for one in models[1:]] or None,
        )
        configuration.node.add_dependency(*models)
        self.endpoint = sagemaker.CfnEndpoint(
            self,
            "Resource",
            endpoint_name=basics.name,
            endpoint_config_name=configuration.attr_endpoint_config_name,
            deployment_config=props.rollout.deployment(alarms.rollback_alarms),
            # What scaling has reached outlives an update, instead of falling back to the first count.
            retain_all_variant_properties=True,
        )
        if fleet.most > fleet.least:
            self._scale(basics, fleet)

    def _scale(self, basics: EndpointBasics, fleet: Fleet) -> None:
        held = target(fleet)
        kind = "InvocationsPerInstance" if held.by == "invocations" else "ConcurrentRequestsPerModelHighResolution"
        scaling = Scaling(
            self,
            "Scaling",
            name=basics.name,
            props=ScalingProps(
                resource_id=f"endpoint/{basics.name}/variant/{VARIANT}",
                dimension="sagemaker:variant:DesiredInstanceCount",
                least=fleet.least,
                most=fleet.most,
                tracking=tracking(float(held.value), predefined=f"SageMakerVariant{kind}"),
                busy=fleet.busy,
            ),
        )
        scaling.target.add_resource_dependency(self.endpoint)
