"""A caller's trace goes through the gateway to the models and to an OTLP endpoint, and no text goes with it."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any, cast

import httpx2
import pytest
from boto3.session import Session
from botocore.exceptions import EndpointConnectionError
from opentelemetry.sdk.trace import TracerProvider

from groundplan_gateway.span_export import OtlpJson, tracer_provider
from stub_gateway import Running, answered, aws_error, serving, token

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
QUESTION, ANSWER = "What is marzipan?", "Almonds-and-sugar"


class Receiver(HTTPServer):
    """An OTLP endpoint that keeps what it is sent."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        super().__init__(("127.0.0.1", 0), _Receive)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1/traces"

    @property
    def spans(self) -> list[dict[str, Any]]:
        found = [json.loads(body)["resourceSpans"][0]["scopeSpans"][0]["spans"] for body in self.bodies]
        return [one for spans in found for one in spans]


class _Receive(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert (self.path, self.headers["content-type"]) == ("/v1/traces", "application/json")
        cast(Receiver, self.server).bodies.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def post(running: Running, path: str, body: Any, headers: dict[str, str]) -> httpx2.Response:
    bearer = {"authorization": f"Bearer {token()}"}
    return httpx2.post(f"{running.url}{path}", json=body, headers=bearer | headers, timeout=20)


def ask(running: Running, headers: dict[str, str], **more: Any) -> httpx2.Response:
    body = {"model": "lone", "messages": [{"role": "user", "content": QUESTION}], **more}
    return post(running, "/v1/chat/completions", body, headers)


def said(span: dict[str, Any]) -> dict[str, Any]:
    return {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}


def test_each_attempt_is_a_child_of_the_request_and_the_request_of_the_caller(receiver: Receiver) -> None:
    answers = [aws_error("ThrottlingException", 429), answered(ANSWER)]

    def behave(_: Any) -> Any:
        if isinstance(answer := answers.pop(0), Exception):
            raise answer
        return answer

    provider = tracer_provider(receiver.url, Session(), "gateway-dev")
    with serving() as running:
        running.app.state.gateway.tracer = provider.get_tracer("t")
        running.models.behave["us.lone"] = behave
        request_id = ask(running, TRACEPARENT).headers["x-request-id"]
        metered = running.metered(request_id)
        calls = running.models.calls
    provider.shutdown()
    [request] = [span for span in receiver.spans if span["kind"] == 2]
    throttled, good = [span for span in receiver.spans if span["kind"] == 3]
    assert {span["traceId"] for span in receiver.spans} == {TRACE} == {metered["trace_id"]}
    assert request["parentSpanId"] == CALLER
    assert throttled["parentSpanId"] == good["parentSpanId"] == request["spanId"]
    assert (throttled["status"]["code"], said(throttled)["error.type"]) == (2, "ThrottlingException")
    assert (good["status"]["code"], said(good)["gen_ai.usage.output_tokens"]) == (0, "5")
    assert said(request)["groundplan.request_id"] == request_id
    assert said(request)["http.response.status_code"] == "200"
    assert int(request["startTimeUnixNano"]) <= int(throttled["startTimeUnixNano"])
    assert int(throttled["endTimeUnixNano"]) <= int(good["startTimeUnixNano"]) <= int(request["endTimeUnixNano"])
    assert [call["requestMetadata"]["trace_id"] for call in calls] == [TRACE] * 2, "in Bedrock's own log"
    whole = b"".join(receiver.bodies).decode()
    assert '"gateway-dev"' in whole
    for text in (QUESTION, ANSWER, "SECRET-PROMPT", token()[:20]):
        assert text not in whole


def test_a_stream_has_one_trace_to_its_end_also_in_the_meter(receiver: Receiver) -> None:
    provider = tracer_provider(receiver.url, Session(), "gateway")
    with serving() as running:
        running.app.state.gateway.tracer = provider.get_tracer("t")
        request_id = ask(running, TRACEPARENT, stream=True).headers["x-request-id"]
        assert running.metered(request_id)["trace_id"] == TRACE
    provider.shutdown()
    assert [(span["kind"], span["traceId"]) for span in receiver.spans] == [(3, TRACE), (2, TRACE)]


def test_an_endpoints_container_is_told_the_span_that_called_it(receiver: Receiver) -> None:
    provider = tracer_provider(receiver.url, Session(), "gateway")
    with serving() as running:
        running.app.state.gateway.tracer = provider.get_tracer("t")
        assert post(running, "/predict/digits", {"pixels": []}, TRACEPARENT).status_code == 200
        [call] = running.models.calls
    provider.shutdown()
    [calling] = [span for span in receiver.spans if span["kind"] == 3]
    assert call["CustomAttributes"] == f"traceparent=00-{TRACE}-{calling['spanId']}-01"


@pytest.mark.parametrize(
    ("headers", "recorded"),
    [
        ({"traceparent": f"00-{TRACE}-{CALLER}-00"}, 0),
        ({"x-amzn-trace-id": f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={CALLER};Sampled=0"}, 0),
        ({"x-amzn-trace-id": f"Self=1-a;Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={CALLER};Sampled=1"}, 2),
    ],
)
def test_who_samples_is_the_caller_and_the_meter_has_the_trace_anyway(
    receiver: Receiver, headers: dict[str, str], recorded: int
) -> None:
    provider = tracer_provider(receiver.url, Session(), "gateway")
    with serving() as running:
        running.app.state.gateway.tracer = provider.get_tracer("t")
        request_id = ask(running, headers).headers["x-request-id"]
        assert running.metered(request_id)["trace_id"] == TRACE
    provider.shutdown()
    assert [span["traceId"] for span in receiver.spans] == [TRACE] * recorded


def test_without_an_endpoint_a_trace_goes_through_and_one_that_is_no_trace_does_not() -> None:
    with serving() as running:
        for headers, trace in ((TRACEPARENT, TRACE), ({"x-amzn-trace-id": f"Root=1-{QUESTION}"}, ""), ({}, "")):
            request_id = ask(running, headers).headers["x-request-id"]
            assert running.metered(request_id)["trace_id"] == trace
        told = [call["requestMetadata"].get("trace_id", "") for call in running.models.calls]
        assert told == [TRACE, "", ""]


class _Http:
    """botocore's session, as far as spans are sent."""

    def __init__(self, answer: Any) -> None:
        self.sent: list[Any] = []
        self._answer = answer

    def send(self, request: Any) -> Any:
        self.sent.append(request)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def recorded_span() -> Any:
    span = TracerProvider().get_tracer("t").start_span("chat")
    span.end()
    return span


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (SimpleNamespace(status_code=403, content=b"no"), "status 403"),
        (SimpleNamespace(status_code=200, content=b'{"partialSuccess": {"rejectedSpans": "1"}}'), "status 200"),
        (EndpointConnectionError(endpoint_url="x"), "EndpointConnectionError"),
    ],
)
def test_spans_that_are_not_taken_are_counted_in_a_line(
    answer: Any, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    span = recorded_span()
    OtlpJson("http://127.0.0.1:9/v1/traces", Session(), _Http(answer)).export([span])
    assert capsys.readouterr().err == f"1 of 1 spans were not taken: {why}\n"


def test_to_awss_endpoint_spans_are_signed_for_xray(capsys: pytest.CaptureFixture[str]) -> None:
    session = Session(aws_access_key_id="AKIA", aws_secret_access_key="secret", aws_session_token="st")
    http = _Http(SimpleNamespace(status_code=200, content=b""))
    OtlpJson("https://xray.eu-central-1.amazonaws.com/v1/traces", session, http).export([recorded_span()])
    assert "/eu-central-1/xray/aws4_request" in str(http.sent[0].headers["authorization"])
    assert capsys.readouterr().err == ""
