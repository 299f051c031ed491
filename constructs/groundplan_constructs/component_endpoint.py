"""A model as an inference component: copies on shared machines, down to none, and awake again when asked."""

from dataclasses import dataclass

from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from groundplan.serving.design import Fleet
from groundplan.serving.scaling import target
from groundplan_constructs.endpoint_alarms import EndpointAlarms, metric, saturated
from groundplan_constructs.endpoint_basics import VARIANT, EndpointBasics, configured, variant, watch
from groundplan_constructs.scaling import Scaling, ScalingProps, tracking

START_SECONDS = 1800  # of a copy, on a machine that may have to come first
_component = sagemaker.CfnInferenceComponent


@dataclass(frozen=True, kw_only=True)
class ComponentEndpointProps:
    """Machines (`fleet`, of which one holds one copy) and what a copy needs of one.

    `batch_percent` (5 to 50) of the copies are replaced at a time, each batch watched for `bake_seconds`.
    """

    basics: EndpointBasics
    fleet: Fleet
    memory_mib: int
    accelerators: int = 0
    batch_percent: int = 50
    bake_seconds: int = 600

    def __post_init__(self) -> None:
        if self.memory_mib < 128:
            raise ValueError(f"memory_mib must be at least 128, got {self.memory_mib}")
        if not 5 <= self.batch_percent <= 50:
            raise ValueError(f"batch_percent must be 5 to 50, got {self.batch_percent}")


class ComponentEndpoint(Construct):
    """An endpoint that hosts one inference component, with a rolling update and automatic rollback of its own.

    While it sleeps requests fail; the first one wakes it, which takes minutes.
    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-zero-instances.html
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: ComponentEndpointProps) -> None:
        super().__init__(scope, construct_id)
        basics, fleet = props.basics, props.fleet
        place = basics.served.placement
        if place is None:
            raise ValueError(f"{basics.name}: an inference component stands in a VPC; give its model a placement")
        if fleet.least:
            basics.refuse_one_machine(fleet.least)
        machines = variant(None, fleet, count=max(fleet.least, 1), start_seconds=START_SECONDS)
        configuration = configured(
            self,
            basics,
            kms_key_id=basics.volume_key(fleet.instance_type),
            execution_role_arn=basics.served.role.role.role_arn,
            enable_network_isolation=True,
            vpc_config=sagemaker.CfnEndpointConfig.VpcConfigProperty(
                subnets=list(place.subnet_ids), security_group_ids=list(place.security_group_ids)
            ),
            production_variants=[_scaled(machines, fleet)],
        )
        configuration.node.add_dependency(basics.served.role.permissions)
        self.endpoint = sagemaker.CfnEndpoint(
            self,
            "Resource",
            endpoint_name=basics.name,
            endpoint_config_name=configuration.attr_endpoint_config_name,
        )
        copies = {"InferenceComponentName": basics.name}
        alarms = watch(self, basics, "component", dimensions=copies, more=[saturated(fleet, "Copy", copies)])
        self.component = self._component(props, alarms)
        self._scale(basics, fleet)

    def _component(self, props: ComponentEndpointProps, alarms: EndpointAlarms) -> sagemaker.CfnInferenceComponent:
        served, fleet = props.basics.served, props.fleet
        return _component(
            self,
            "Component",
            inference_component_name=props.basics.name,
            endpoint_name=self.endpoint.attr_endpoint_name,
            variant_name=VARIANT,
            runtime_config=_component.InferenceComponentRuntimeConfigProperty(copy_count=max(fleet.least, 1)),
            specification=_component.InferenceComponentSpecificationProperty(
                container=_component.InferenceComponentContainerSpecificationProperty(
                    image=served.image, artifact_url=served.model_data_url, environment=dict(served.environment)
                ),
                compute_resource_requirements=_component.InferenceComponentComputeResourceRequirementsProperty(
                    min_memory_required_in_mb=props.memory_mib,
                    number_of_accelerator_devices_required=props.accelerators or None,
                    number_of_cpu_cores_required=None if props.accelerators else 1,
                ),
                startup_parameters=_component.InferenceComponentStartupParametersProperty(
                    container_startup_health_check_timeout_in_seconds=START_SECONDS,
                    model_data_download_timeout_in_seconds=START_SECONDS,
                ),
            ),
            deployment_config=_component.InferenceComponentDeploymentConfigProperty(
                auto_rollback_configuration=_component.AutoRollbackConfigurationProperty(
                    alarms=[_component.AlarmProperty(alarm_name=one.alarm_name) for one in alarms.rollback_alarms]
                ),
                rolling_update_policy=_component.InferenceComponentRollingUpdatePolicyProperty(
                    maximum_batch_size=_component.InferenceComponentCapacitySizeProperty(
                        type="CAPACITY_PERCENT", value=props.batch_percent
                    ),
                    wait_interval_in_seconds=props.bake_seconds,
                ),
            ),
        )

    def _scale(self, basics: EndpointBasics, fleet: Fleet) -> None:
        held = target(fleet)
        kind = "InvocationsPerCopy" if held.by == "invocations" else "ConcurrentRequestsPerCopyHighResolution"
        refused = metric("NoCapacityInvocationFailures", "Maximum", {"InferenceComponentName": basics.name})
        scaling = Scaling(
            self,
            "Scaling",
            name=basics.name,
            props=ScalingProps(
                resource_id=f"inference-component/{basics.name}",
                dimension="sagemaker:inference-component:DesiredCopyCount",
                least=fleet.least,
                most=fleet.most,
                tracking=tracking(float(held.value), predefined=f"SageMakerInferenceComponent{kind}"),
                busy=fleet.busy,
                wake_on=refused,
            ),
        )
        scaling.target.add_resource_dependency(self.component)


def _scaled(
    machines: sagemaker.CfnEndpointConfig.ProductionVariantProperty, fleet: Fleet
) -> sagemaker.CfnEndpointConfig.ProductionVariantProperty:
    """The variant with instances that follow the copies, and a router that prefers the least busy one."""
    config = sagemaker.CfnEndpointConfig
    return config.ProductionVariantProperty(
        variant_name=machines.variant_name,
        instance_type=machines.instance_type,
        initial_instance_count=machines.initial_instance_count,
        inference_ami_version=machines.inference_ami_version,
        managed_instance_scaling=config.ManagedInstanceScalingProperty(
            status="ENABLED", min_instance_count=fleet.least, max_instance_count=fleet.most
        ),
        routing_config=config.RoutingConfigProperty(routing_strategy="LEAST_OUTSTANDING_REQUESTS"),
    )
