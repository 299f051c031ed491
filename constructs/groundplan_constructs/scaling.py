"""As much as traffic needs: quickly more, slowly less, by the clock where hours are known, zero where it can."""

from dataclasses import dataclass

from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from groundplan.serving.design import Busy
from groundplan.serving.scaling import BUSY_HOURS, IN_SECONDS, OUT_SECONDS

_policy = scaling.CfnScalingPolicy


@dataclass(frozen=True, kw_only=True)
class ScalingProps:
    """What is scaled, between which bounds, to hold which metric at which value; `tracking` says both.

    `wake_on` is a metric above zero when something waits and nothing is there; it is needed where `least` is 0.
    """

    resource_id: str
    dimension: str
    least: int
    most: int
    tracking: scaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty
    busy: Busy = ""
    wake_on: cloudwatch.Metric | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.least <= self.most:
            raise ValueError(f"allowed: 0 <= least <= most, got least {self.least}, most {self.most}")
        if self.least == 0 and self.wake_on is None:
            raise ValueError("what goes to zero needs wake_on, or it never comes back: target tracking divides by it")


class Scaling(Construct):
    """A scalable target, its target tracking, its hours, and the step that wakes it.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling.html
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: ScalingProps, name: str) -> None:
        super().__init__(scope, construct_id)
        self._name = name
        self.target = scaling.CfnScalableTarget(
            self,
            "Resource",
            service_namespace="sagemaker",
            scalable_dimension=props.dimension,
            resource_id=props.resource_id,
            min_capacity=props.least,
            max_capacity=props.most,
            scheduled_actions=_hours(props) or None,
        )
        _policy(
            self,
            "Tracking",
            policy_name=f"{name}-tracking",
            policy_type="TargetTrackingScaling",
            scaling_target_id=self.target.ref,
            target_tracking_scaling_policy_configuration=props.tracking,
        )
        if props.wake_on and props.least == 0:
            self._wake(props.wake_on)

    def _wake(self, metric: cloudwatch.Metric) -> None:
        step = _policy.StepAdjustmentProperty(metric_interval_lower_bound=0, scaling_adjustment=1)
        awake = _policy(
            self,
            "Wake",
            policy_name=f"{self._name}-wake",
            policy_type="StepScaling",
            scaling_target_id=self.target.ref,
            step_scaling_policy_configuration=_policy.StepScalingPolicyConfigurationProperty(
                adjustment_type="ChangeInCapacity",
                metric_aggregation_type="Maximum",
                cooldown=OUT_SECONDS,
                step_adjustments=[step],
            ),
        )
        cloudwatch.CfnAlarm(
            self,
            "Asleep",
            alarm_name=f"{self._name}-asleep",
            alarm_description=f"{self._name}: somebody asks and nothing is there to answer; it is being woken",
            namespace=metric.namespace,
            metric_name=metric.metric_name,
            dimensions=[
                cloudwatch.CfnAlarm.DimensionProperty(name=key, value=str(value))
                for key, value in (metric.dimensions or {}).items()
            ],
            statistic="Maximum",
            period=60,
            evaluation_periods=1,
            threshold=1,
            comparison_operator="GreaterThanOrEqualToThreshold",
            treat_missing_data="missing",
            alarm_actions=[awake.ref],
        )


def tracking(
    target: float, *, predefined: str | None = None, metric: cloudwatch.Metric | None = None
) -> scaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty:
    """Hold a metric that AWS keeps for the purpose, or one of CloudWatch's, at a value. Scale-in waits five times."""
    own = metric and _policy.CustomizedMetricSpecificationProperty(
        namespace=metric.namespace,
        metric_name=metric.metric_name,
        statistic=metric.statistic,
        dimensions=[
            _policy.MetricDimensionProperty(name=key, value=str(value))
            for key, value in (metric.dimensions or {}).items()
        ],
    )
    kept = predefined and _policy.PredefinedMetricSpecificationProperty(predefined_metric_type=predefined)
    return _policy.TargetTrackingScalingPolicyConfigurationProperty(
        target_value=target,
        predefined_metric_specification=kept or None,
        customized_metric_specification=own,
        scale_out_cooldown=OUT_SECONDS,
        scale_in_cooldown=IN_SECONDS,
    )


def _hours(props: ScalingProps) -> list[scaling.CfnScalableTarget.ScheduledActionProperty]:
    if not props.busy or props.least == props.most:
        return []
    hours = BUSY_HOURS[props.busy]
    return [
        scaling.CfnScalableTarget.ScheduledActionProperty(
            scheduled_action_name=name,
            schedule=schedule,
            timezone="UTC",
            scalable_target_action=scaling.CfnScalableTarget.ScalableTargetActionProperty(
                min_capacity=least, max_capacity=props.most
            ),
        )
        for name, schedule, least in (("opens", hours.opens, props.most), ("closes", hours.closes, props.least))
    ]
