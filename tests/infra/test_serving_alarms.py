"""What rings and what is shown of each mode of serving: only what AWS publishes there, and missing data is not OK."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest

OF_VARIANT, OF_ENDPOINT, OF_COPIES = {"EndpointName", "VariantName"}, {"EndpointName"}, {"InferenceComponentName"}
INVOKED, MACHINES, COPIES = "AWS/SageMaker", "/aws/sagemaker/Endpoints", "/aws/sagemaker/InferenceComponents"
ERRORS = {(INVOKED, name) for name in ("Invocation4XXErrors", "Invocation5XXErrors", "ModelLatency")}
HOSTS = {
    (MACHINES, name) for name in ("CPUUtilization", "MemoryUtilization", "GPUUtilization", "GPUMemoryUtilization")
}
# What AWS publishes in each mode, with which dimensions. Sources, read 2026-11-21:
# https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
# https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-monitor.html (its list is exhaustive)
# https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints-monitoring.html (its list is exhaustive)
# https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-zero-instances.html
PUBLISHED: Mapping[str, Mapping[tuple[str, str], set[str]]] = {
    "real-time": {
        **dict.fromkeys(ERRORS | HOSTS, OF_VARIANT),
        (INVOKED, "Invocations"): OF_VARIANT,
        (INVOKED, "InvocationsPerInstance"): OF_VARIANT,
        (INVOKED, "OverheadLatency"): OF_VARIANT,
        (INVOKED, "ConcurrentRequestsPerModel"): OF_VARIANT,
    },
    "serverless": {
        **dict.fromkeys(ERRORS, OF_VARIANT),
        (INVOKED, "Invocations"): OF_VARIANT,
        (INVOKED, "OverheadLatency"): OF_VARIANT,
        (INVOKED, "ModelSetupTime"): OF_VARIANT,
        (INVOKED, "ServerlessConcurrentExecutionsUtilization"): OF_VARIANT,
        (MACHINES, "MemoryUtilization"): OF_VARIANT,
    },
    "asynchronous": {
        **dict.fromkeys(ERRORS | HOSTS, OF_VARIANT),
        (INVOKED, "ApproximateBacklogSize"): OF_ENDPOINT,
        (INVOKED, "ApproximateBacklogSizePerInstance"): OF_ENDPOINT,
        (INVOKED, "ApproximateAgeOfOldestRequest"): OF_ENDPOINT,
        (INVOKED, "HasBacklogWithoutCapacity"): OF_ENDPOINT,
        (INVOKED, "ExpiredRequests"): OF_VARIANT,
        (INVOKED, "InvocationFailures"): OF_VARIANT,
        (INVOKED, "InvocationsProcessed"): OF_VARIANT,
        (INVOKED, "TimeInBacklog"): OF_VARIANT,
    },
    "component": {
        **dict.fromkeys(ERRORS, OF_COPIES),
        **{(COPIES, f"{name}Normalized"): OF_COPIES for _, name in HOSTS},
        (INVOKED, "Invocations"): OF_COPIES,
        (INVOKED, "InvocationsPerCopy"): OF_COPIES,
        (INVOKED, "OverheadLatency"): OF_COPIES,
        (INVOKED, "ConcurrentRequestsPerCopy"): OF_COPIES,
        (INVOKED, "NoCapacityInvocationFailures"): OF_COPIES,
    },
    # https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
    "batch-transform": {
        **{
            ("AWS/States", name): {"StateMachineArn"}
            for name in ("ExecutionsStarted", "ExecutionsSucceeded", "ExecutionsFailed", "ExecutionTime")
        },
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): {"QueueName"},
    },
}
MODES = {
    "fraud-scorer": "real-time",
    "invoice-reader": "real-time",
    "office-scorer": "real-time",
    "talking-scorer": "real-time",
    "digit-reader": "serverless",
    "queued-scorer": "asynchronous",
    "sleepy-scorer": "component",
    "nightly-churn": "batch-transform",
}
Metric = tuple[tuple[str, str], set[str]]


def resources(assembly: Any, workload: str, kind: str) -> dict[str, dict[str, Any]]:
    """Logical id to properties of a workload's serving stack."""
    found = assembly.templates[f"Serving-{workload}"]["Resources"]
    return {logical_id: one["Properties"] for logical_id, one in found.items() if one["Type"] == kind}


def alarms(assembly: Any, workload: str) -> dict[str, dict[str, Any]]:
    """Last word of its name to alarm; that of the dead-letter queue has no name of its own."""
    found = resources(assembly, workload, "AWS::CloudWatch::Alarm").values()
    return {str(one.get("AlarmName", "-undelivered")).rpartition("-")[2]: one for one in found}


def dashboard(assembly: Any, workload: str) -> list[dict[str, Any]]:
    """The widgets of its page; what only the deployment knows is a word."""
    [found] = resources(assembly, workload, "AWS::CloudWatch::Dashboard").values()
    body = found["DashboardBody"]
    parts = body["Fn::Join"][1] if isinstance(body, dict) else [body]
    return json.loads("".join(one if isinstance(one, str) else "known-later" for one in parts))["widgets"]


def drawn(assembly: Any, workload: str) -> Iterator[Metric]:
    """Metrics of the page, each with the names of its dimensions."""
    for widget in dashboard(assembly, workload):
        for row in widget["properties"].get("metrics", ()):
            if isinstance(row[0], str):
                given = [part for part in row if isinstance(part, str)]
                yield (given[0], given[1]), set(given[2::2])


def expressions(assembly: Any, workload: str) -> dict[str, str]:
    """Label to arithmetic of the page."""
    rows = [row[0] for one in dashboard(assembly, workload) for row in one["properties"].get("metrics", ())]
    return {row["label"]: row["expression"] for row in rows if isinstance(row, dict)}


@pytest.mark.parametrize(("workload", "mode"), MODES.items())
def test_nothing_is_looked_at_that_aws_does_not_publish_in_its_mode(served: Any, workload: str, mode: str) -> None:
    rung: list[Metric] = [
        ((one["Namespace"], one["MetricName"]), {dimension["Name"] for dimension in one["Dimensions"]})
        for one in alarms(served, workload).values()
    ]
    policies = resources(served, workload, "AWS::ApplicationAutoScaling::ScalingPolicy").values()
    tracked = [one.get("TargetTrackingScalingPolicyConfiguration", {}) for one in policies]
    followed: list[Metric] = [
        ((one["Namespace"], one["MetricName"]), {dimension["Name"] for dimension in one["Dimensions"]})
        for policy in tracked
        if (one := policy.get("CustomizedMetricSpecification"))
    ]
    seen = list(drawn(served, workload))
    assert seen
    for metric, dimensions in [*rung, *followed, *seen]:
        assert PUBLISHED[mode].get(metric) == dimensions, metric


WORKS = {
    "fraud-scorer": ({"failing", "refusing", "slow", "silent"}, {"saturated"}),
    "invoice-reader": ({"failing", "refusing", "slow", "silent"}, {"saturated"}),
    "office-scorer": ({"failing", "refusing", "slow"}, {"saturated"}),
    "talking-scorer": ({"failing", "refusing", "slow"}, {"saturated"}),
    "digit-reader": ({"failing", "refusing", "slow"}, {"saturated"}),
    "queued-scorer": ({"failing", "refusing", "lost", "waiting"}, {"asleep"}),
    "sleepy-scorer": ({"failing", "refusing"}, {"saturated", "asleep"}),
    "nightly-churn": ({"failed", "late", "undelivered"}, set[str]()),
}


@pytest.mark.parametrize("workload", MODES)
def test_one_alarm_says_whether_the_service_works_and_hears_of_every_broken_promise(
    served: Any, workload: str
) -> None:
    promised, warned = WORKS[workload]
    assert alarms(served, workload).keys() == promised | warned
    [composite] = resources(served, workload, "AWS::CloudWatch::CompositeAlarm").values()
    assert composite["AlarmName"] == f"groundplan-prod-{workload}-works"
    assert len(composite["AlarmActions"]) == 1
    rule = json.dumps(composite["AlarmRule"])
    assert rule.count("ALARM(") == len(promised)
    for logical_id, one in resources(served, workload, "AWS::CloudWatch::Alarm").items():
        name = str(one.get("AlarmName", "-undelivered")).rpartition("-")[2]
        assert (f'"{logical_id}"' in rule) is (name in promised), name
        assert len(one["AlarmActions"]) == 1, name  # each is heard, or wakes what sleeps


@pytest.mark.parametrize("workload", MODES)
def test_missing_data_is_never_ok(served: Any, workload: str) -> None:
    """Nobody knows; but silence where traffic never stops and a night without a job are broken promises.

    An empty dead-letter queue is the exception: SQS says nothing of a queue that nobody touches.
    """
    for name, one in alarms(served, workload).items():
        expected = {"silent": "breaching", "late": "breaching", "undelivered": "notBreaching"}.get(name, "missing")
        assert one["TreatMissingData"] == expected, name


@pytest.mark.parametrize("workload", MODES)
def test_the_page_begins_with_what_every_alarm_knows_insufficient_data_included(served: Any, workload: str) -> None:
    first, *graphs = dashboard(served, workload)
    woken = sum("asleep" in str(one.get("AlarmName")) for one in alarms(served, workload).values())
    assert first["type"] == "alarm"
    assert len(first["properties"]["alarms"]) == 1 + len(alarms(served, workload)) - woken
    assert len(graphs) >= 4


@pytest.mark.parametrize(
    ("workload", "shown"),
    [
        ("fraud-scorer", ("InvocationsPerInstance", "CPUUtilization", "OverheadLatency")),
        ("talking-scorer", ("ConcurrentRequestsPerModel", "GPUUtilization", "GPUMemoryUtilization")),
        ("digit-reader", ("ServerlessConcurrentExecutionsUtilization", "ModelSetupTime", "MemoryUtilization")),
        (
            "queued-scorer",
            ("ApproximateBacklogSize", "ApproximateAgeOfOldestRequest", "HasBacklogWithoutCapacity", "TimeInBacklog"),
        ),
        ("sleepy-scorer", ("InvocationsPerCopy", "NoCapacityInvocationFailures", "CPUUtilizationNormalized")),
        ("nightly-churn", ("ExecutionsSucceeded", "ExecutionsFailed", "ExecutionTime")),
    ],
)
def test_saturation_backlog_throttles_and_wake_ups_are_on_the_page(
    served: Any, workload: str, shown: tuple[str, ...]
) -> None:
    assert set(shown) <= {name for (_, name), _ in drawn(served, workload)}
    if workload != "nightly-churn":
        assert {"Invocation5XXErrors", "Invocation4XXErrors", "ModelLatency"} <= {
            name for (_, name), _ in drawn(served, workload)
        }


def test_a_thousand_answers_cost_what_the_machines_cost_over_what_they_answered(served: Any) -> None:
    cost = {name: expressions(served, name).get("cost of a thousand") for name in MODES}
    hour = "(answered * 3600 / PERIOD(answered))"
    assert cost["fraud-scorer"] == f"1000 * 0.204 / {hour}"
    assert cost["sleepy-scorer"] == f"1000 * 0.408 / {hour}"
    assert cost["queued-scorer"] == "1000 * 0.204 * minutes / 60 / answered"  # one report a machine and minute
    assert cost["digit-reader"] == "1000 * 0.07200 * latency / 3600000000"  # microseconds of 0.00002 dollars a second
    assert cost["office-scorer"] is None  # nobody knows what its machine costs
    assert "took / 3600000" in str(expressions(served, "nightly-churn")["as if every machine ran all the time"])
    [planned] = [
        line["value"]
        for one in dashboard(served, "fraud-scorer")
        for line in one["properties"].get("annotations", {}).get("horizontal", ())
        if line["label"] == "planned"
    ]
    # two machines of 730 hours over 180 requests a second, and 8 KiB in with each
    assert Decimal(str(planned)).quantize(Decimal("0.000001")) == Decimal("0.000752")


@pytest.mark.parametrize(
    ("workload", "metric", "threshold", "minutes"),
    [
        ("fraud-scorer", "InvocationsPerInstance", 310 * 60, 15),  # 310 a second were measured of one machine
        ("talking-scorer", "ConcurrentRequestsPerModel", 1.8, 15),
        ("sleepy-scorer", "InvocationsPerCopy", 690 * 60, 15),
        ("digit-reader", "ServerlessConcurrentExecutionsUtilization", 0.9, 3),
    ],
)
def test_saturation_rings_where_what_was_measured_ends(
    served: Any, workload: str, metric: str, threshold: float, minutes: int
) -> None:
    full = alarms(served, workload)["saturated"]
    assert (full["MetricName"], full["EvaluationPeriods"]) == (metric, minutes)
    assert full["Threshold"] == pytest.approx(threshold, rel=1e-3)


def test_a_queue_rings_when_the_oldest_request_waits_longer_than_was_promised_or_is_dropped(served: Any) -> None:
    watched = alarms(served, "queued-scorer")
    assert (watched["waiting"]["MetricName"], watched["waiting"]["Threshold"]) == (
        "ApproximateAgeOfOldestRequest",
        3600,
    )
    assert (watched["lost"]["MetricName"], watched["lost"]["Threshold"]) == ("ExpiredRequests", 0)
    assert (watched["lost"]["EvaluationPeriods"], watched["lost"]["DatapointsToAlarm"]) == (1, 1)


def test_silence_rings_only_where_traffic_never_stops(served: Any) -> None:
    silent = {name for name in MODES if "silent" in alarms(served, name)}
    assert silent == {"fraud-scorer", "invoice-reader"}


def test_a_job_rings_when_it_fails_or_when_a_night_goes_by_without_one(served: Any) -> None:
    watched = alarms(served, "nightly-churn")
    failed, late = watched["failed"], watched["late"]
    assert (failed["MetricName"], failed["ComparisonOperator"], failed["Threshold"]) == (
        "ExecutionsFailed",
        "GreaterThanThreshold",
        0,
    )
    assert (late["MetricName"], late["ComparisonOperator"], late["Threshold"], late["Period"]) == (
        "ExecutionsSucceeded",
        "LessThanThreshold",
        1,
        86_400,
    )
