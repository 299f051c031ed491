"""Whether the gateway answers: it fails, nothing of it answers, it is slow, or a breaker stays open."""

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sns as sns
from constructs import Construct

from groundplan.gateway.metrics import BY_OPERATION, NAMESPACE, TOTAL, WRITTEN, Dimensions
from groundplan_constructs.heard_alarm import heard_alarm

RUNBOOK = "docs/runbooks/gateway.md"
FAILED_PERCENT = 5
OPEN_MINUTES = 15  # sixty cool-downs of a breaker as it comes
# What reaches the deadline is cut there, and CloudWatch's percentiles are near enough, not exact.
OF_THE_DEADLINE = 0.9
_MINUTE = cdk.Duration.minutes(1)


@dataclass(frozen=True, kw_only=True)
class GatewayAlarmsProps:
    """`name` is the gateway's, in its own metrics and of its API."""

    name: str
    stage_name: str
    deadline_seconds: float
    alarm_topic: sns.ITopic


class GatewayAlarms(Construct):
    """One alarm for each way in which callers are not answered; no request is nothing wrong.

    Of an application that does not start there is no metric of its own, so API Gateway's is watched as well:
    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: GatewayAlarmsProps) -> None:
        super().__init__(scope, construct_id)
        self._props, name = props, props.name
        slow_ms = props.deadline_seconds * 1000 * OF_THE_DEADLINE
        answered = {"ApiName": name, "Stage": props.stage_name}
        self.all = [
            self._alarm(
                "Failing",
                gateway_metric(name, TOTAL, "failures", "Average"),
                FAILED_PERCENT / 100,
                f"more than {FAILED_PERCENT} % of requests fail",
            ),
            self._alarm(
                "Unanswered",
                api_metric("5XXError", "Average", answered),
                FAILED_PERCENT / 100,
                f"the API answers more than {FAILED_PERCENT} % with 5xx, whether the application ran or not",
            ),
            self._alarm(
                "Slow",
                gateway_metric(name, BY_OPERATION, "latency_ms", "p99", operation="chat"),
                slow_ms,
                f"the slowest hundredth takes longer than {slow_ms:.0f} ms, close to the deadline",
            ),
            self._alarm(
                "Shut",
                gateway_metric(name, TOTAL, "breaker_open", "Sum").with_(period=cdk.Duration.minutes(5)),
                0,
                f"a model's breaker turned callers away for {OPEN_MINUTES} minutes",
                periods=OPEN_MINUTES // 5,
                of=OPEN_MINUTES // 5,
            ),
        ]

    def _alarm(
        self,
        construct_id: str,
        seen: cloudwatch.Metric,
        threshold: float,
        says: str,
        *,
        periods: int = 3,
        of: int = 2,
    ) -> cloudwatch.Alarm:
        return heard_alarm(
            self,
            construct_id,
            of=self._props.name,
            says=says,
            runbook=RUNBOOK,
            topic=self._props.alarm_topic,
            metric=seen,
            threshold=threshold,
            evaluation_periods=periods,
            datapoints_to_alarm=of,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )


def gateway_metric(
    gateway: str, dimensions: Dimensions, name: str, statistic: str, **values: str
) -> cloudwatch.Metric:
    """One that the gateway writes by these dimensions, by the minute; raises ValueError for one that it does not."""
    if name not in WRITTEN[dimensions]:
        raise ValueError(f"the gateway writes no {name} by {', '.join(dimensions)}: {', '.join(WRITTEN[dimensions])}")
    said = {"gateway": gateway, **values}
    return cloudwatch.Metric(
        namespace=NAMESPACE,
        metric_name=name,
        dimensions_map={dimension: said[dimension] for dimension in dimensions},
        statistic=statistic,
        period=_MINUTE,
    )


def api_metric(name: str, statistic: str, dimensions: dict[str, str]) -> cloudwatch.Metric:
    """One of API Gateway's own, by the minute."""
    return cloudwatch.Metric(
        namespace="AWS/ApiGateway",
        metric_name=name,
        dimensions_map=dimensions,
        statistic=statistic,
        period=_MINUTE,
    )
