"""The metrics that a gateway writes of each request, and by which dimensions; dashboard and alarms look at them."""

from collections.abc import Mapping

from groundplan.gateway.meter import Metered

NAMESPACE = "Groundplan/Gateway"
CALLER_LEFT = "client_disconnected"
Dimensions = tuple[str, ...]

TOTAL: Dimensions = ("gateway",)
BY_OPERATION: Dimensions = ("gateway", "operation")
BY_MODEL: Dimensions = ("gateway", "model")
BY_TENANT: Dimensions = ("gateway", "tenant", "feature")
BY_WORKLOAD: Dimensions = ("gateway", "workload")
BY_PROMPT: Dimensions = ("gateway", "workload", "prompt")

TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
# How a prompt fails: by the guardrail, at the most tokens it may have, by the model's own filter, or as no request.
PROMPT_FAILURES = ("blocked", "masked", "truncated", "filtered", "not_taken")
# CloudWatch is paid by the metric: each dimension has what somebody looks at, and no more.
WRITTEN: Mapping[Dimensions, tuple[str, ...]] = {
    TOTAL: ("requests", "refusals", "failures", "breaker_open"),
    BY_OPERATION: ("latency_ms",),
    BY_MODEL: ("requests", "failures", "shed", "breaker_open", "dollars", "latency_ms", "backend_ms"),
    BY_TENANT: ("requests", "refusals", "interventions", *TOKENS, "dollars"),
    BY_WORKLOAD: ("dollars",),
    BY_PROMPT: ("requests", *PROMPT_FAILURES),
}
_UNITS = {"dollars": "None", "latency_ms": "Milliseconds", "backend_ms": "Milliseconds"}


def unit(metric: str) -> str:
    """CloudWatch's word for it."""
    return _UNITS.get(metric, "Count")


def counted(record: Metered) -> Mapping[str, float]:
    """Every metric of one request; what is counted is 0 or 1, so that its average is a share.

    A stream that broke was answered with 200 long before: it is a failure all the same, unless its caller left.
    """
    broken = record.streamed and record.code not in ("", CALLER_LEFT)
    return {
        "requests": 1,
        "refusals": int(400 <= record.status < 500),
        "failures": int(record.status >= 500 or broken),
        "shed": int(record.turned_away != "no"),
        "breaker_open": int(record.turned_away == "breaker"),
        "interventions": int(record.guardrail != "none"),
        "blocked": int(record.guardrail == "blocked"),
        "masked": int(record.guardrail == "masked"),
        "truncated": int(record.finish_reason == "length"),
        "filtered": int(record.finish_reason == "content_filter" and record.guardrail != "blocked"),
        "not_taken": int(record.code == "model_refused_request"),
        "input_tokens": record.usage.input,
        "output_tokens": record.usage.output,
        "cache_read_tokens": record.usage.cache_read,
        "cache_write_tokens": record.usage.cache_write,
        "dollars": float(record.usd),  # the metric; the event's `usd` is exact
        "latency_ms": record.latency_ms,
        "backend_ms": record.backend_ms,
    }
