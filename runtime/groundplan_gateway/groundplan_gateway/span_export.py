"""Spans to an OTLP endpoint, in the background: OTLP's JSON over HTTP, signed where the endpoint is AWS's.

https://opentelemetry.io/docs/specs/otlp/#otlphttp and
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-OTLPEndpoint.html. Imported only where a
place names an endpoint: it brings the SDK.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, cast

from boto3.session import Session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.httpsession import URLLib3Session
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanContext

_SECONDS = 1.5  # Lambda gives two seconds when it ends an instance
_AWS = re.compile(r"https://xray\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/")


def tracer_provider(url: str, session: Session, name: str) -> TracerProvider:
    """Traces what callers trace, and all others; `shutdown` sends what is left, and blocks."""
    resource = Resource({"service.name": name})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OtlpJson(url, session)))
    return provider


class OtlpJson(SpanExporter):
    """Never raises: what is not taken is lost, and a line says how much."""

    def __init__(self, url: str, session: Session, http: Any = None) -> None:
        self._url, self._session = url, session
        self._http: Any = http or URLLib3Session(timeout=_SECONDS)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """In the SDK's own thread."""
        try:
            answer = self._http.send(self._request(json.dumps(document(spans)).encode()).prepare())
            taken, why = answer.status_code == 200, f"status {answer.status_code}"
            refused: dict[str, Any] = json.loads(answer.content or b"{}").get("partialSuccess", {}) if taken else {}
            lost = int(refused.get("rejectedSpans", 0)) if taken else len(spans)
        except (BotoCoreError, ValueError) as error:
            lost, why = len(spans), type(error).__name__
        if lost:
            sys.stderr.write(f"{lost} of {len(spans)} spans were not taken: {why}\n")
        return SpanExportResult.FAILURE if lost else SpanExportResult.SUCCESS

    def _request(self, body: bytes) -> AWSRequest:
        request = AWSRequest("POST", self._url, data=body, headers={"content-type": "application/json"})
        if aws := _AWS.match(self._url):
            signer: Any = SigV4Auth(cast(Any, self._session).get_credentials(), "xray", aws[1])
            signer.add_auth(request)
        return request


def document(spans: Sequence[ReadableSpan]) -> Mapping[str, object]:
    """An ExportTraceServiceRequest; all spans are of one process, so of one resource."""
    resource = {"attributes": _attributes(spans[0].resource.attributes)}
    scope = {"name": "groundplan_gateway"}
    scoped = {"scope": scope, "spans": [_span(span) for span in spans]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [scoped]}]}


def _span(span: ReadableSpan) -> Mapping[str, object]:
    context = cast(SpanContext, span.get_span_context())
    return {
        "traceId": format(context.trace_id, "032x"),
        "spanId": format(context.span_id, "016x"),
        **({"parentSpanId": format(span.parent.span_id, "016x")} if span.parent else {}),
        "name": span.name,
        "kind": span.kind.value + 1,  # OTLP counts from 1
        "startTimeUnixNano": str(span.start_time),
        "endTimeUnixNano": str(span.end_time),
        "attributes": _attributes(span.attributes or {}),
        "status": {"code": span.status.status_code.value},
    }


def _attributes(attributes: Mapping[str, Any]) -> list[Mapping[str, object]]:
    return [{"key": name, "value": _value(value)} for name, value in attributes.items()]


def _value(value: object) -> Mapping[str, object]:
    if isinstance(value, bool):
        return {"boolValue": value}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": str(value)}
