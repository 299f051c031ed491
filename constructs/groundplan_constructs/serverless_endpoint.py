"""A model that answers when asked and costs nothing otherwise: small, on CPU, outside any VPC."""

from dataclasses import dataclass
from decimal import Decimal

from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from groundplan.serving.offers import refuse_unoffered
from groundplan_constructs.endpoint_alarms import Watched, metric
from groundplan_constructs.endpoint_basics import VARIANT, EndpointBasics, configured, watch
from groundplan_constructs.rollout import Rollout
from groundplan_constructs.scaling import Scaling, ScalingProps, tracking
from groundplan_constructs.served_model import ServedModel

SIZES_MIB = (1024, 2048, 3072, 4096, 5120, 6144)
MOST_AT_ONCE = 200
_WARM_PERCENT = 0.7
_NEARLY_ALL = Decimal("0.9")


@dataclass(frozen=True, kw_only=True)
class ServerlessEndpointProps:
    """Memory, how many requests at once, and how many of these are kept warm at least and at most (0: none).

    Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html
    """

    basics: EndpointBasics
    memory_mib: int
    concurrency: int
    warm: tuple[int, int] = (0, 0)
    bake_seconds: int = 600

    def __post_init__(self) -> None:
        if self.memory_mib not in SIZES_MIB:
            raise ValueError(f"memory_mib must be one of {', '.join(map(str, SIZES_MIB))}, got {self.memory_mib}")
        if not 1 <= self.concurrency <= MOST_AT_ONCE:
            raise ValueError(f"concurrency must be 1 to {MOST_AT_ONCE}, got {self.concurrency}")
        least, most = self.warm
        if not 0 <= least <= most <= self.concurrency or (most and not least):
            raise ValueError(f"warm must be (0, 0), or 1 <= least <= most <= {self.concurrency}, got {self.warm}")


class ServerlessEndpoint(Construct):
    """Model, configuration, endpoint, alarms and dashboard; what AWS does not offer here is refused by name.

    A new version takes all traffic at once and is sent back by its alarms: there are no instances to take a share of.
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: ServerlessEndpointProps) -> None:
        super().__init__(scope, construct_id)
        basics = props.basics
        if basics.served.placement:
            refuse_unoffered("serverless", "VPC", "network isolation")
        alarms = watch(self, basics, "serverless", more=[_throttled(basics)])
        model = ServedModel(self, "Model", name=basics.name, served=basics.served)
        least, most = props.warm
        variant = sagemaker.CfnEndpointConfig.ProductionVariantProperty(
            variant_name=VARIANT,
            model_name=model.name,
            initial_variant_weight=1,
            serverless_config=sagemaker.CfnEndpointConfig.ServerlessConfigProperty(
                memory_size_in_mb=props.memory_mib,
                max_concurrency=props.concurrency,
                provisioned_concurrency=least or None,
            ),
        )
        configuration = configured(self, basics, production_variants=[variant])
        configuration.node.add_dependency(model)
        self.endpoint = sagemaker.CfnEndpoint(
            self,
            "Resource",
            endpoint_name=basics.name,
            endpoint_config_name=configuration.attr_endpoint_config_name,
            deployment_config=Rollout(kind="all-at-once", bake_seconds=props.bake_seconds).deployment(
                alarms.rollback_alarms
            ),
        )
        if most > least:
            scaling = Scaling(
                self,
                "Scaling",
                name=basics.name,
                props=ScalingProps(
                    resource_id=f"endpoint/{basics.name}/variant/{VARIANT}",
                    dimension="sagemaker:variant:DesiredProvisionedConcurrency",
                    least=least,
                    most=most,
                    tracking=tracking(_WARM_PERCENT, predefined="SageMakerVariantProvisionedConcurrencyUtilization"),
                ),
            )
            scaling.target.add_resource_dependency(self.endpoint)


def _throttled(basics: EndpointBasics) -> Watched:
    """AWS publishes no count of throttled requests here: they begin where the concurrency ends."""
    return Watched(
        construct_id="Saturated",
        metric=metric("ServerlessConcurrentExecutionsUtilization", "Maximum", basics.dimensions),
        most=_NEARLY_ALL,
        says=f"more than {_NEARLY_ALL:.0%} of its concurrency is in use: beyond it requests are throttled",
        promised=False,
    )
