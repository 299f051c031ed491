"""What leaves the gateway about a request: one line that is log, metric and event at once. No text of prompts.

A line in CloudWatch's embedded metric format on standard output becomes metrics; the same line is the event: a
subscription of the log group hands those with the meter's `schema` to a stream. So nothing is sent while a caller
waits, and nothing is lost when a function freezes after its answer.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import sys
import time
from collections.abc import Callable, Mapping

from groundplan.gateway.meter import Metered
from groundplan.gateway.metrics import NAMESPACE, WRITTEN, counted, unit

FEEDBACK_SCHEMA = "groundplan.feedback/1"
_DIRECTIVES = [
    {
        "Namespace": NAMESPACE,
        "Dimensions": [list(dimensions)],
        "Metrics": [{"Name": name, "Unit": unit(name)} for name in names],
    }
    for dimensions, names in WRITTEN.items()
]
Sink = Callable[[Mapping[str, object]], None]


def write_line(event: Mapping[str, object]) -> None:
    """The sink of every place: a line of JSON on standard output."""
    sys.stdout.write(json.dumps(event, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def metered(record: Metered, gateway: str) -> dict[str, object]:
    """The line of one request at the gateway of that name."""
    return {
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": _DIRECTIVES},
        "gateway": gateway,
        **record.event(),
        **counted(record),
    }
