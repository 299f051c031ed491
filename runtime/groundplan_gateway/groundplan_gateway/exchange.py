"""One request from its first byte to its line in the meter."""

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from opentelemetry import trace
from starlette.requests import Request

from groundplan.gateway.meter import NOBODY, NOTHING, Guarded, Metered, TurnedAway
from groundplan.gateway.problem import Problem
from groundplan.gateway.token_cost import Usage
from groundplan_gateway.ledger import Ledger, Reservation
from groundplan_gateway.telemetry import Sink, metered

REQUEST_ID_HEADER = "x-request-id"


@dataclass
class Exchange:
    """What is known of a request so far; `finish` is heard once."""

    request: Request
    operation: str
    until: float
    sink: Sink
    ledger: Ledger
    gateway_name: str
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
        self.sink(metered(self._record(), self.gateway_name))
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

    def _record(self) -> Metered:
        span = trace.get_current_span().get_span_context()
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
            trace_id=format(span.trace_id, "032x") if span.is_valid else "",
        )


_SETTLING: set[asyncio.Task[None]] = set()  # a task that nobody holds may vanish
