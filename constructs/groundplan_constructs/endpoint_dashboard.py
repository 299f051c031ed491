"""One page on how a workload serves: latency, errors, saturation, cost against the estimate, queue, wake-ups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from groundplan.serving.design import Promise
from groundplan.serving.offers import Mode

NAMESPACE, MACHINES = "AWS/SageMaker", "/aws/sagemaker/Endpoints"
MICROSECONDS = 1000
_WIDTH = 12
_HOUR = cdk.Duration.hours(1)


@dataclass(frozen=True, kw_only=True)
class EndpointDashboardProps:
    """`dimensions` are those of the endpoint's metrics; `cost_usd` what a thousand requests were to cost."""

    name: str
    mode: Mode
    dimensions: Mapping[str, str]
    promise: Promise


class EndpointDashboard(Construct):
    """A dashboard called as the endpoint.

    Metrics: https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: EndpointDashboardProps) -> None:
        super().__init__(scope, construct_id)
        self._props = props
        widgets = [
            self._graph("Latency of the model, ms", self._latencies(), _line("promised p99", props.promise.p99_ms)),
            self._graph(
                "Requests that fail and that are refused",
                [self._metric("Invocation5XXErrors", "Sum"), self._metric("Invocation4XXErrors", "Sum")],
            ),
            self._graph(
                "Requests",
                [self._metric("Invocations", "Sum"), self._metric("InvocationsPerInstance", "Sum")],
            ),
        ]
        if props.mode != "serverless":
            names = ("CPUUtilization", "MemoryUtilization", "GPUUtilization", "GPUMemoryUtilization")
            busy = [self._metric(name, "Average", MACHINES) for name in names]
            widgets.append(self._graph("How busy the machines are, %", busy))
        if cost := self._cost():
            widgets.append(self._graph("Dollars a thousand requests", [cost], _line("planned", self._planned())))
        if waiting := self._waiting():
            widgets.append(self._graph("What waits, and wake-ups", waiting))
        dashboard = cloudwatch.Dashboard(self, "Resource", dashboard_name=props.name)
        for first in range(0, len(widgets), 2):
            dashboard.add_widgets(*widgets[first : first + 2])

    def _metric(self, name: str, statistic: str, namespace: str = NAMESPACE) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=namespace,
            metric_name=name,
            dimensions_map=self._props.dimensions,
            statistic=statistic,
            period=cdk.Duration.minutes(1),
        )

    def _latencies(self) -> list[cloudwatch.IMetric]:
        return [
            cloudwatch.MathExpression(
                expression=f"{one} / {MICROSECONDS}",
                label=one,
                using_metrics={one: self._metric("ModelLatency", one)},
                period=cdk.Duration.minutes(1),
            )
            for one in ("p50", "p99")
        ]

    def _planned(self) -> float | None:
        planned = self._props.promise.thousand_usd
        return None if planned is None else float(planned)

    def _cost(self) -> cloudwatch.IMetric | None:
        """An hour of an instance costs what it costs; the more requests it answers, the less each of them."""
        hourly = self._props.promise.hourly_usd
        if hourly is None:
            return None
        return cloudwatch.MathExpression(
            expression=f"1000 * {hourly} / (answered * 3600 / PERIOD(answered))",
            label="cost of a thousand",
            using_metrics={"answered": self._metric("InvocationsPerInstance", "Sum").with_(period=_HOUR)},
            period=_HOUR,
        )

    def _waiting(self) -> list[cloudwatch.IMetric]:
        mode = self._props.mode
        if mode == "asynchronous":
            names = ("ApproximateBacklogSize", "HasBacklogWithoutCapacity", "ExpiredRequests")
            # AWS publishes them for the endpoint, not for a variant.
            return [self._of_endpoint(name) for name in names]
        if mode == "component":
            return [self._metric("NoCapacityInvocationFailures", "Sum")]
        if mode == "serverless":
            return [self._metric("ModelSetupTime", "Maximum"), self._metric("Throttles", "Sum")]
        return []

    def _of_endpoint(self, name: str) -> cloudwatch.Metric:
        only = {key: value for key, value in self._props.dimensions.items() if key == "EndpointName"}
        return self._metric(name, "Maximum").with_(dimensions_map=only)

    def _graph(
        self,
        title: str,
        metrics: Sequence[cloudwatch.IMetric],
        lines: Sequence[cloudwatch.HorizontalAnnotation] = (),
    ) -> cloudwatch.IWidget:
        return cloudwatch.GraphWidget(
            title=title,
            left=list(metrics),
            left_annotations=list(lines),
            width=_WIDTH,
            period=cdk.Duration.minutes(1),
        )


def _line(label: str, value: object) -> list[cloudwatch.HorizontalAnnotation]:
    return [] if value is None else [cloudwatch.HorizontalAnnotation(label=label, value=float(str(value)))]
