"""One request from its first byte to its line in the meter."""

import asyncio
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

from opentelemetry import trace
from starlette.requests import Request

from groundplan.gateway.meter import NOBODY, NOTHING, Guarded, Metered, TurnedAway
from groundplan.gateway.problem import Problem
from groundplan.gateway.token_cost import Usage
from groundplan_gateway.ledger import Ledger, Reservation
from groundplan_gateway.telemetry import Sink, metered
from groundplan_gateway.tracing import Attributes, trace_id

REQUEST_ID_HEADER = "x-request-id"
_SAID = ("request_id", "tenant", "feature", "workload", "model", "served_by", "attempts", "guardrail", "turned_away")


@dataclass
class Exchange:
    """What is known of a request so far; `finish` is heard once."""

    request: Request
    operation: str
    until: float
    sink: Sink
    ledger: Ledger
    gateway_name: str
    tracer: trace.Tracer
    span: trace.Span
    request_id: str = field(default_factory=lambda: f"req_{uuid.uuid4().hex}")
    began: float = field(default_factory=time.monotonic)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    status: int = 0
    code: str = ""
    tenant: str = NOBODY
    feature: str = NOBODY
    workload: str = NOBODY
    model: str = NOBODY
    prompt: str = NOBODY
    served_by: str = NOBODY
    usage: Usage = NOTHING
    estimated: bool = False
    usd: Decimal = Decimal(0)
    attempts: int = 0
    guardrail: Guarded = "none"
    finish_reason: str = ""
    turned_away: TurnedAway = "no"
    streamed: bool = False
    backend_ms: float = 0.0
    reservation: Reservation | None = None
    finished: bool = False

    def refuse(self, problem: Problem) -> None:
        """What the caller is told."""
        self.status, self.code = problem.status, problem.code
        self.attempts = max(self.attempts, problem.attempts)

    def turn_away(self, why: TurnedAway) -> None:
        """A model was not asked; an open breaker says more than a full bulkhead."""
        if self.turned_away != "breaker":
            self.turned_away = why

    async def finish(self) -> None:
        """Meter and settle, also when the caller is gone and this task is being cancelled."""
        if self.finished:
            return
        self.finished = True
        record = self._record()
        self.sink(metered(record, self.gateway_name))
        self._end_span(record)
        if self.reservation:
            task = asyncio.create_task(self._settle(self.reservation))
            _SETTLING.add(task)
            task.add_done_callback(_SETTLING.discard)
            await asyncio.shield(task)

    async def _settle(self, reservation: Reservation) -> None:
        try:
            await self.ledger.settle(reservation, self.usd)
        except Exception as error:  # the money stays held, which is the safe side; the line says how much it was
            self.sink(
                {
                    "schema": "groundplan.unsettled/1",
                    "request_id": self.request_id,
                    "tenant": self.tenant,
                    "usd": format(self.usd, "f"),
                    "reason": type(error).__name__,
                }
            )

    def calling(self, name: str, said: Attributes) -> Callable[[], trace.Span]:
        """Starts the span of one call of a backend, as a child of this request's."""
        inside = trace.set_span_in_context(self.span)
        return partial(self.tracer.start_span, name, inside, trace.SpanKind.CLIENT, said)

    def _end_span(self, record: Metered) -> None:
        """https://opentelemetry.io/docs/specs/semconv/http/http-spans/, and ours by the meter's names."""
        self.span.set_attributes(
            {
                "http.request.method": self.request.method,
                "http.response.status_code": record.status,
                **{f"groundplan.{name}": getattr(record, name) for name in _SAID},
            }
        )
        if record.code:
            self.span.set_attribute("error.type", record.code)
        if record.status >= 500 or (record.streamed and record.code):
            self.span.set_status(trace.StatusCode.ERROR)
        self.span.end()

    def _record(self) -> Metered:
        return Metered(
            request_id=self.request_id,
            time=self.at.isoformat(timespec="milliseconds"),
            operation=self.operation,
            status=self.status,
            code=self.code,
            tenant=self.tenant,
            feature=self.feature,
            workload=self.workload,
            model=self.model,
            prompt=self.prompt,
            served_by=self.served_by,
            usage=self.usage,
            estimated=self.estimated,
            usd=self.usd,
            attempts=self.attempts,
            guardrail=self.guardrail,
            finish_reason=self.finish_reason,
            turned_away=self.turned_away,
            streamed=self.streamed,
            latency_ms=round((time.monotonic() - self.began) * 1000, 3),
            backend_ms=round(self.backend_ms, 3),
            trace_id=trace_id(self.span),
        )


_SETTLING: set[asyncio.Task[None]] = set()  # a task that nobody holds may vanish
