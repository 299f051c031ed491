"""Calls of Bedrock and SageMaker as what they yield: pieces of text, then how it ended."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry import trace

from groundplan.gateway.chat import guarded, usage_of
from groundplan.gateway.meter import Guarded
from groundplan.gateway.token_cost import Usage
from groundplan_gateway.clients import Clients
from groundplan_gateway.tracing import traceparent


@dataclass(frozen=True)
class Piece:
    """Text of the answer; an empty one says that the answer has begun."""

    text: str


@dataclass(frozen=True)
class Ended:
    """How the answer ended, and the model's own count."""

    stop_reason: str
    guardrail: Guarded
    usage: Usage


@dataclass(frozen=True)
class Predicted:
    """An endpoint's answer."""

    body: bytes
    content_type: str


def converse(
    clients: Callable[[], Clients], request: Mapping[str, Any], span: trace.Span
) -> Generator[Piece | Ended]:
    """The answer in one piece."""
    answer = clients().bedrock.converse(**request)
    content: list[dict[str, Any]] = answer["output"]["message"]["content"]
    yield Piece("".join(block.get("text", "") for block in content))
    stopped = answer["stopReason"]
    yield _ended(stopped, answer, span)


def converse_stream(
    clients: Callable[[], Clients], request: Mapping[str, Any], span: trace.Span
) -> Generator[Piece | Ended]:
    """The answer as it is made. Without an `Ended` it was cut."""
    stream = clients().bedrock.converse_stream(**request)["stream"]
    stopped = "end_turn"
    try:
        for event in stream:
            if "messageStart" in event:
                yield Piece("")
            elif text := event.get("contentBlockDelta", {}).get("delta", {}).get("text"):
                yield Piece(text)
            elif "messageStop" in event:
                stopped = event["messageStop"]["stopReason"]
            elif "metadata" in event:
                yield _ended(stopped, event["metadata"], span)
    finally:
        if close := getattr(stream, "close", None):
            close()


def _ended(stopped: str, said: Mapping[str, Any], span: trace.Span) -> Ended:
    ended = Ended(stopped, guarded(stopped, said.get("trace", {})), usage_of(said["usage"]))
    span.set_attribute("gen_ai.usage.input_tokens", ended.usage.prompt)
    span.set_attribute("gen_ai.usage.output_tokens", ended.usage.output)
    return ended


def invoke_endpoint(
    clients: Callable[[], Clients],
    span: trace.Span,
    *,
    endpoint_name: str,
    body: bytes,
    content_type: str,
    request_id: str,
) -> Generator[Predicted]:
    """A prediction. Its container is told the trace: SageMaker hands it what stands in CustomAttributes."""
    told = {"CustomAttributes": f"traceparent={parent}"} if (parent := traceparent(span)) else {}
    answer = clients().sagemaker.invoke_endpoint(
        EndpointName=endpoint_name, Body=body, ContentType=content_type, InferenceId=request_id, **told
    )
    yield Predicted(answer["Body"].read(), answer.get("ContentType", "application/octet-stream"))
