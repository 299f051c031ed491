"""`POST /v1/chat/completions`."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from groundplan.gateway.chat import (
    ChatRequest,
    chunk,
    completion,
    converse_request,
    filled,
    finish_reason,
    openai_usage,
    read_chat,
)
from groundplan.gateway.metrics import CALLER_LEFT
from groundplan.gateway.problem import Problem
from groundplan.gateway.settings import GatewayModel
from groundplan.gateway.token_cost import Usage, cost_usd, estimated_tokens, most_usd
from groundplan_gateway.backend import Candidate, Failure, Opened, first_answer
from groundplan_gateway.exchange import REQUEST_ID_HEADER, Exchange
from groundplan_gateway.gateway import Gateway, read_body
from groundplan_gateway.gateway import identify as identify_caller
from groundplan_gateway.identity import Caller
from groundplan_gateway.model_calls import Ended, Piece, converse, converse_stream
from groundplan_gateway.reserving import reserve
from groundplan_gateway.tracing import trace_id, traced

_LONGEST_KEY = 255
_GUARDRAIL_HEADER = "x-groundplan-guardrail"
_SERVED_BY_HEADER = "x-groundplan-served-by"


async def answer_chat(gateway: Gateway, exchange: Exchange) -> Response:
    """The answer, in one piece or as a stream."""
    await identify_caller(gateway, exchange)
    body = await read_body(gateway, exchange, ("application/json",))
    chat = read_chat(body)
    if chat.model not in gateway.feature(exchange).models:
        # Neither does it say whether the model exists, nor which others do.
        raise Problem(404, "model_not_found", "This feature has no such model.", param="model")
    exchange.model = chat.model
    prompts = gateway.feature(exchange).prompts
    chat = filled(chat, prompts)
    if chat.prompt:
        exchange.prompt = f"{chat.prompt.id}/{prompts[chat.prompt.id].version}"
    key = _idempotency_key(exchange, chat)
    if key is None:
        return await _Chat(gateway, exchange, chat).respond()
    digest = hashlib.sha256(exchange.feature.encode() + b"\n" + body).hexdigest()
    given = await gateway.ledger.claim(exchange.tenant, key, digest, exchange.at)
    if given is not None:
        exchange.served_by = "idempotency"
        return Response(given, media_type="application/json", headers={_SERVED_BY_HEADER: "idempotency"})
    answer: bytes | None = None
    try:
        response = await _Chat(gateway, exchange, chat).respond()
        answer = bytes(response.body)
        return response
    finally:  # what failed may be tried again under the same key
        await asyncio.shield(gateway.ledger.keep(exchange.tenant, key, answer))


def _idempotency_key(exchange: Exchange, chat: ChatRequest) -> str | None:
    key = exchange.request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 0 < len(key) <= _LONGEST_KEY or not key.isprintable() or not key.isascii():
        raise Problem(
            400,
            "invalid_value",
            f"The key must be 1 to {_LONGEST_KEY} printable characters.",
            param="Idempotency-Key",
        )
    if chat.stream:
        raise Problem(
            400, "invalid_value", "A stream cannot be given again: no key for streams.", param="Idempotency-Key"
        )
    return key


class _Chat:
    """One chat request that is allowed."""

    def __init__(self, gateway: Gateway, exchange: Exchange, chat: ChatRequest) -> None:
        self.gateway, self.exchange, self.chat = gateway, exchange, chat
        self._models = gateway.settings.models
        self._caller = Caller(exchange.tenant, exchange.feature)
        self._created = int(exchange.at.timestamp())

    async def respond(self) -> Response:
        exchange = self.exchange
        names = self._chain()
        most = max(self._most_usd(self._models[name]) for name in names)
        await reserve(self.gateway, exchange, most)
        began = time.monotonic()
        try:
            opened = await first_answer([self._candidate(name) for name in names], exchange.until)
        except Failure as failure:
            exchange.backend_ms = (time.monotonic() - began) * 1000
            if failure.problem.status >= 500 and (cached := self._cached()) is not None:
                exchange.attempts = failure.problem.attempts
                return self._whole(cached, "stop", "cache")
            raise
        exchange.attempts, exchange.served_by = opened.attempts, opened.name
        exchange.backend_ms = (time.monotonic() - began) * 1000
        if self.chat.stream:
            exchange.streamed, exchange.status = True, 200
            return _Stream(self, opened)
        text: list[str] = []
        ended: Ended | None = None
        try:
            async with aclosing(opened.answer.rest(opened.first, exchange.until)) as items:
                async for item in items:
                    if isinstance(item, Piece):
                        text.append(item.text)
                    else:
                        ended = item
        finally:
            exchange.backend_ms = (time.monotonic() - began) * 1000
            self.count("".join(text), ended)
        if ended is None:
            raise Problem(502, "model_failed", "The model's answer was cut.", retried=True)
        answer, finish = "".join(text), finish_reason(ended.stop_reason, ended.guardrail)
        if self._models[self.chat.model].fallback_cached_answer and finish == "stop":
            self.gateway.cached.put(self._caller, self._digest(), answer)
        return self._whole(answer, finish, opened.name)

    def _whole(self, text: str, finish: str, served_by: str) -> Response:
        self.exchange.served_by = served_by
        body = completion(
            request_id=self.exchange.request_id,
            created=self._created,
            model=self.chat.model,
            text=text,
            finish=finish,
            usage=self.exchange.usage,
        )
        headers = {_SERVED_BY_HEADER: served_by, _GUARDRAIL_HEADER: self.exchange.guardrail}
        return JSONResponse(body, headers=headers)

    def _chain(self) -> list[str]:
        fallback = self._models[self.chat.model].fallback
        # A fallback is held to the feature's list as well.
        return [self.chat.model, *([fallback] if fallback in self.gateway.feature(self.exchange).models else [])]

    def _most_usd(self, model: GatewayModel) -> Any:
        return most_usd(
            text_bytes=self.chat.text_bytes,
            messages=len(self.chat.messages),
            output_tokens=self.chat.output_tokens(model.most_output_tokens),
            prices=model.prices,
        )

    def _candidate(self, name: str) -> Candidate[Piece | Ended]:
        model, exchange = self._models[name], self.exchange
        of_trace = {"trace_id": trace_id(exchange.span)}
        request = converse_request(
            self.chat,
            target=self.gateway.feature(exchange).profiles.get(name, model.target),
            guardrail=model.guardrail,
            guardrail_version=model.guardrail_version,
            most_output_tokens=model.most_output_tokens,
            metadata={
                "request_id": exchange.request_id,
                "tenant": exchange.tenant,
                "feature": exchange.feature,
                "workload": exchange.workload,
                **(of_trace if of_trace["trace_id"] else {}),
            },
        )
        clients = partial(self.gateway.clients, self._caller)
        ask = converse_stream if self.chat.stream else converse
        said = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "aws.bedrock", "gen_ai.request.model": name}
        produce = traced(exchange.calling(f"chat {name}", said), lambda span: ask(clients, request, span))
        return Candidate(self.gateway.backends[f"model/{name}"], produce, exchange.turn_away)

    def _digest(self) -> str:
        return hashlib.sha256(self.chat.model_dump_json(exclude={"stream", "user"}).encode()).hexdigest()

    def _cached(self) -> str | None:
        if self.chat.stream or not self._models[self.chat.model].fallback_cached_answer:
            return None
        return self.gateway.cached.get(self._caller, self._digest())

    def count(self, text: str, ended: Ended | None) -> None:
        """Tokens and dollars: the model's own count, or an estimate of what was produced before it was cut."""
        exchange = self.exchange
        prices = self._models[exchange.served_by].prices
        if ended is None:
            exchange.estimated = True
            exchange.usage = Usage(
                input=estimated_tokens(self.chat.text_bytes), output=estimated_tokens(len(text.encode()))
            )
        else:
            exchange.usage, exchange.guardrail = ended.usage, ended.guardrail
            exchange.finish_reason = finish_reason(ended.stop_reason, ended.guardrail)
        exchange.usd = cost_usd(exchange.usage, prices)

    async def lines(self, opened: Opened[Piece | Ended]) -> AsyncGenerator[bytes]:
        """Server-sent events; counts when it ends, however it ends."""
        text: list[str] = []
        ended: Ended | None = None
        exchange = self.exchange
        say = partial(chunk, request_id=exchange.request_id, created=self._created, model=self.chat.model)
        began = time.monotonic()
        try:
            yield _line(say(delta={"role": "assistant", "content": ""}))
            async with aclosing(opened.answer.rest(opened.first, exchange.until)) as items:
                async for item in items:
                    if isinstance(item, Ended):
                        ended = item
                    elif item.text:
                        text.append(item.text)
                        yield _line(say(delta={"content": item.text}))
            if ended is None:
                raise Problem(502, "stream_cut", "The answer was cut.", retried=True)
            yield _line(say(delta={}, finish=finish_reason(ended.stop_reason, ended.guardrail)))
            if self.chat.stream_options and self.chat.stream_options.include_usage:
                yield _line({**say(delta=None), "usage": openai_usage(ended.usage)})
            yield b"data: [DONE]\n\n"
        except (Problem, Failure) as error:
            problem = error if isinstance(error, Problem) else error.problem
            exchange.code = problem.code  # the status was sent long ago
            yield _line(problem.body())
        finally:
            exchange.backend_ms += (time.monotonic() - began) * 1000
            self.count("".join(text), ended)


def _line(document: Any) -> bytes:
    return b"data: " + json.dumps(document, separators=(",", ":")).encode() + b"\n\n"


class _Stream(Response):
    """Sends lines as they come. A caller that leaves ends the model's work, and pays for what was produced."""

    def __init__(self, chat: _Chat, opened: Opened[Piece | Ended]) -> None:
        super().__init__(media_type="text/event-stream")
        self._chat, self._opened = chat, opened
        del self.headers["content-length"]
        self.headers["cache-control"] = "no-store"
        self.headers[REQUEST_ID_HEADER] = chat.exchange.request_id
        self.headers[_SERVED_BY_HEADER] = opened.name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        exchange, answer = self._chat.exchange, self._opened.answer
        gone = asyncio.create_task(_until_gone(receive))
        gone.add_done_callback(lambda _: answer.leave())
        lines = self._chat.lines(self._opened)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async for line in lines:
                await send({"type": "http.response.body", "body": line, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except OSError:  # how a server says that nobody listens
            pass
        finally:
            if gone.done():
                exchange.code = CALLER_LEFT
            answer.leave()
            gone.cancel()
            await lines.aclose()
            await exchange.finish()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
