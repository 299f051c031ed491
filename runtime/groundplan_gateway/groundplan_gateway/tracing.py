"""A request's spans in OpenTelemetry's terms. What was sent or answered is in none of them, nor an exception's text.

Without a tracer of the SDK nothing is recorded; the caller's trace id still goes through to the meter and to the ai
account.
"""

import re
from collections.abc import Callable, Generator, Mapping
from typing import TypeVar, cast

from botocore.exceptions import ClientError
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

Item = TypeVar("Item")
Attributes = Mapping[str, str | int]
# https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
_XRAY = re.compile(r"Root=1-([0-9a-f]{8})-([0-9a-f]{24});Parent=([0-9a-f]{16})(?:;Sampled=([01]))?")
_W3C = TraceContextTextMapPropagator()


def parent(headers: Mapping[str, str]) -> Context:
    """The caller's span: as the W3C writes it, else as API Gateway does."""
    found = _W3C.extract({name: headers[name] for name in ("traceparent", "tracestate") if name in headers})
    told = _XRAY.search(headers.get("x-amzn-trace-id", ""))
    if trace.get_current_span(found).get_span_context().is_valid or not told:
        return found
    began, rest, span_id, sampled = told.groups()
    flags = trace.TraceFlags(trace.TraceFlags.SAMPLED if sampled == "1" else trace.TraceFlags.DEFAULT)
    remote = trace.SpanContext(int(began + rest, 16), int(span_id, 16), is_remote=True, trace_flags=flags)
    return trace.set_span_in_context(trace.NonRecordingSpan(remote))


def trace_id(span: trace.Span) -> str:
    """32 hexadecimal digits; empty where nobody traces."""
    context = span.get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else ""


def traceparent(span: trace.Span) -> str:
    """The span as W3C's header; empty where nobody traces."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, trace.set_span_in_context(span))
    return carrier.get("traceparent", "")


def traced(
    start: Callable[[], trace.Span], produce: Callable[[trace.Span], Generator[Item]]
) -> Callable[[], Generator[Item]]:
    """The same call with a span of its own, from its beginning in the backend's thread to its end."""

    def call() -> Generator[Item]:
        span = start()
        try:
            yield from produce(span)
        except Exception as error:
            code = cast(Mapping[str, Mapping[str, str]], getattr(error, "response", {})).get("Error", {}).get("Code")
            span.set_attribute("error.type", str(code) if isinstance(error, ClientError) else type(error).__name__)
            span.set_status(trace.StatusCode.ERROR)
            raise
        finally:
            span.end()

    return call
