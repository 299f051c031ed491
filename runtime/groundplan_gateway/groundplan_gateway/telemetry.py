"""What leaves the gateway about a request: one line that is log, metric and event at once. No text of prompts.

A line in CloudWatch's embedded metric format on standard output becomes metrics; the same line is the event: the
log group's subscription hands lines with a `schema` to the stream. So nothing is sent while a caller waits, and
nothing is lost when a function freezes after its answer.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import sys
import time
from collections.abc import Callable, Mapping

from groundplan.gateway.meter import Metered

NAMESPACE = "Groundplan/Gateway"
FEEDBACK_SCHEMA = "groundplan.feedback/1"
_DIMENSIONS = [["operation"], ["model"], ["tenant", "feature"], ["workload"]]
_METRICS = {
    "requests": "Count",
    "refusals": "Count",
    "failures": "Count",
    "interventions": "Count",
    "input_tokens": "Count",
    "output_tokens": "Count",
    "cache_read_tokens": "Count",
    "cache_write_tokens": "Count",
    "dollars": "None",
    "latency_ms": "Milliseconds",
    "backend_ms": "Milliseconds",
}
_DIRECTIVE = [
    {
        "Namespace": NAMESPACE,
        "Dimensions": _DIMENSIONS,
        "Metrics": [{"Name": name, "Unit": unit} for name, unit in _METRICS.items()],
    }
]
Sink = Callable[[Mapping[str, object]], None]


def write_line(event: Mapping[str, object]) -> None:
    """The sink of every place: a line of JSON on standard output."""
    sys.stdout.write(json.dumps(event, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def metered(record: Metered) -> dict[str, object]:
    """The line of one request."""
    return {
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": _DIRECTIVE},
        **record.event(),
        "requests": 1,
        "refusals": int(400 <= record.status < 500),
        "failures": int(record.status >= 500),
        "interventions": int(record.guardrail != "none"),
        "dollars": float(record.usd),  # the metric; `usd` is exact
    }
