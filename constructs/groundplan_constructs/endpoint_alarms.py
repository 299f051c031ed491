"""Whether an endpoint keeps its promise: errors, refusals, latency, silence, and all of them in one alarm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from groundplan.serving.design import Fleet, Promise
from groundplan.serving.scaling import target
from groundplan_constructs.heard_alarm import heard_alarm

NAMESPACE = "AWS/SageMaker"
RUNBOOK = "docs/runbooks/serving.md"
MICROSECONDS = 1000  # of a millisecond: SageMaker's latencies
LONG_MINUTES = 15
_BELOW = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What only some modes have: `metric` above `most` in all but one of `minutes`.

    `promised`: then the service does not work. Otherwise it is a warning that nothing has been broken yet.
    """

    construct_id: str
    metric: cloudwatch.Metric
    most: Decimal
    says: str
    minutes: int = 3
    promised: bool = True


@dataclass(frozen=True, kw_only=True)
class EndpointAlarmsProps:
    """`dimensions` are those of AWS/SageMaker's metrics: of a variant, or of an inference component."""

    name: str
    dimensions: Mapping[str, str]
    promise: Promise
    alarm_topic: sns.ITopic
    more: Sequence[Watched] = ()


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
        warnings: list[cloudwatch.Alarm] = []
        for one in props.more:
            alarm = self._alarm(one.construct_id, one.metric, one.most, one.says, one.minutes)
            (found if one.promised else warnings).append(alarm)
        self.works = works(self, props.name, found, props.alarm_topic)
        self.all: list[cloudwatch.IAlarm] = [self.works, *found, *warnings]

    def _metric(self, name: str, statistic: str) -> cloudwatch.Metric:
        return metric(name, statistic, self._props.dimensions)

    def _alarm(
        self, construct_id: str, seen: cloudwatch.Metric, threshold: Decimal, says: str, minutes: int = 3
    ) -> cloudwatch.Alarm:
        return heard_alarm(
            self,
            construct_id,
            of=self._props.name,
            says=says,
            runbook=RUNBOOK,
            topic=self._props.alarm_topic,
            metric=seen,
            threshold=float(threshold),
            evaluation_periods=minutes,
            datapoints_to_alarm=max(1, minutes - 1),
            treat_missing_data=cloudwatch.TreatMissingData.MISSING,
        )

    def _silence(self) -> cloudwatch.Alarm:
        return heard_alarm(
            self,
            "Silent",
            of=self._props.name,
            says="nobody asks, though its traffic never stops",
            runbook=RUNBOOK,
            topic=self._props.alarm_topic,
            metric=self._metric("Invocations", "Sum"),
            threshold=1,
            comparison_operator=_BELOW,
            evaluation_periods=LONG_MINUTES,
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
        )


def metric(name: str, statistic: str, dimensions: Mapping[str, str]) -> cloudwatch.Metric:
    """One of AWS/SageMaker, by the minute."""
    return cloudwatch.Metric(
        namespace=NAMESPACE,
        metric_name=name,
        dimensions_map=dimensions,
        statistic=statistic,
        period=cdk.Duration.minutes(1),
    )


def saturated(fleet: Fleet, unit: Literal["Instance", "Copy"], dimensions: Mapping[str, str]) -> Watched:
    """Each has more to do than was measured that it can, for so long that scaling has nothing left to give."""
    held = target(fleet)
    concurrent = f"ConcurrentRequestsPer{'Copy' if unit == 'Copy' else 'Model'}"
    name, statistic = (f"InvocationsPer{unit}", "Sum") if held.by == "invocations" else (concurrent, "Maximum")
    return Watched(
        construct_id="Saturated",
        metric=metric(name, statistic, dimensions),
        most=held.limit,
        says="traffic is above what it was measured to take, and scaling has no more to give",
        minutes=LONG_MINUTES,
        promised=False,
    )


def works(
    scope: Construct, name: str, parts: Sequence[cloudwatch.IAlarm], alarm_topic: sns.ITopic
) -> cloudwatch.CompositeAlarm:
    """`<name>-works` rings when one of the parts does.

    CloudWatch gives it two states only: OK says that nothing is known to be broken, and the parts say what is known.
    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
    """
    alarm = cloudwatch.CompositeAlarm(
        scope,
        "Works",
        composite_alarm_name=f"{name}-works",
        alarm_description=f"{name} does not do what it promises; see {RUNBOOK}",
        alarm_rule=cloudwatch.AlarmRule.any_of(
            *(cloudwatch.AlarmRule.from_alarm(one, cloudwatch.AlarmState.ALARM) for one in parts)
        ),
    )
    alarm.add_alarm_action(actions.SnsAction(alarm_topic))
    return alarm
