"""A gateway under uvicorn on loopback, with models that answer as a test says and tokens of a key of its own."""

import asyncio
import contextlib
import io
import json
import random
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import jwt
import uvicorn
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from groundplan.gateway.meter import Metered
from groundplan.gateway.settings import GatewaySettings
from groundplan.gateway.token_cost import Usage
from groundplan_gateway.application import application
from groundplan_gateway.clients import Clients
from groundplan_gateway.identity import Caller, Keys
from groundplan_gateway.ledger import Ledger, MemoryLedger

ISSUER, AUDIENCE = "https://issuer.example/pool", "gateway"
KEY = ec.generate_private_key(ec.SECP256R1())
STRANGER = ec.generate_private_key(ec.SECP256R1())
GUARDRAIL = "arn:aws:bedrock:us-east-1:222222222222:guardrail/shop"
PRICES = {"input": "3", "output": "15", "cache_read": "0.3", "cache_write": "3.75"}
PROMPT = {
    "version": "v2",
    "digest": "0" * 64,
    "system": "You answer.",
    "template": "In {language}: {question}",
    "variables": {
        "question": {"type": "text", "most_characters": 40},
        "language": {"type": "choice", "choices": ["English"]},
    },
}
SWIFT = {"concurrent_calls": 4, "failures_until_open": 3, "cool_down_seconds": 0.5, "timeout_seconds": 5.0}


def key_set() -> Mapping[str, Any]:
    """The issuer's JWKS."""
    public = json.loads(ECAlgorithm.to_jwk(KEY.public_key()))
    return {"keys": [{**public, "kid": "k1", "alg": "ES256", "use": "sig"}]}


def claims(**changes: Any) -> dict[str, Any]:
    """What a good token says; a change to None leaves a claim out."""
    now = int(time.time())
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "app",
        "iat": now,
        "exp": now + 600,
        "custom:tenant": "shop",
        "cognito:groups": ["feature/search"],
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def token(*, key: Any = KEY, algorithm: str = "ES256", kid: str = "k1", **changes: Any) -> str:
    """A signed token."""
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers={"kid": kid})


def model(target: str, **changes: Any) -> dict[str, Any]:
    """One model's settings."""
    return {
        "target": target,
        "guardrail": GUARDRAIL,
        "guardrail_version": "3",
        "prices": PRICES,
        "protection": SWIFT,
        **changes,
    }


def settings(**changes: Any) -> GatewaySettings:
    """Three tenants, two features, models `large` (falls back to `small`), `small`, `lone` and `cached`."""
    document: dict[str, Any] = {
        "region": "us-east-1",
        "issuer": {"issuer": ISSUER, "audience": AUDIENCE, "keys_url": "https://issuer.example/keys"},
        "models": {
            "large": model("us.large", fallback="small"),
            "small": model("us.small"),
            "lone": model("us.lone"),
            "cached": model("us.cached", fallback_cached_answer=True),
        },
        "predictions": {"digits": {"endpoint_name": "digits", "protection": SWIFT}},
        "features": {
            "search": {
                "workload": "catalogue",
                "models": ["large", "small", "lone", "cached"],
                "predictions": ["digits"],
                "prompts": {"answer": PROMPT},
            },
            "help": {"workload": "support", "models": ["small"]},
        },
        "tenants": {
            "shop": {"features": ["search", "help"], "requests_per_minute": 100000, "dollars_per_month": "1000"},
            "other": {"features": ["search"], "requests_per_minute": 100000, "dollars_per_month": "1000"},
            "poor": {"features": ["search"], "requests_per_minute": 100000, "dollars_per_month": "0.0001"},
            "slow": {"features": ["search"], "requests_per_minute": 2, "dollars_per_month": "1000"},
        },
        "deadline_seconds": 10.0,
        "largest_body_bytes": 100_000,
    } | changes
    return GatewaySettings.model_validate_json(json.dumps(document))


def answered(text: str, *, stop: str = "end_turn", trace: Any = None, **usage: int) -> dict[str, Any]:
    """Converse's answer."""
    counted = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15} | usage
    answer = {
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
        "stopReason": stop,
        "usage": counted,
        "metrics": {"latencyMs": 1},
    }
    return answer | ({"trace": trace} if trace else {})


def streamed(answer: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The same, as ConverseStream's events, a word each."""
    yield {"messageStart": {"role": "assistant"}}
    for word in answer["output"]["message"]["content"][0]["text"].split(" "):
        yield {"contentBlockDelta": {"delta": {"text": word + " "}, "contentBlockIndex": 0}}
    yield {"messageStop": {"stopReason": answer["stopReason"]}}
    yield {"metadata": {"usage": answer["usage"], "trace": answer.get("trace", {})}}


def aws_error(code: str, status: int = 400) -> ClientError:
    """What boto3 raises; the message quotes the prompt, as AWS's sometimes do."""
    document: Any = {
        "Error": {"Code": code, "Message": "SECRET-PROMPT"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(document, "Converse")


@dataclass
class Models:
    """Bedrock and SageMaker at the seam. It refuses what is not guarded, as the role's policy does."""

    behave: dict[str, Callable[[dict[str, Any]], Any]] = field(default_factory=dict)
    calls: list[dict[str, Any]] = field(default_factory=list)
    callers: list[Caller] = field(default_factory=list)

    def __call__(self, caller: Caller) -> Clients:
        self.callers.append(caller)
        return Clients(bedrock=self, sagemaker=self)

    def _answer(self, request: dict[str, Any]) -> Any:
        self.calls.append(request)
        guard = request["guardrailConfig"]
        if (guard["guardrailIdentifier"], guard["guardrailVersion"]) != (GUARDRAIL, "3"):
            raise aws_error("AccessDeniedException", 403)
        return self.behave.get(request["modelId"], lambda _: answered("Hello there"))(request)

    def converse(self, **request: Any) -> Any:
        """As boto3's."""
        return self._answer(request)

    def converse_stream(self, **request: Any) -> Any:
        """As boto3's; a behaviour may give events of its own."""
        answer = self._answer(request)
        return {"stream": streamed(answer) if isinstance(answer, dict) else answer}

    def invoke_endpoint(self, **request: Any) -> Any:
        """As boto3's."""
        self.calls.append(request)
        answer = self.behave.get(request["EndpointName"], lambda _: b'{"digit": 7}')(request)
        return {"Body": io.BytesIO(answer), "ContentType": "application/json"}


@dataclass
class Running:
    """A gateway that serves, and all that it said."""

    url: str
    models: Models
    lines: list[Mapping[str, Any]]
    ledger: Ledger
    app: Any
    done: threading.Condition

    def metered(self, request_id: str) -> Mapping[str, Any]:
        """The one line of a request; waits for it, because a stream's comes after its last byte."""
        with self.done:
            assert self.done.wait_for(lambda: any(self._of(request_id)), 10), "not metered"
        found = self._of(request_id)
        assert len(found) == 1
        return found[0]

    def _of(self, request_id: str) -> list[Mapping[str, Any]]:
        return [line for line in self.lines if "_aws" in line and line["request_id"] == request_id]


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@contextlib.contextmanager
def serving(given: GatewaySettings | None = None, ledger: Ledger | None = None) -> Generator[Running]:
    """A gateway on a free port."""
    models, lines, done = Models(), list[Mapping[str, Any]](), threading.Condition()

    def sink(event: Mapping[str, Any]) -> None:
        with done:
            lines.append(json.loads(json.dumps(event)))
            done.notify_all()

    kept = ledger or MemoryLedger()
    app = application(given or settings(), ledger=kept, clients=models, keys=Keys(key_set), sink=sink)
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_level="warning",
        ws="none",
        http="h11",
        loop="asyncio",
        timeout_graceful_shutdown=2,
    )
    server = _Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    try:
        assert server.ready.wait(20)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Running(f"http://127.0.0.1:{port}", models, lines, kept, app, done)
    finally:
        server.should_exit = True
        thread.join(20)


def delivered(count: int) -> Iterator[Metered]:
    """As many metered requests, a tenth of them twice; request `n` costs `n` ten-millionths of a dollar."""
    chance = random.Random(7)  # noqa: S311
    for number in range(count):
        record = Metered(
            request_id=str(number),
            time="",
            operation="chat",
            status=200,
            tenant="abc"[number % 3],
            usage=Usage(number % 997, number % 13),
            usd=Decimal(number) / 10_000_000,
        )
        yield record
        if chance.random() < 0.1:
            yield record
