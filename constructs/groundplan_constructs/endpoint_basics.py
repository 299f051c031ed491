"""What every endpoint has, whatever it runs on: a name, a model, a promise, a key, and who hears of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns
from constructs import Construct

from groundplan.job_limits import has_local_storage
from groundplan.serving.design import Fleet, Promise
from groundplan.serving.neuron import AMI, MACHINES, START_TIMEOUT_SECONDS
from groundplan.serving.offers import Mode
from groundplan_constructs.acknowledgement import acknowledge
from groundplan_constructs.endpoint_alarms import EndpointAlarms, EndpointAlarmsProps, Watched
from groundplan_constructs.endpoint_dashboard import EndpointDashboard, EndpointDashboardProps
from groundplan_constructs.replaced import keep_replaced
from groundplan_constructs.served_model import Served, hashed

VARIANT, CANDIDATE = "Main", "Candidate"  # AWS compares a deployment's variants by their names: they stay
TWO_ZONES = 2
_WITHOUT_KEY = tuple(
    f"{pack}-SageMakerEndpointConfigurationKMSKeyConfigured" for pack in ("NIST.800.53.R5", "PCI.DSS.321")
)
_NO_DISK = "Its disk lies in the machine, which encrypts it with a key of its own, or it is serverless and has none."


@dataclass(frozen=True, kw_only=True)
class EndpointBasics:
    """What callers know it by and were promised. `production` asks for two instances, in two zones."""

    name: str
    served: Served
    promise: Promise
    encryption_key: kms.IKey
    alarm_topic: sns.ITopic
    production: bool

    @property
    def dimensions(self) -> Mapping[str, str]:
        """Of the metrics of its variant."""
        return {"EndpointName": self.name, "VariantName": VARIANT}

    def refuse_one_machine(self, least: int) -> None:
        """Raises ValueError for what production asks of its zones and does not get."""
        placement = self.served.placement
        if self.production and least < TWO_ZONES:
            raise ValueError(f"{self.name}: production has at least 2 instances, in two zones; got {least}")
        if self.production and placement and len(placement.subnet_ids) < TWO_ZONES:
            raise ValueError(f"{self.name}: production has subnets in two zones, got {placement.subnet_ids}")

    def volume_key(self, instance_type: str) -> str | None:
        """The key of the machines' disks; None where the disk lies in the machine and has a key of its own."""
        return None if has_local_storage(instance_type) else self.encryption_key.key_arn


def configured(scope: Construct, basics: EndpointBasics, **properties: Any) -> sagemaker.CfnEndpointConfig:
    """A configuration called `<name>-<hash>`, kept when it is replaced: the endpoint still runs by it."""
    name = hashed(scope, basics.name, {**properties, "role": basics.served.role.name})
    configuration = sagemaker.CfnEndpointConfig(scope, "Configuration", endpoint_config_name=name, **properties)
    keep_replaced(configuration)
    if not properties.get("kms_key_id"):
        acknowledge(configuration, _NO_DISK, *_WITHOUT_KEY)
    return configuration


def watch(
    scope: Construct,
    basics: EndpointBasics,
    mode: Mode,
    *,
    dimensions: Mapping[str, str] | None = None,
    more: Sequence[Watched] = (),
) -> EndpointAlarms:
    """Alarms, with `more` that only this mode has, and the dashboard."""
    seen = dimensions or basics.dimensions
    alarms = EndpointAlarms(
        scope,
        "Alarms",
        props=EndpointAlarmsProps(
            name=basics.name, dimensions=seen, promise=basics.promise, alarm_topic=basics.alarm_topic, more=more
        ),
    )
    EndpointDashboard(
        scope,
        "Dashboard",
        props=EndpointDashboardProps(
            name=basics.name, mode=mode, dimensions=seen, promise=basics.promise, alarms=alarms.all
        ),
    )
    return alarms


def variant(
    model_name: str | None, fleet: Fleet, *, name: str = VARIANT, count: int | None = None, start_seconds: int = 600
) -> sagemaker.CfnEndpointConfig.ProductionVariantProperty:
    """A variant on instances; `start_seconds` (60 to 3600) is how long a model may take to load and to answer."""
    neuron = fleet.instance_type in MACHINES
    seconds = START_TIMEOUT_SECONDS if neuron else start_seconds
    return sagemaker.CfnEndpointConfig.ProductionVariantProperty(
        variant_name=name,
        model_name=model_name,
        instance_type=fleet.instance_type,
        initial_instance_count=fleet.least if count is None else count,
        initial_variant_weight=1,
        inference_ami_version=AMI if neuron else None,
        model_data_download_timeout_in_seconds=seconds,
        container_startup_health_check_timeout_in_seconds=seconds,
    )
