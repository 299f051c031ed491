"""What all requests share, and the steps that each of them begins with."""

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from opentelemetry import trace

from groundplan.gateway.problem import Problem
from groundplan.gateway.settings import Feature, GatewaySettings
from groundplan_gateway.backend import Backend
from groundplan_gateway.cached_answers import CachedAnswers
from groundplan_gateway.clients import ClientsOf
from groundplan_gateway.exchange import Exchange
from groundplan_gateway.identity import Identity
from groundplan_gateway.ledger import Ledger
from groundplan_gateway.telemetry import Sink

_RENEW_EVERY_SECONDS = 10.0


@dataclass
class Gateway:
    """What all requests share."""

    settings: GatewaySettings
    identity: Identity
    ledger: Ledger
    clients: ClientsOf
    sink: Sink
    cached: CachedAnswers = field(default_factory=CachedAnswers)
    backends: dict[str, Backend] = field(default_factory=dict[str, Backend])
    renew: Callable[[], GatewaySettings] | None = None  # blocks
    tracer: trace.Tracer = field(default_factory=trace.NoOpTracer)
    renewed_at: float = float("-inf")
    swept_another_at: float = float("-inf")
    swept_at: dict[str, float] = field(default_factory=dict[str, float])  # by tenant

    def feature(self, exchange: Exchange) -> Feature:
        """The feature of an identified request."""
        return self.settings.features[exchange.feature]


async def renew(gateway: Gateway) -> None:
    """Ask for the settings again: a model that is refused may be so under a guardrail's version of yesterday.

    Models, features and tenants stay those of the start; what cannot be read leaves all as it was.
    """
    now = time.monotonic()
    if gateway.renew is None or now - gateway.renewed_at < _RENEW_EVERY_SECONDS:
        return
    gateway.renewed_at = now
    try:
        gateway.settings = await asyncio.to_thread(gateway.renew)
    except Exception as error:
        sys.stderr.write(f"the settings cannot be read again: {type(error).__name__}\n")


async def identify(gateway: Gateway, exchange: Exchange) -> None:
    """Who calls, and for which workload."""
    caller = await gateway.identity.caller(exchange.request.headers)
    exchange.tenant, exchange.feature = caller.tenant, caller.feature
    exchange.workload = gateway.settings.features[caller.feature].workload


async def read_body(gateway: Gateway, exchange: Exchange, types: tuple[str, ...]) -> bytes:
    """The body, of at most the size that settings allow; it is never held beyond that."""
    request, most = exchange.request, gateway.settings.largest_body_bytes
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in types:
        raise Problem(415, "unsupported_media_type", f"The body must be {' or '.join(types)}.")
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Problem(415, "unsupported_encoding", "The body must not be compressed.")
    length = request.headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or int(length[:20]) > most:
        raise Problem(413, "body_too_large", f"The body must be at most {most} bytes.")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise Problem(413, "body_too_large", f"The body must be at most {most} bytes.")
    return bytes(body)
