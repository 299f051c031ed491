"""One page on the gateway: alarms, requests, latency, what was shed, how prompts fail, tokens and dollars."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from groundplan.gateway.metrics import (
    BY_MODEL,
    BY_PROMPT,
    BY_TENANT,
    BY_WORKLOAD,
    NAMESPACE,
    PROMPT_FAILURES,
    TOKENS,
    TOTAL,
    WRITTEN,
    Dimensions,
)
from groundplan_constructs.endpoint_dashboard import graph, page
from groundplan_constructs.gateway_alarms import api_metric, gateway_metric

_MINUTE, _HOUR = cdk.Duration.minutes(1), cdk.Duration.hours(1)


@dataclass(frozen=True, kw_only=True)
class GatewayDashboardProps:
    """`name` is the gateway's, in its own metrics and of its API; `alarms` stand on top, the most telling first."""

    name: str
    stage_name: str
    deadline_seconds: float
    alarms: Sequence[cloudwatch.IAlarm]


class GatewayDashboard(Construct):
    """A dashboard called as the gateway. Who is new, a model, a tenant or a prompt, appears on it by itself.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: GatewayDashboardProps) -> None:
        super().__init__(scope, construct_id)
        self._name = props.name
        deadline = cloudwatch.HorizontalAnnotation(label="deadline", value=props.deadline_seconds * 1000)
        answered = {"ApiName": props.name, "Stage": props.stage_name}
        widgets = [
            graph("Requests, refused (4xx), failed (5xx or cut)", self._total("requests", "refusals", "failures")),
            graph(
                "What the API answers, whether the application ran or not",
                [api_metric(name, "Sum", answered) for name in ("Count", "4XXError", "5XXError")],
            ),
            graph("Latency by model, ms", self._by(BY_MODEL, ["latency_ms"], ("p50", "p99")), [deadline]),
            graph("What models take of it, ms", self._by(BY_MODEL, ["backend_ms"], ("p50", "p99"))),
            graph("Turned away by model, and by an open breaker", self._by(BY_MODEL, ["shed", "breaker_open"])),
            graph("Requests and failures by model", self._by(BY_MODEL, ["requests", "failures"])),
            graph("Guardrail interventions by tenant and feature", self._by(BY_TENANT, ["interventions"])),
            graph("How prompts fail", self._by(BY_PROMPT, PROMPT_FAILURES)),
            graph("Tokens an hour by tenant and feature", self._by(BY_TENANT, TOKENS, period=_HOUR)),
            graph("Dollars an hour by tenant and feature", self._by(BY_TENANT, ["dollars"], period=_HOUR)),
            graph("Requests and refusals by tenant and feature", self._by(BY_TENANT, ["requests", "refusals"])),
            graph("Requests by prompt", self._by(BY_PROMPT, ["requests"])),
            graph("Dollars an hour by model", self._by(BY_MODEL, ["dollars"], period=_HOUR)),
            graph("Dollars an hour by workload", self._by(BY_WORKLOAD, ["dollars"], period=_HOUR)),
        ]
        page(self, props.name, props.alarms, widgets)

    def _total(self, *names: str) -> list[cloudwatch.IMetric]:
        return [gateway_metric(self._name, TOTAL, name, "Sum") for name in names]

    def _by(
        self,
        dimensions: Dimensions,
        names: Sequence[str],
        statistics: Sequence[str] = ("Sum",),
        period: cdk.Duration = _MINUTE,
    ) -> list[cloudwatch.IMetric]:
        return list(self._searches(dimensions, names, statistics, period))

    def _searches(
        self, dimensions: Dimensions, names: Sequence[str], statistics: Sequence[str], period: cdk.Duration
    ) -> Iterator[cloudwatch.IMetric]:
        schema = ",".join([f'"{NAMESPACE}"', *dimensions])
        who = " ".join(f"${{PROP('Dim.{dimension}')}}" for dimension in dimensions[1:])
        for name in names:
            if name not in WRITTEN[dimensions]:
                raise ValueError(f"the gateway writes no {name} by {', '.join(dimensions)}")
            for statistic in statistics:
                said = f'{{{schema}}} MetricName="{name}" gateway="{self._name}"'
                what = name if statistic == "Sum" else statistic
                yield cloudwatch.SearchExpression(
                    expression=f"SEARCH('{said}', '{statistic}', {period.to_seconds():.0f})",
                    label=f"{who} {what}",
                    period=period,
                )
