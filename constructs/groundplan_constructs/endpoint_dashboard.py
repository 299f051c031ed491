"""One page on how a workload serves: alarms, latency, errors, saturation, cost against the estimate, queue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from groundplan.serving.design import Promise
from groundplan.serving.offers import Mode

NAMESPACE, MACHINES, COPIES = "AWS/SageMaker", "/aws/sagemaker/Endpoints", "/aws/sagemaker/InferenceComponents"
MICROSECONDS = 1000
_WIDTH = 12
_HOUR = cdk.Duration.hours(1)
_BUSY = ("CPUUtilization", "MemoryUtilization", "GPUUtilization", "GPUMemoryUtilization")
# What the model alone takes. A queue's callers see what lies around it; AWS has no percentiles of that.
_LATENCIES: Mapping[Mode, Mapping[str, Sequence[str]]] = {
    "real-time": {"ModelLatency": ("p50", "p99"), "OverheadLatency": ("Average",)},
    "serverless": {"ModelLatency": ("p50", "p99"), "OverheadLatency": ("Average",)},
    "component": {"ModelLatency": ("p50", "p99"), "OverheadLatency": ("Average",)},
    "asynchronous": {"ModelLatency": ("Average", "Maximum"), "TimeInBacklog": ("Average", "Maximum")},
}
_REQUESTS: Mapping[Mode, Sequence[str]] = {
    "real-time": ("Invocations", "InvocationsPerInstance"),
    "serverless": ("Invocations",),
    "component": ("Invocations", "InvocationsPerCopy"),
    "asynchronous": ("InvocationsProcessed", "InvocationFailures", "ExpiredRequests"),
}


@dataclass(frozen=True, kw_only=True)
class EndpointDashboardProps:
    """`dimensions` are those of the endpoint's metrics, `alarms` what stands on top, the most telling first."""

    name: str
    mode: Mode
    dimensions: Mapping[str, str]
    promise: Promise
    alarms: Sequence[cloudwatch.IAlarm]


class EndpointDashboard(Construct):
    """A dashboard called as the endpoint, with nothing on it that AWS does not publish in its mode.

    Metrics: https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html,
    https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-monitor.html,
    https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints-monitoring.html
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: EndpointDashboardProps) -> None:
        super().__init__(scope, construct_id)
        self._props = props
        errors = [self._metric("Invocation5XXErrors", "Sum"), self._metric("Invocation4XXErrors", "Sum")]
        requests = [self._metric(name, "Sum") for name in _REQUESTS[props.mode]]
        widgets = [
            graph("Latency, ms", self._latencies(), _line("promised p99", props.promise.p99_ms)),
            graph("Requests that fail and that are refused", errors),
            graph("Requests", requests),
            graph("How busy it is", self._busy()),
        ]
        if cost := self._cost():
            planned = _line("planned", props.promise.thousand_usd)
            widgets.append(graph("Dollars a thousand requests, without data in", [cost], planned))
        if waiting := self._waiting():
            widgets.append(graph("What waits, and wake-ups", waiting))
        page(self, props.name, props.alarms, widgets)

    def _metric(self, name: str, statistic: str, namespace: str = NAMESPACE) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=namespace,
            metric_name=name,
            dimensions_map=self._props.dimensions,
            statistic=statistic,
            period=cdk.Duration.minutes(1),
        )

    def _latencies(self) -> list[cloudwatch.IMetric]:
        found: list[cloudwatch.IMetric] = []
        for name, statistics in _LATENCIES[self._props.mode].items():
            for one in statistics:
                used = f"{name[0].lower()}{name[1:]}{one}"
                found.append(
                    cloudwatch.MathExpression(
                        expression=f"{used} / {MICROSECONDS}",
                        label=f"{name} {one}",
                        using_metrics={used: self._metric(name, one)},
                        period=cdk.Duration.minutes(1),
                    )
                )
        return found

    def _busy(self) -> list[cloudwatch.IMetric]:
        """Per cent; of a serverless endpoint's concurrency a share of 1; of requests at once their number."""
        mode = self._props.mode
        if mode == "serverless":
            return [
                self._metric("ServerlessConcurrentExecutionsUtilization", "Maximum"),
                self._metric("MemoryUtilization", "Average", MACHINES),
            ]
        if mode == "component":
            copies = [self._metric(f"{name}Normalized", "Average", COPIES) for name in _BUSY]
            return [*copies, self._metric("ConcurrentRequestsPerCopy", "Maximum")]
        found: list[cloudwatch.IMetric] = [self._metric(name, "Average", MACHINES) for name in _BUSY]
        if mode == "real-time":
            found.append(self._metric("ConcurrentRequestsPerModel", "Maximum"))
        return found

    def _cost(self) -> cloudwatch.IMetric | None:
        """An hour costs what it costs; the more requests are answered in it, the less each of them."""
        hourly, mode = self._props.promise.hourly_usd, self._props.mode
        if hourly is None:
            return None
        if mode == "serverless":
            metrics = {"latency": self._metric("ModelLatency", "Average")}
            expression = f"1000 * {hourly} * latency / {3600 * 10**6}"
        elif mode == "asynchronous":
            # Each machine reports once a minute: so many reports, so many minutes of machines.
            metrics = {
                "minutes": self._metric("CPUUtilization", "SampleCount", MACHINES),
                "answered": self._metric("InvocationsProcessed", "Sum"),
            }
            expression = f"1000 * {hourly} * minutes / 60 / answered"
        else:
            by = "InvocationsPerCopy" if mode == "component" else "InvocationsPerInstance"
            metrics = {"answered": self._metric(by, "Sum")}
            expression = f"1000 * {hourly} / (answered * 3600 / PERIOD(answered))"
        return cloudwatch.MathExpression(
            expression=expression,
            label="cost of a thousand",
            using_metrics={name: metric.with_(period=_HOUR) for name, metric in metrics.items()},
            period=_HOUR,
        )

    def _waiting(self) -> list[cloudwatch.IMetric]:
        mode = self._props.mode
        if mode == "asynchronous":
            names = ("ApproximateBacklogSize", "ApproximateAgeOfOldestRequest", "HasBacklogWithoutCapacity")
            return [of_endpoint(self._metric(name, "Maximum")) for name in names]
        if mode == "component":
            return [self._metric("NoCapacityInvocationFailures", "Sum")]
        return [self._metric("ModelSetupTime", "Maximum")] if mode == "serverless" else []


def of_endpoint(metric: cloudwatch.Metric) -> cloudwatch.Metric:
    """The same of the endpoint: AWS publishes a queue's metrics for the endpoint and not for its variant."""
    only = {key: str(value) for key, value in (metric.dimensions or {}).items() if key == "EndpointName"}
    return metric.with_(dimensions_map=only)


def page(
    scope: Construct, name: str, alarms: Sequence[cloudwatch.IAlarm], widgets: Sequence[cloudwatch.IWidget]
) -> cloudwatch.Dashboard:
    """A dashboard: the alarms' states, INSUFFICIENT_DATA among them, above the graphs, two in a row."""
    dashboard = cloudwatch.Dashboard(scope, "Resource", dashboard_name=name)
    dashboard.add_widgets(cloudwatch.AlarmStatusWidget(title="What is known", alarms=list(alarms), width=2 * _WIDTH))
    for first in range(0, len(widgets), 2):
        dashboard.add_widgets(*widgets[first : first + 2])
    return dashboard


def graph(
    title: str,
    metrics: Sequence[cloudwatch.IMetric],
    lines: Sequence[cloudwatch.HorizontalAnnotation] = (),
) -> cloudwatch.IWidget:
    """Half a row."""
    return cloudwatch.GraphWidget(
        title=title,
        left=list(metrics),
        left_annotations=list(lines),
        width=_WIDTH,
        period=cdk.Duration.minutes(1),
    )


def _line(label: str, value: object) -> list[cloudwatch.HorizontalAnnotation]:
    return [] if value is None else [cloudwatch.HorizontalAnnotation(label=label, value=float(str(value)))]
