"""OpenAI's chat completions and Bedrock's Converse: one shape in, the other out, and back.

https://platform.openai.com/docs/api-reference/chat/create and
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html. What Converse has no word for is
refused by name; nothing that was asked for is silently left out.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self, cast

from pydantic import Field, StringConstraints, ValidationError, field_validator, model_validator

from groundplan.gateway.meter import Guarded
from groundplan.gateway.problem import Problem
from groundplan.gateway.token_cost import Usage
from groundplan.prompt_template import PassedPrompt
from groundplan.refusal import Disallowed
from groundplan.toml_file import Values

_FINISHED = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
Text = Annotated[str, StringConstraints(min_length=1)]


class TextPart(Values):
    """A part of a message; only text."""

    type: Literal["text"]
    text: Text


class Message(Values):
    """One turn."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Text | tuple[TextPart, ...] = Field(union_mode="left_to_right")
    name: str | None = None

    @field_validator("content")
    @classmethod
    def _says_something(cls, content: str | tuple[TextPart, ...]) -> str | tuple[TextPart, ...]:
        parts = [content] if isinstance(content, str) else [part.text for part in content]
        if not parts or not all(part.strip() for part in parts):
            raise Disallowed("", "a message must hold text")  # Converse refuses blank text
        return content

    @property
    def texts(self) -> tuple[str, ...]:
        """Its parts."""
        return (self.content,) if isinstance(self.content, str) else tuple(part.text for part in self.content)


class StreamOptions(Values):
    """What a stream ends with."""

    include_usage: bool = False


class ResponseFormat(Values):
    """Only plain text."""

    type: Literal["text"] = "text"


class PromptReference(Values):
    """A prompt that passed its evaluation, filled by the gateway. OpenAI's Responses API has the same shape:
    https://platform.openai.com/docs/api-reference/responses/create
    """

    id: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    version: Annotated[str, StringConstraints(max_length=8)] | None = None
    variables: dict[str, str | int] = Field(default_factory=dict[str, str | int])


class ChatRequest(Values):
    """`POST /v1/chat/completions`."""

    model: Annotated[str, StringConstraints(min_length=1, max_length=2048)]
    messages: Annotated[tuple[Message, ...], Field(max_length=256)]
    prompt: PromptReference | None = None  # instead of messages
    max_tokens: Annotated[int, Field(gt=0)] | None = None
    max_completion_tokens: Annotated[int, Field(gt=0)] | None = None
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None  # Converse's range, not OpenAI's 0 to 2
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    stop: Text | Annotated[tuple[Text, ...], Field(max_length=4)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=1)] | None = None
    frequency_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    presence_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    logprobs: Literal[False] | None = None
    response_format: ResponseFormat | None = None
    user: Annotated[str, StringConstraints(max_length=256)] | None = None  # unused: the token says who calls

    @model_validator(mode="after")
    def _can_be_conversed(self) -> Self:
        if self.prompt and self.messages:
            raise Disallowed("", "give messages or prompt, not both", field="messages")
        turns = [message.role for message in self.messages if message.role not in ("system", "developer")]
        if not self.prompt and (not turns or turns[0] != "user" or turns[-1] != "user"):
            raise Disallowed("", "the first and the last message must be the user's", field="messages")
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            raise Disallowed("", "give max_tokens or max_completion_tokens, not both", field="max_tokens")
        if self.stream_options is not None and not self.stream:
            raise Disallowed("", "only for a stream", field="stream_options")
        return self

    @property
    def text_bytes(self) -> int:
        """UTF-8 bytes of all text that the model reads."""
        return sum(len(text.encode()) for message in self.messages for text in message.texts)

    def output_tokens(self, most: int) -> int:
        """What may be produced; never more than `most`."""
        return min(self.max_tokens or self.max_completion_tokens or most, most)


def read_chat(body: bytes) -> ChatRequest:
    """The request; raises a Problem that names the field and quotes nothing."""
    return _read(ChatRequest, body)


def filled(chat: ChatRequest, prompts: Mapping[str, PassedPrompt]) -> ChatRequest:
    """The request with the text of its prompt as messages; raises a Problem that quotes nothing."""
    if chat.prompt is None:
        return chat
    found, given = prompts.get(chat.prompt.id), chat.prompt.variables
    if found is None or chat.prompt.version not in (None, found.version):
        raise Problem(404, "prompt_not_found", "This feature has no such prompt of such a version.", param="prompt")
    for name, allowed in found.refusals(given):
        param = f"prompt.variables.{ascii(name[:40])[1:-1]}"
        raise Problem(400, "invalid_value", f"{param}: {allowed}.", param=param)
    messages = (
        Message(role="system", content=found.system),
        Message(role="user", content=found.filled(given)),
    )
    return chat.model_copy(update={"messages": messages})


class Feedback(Values):
    """`POST /feedback`: what a person thought of an answer, in words of ours: free text would be logged."""

    request_id: Annotated[str, StringConstraints(pattern=r"^req_[0-9a-f]{32}$")]
    rating: Literal["good", "bad"]
    reason: Literal["wrong", "unsafe", "refused", "incomplete", "slow", "other"] | None = None


def read_feedback(body: bytes) -> Feedback:
    """The feedback; raises a Problem as `read_chat` does."""
    return _read(Feedback, body)


def _read(model: type[Any], body: bytes) -> Any:
    if not body.strip():
        raise Problem(400, "empty_body", "The body is empty; it must be a JSON object.")
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Problem(400, "invalid_encoding", f"The body is not UTF-8 at byte {error.start}.") from None
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise _problem(error) from None


def _problem(error: ValidationError) -> Problem:
    first: Any = error.errors(include_url=False, include_input=False)[0]
    kind: str = first["type"]
    if kind == "json_invalid":
        return Problem(400, "invalid_json", "The body is not valid JSON.")
    cause = first.get("ctx", {}).get("error")
    location = [str(part) for part in first["loc"]]
    if isinstance(cause, Disallowed):
        param = cause.field or ".".join(location)
        return Problem(400, "invalid_value", f"{param}: {cause.allowed}.", param=param)
    if kind == "extra_forbidden":
        # The name of an unknown field is the caller's own text: shown short, and as ASCII.
        param = ".".join([*location[:-1], ascii(location[-1][:40])[1:-1]])
        return Problem(400, "unsupported_parameter", f"{param}: this gateway has no such parameter.", param=param)
    if not location:
        return Problem(400, "invalid_value", "The body must be a JSON object.")
    param = ".".join(location)
    code = "missing_required_parameter" if kind == "missing" else "invalid_value"
    return Problem(400, code, f"{param}: {first['msg']}.", param=param)


def converse_request(
    chat: ChatRequest,
    *,
    target: str,
    guardrail: str,
    guardrail_version: str,
    most_output_tokens: int,
    metadata: Mapping[str, str],
) -> dict[str, Any]:
    """Arguments of Converse and ConverseStream; `metadata` stands in Bedrock's invocation log."""
    inference: dict[str, Any] = {"maxTokens": chat.output_tokens(most_output_tokens)}
    if chat.temperature is not None:
        inference["temperature"] = chat.temperature
    if chat.top_p is not None:
        inference["topP"] = chat.top_p
    if chat.stop:
        inference["stopSequences"] = [chat.stop] if isinstance(chat.stop, str) else list(chat.stop)
    guard: dict[str, Any] = {
        "guardrailIdentifier": guardrail,
        "guardrailVersion": guardrail_version,
        "trace": "enabled",
    }
    if chat.stream:
        guard["streamProcessingMode"] = "sync"  # nothing leaves before the guardrail has seen it
    request: dict[str, Any] = {
        "modelId": target,
        "messages": _turns(chat.messages),
        "inferenceConfig": inference,
        "guardrailConfig": guard,
        "requestMetadata": dict(metadata),
    }
    if system := [text for m in chat.messages if m.role in ("system", "developer") for text in m.texts]:
        request["system"] = [{"text": text} for text in system]
    return request


def _turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Turns in alternation: what one side says twice is one message of two parts."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.role in ("system", "developer"):
            continue
        blocks = [{"text": text} for text in message.texts]
        if turns and turns[-1]["role"] == message.role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": message.role, "content": blocks})
    return turns


def usage_of(counted: Mapping[str, Any]) -> Usage:
    """Converse's `usage`."""
    return Usage(
        input=counted.get("inputTokens", 0),
        output=counted.get("outputTokens", 0),
        cache_read=counted.get("cacheReadInputTokens", 0),
        cache_write=counted.get("cacheWriteInputTokens", 0),
    )


def guarded(stop_reason: str, trace: Mapping[str, Any]) -> Guarded:
    """What the guardrail did; of the trace, which holds what was matched, only the actions are read."""
    guardrail = trace.get("guardrail", {})
    assessed = [*guardrail.get("inputAssessment", {}).values()]
    assessed += [one for several in guardrail.get("outputAssessments", {}).values() for one in several]
    actions = set(_actions(assessed))
    if stop_reason == "guardrail_intervened":
        return "masked" if actions and actions <= {"ANONYMIZED", "NONE"} and "ANONYMIZED" in actions else "blocked"
    return "masked" if "ANONYMIZED" in actions else "none"


def _actions(node: Any) -> list[str]:
    """Every `action` below a node, whatever policies AWS adds."""
    if isinstance(node, dict):
        inner = cast(dict[str, Any], node)
        found = [action] if isinstance(action := inner.get("action"), str) else []
        return found + [below for value in inner.values() for below in _actions(value)]
    return [below for value in cast(list[Any], node) for below in _actions(value)] if isinstance(node, list) else []


def finish_reason(stop_reason: str, guard: Guarded) -> str:
    """OpenAI's word; a masked answer is an answer."""
    masked = guard == "masked" and stop_reason == "guardrail_intervened"
    return "stop" if masked else _FINISHED.get(stop_reason, "stop")


def openai_usage(usage: Usage) -> dict[str, object]:
    """Tokens as OpenAI's clients read them."""
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.output,
        "total_tokens": usage.prompt + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read},
    }


def completion(
    *, request_id: str, created: int, model: str, text: str, finish: str, usage: Usage
) -> dict[str, object]:
    """An answer in one piece."""
    message = {"role": "assistant", "content": text, "refusal": None}
    return {
        "id": f"chatcmpl-{request_id}",
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": openai_usage(usage),
    }


def chunk(
    *, request_id: str, created: int, model: str, delta: Mapping[str, str] | None, finish: str | None = None
) -> dict[str, object]:
    """A piece of a streamed answer; without `delta` the last one, which holds the usage only."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    return {
        "id": f"chatcmpl-{request_id}",
        "object": "chat.completion.chunk",
        "created": created,
        "model": model,
        "choices": [] if delta is None else [choice],
    }
