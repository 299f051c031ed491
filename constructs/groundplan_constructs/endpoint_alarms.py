"""Whether an endpoint keeps its promise: errors, refusals, latency, silence, and all of them in one alarm."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from groundplan.serving.design import Promise

NAMESPACE = "AWS/SageMaker"
RUNBOOK = "docs/runbooks/serving.md"
MICROSECONDS = 1000  # of a millisecond: SageMaker's latencies
SILENT_MINUTES = 15
_ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
_BELOW = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD


@dataclass(frozen=True, kw_only=True)
class EndpointAlarmsProps:
    """`dimensions` are those of AWS/SageMaker's metrics: of a variant, or of an inference component."""

    name: str
    dimensions: Mapping[str, str]
    promise: Promise
    alarm_topic: sns.ITopic


class EndpointAlarms(Construct):
    """One alarm for each part of the promise; two minutes of three ring, so that a single bad one does not.

    SageMaker counts an error as 1 and a success as 0, so the average of its error metrics is the share of errors.
    Without requests there is no share: the alarm says INSUFFICIENT_DATA, which is neither OK nor a reason to go back.
    Metrics: https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: EndpointAlarmsProps) -> None:
        super().__init__(scope, construct_id)
        self._props = props
        promise = props.promise
        failing = self._alarm(
            "Failing",
            self._metric("Invocation5XXErrors", "Average"),
            promise.failed_percent / 100,
            f"more than {promise.failed_percent} % of requests fail",
        )
        refusing = self._alarm(
            "Refusing",
            self._metric("Invocation4XXErrors", "Average"),
            promise.refused_percent / 100,
            f"more than {promise.refused_percent} % of requests are refused",
        )
        found = [failing, refusing]
        if promise.p99_ms is not None:
            slow = f"the slowest hundredth takes longer than {promise.p99_ms} ms"
            latency = self._metric("ModelLatency", "p99")
            found.append(self._alarm("Slow", latency, promise.p99_ms * MICROSECONDS, slow))
        self.rollback_alarms: list[cloudwatch.Alarm] = list(found)
        if promise.always_asked:
            found.append(self._silence())
        self.works = cloudwatch.CompositeAlarm(
            self,
            "Works",
            composite_alarm_name=f"{props.name}-works",
            alarm_description=f"{props.name} does not do what it promises; see {RUNBOOK}",
            alarm_rule=cloudwatch.AlarmRule.any_of(
                *(cloudwatch.AlarmRule.from_alarm(one, cloudwatch.AlarmState.ALARM) for one in found)
            ),
        )
        self.works.add_alarm_action(actions.SnsAction(props.alarm_topic))

    def _metric(self, name: str, statistic: str) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=name,
            dimensions_map=self._props.dimensions,
            statistic=statistic,
            period=cdk.Duration.minutes(1),
        )

    def _alarm(self, construct_id: str, metric: cloudwatch.Metric, threshold: Decimal, says: str) -> cloudwatch.Alarm:
        alarm = cloudwatch.Alarm(
            self,
            construct_id,
            alarm_name=f"{self._props.name}-{construct_id.lower()}",
            alarm_description=f"{self._props.name}: {says}; see {RUNBOOK}",
            metric=metric,
            threshold=float(threshold),
            comparison_operator=_ABOVE,
            evaluation_periods=3,
            datapoints_to_alarm=2,
            treat_missing_data=cloudwatch.TreatMissingData.MISSING,
        )
        alarm.add_alarm_action(actions.SnsAction(self._props.alarm_topic))
        return alarm

    def _silence(self) -> cloudwatch.Alarm:
        alarm = cloudwatch.Alarm(
            self,
            "Silent",
            alarm_name=f"{self._props.name}-silent",
            alarm_description=f"{self._props.name}: nobody asks, though its traffic never stops; see {RUNBOOK}",
            metric=self._metric("Invocations", "Sum"),
            threshold=1,
            comparison_operator=_BELOW,
            evaluation_periods=SILENT_MINUTES,
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
        )
        alarm.add_alarm_action(actions.SnsAction(self._props.alarm_topic))
        return alarm
