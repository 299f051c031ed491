"""A model that answers later, from a queue: large requests, long work, nothing running while nobody asks."""

from dataclasses import dataclass, field
from decimal import Decimal

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns
from constructs import Construct

from groundplan.serving.design import Fleet
from groundplan_constructs.endpoint_alarms import Watched, metric
from groundplan_constructs.endpoint_basics import VARIANT, EndpointBasics, configured, variant, watch
from groundplan_constructs.rollout import Rollout
from groundplan_constructs.scaling import Scaling, ScalingProps, tracking
from groundplan_constructs.served_model import ServedModel


@dataclass(frozen=True, kw_only=True)
class AsyncEndpointProps:
    """Where answers and failures go (`s3://bucket/prefix`), how many requests a machine works on, who is told.

    `backlog_seconds` is how long a request may wait in the queue before there is one instance more.
    """

    basics: EndpointBasics
    fleet: Fleet
    answers_uri: str
    failures_uri: str
    requests_at_once: int = 4
    backlog_seconds: int = 60
    rollout: Rollout = field(default_factory=Rollout)


class AsyncEndpoint(Construct):
    """Goes to zero when the queue is empty, and wakes when something waits and nothing runs.

    Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference.html,
    https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-autoscale.html
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: AsyncEndpointProps) -> None:
        super().__init__(scope, construct_id)
        basics, fleet = props.basics, props.fleet
        if fleet.least:
            basics.refuse_one_machine(fleet.least)
        alarms = watch(self, basics, "asynchronous", more=_watched(basics))
        model = ServedModel(self, "Model", name=basics.name, served=basics.served)
        configuration = configured(
            self,
            basics,
            kms_key_id=basics.volume_key(fleet.instance_type),
            async_inference_config=self._queue(props),
            # CloudFormation begins with one instance at least; scaling takes it away.
            production_variants=[variant(model.name, fleet, count=max(fleet.least, 1))],
        )
        configuration.node.add_dependency(model)
        self.endpoint = sagemaker.CfnEndpoint(
            self,
            "Resource",
            endpoint_name=basics.name,
            endpoint_config_name=configuration.attr_endpoint_config_name,
            deployment_config=props.rollout.deployment(alarms.rollback_alarms),
            retain_all_variant_properties=True,
        )
        self._scale(props)

    def _queue(self, props: AsyncEndpointProps) -> sagemaker.CfnEndpointConfig.AsyncInferenceConfigProperty:
        config, basics = sagemaker.CfnEndpointConfig, props.basics
        topic: sns.ITopic = basics.alarm_topic
        return config.AsyncInferenceConfigProperty(
            client_config=config.AsyncInferenceClientConfigProperty(
                max_concurrent_invocations_per_instance=props.requests_at_once
            ),
            output_config=config.AsyncInferenceOutputConfigProperty(
                s3_output_path=props.answers_uri,
                s3_failure_path=props.failures_uri,
                kms_key_id=basics.encryption_key.key_arn,
                notification_config=config.AsyncInferenceNotificationConfigProperty(error_topic=topic.topic_arn),
            ),
        )

    def _scale(self, props: AsyncEndpointProps) -> None:
        basics, fleet = props.basics, props.fleet
        waiting = max(1, int(fleet.requests_per_second * props.backlog_seconds))
        scaling = Scaling(
            self,
            "Scaling",
            name=basics.name,
            props=ScalingProps(
                resource_id=f"endpoint/{basics.name}/variant/{VARIANT}",
                dimension="sagemaker:variant:DesiredInstanceCount",
                least=fleet.least,
                most=fleet.most,
                tracking=tracking(waiting, metric=_of(basics, "ApproximateBacklogSizePerInstance", "Average")),
                busy=fleet.busy,
                wake_on=_of(basics, "HasBacklogWithoutCapacity", "Maximum"),
            ),
        )
        scaling.target.add_resource_dependency(self.endpoint)


def _of(basics: EndpointBasics, name: str, statistic: str) -> cloudwatch.Metric:
    return metric(name, statistic, {"EndpointName": basics.name})


def _watched(basics: EndpointBasics) -> list[Watched]:
    """The oldest request waits longer than was promised; requests end unanswered."""
    expired = metric("ExpiredRequests", "Sum", basics.dimensions)
    found = [Watched(construct_id="Lost", metric=expired, most=Decimal(0), says="requests expired", minutes=1)]
    if wait := basics.promise.wait_seconds:
        says = f"the oldest request waits longer than {wait} s"
        oldest = _of(basics, "ApproximateAgeOfOldestRequest", "Maximum")
        found.append(Watched(construct_id="Waiting", metric=oldest, most=wait, says=says))
    return found
