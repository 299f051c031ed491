"""Whether transform jobs keep their promise: what failed, what is late, and a page on what they do and cost."""

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sns as sns
from constructs import Construct

from groundplan.serving.design import Fleet, Promise
from groundplan_constructs.endpoint_alarms import RUNBOOK, works
from groundplan_constructs.endpoint_dashboard import graph, page
from groundplan_constructs.heard_alarm import heard_alarm

_JOBS = "/aws/sagemaker/TransformJobs"
_ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
_BELOW = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
_HOUR_MS = 3_600_000
_MISSING, _BREACHING = cloudwatch.TreatMissingData.MISSING, cloudwatch.TreatMissingData.BREACHING


@dataclass(frozen=True, kw_only=True)
class TransformWatchProps:
    """`state_machine_arn` runs the jobs of `name`, `undelivered` rings for what could not start one.

    `nightly`: a day without a job that succeeded is a broken promise; otherwise nobody may have asked.
    """

    name: str
    state_machine_arn: str
    undelivered: cloudwatch.IAlarm
    alarm_topic: sns.ITopic
    fleet: Fleet
    promise: Promise
    nightly: bool


class TransformWatch(Construct):
    """Alarms, one for all of them, and a dashboard called as the workload's endpoint would be.

    Without executions there is no metric. That is no verdict on failures, and late where a job was due.
    Metrics: https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html,
    https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html#cloudwatch-metrics-jobs
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: TransformWatchProps) -> None:
        super().__init__(scope, construct_id)
        self._props = props
        parts: list[cloudwatch.IAlarm] = [
            self._alarm("Failed", "ExecutionsFailed", _ABOVE, 0, _MISSING, "a transform job failed"),
            props.undelivered,
        ]
        if props.nightly:
            says = "no transform job succeeded within a day"
            parts.append(self._alarm("Late", "ExecutionsSucceeded", _BELOW, 1, _BREACHING, says, days=1))
        self.works = works(self, props.name, parts, props.alarm_topic)
        page(self, props.name, [self.works, *parts], self._graphs())

    def _metric(self, name: str, statistic: str, period: cdk.Duration) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace="AWS/States",
            metric_name=name,
            dimensions_map={"StateMachineArn": self._props.state_machine_arn},
            statistic=statistic,
            period=period,
        )

    def _alarm(
        self,
        construct_id: str,
        metric: str,
        rings: cloudwatch.ComparisonOperator,
        threshold: int,
        missing: cloudwatch.TreatMissingData,
        says: str,
        days: int = 0,
    ) -> cloudwatch.Alarm:
        return heard_alarm(
            self,
            construct_id,
            of=self._props.name,
            says=says,
            runbook=RUNBOOK,
            topic=self._props.alarm_topic,
            metric=self._metric(metric, "Sum", cdk.Duration.days(days) if days else cdk.Duration.minutes(5)),
            threshold=threshold,
            evaluation_periods=1,
            comparison_operator=rings,
            treat_missing_data=missing,
        )

    def _graphs(self) -> list[cloudwatch.IWidget]:
        day, name = cdk.Duration.days(1), self._props.name
        # A job's metrics are of hosts, each called as its job and its machine.
        busy = [_of_hosts(name, one) for one in ("CPUUtilization", "MemoryUtilization")]
        ends = ("ExecutionsStarted", "ExecutionsSucceeded", "ExecutionsFailed")
        took = self._metric("ExecutionTime", "Sum", day)
        graphs = [
            graph("Jobs", [self._metric(one, "Sum", day) for one in ends]),
            graph("How long a job takes, ms", [self._metric("ExecutionTime", "Maximum", day)]),
            graph("How busy the machines are, %", busy),
        ]
        if hourly := self._props.promise.hourly_usd:
            cost = cloudwatch.MathExpression(
                expression=f"{hourly} * {self._props.fleet.most} * took / {_HOUR_MS}",
                label="as if every machine ran all the time",
                using_metrics={"took": took},
                period=day,
            )
            graphs.append(graph("Dollars a day at most", [cost]))
        return graphs


def _of_hosts(name: str, metric: str) -> cloudwatch.IMetric:
    found = f'{{{_JOBS},Host}} MetricName="{metric}" Host="{name}"'
    return cloudwatch.MathExpression(
        expression=f"SEARCH('{found}', 'Average', 300)", label=metric, period=cdk.Duration.minutes(5)
    )
