"""What is reserved before a call and settled after it, and answers that are given again for the same key."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from groundplan.gateway.meter import NOBODY
from groundplan.gateway.problem import Problem
from groundplan.gateway.settings import Tenant

CLAIM_SECONDS = 60  # longer than any deadline: a claim whose holder died is free again
LEASE_SECONDS = 120  # of what a request holds; whoever has not settled it by then has died


@dataclass(frozen=True)
class Label:
    """What a request is metered as, should its process die."""

    operation: str = NOBODY
    feature: str = NOBODY
    workload: str = NOBODY
    model: str = NOBODY


NO_LABEL = Label()


@dataclass(frozen=True)
class Reservation:
    """Dollars of a tenant's month that one request holds."""

    request_id: str
    tenant: str
    month: str
    usd: Decimal


@dataclass(frozen=True)
class Unfinished:
    """A request whose process died while it was answered. What it held counts as spent: nobody knows better."""

    reservation: Reservation
    label: Label
    at: datetime


class Ledger(Protocol):
    """Each call may come twice for the same request; the second changes nothing."""

    async def reserve(
        self,
        request_id: str,
        tenant: str,
        limits: Tenant,
        usd: Decimal,
        now: datetime,
        label: Label = NO_LABEL,
    ) -> Reservation:
        """Hold `usd` of the month and one request of the minute; raises a Problem of status 429."""
        ...

    async def settle(self, reservation: Reservation, usd: Decimal) -> bool:
        """What it came to in truth; False where that was said before."""
        ...

    async def sweep(self, tenant: str, now: datetime) -> Sequence[Unfinished]:
        """Settle what dead processes of the tenant hold; each is given to one caller alone."""
        ...

    async def owner(self, request_id: str) -> str | None:
        """The tenant whose request it was."""
        ...

    async def claim(self, tenant: str, key: str, digest: str, now: datetime) -> bytes | None:
        """The answer that was given for this key; None when the caller is to make it. Raises 409 or 422."""
        ...

    async def keep(self, tenant: str, key: str, answer: bytes | None) -> None:
        """The answer for the key; None gives the key back."""
        ...


def too_many(now: datetime) -> Problem:
    """The minute is full."""
    return Problem(
        429,
        "rate_limit_exceeded",
        "This tenant's requests of the minute are used up.",
        retry_after_seconds=60 - now.second,
    )


def too_dear() -> Problem:
    """The month is full. Waiting does not help, so no Retry-After."""
    return Problem(429, "insufficient_quota", "This tenant's dollars of the month are used up or held by calls.")


def in_progress() -> Problem:
    """The first request with the key is not answered yet."""
    return Problem(
        409, "idempotency_in_progress", "A request with this key is being answered.", retry_after_seconds=1
    )


def other_body() -> Problem:
    """The key came with another request before."""
    return Problem(
        422, "idempotency_key_reused", "This key came with another request before.", param="Idempotency-Key"
    )


@dataclass
class _Month:
    held: Decimal = Decimal(0)


@dataclass
class _Claim:
    digest: str
    until: float
    answer: bytes | None = None


@dataclass
class MemoryLedger:
    """The ledger of one process: for one machine and for tests."""

    months: dict[tuple[str, str], _Month] = field(default_factory=dict[tuple[str, str], _Month])
    minutes: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    requests: dict[str, Reservation] = field(default_factory=dict[str, Reservation])
    settled: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    claims: dict[tuple[str, str], _Claim] = field(default_factory=dict[tuple[str, str], _Claim])

    async def reserve(
        self,
        request_id: str,
        tenant: str,
        limits: Tenant,
        usd: Decimal,
        now: datetime,
        label: Label = NO_LABEL,  # noqa: ARG002
    ) -> Reservation:
        """See `Ledger`."""
        if request_id in self.requests:
            return self.requests[request_id]
        minute = (tenant, f"{now:%Y-%m-%dT%H:%M}")
        month = self.months.setdefault((tenant, f"{now:%Y-%m}"), _Month())
        if self.minutes.get(minute, 0) >= limits.requests_per_minute:
            raise too_many(now)
        if month.held + usd > limits.dollars_per_month:
            raise too_dear()
        self.minutes[minute] = self.minutes.get(minute, 0) + 1
        month.held += usd
        reservation = Reservation(request_id, tenant, f"{now:%Y-%m}", usd)
        self.requests[request_id] = reservation
        return reservation

    async def settle(self, reservation: Reservation, usd: Decimal) -> bool:
        """See `Ledger`."""
        if reservation.request_id in self.settled:
            return False
        self.settled[reservation.request_id] = usd
        self.months[reservation.tenant, reservation.month].held += usd - reservation.usd
        return True

    async def sweep(self, tenant: str, now: datetime) -> Sequence[Unfinished]:  # noqa: ARG002
        """See `Ledger`. What a dead process held died with it."""
        return ()

    async def owner(self, request_id: str) -> str | None:
        """See `Ledger`."""
        found = self.requests.get(request_id)
        return found.tenant if found else None

    async def claim(self, tenant: str, key: str, digest: str, now: datetime) -> bytes | None:
        """See `Ledger`."""
        found = self.claims.get((tenant, key))
        if found is None or (found.answer is None and found.until < now.timestamp()):
            self.claims[tenant, key] = _Claim(digest, now.timestamp() + CLAIM_SECONDS)
            return None
        if found.digest != digest:
            raise other_body()
        if found.answer is None:
            raise in_progress()
        return found.answer

    async def keep(self, tenant: str, key: str, answer: bytes | None) -> None:
        """See `Ledger`."""
        if answer is None:
            self.claims.pop((tenant, key), None)
        else:
            self.claims[tenant, key].answer = answer
