"""What endpoints did, as the metrics of AWS/SageMaker, and the alarms over them.

ministack compares no dimensions when it evaluates an alarm, and its own periods are the clock's: endpoints' alarms
are therefore judged here alone, and set through CloudWatch's API, so that topics and composite alarms follow.
"""

import logging
import operator
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Any

from groundplan_local.connections import connect
from groundplan_local.joints import joint, mend
from groundplan_local.serving.clock import here

NAMESPACE = "AWS/SageMaker"
LOOK_SECONDS = 0.05
MOST_POINTS = 100_000
BREACHES: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanOrEqualToThreshold": operator.le,
    "LessThanThreshold": operator.lt,
}
Series = tuple[str, str, str, frozenset[tuple[str, str]]]  # account, region, metric, dimensions

logger = logging.getLogger(__name__)


def install() -> None:
    """Keep ministack from judging the alarms that are judged here."""
    evaluate = joint("ministack.services.cloudwatch", "_evaluate_alarm")

    def others(alarm: Mapping[str, Any]) -> None:
        if alarm.get("Namespace") != NAMESPACE:
            evaluate(alarm)

    mend("ministack.services.cloudwatch", "_evaluate_alarm", others)


class Measures:
    """Points in memory, and a thread that compares them with the alarms."""

    def __init__(self) -> None:
        self._points: dict[Series, deque[tuple[float, float]]] = defaultdict(lambda: deque(maxlen=MOST_POINTS))
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._look_again_and_again, name="endpoint alarms", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._closing.set()

    def record(self, account: str, region: str, dimensions: Mapping[str, str], **values: float) -> None:
        """One point for each metric, now; CloudWatch has it, too."""
        self.notice(account, region, dimensions, **values)
        store = joint("ministack.services.cloudwatch", "_store_datum")
        with self._lock, joint("ministack.core.responses", "request_scope")(account, region):
            for metric, value in values.items():
                store(NAMESPACE, metric, dict(dimensions), time.time(), "None", value, None, None, None)

    def notice(self, account: str, region: str, dimensions: Mapping[str, str], **values: float) -> None:
        """The same for what is measured all the time: alarms and scaling see it, CloudWatch does not keep it."""
        now, seen = time.monotonic(), frozenset(dimensions.items())
        with self._lock:
            for metric, value in values.items():
                self._points[account, region, metric, seen].append((now, value))

    def points(
        self, account: str, region: str, metric: str, dimensions: Mapping[str, str]
    ) -> list[tuple[float, float]]:
        """What was recorded, and when (of the monotonic clock)."""
        with self._lock:
            return list(self._points.get((account, region, metric, frozenset(dimensions.items())), ()))

    def _look_again_and_again(self) -> None:
        while not self._closing.wait(LOOK_SECONDS):
            alarms: Mapping[tuple[str, str, str], Mapping[str, Any]] = joint(
                "ministack.services.cloudwatch", "_alarms"
            ).to_dict()
            for (account, region, name), alarm in alarms.items():
                if alarm.get("Namespace") != NAMESPACE:
                    continue
                try:
                    self._look(account, region, name, alarm)
                except Exception:
                    logger.exception("alarm %s", name)

    def _look(self, account: str, region: str, name: str, alarm: Mapping[str, Any]) -> None:
        seen = {one["Name"]: one["Value"] for one in alarm.get("Dimensions", [])}
        points = self.points(account, region, str(alarm["MetricName"]), seen)
        state = judge(alarm, points, time.monotonic())
        if state and state != alarm["StateValue"]:
            reason = f"{alarm['MetricName']} over {len(points)} points; the threshold is {alarm['Threshold']:g}"
            client = connect("cloudwatch", account, region)
            client.set_alarm_state(AlarmName=name, StateValue=state, StateReason=reason)


def judge(alarm: Mapping[str, Any], points: list[tuple[float, float]], now: float) -> str:
    """OK, ALARM or INSUFFICIENT_DATA, from the points of the last periods; M of N, with AWS's missing data rules.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html
    """
    period, periods = here(float(alarm.get("Period", 60))), int(alarm.get("EvaluationPeriods", 1))
    wanted = int(alarm.get("DatapointsToAlarm") or periods)
    breaches = BREACHES[alarm["ComparisonOperator"]]
    threshold, missing = float(alarm["Threshold"]), str(alarm.get("TreatMissingData") or "missing")
    found: list[bool | None] = []
    for index in range(periods):
        end = now - index * period
        values = [value for at, value in points if end - period < at <= end]
        found.append(breaches(_statistic(alarm, values), threshold) if values else None)
    known = [one for one in found if one is not None]
    if missing in ("breaching", "notBreaching"):
        found = [missing == "breaching" if one is None else one for one in found]
        known = [one for one in found if one is not None]
    if not known:
        return "INSUFFICIENT_DATA"
    # Fewer points than are wanted say neither that it is well nor that it is not.
    if sum(known) >= wanted:
        return "ALARM"
    return "OK" if len(known) >= wanted else ""


def _statistic(alarm: Mapping[str, Any], values: list[float]) -> float:
    extended = str(alarm.get("ExtendedStatistic") or "")
    if extended.startswith("p"):
        ordered = sorted(values)
        rank = float(extended[1:]) / 100 * (len(ordered) - 1)
        low, part = int(rank), rank - int(rank)
        high = ordered[min(low + 1, len(ordered) - 1)]
        return ordered[low] + part * (high - ordered[low])
    name = str(alarm.get("Statistic", "Average"))
    total = sum(values)
    return {"Sum": total, "Average": total / len(values), "Maximum": max(values), "Minimum": min(values)}.get(
        name, float(len(values))
    )
