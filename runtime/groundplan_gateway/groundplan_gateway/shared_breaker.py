"""What all instances of the gateway know of one backend: an item of the table, written when something goes wrong.

Failures are counted together, so that an outage is found by all instances at once and not by each for itself; one
probe is made for all of them, under a lease. Times are seconds since 1970, as instances share no other clock; one
whose clock is off keeps nobody away for longer than a cool-down.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from botocore.exceptions import ClientError

from groundplan.gateway.settings import Protection

_DAY_SECONDS = 24 * 3600
_LEASE_BEYOND_SECONDS = 5.0  # of a probe, beyond its own time: whoever made it has died


@dataclass(frozen=True)
class Shared:
    """What is known; `opened_until` is zero where callers are let through."""

    failures: int = 0
    opened_until: float = 0.0


class SharedBreaker(Protocol):
    """Each call may fail like any of AWS; an instance then goes by what it sees itself."""

    async def read(self) -> Shared:
        """What is known."""
        ...

    async def failed(self, now: float, *, probe: bool) -> Shared:
        """Count a failure; what is known after it."""
        ...

    async def may_probe(self, now: float) -> bool:
        """Whether this instance may make the one probe."""
        ...

    async def succeeded(self, *, probe: bool) -> Shared:
        """The backend answered; only the probe's answer lets callers through again. What is known after it."""
        ...

    async def left(self) -> None:
        """The probe said nothing: another may be made."""
        ...


class TableBreaker:
    """See `SharedBreaker`; `client` is a DynamoDB client of boto3."""

    def __init__(self, client: Any, table: str, name: str, protection: Protection) -> None:
        self._client, self._protection = client, protection
        self._at = {"TableName": table, "Key": {"id": {"S": f"breaker#{name}"}}}

    async def read(self) -> Shared:
        """See `SharedBreaker`. Eventually consistent: it costs half, and a breaker is told of what it missed."""
        found = await asyncio.to_thread(lambda: self._client.get_item(**self._at))
        return _shared(found.get("Item", {}))

    async def failed(self, now: float, *, probe: bool) -> Shared:
        """See `SharedBreaker`. What failed a cool-down ago is not counted with what fails now."""
        values = {":one": 1, ":now": now, ":expires": int(now) + _DAY_SECONDS}
        again, since = "ADD failures :one", {":since": now - self._protection.cool_down_seconds}
        kept = "SET failed_at = :now, expires = :expires"
        known = await self._update(f"{kept} {again}", values | since, "failed_at > :since")
        if known is None:
            known = await self._update(f"{kept}, failures = :one", values, None) or Shared()
        if not probe and (known.failures < self._protection.failures_until_open or known.opened_until > now):
            return known
        then = {":until": now + self._protection.cool_down_seconds, ":now": now}
        opens = "attribute_not_exists(opened_until) OR opened_until <= :now"
        opened = await self._update("SET opened_until = :until REMOVE probe_until", then, opens)
        return opened or await self.read()

    async def may_probe(self, now: float) -> bool:
        """See `SharedBreaker`."""
        lease = now + self._protection.timeout_seconds + _LEASE_BEYOND_SECONDS
        free = "attribute_not_exists(probe_until) OR probe_until <= :now"
        cool = "attribute_not_exists(opened_until) OR opened_until <= :now"
        values = {":lease": lease, ":now": now, ":expires": int(now) + _DAY_SECONDS}
        taken = "SET probe_until = :lease, expires = :expires"
        return await self._update(taken, values, f"({free}) AND ({cool})") is not None

    async def succeeded(self, *, probe: bool) -> Shared:
        """See `SharedBreaker`."""
        closed = "REMOVE failures, failed_at, opened_until, probe_until"
        done = await self._update(closed, {}, None if probe else "attribute_not_exists(opened_until)")
        return done or await self.read()

    async def left(self) -> None:
        """See `SharedBreaker`."""
        await self._update("REMOVE probe_until", {}, None)

    async def _update(self, expression: str, values: Mapping[str, float], condition: str | None) -> Shared | None:
        """What is known after it; None when the condition does not hold."""
        more: dict[str, Any] = {"ConditionExpression": condition} if condition else {}
        if values:
            more["ExpressionAttributeValues"] = {name: {"N": repr(value)} for name, value in values.items()}
        try:
            done = await asyncio.to_thread(
                lambda: self._client.update_item(
                    **self._at,
                    UpdateExpression=expression,
                    ReturnValues="ALL_NEW",
                    **more,
                )
            )
        except ClientError as error:
            if cast(Any, error.response)["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return None
        return _shared(done["Attributes"])


def _shared(item: Mapping[str, Any]) -> Shared:
    def number(name: str) -> float:
        return float(item[name]["N"]) if name in item else 0.0

    return Shared(int(number("failures")), number("opened_until"))


BreakerOf = Callable[[str, Protection], SharedBreaker]
