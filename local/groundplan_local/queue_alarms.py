"""Alarms on the messages that wait in a queue: ministack keeps the alarms, but never publishes the metric.

An alarm over a dead-letter queue is the line that says an event was not handled. Other metrics of SQS stay silent.
"""

import logging
import operator
import threading
from collections.abc import Callable, Mapping
from typing import Any

from groundplan_local.connections import connect
from groundplan_local.joints import joint

NAMESPACE, METRIC = "AWS/SQS", "ApproximateNumberOfMessagesVisible"
LOOK_SECONDS = 0.5  # AWS publishes the metric once a minute
BREACHES: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanOrEqualToThreshold": operator.le,
    "LessThanThreshold": operator.lt,
}

logger = logging.getLogger(__name__)


class QueueAlarms:
    """Compares the queues with their alarms twice a second, on a thread of its own."""

    def __init__(self) -> None:
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._look_again_and_again, name="queue alarms", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._closing.set()

    def _look_again_and_again(self) -> None:
        while not self._closing.wait(LOOK_SECONDS):
            alarms: Mapping[tuple[str, str, str], Mapping[str, Any]] = joint(
                "ministack.services.cloudwatch", "_alarms"
            ).to_dict()
            for (account, region, name), alarm in alarms.items():
                if (alarm.get("Namespace"), alarm.get("MetricName")) == (NAMESPACE, METRIC):
                    try:
                        _look(account, region, name, alarm)
                    except Exception:
                        logger.exception("alarm %s", name)


def _look(account: str, region: str, name: str, alarm: Mapping[str, Any]) -> None:
    queues = {each["Value"] for each in alarm.get("Dimensions", []) if each["Name"] == "QueueName"}
    waiting = sum(_waiting(account, region, queue) for queue in queues)
    threshold = float(alarm.get("Threshold", 0))
    breach = BREACHES[alarm["ComparisonOperator"]](waiting, threshold)
    state = "ALARM" if breach else "OK"
    if state != alarm["StateValue"]:
        reason = f"{waiting} messages are visible in {', '.join(sorted(queues))}; the threshold is {threshold:g}"
        connect("cloudwatch", account, region).set_alarm_state(AlarmName=name, StateValue=state, StateReason=reason)


def _waiting(account: str, region: str, queue: str) -> int:
    with joint("ministack.core.responses", "request_scope")(account, region):
        found = joint("ministack.services.sqs", "_queue_by_arn")(f"arn:aws:sqs:{region}:{account}:{queue}")
    if found is None:
        return 0
    joint("ministack.services.sqs", "_refresh_counts")(found)
    return int(found["attributes"]["ApproximateNumberOfMessages"])
