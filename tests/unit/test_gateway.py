"""The gateway as its callers see it: OpenAI's own client, streams, outages, budgets, and what is metered."""

import json
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx2
import openai
import pytest

from stub_gateway import Running, answered, aws_error, serving, settings, streamed, token

HI: Any = [{"role": "user", "content": "Hi"}]


@pytest.fixture(scope="module")
def shared() -> Iterator[Running]:
    with serving() as running:
        yield running


@pytest.fixture
def gateway(shared: Running) -> Running:
    shared.models.behave.clear()
    shared.models.calls.clear()
    for backend in shared.app.state.gateway.backends.values():
        backend.breaker.__init__(threshold=3, cool_down_seconds=0.5)
    return shared


def client(running: Running, **claims: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{running.url}/v1", api_key=token(**claims), max_retries=0)


def test_openais_client_gets_an_answer_and_it_is_metered_to_the_token(gateway: Running) -> None:
    raw = client(gateway).chat.completions.with_raw_response.create(model="large", messages=HI)
    answer = raw.parse()
    assert answer.choices[0].message.content == "Hello there"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 15
    line = gateway.metered(raw.headers["x-request-id"])
    assert (line["tenant"], line["feature"], line["workload"]) == ("shop", "search", "catalogue")
    assert (line["input_tokens"], line["output_tokens"], line["usd"]) == (10, 5, "0.000105")
    assert gateway.models.callers[-1].tenant == "shop"
    assert gateway.models.calls[0]["requestMetadata"]["request_id"] == line["request_id"]


def test_a_prompt_that_passed_is_filled_here_and_metered_by_its_version(gateway: Running) -> None:
    given = {"id": "answer", "variables": {"question": "Is it {place}?", "language": "English"}}
    raw = client(gateway).chat.completions.with_raw_response.create(
        model="lone", messages=[], extra_body={"prompt": given}
    )
    assert raw.parse().choices[0].message.content == "Hello there"
    [call] = gateway.models.calls
    assert call["system"] == [{"text": "You answer."}]
    assert call["messages"] == [{"role": "user", "content": [{"text": "In English: Is it {place}?"}]}]
    assert gateway.metered(raw.headers["x-request-id"])["prompt"] == "answer/v2"


def test_cache_reads_are_priced_as_such(gateway: Running) -> None:
    gateway.models.behave["us.lone"] = lambda _: answered(
        "x", inputTokens=1, cacheReadInputTokens=1000, cacheWriteInputTokens=100
    )
    raw = client(gateway).chat.completions.with_raw_response.create(model="lone", messages=HI)
    assert raw.parse().usage.prompt_tokens_details.cached_tokens == 1000  # pyright: ignore[reportOptionalMemberAccess]
    # 1 x 3 + 1000 x 0.3 + 100 x 3.75 + 5 x 15 dollars for a million
    assert gateway.metered(raw.headers["x-request-id"])["usd"] == "0.000753"


def test_the_client_lists_only_the_models_of_the_feature(gateway: Running) -> None:
    only_help = client(gateway, **{"cognito:groups": ["feature/help"]})
    assert [model.id for model in only_help.models.list()] == ["small"]


def test_the_first_chunk_arrives_before_the_backend_has_finished(gateway: Running) -> None:
    arrived = threading.Event()

    def slowly(_: Any) -> Iterator[dict[str, Any]]:
        events = list(streamed(answered("one two")))
        yield from events[:2]
        assert arrived.wait(10), "the first chunk never arrived: the body is buffered"
        yield from events[2:]

    gateway.models.behave["us.lone"] = slowly
    stream = client(gateway).chat.completions.create(
        model="lone", messages=HI, stream=True, stream_options={"include_usage": True}
    )
    text, usage, finish = "", None, None
    for piece in stream:
        if piece.choices:
            text += piece.choices[0].delta.content or ""
            finish = piece.choices[0].finish_reason or finish
        usage = piece.usage or usage
        if text:
            arrived.set()
    assert (text, finish) == ("one two ", "stop")
    assert usage is not None
    assert usage.completion_tokens == 5
    line = gateway.metered(stream.response.headers["x-request-id"])
    assert (line["streamed"], line["output_tokens"], line["estimated"]) == (True, 5, False)


def test_a_caller_that_leaves_ends_the_models_work_and_pays_for_what_was_produced(gateway: Running) -> None:
    closed, resume = threading.Event(), threading.Event()

    def endless(_: Any) -> Iterator[dict[str, Any]]:
        try:
            yield {"messageStart": {}}
            yield {"contentBlockDelta": {"delta": {"text": "x" * 400}}}
            assert resume.wait(10)
            while True:
                yield {"contentBlockDelta": {"delta": {"text": "y"}}}
        finally:
            closed.set()

    gateway.models.behave["us.lone"] = endless
    stream = client(gateway).chat.completions.create(model="lone", messages=HI, stream=True)
    next(piece for piece in stream if piece.choices[0].delta.content)
    stream.close()
    line = gateway.metered(stream.response.headers["x-request-id"])
    resume.set()
    assert closed.wait(10), "the model went on"
    assert (line["output_tokens"], line["estimated"], line["code"]) == (100, True, "client_disconnected")
    assert Decimal(line["usd"]) > 0


def test_a_stream_that_the_backend_cuts_is_an_error_and_metered_for_what_was_produced(gateway: Running) -> None:
    def cut(_: Any) -> Iterator[dict[str, Any]]:
        yield from list(streamed(answered("abcdefgh ijk")))[:2]
        raise aws_error("ModelStreamErrorException", 424)

    gateway.models.behave["us.lone"] = cut
    stream = client(gateway).chat.completions.create(model="lone", messages=HI, stream=True)
    with pytest.raises(openai.APIError, match="does not answer"):
        list(stream)
    line = gateway.metered(stream.response.headers["x-request-id"])
    assert (line["output_tokens"], line["code"], line["estimated"]) == (3, "model_unavailable", True)
    assert (line["status"], line["failures"]) == (200, 1)


@pytest.mark.parametrize(
    ("claims", "model", "kind"),
    [
        ({"exp": 1}, "large", openai.AuthenticationError),
        ({"custom:tenant": "nobody"}, "large", openai.PermissionDeniedError),
        ({}, "unheard-of", openai.NotFoundError),
        ({"custom:tenant": "poor"}, "large", openai.RateLimitError),
        ({}, "", openai.BadRequestError),
    ],
)
def test_openais_client_raises_its_own_errors(
    gateway: Running, claims: Any, model: str, kind: type[openai.APIStatusError]
) -> None:
    with pytest.raises(kind) as raised:
        client(gateway, **claims).chat.completions.create(model=model, messages=HI)
    assert raised.value.code
    assert raised.value.request_id
    assert gateway.metered(raised.value.request_id)["status"] == raised.value.status_code


def test_what_fails_is_tried_at_most_three_times_end_to_end(gateway: Running) -> None:
    def throttled(_: Any) -> Any:
        raise aws_error("ThrottlingException", 429)

    gateway.models.behave["us.large"] = gateway.models.behave["us.small"] = throttled
    patient = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=token(), max_retries=5)
    with pytest.raises(openai.InternalServerError) as raised:
        patient.chat.completions.create(model="large", messages=HI)
    assert len(gateway.models.calls) == 3
    assert raised.value.response.headers["retry-after"]
    assert gateway.metered(raised.value.request_id or "")["attempts"] == 3


def test_the_smaller_model_answers_for_the_larger(gateway: Running) -> None:
    def down(_: Any) -> Any:
        raise aws_error("ServiceUnavailableException", 503)

    gateway.models.behave["us.large"] = down
    raw = client(gateway).chat.completions.with_raw_response.create(model="large", messages=HI)
    assert raw.headers["x-groundplan-served-by"] == "small"
    line = gateway.metered(raw.headers["x-request-id"])
    assert (line["model"], line["served_by"], line["attempts"]) == ("large", "small", 3)


def test_the_last_good_answer_is_given_when_declared_and_to_its_tenant_alone(gateway: Running) -> None:
    client(gateway).chat.completions.create(model="cached", messages=HI)

    def down(_: Any) -> Any:
        raise aws_error("ServiceUnavailableException", 503)

    gateway.models.behave["us.cached"] = down
    raw = client(gateway).chat.completions.with_raw_response.create(model="cached", messages=HI)
    assert raw.headers["x-groundplan-served-by"] == "cache"
    assert gateway.metered(raw.headers["x-request-id"])["usd"] == "0"
    with pytest.raises(openai.InternalServerError):
        client(gateway, **{"custom:tenant": "other"}).chat.completions.create(model="cached", messages=HI)


def test_an_open_breaker_sheds_at_once_and_one_probe_brings_traffic_back(gateway: Running) -> None:
    def down(_: Any) -> Any:
        raise aws_error("ServiceUnavailableException", 503)

    gateway.models.behave["us.lone"] = down
    caller = client(gateway)
    waits, asked = list[int](), ""
    for _ in range(5):
        with pytest.raises(openai.InternalServerError) as raised:
            caller.chat.completions.create(model="lone", messages=HI)
        waits.append(int(raised.value.response.headers["retry-after"]))
        asked = raised.value.response.headers["x-request-id"]
    assert len(gateway.models.calls) == 3
    line = gateway.metered(asked)
    assert (line["turned_away"], line["breaker_open"], line["shed"], line["failures"]) == ("breaker", 1, 1, 1)
    assert min(waits) >= 1
    gateway.models.behave.clear()
    gateway.app.state.gateway.backends["model/lone"].breaker.open_until(time.monotonic())  # the cool-down is over
    assert caller.chat.completions.create(model="lone", messages=HI).choices


def test_a_hanging_model_holds_its_own_bulkhead_and_nobody_elses(gateway: Running) -> None:
    release, entered = threading.Event(), threading.Semaphore(0)

    def hang(_: Any) -> Any:
        entered.release()
        assert release.wait(20)
        return answered("late")

    gateway.models.behave["us.lone"] = hang
    caller = client(gateway)
    waiting = [
        threading.Thread(target=lambda: caller.chat.completions.create(model="lone", messages=HI)) for _ in range(4)
    ]
    for thread in waiting:
        thread.start()
    try:
        assert all(entered.acquire(timeout=10) for _ in waiting)
        with pytest.raises(openai.InternalServerError) as shed:  # the fifth, not queued
            caller.chat.completions.create(model="lone", messages=HI)
        assert gateway.metered(shed.value.response.headers["x-request-id"])["turned_away"] == "bulkhead"
        assert caller.chat.completions.create(model="small", messages=HI).choices
    finally:
        release.set()
        for thread in waiting:
            thread.join(20)
    assert sum(call["modelId"] == "us.lone" for call in gateway.models.calls) == 4


def test_a_block_and_a_mask_are_reported_and_what_matched_is_nowhere(gateway: Running) -> None:
    found = {"piiEntities": [{"type": "EMAIL", "match": "ann@example.com", "action": "ANONYMIZED"}]}
    masked = {"guardrail": {"outputAssessments": {"g": [{"sensitiveInformationPolicy": found}]}}}
    gateway.models.behave["us.lone"] = lambda _: answered(
        "Write to {EMAIL}", stop="guardrail_intervened", trace=masked
    )
    topic = {"topics": [{"name": "arms", "type": "DENY", "action": "BLOCKED"}]}
    blocked = {"guardrail": {"inputAssessment": {"g": {"topicPolicy": topic}}}}
    gateway.models.behave["us.small"] = lambda _: answered("No.", stop="guardrail_intervened", trace=blocked)
    for name, finish, said in (("lone", "stop", "masked"), ("small", "content_filter", "blocked")):
        raw = client(gateway).chat.completions.with_raw_response.create(model=name, messages=HI)
        assert raw.parse().choices[0].finish_reason == finish
        assert raw.headers["x-groundplan-guardrail"] == said
        line = gateway.metered(raw.headers["x-request-id"])
        assert (line["guardrail"], line["interventions"], line["finish_reason"]) == (said, 1, finish)
    assert "ann@example.com" not in json.dumps(gateway.lines)


def test_the_same_key_gives_the_same_answer_and_costs_once(gateway: Running) -> None:
    caller, same = client(gateway), {"Idempotency-Key": "order-1"}
    first = caller.chat.completions.create(model="lone", messages=HI, extra_headers=same)
    again = caller.chat.completions.create(model="lone", messages=HI, extra_headers=same)
    assert first == again
    assert len(gateway.models.calls) == 1
    with pytest.raises(openai.UnprocessableEntityError):
        caller.chat.completions.create(model="small", messages=HI, extra_headers=same)
    other = client(gateway, **{"custom:tenant": "other"})
    assert other.chat.completions.create(model="lone", messages=HI, extra_headers=same).id != first.id


def test_a_key_whose_request_failed_may_be_used_again(gateway: Running) -> None:
    def wrong(_: Any) -> Any:
        raise aws_error("ValidationException")

    gateway.models.behave["us.lone"] = wrong
    caller, same = client(gateway), {"Idempotency-Key": "order-2"}
    with pytest.raises(openai.BadRequestError):
        caller.chat.completions.create(model="lone", messages=HI, extra_headers=same)
    gateway.models.behave.clear()
    assert caller.chat.completions.create(model="lone", messages=HI, extra_headers=same).choices


def test_the_minute_is_full_for_its_tenant_alone(gateway: Running) -> None:
    slow = client(gateway, **{"custom:tenant": "slow"})
    with pytest.raises(
        openai.RateLimitError
    ) as raised:  # a minute may end in between: then it is the next one's third
        [slow.chat.completions.create(model="lone", messages=HI) for _ in range(5)]
    assert 1 <= int(raised.value.response.headers["retry-after"]) <= 60
    assert client(gateway).chat.completions.create(model="lone", messages=HI).choices


def test_a_prediction_is_passed_on_and_metered(gateway: Running) -> None:
    said = httpx2.post(
        f"{gateway.url}/predict/digits", json={"pixels": [0]}, headers={"authorization": f"Bearer {token()}"}
    )
    assert said.json() == {"digit": 7}
    line = gateway.metered(said.headers["x-request-id"])
    assert (line["operation"], line["model"], line["usd"]) == ("predict", "digits", "0")
    assert gateway.models.calls[0]["InferenceId"] == line["request_id"]


def test_feedback_names_the_request_and_only_its_own_tenant_may_give_it(gateway: Running) -> None:
    raw = client(gateway).chat.completions.with_raw_response.create(model="lone", messages=HI)
    body = {"request_id": raw.headers["x-request-id"], "rating": "bad", "reason": "wrong"}
    for tenant, status in (("shop", 202), ("other", 404)):
        bearer = {"authorization": f"Bearer {token(**{'custom:tenant': tenant})}"}
        assert httpx2.post(f"{gateway.url}/feedback", json=body, headers=bearer).status_code == status
    given = [line for line in gateway.lines if line["schema"] == "groundplan.feedback/1"]
    assert [line["request_id"] for line in given] == [body["request_id"]]


def test_a_callers_trace_is_the_meters_trace(gateway: Running) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    raw = client(gateway).chat.completions.with_raw_response.create(
        model="lone", messages=HI, extra_headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    )
    assert gateway.metered(raw.headers["x-request-id"])["trace_id"] == trace


def test_a_deadline_holds_whatever_the_model_does() -> None:
    release = threading.Event()

    def hang(_: Any) -> Any:
        assert release.wait(20)
        return answered("late")

    with serving(settings(deadline_seconds=0.2)) as running:
        running.models.behave["us.lone"] = hang
        try:
            with pytest.raises(openai.InternalServerError) as raised:
                client(running).chat.completions.create(model="lone", messages=HI)
        finally:
            release.set()
        assert raised.value.status_code == 504
        assert running.metered(raised.value.request_id or "")["usd"] == "0"
