"""The ledger in DynamoDB: one table with the key `id`, a time to live `expires`.

Reserving is a transaction over the tenant's month, its minute and the request, so it happens wholly or not at all,
and once: the request's item is the proof. What a request holds stands in the month's item until it is settled: so
that happens once as well, in one write, and one read finds what dead processes hold. Requests of one tenant that meet
in the same instant conflict and are tried again here; DynamoDB's client does not retry those.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar, cast

from botocore.exceptions import ClientError

from groundplan.gateway.problem import Problem
from groundplan.gateway.settings import Tenant
from groundplan_gateway.ledger import (
    CLAIM_SECONDS,
    LEASE_SECONDS,
    NO_LABEL,
    Label,
    Reservation,
    Unfinished,
    in_progress,
    other_body,
    too_dear,
    too_many,
)

Made = TypeVar("Made")
_TRIES = 8
AT_ONCE = 16  # questions of the table; asyncio's own threads are six on two cores, for everything
_FREE = "attribute_not_exists(id) OR (attribute_not_exists(answer) AND #until < :now)"
_OPEN = "open_"  # and a request's id: an attribute of the month, while the request is answered
_DAY_SECONDS = 24 * 3600
_KEPT_SECONDS = 90 * _DAY_SECONDS  # so long may feedback come


class TableLedger:
    """See `Ledger`; `client` is a DynamoDB client of boto3."""

    def __init__(self, client: Any, table: str) -> None:
        self._client, self._table = client, table
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="ledger")

    async def reserve(
        self,
        request_id: str,
        tenant: str,
        limits: Tenant,
        usd: Decimal,
        now: datetime,
        label: Label = NO_LABEL,
    ) -> Reservation:
        """See `Ledger`."""
        reservation = Reservation(request_id, tenant, f"{now:%Y-%m}", usd)
        room = limits.dollars_per_month - usd
        if room < 0:
            raise too_dear()
        seconds = int(now.timestamp())
        reasons = await self._transact(
            [
                self._put(
                    f"request#{request_id}",
                    {"tenant": tenant, "month": reservation.month, "usd": usd, "expires": seconds + _KEPT_SECONDS},
                ),
                self._update(
                    f"minute#{tenant}#{now:%Y-%m-%dT%H:%M}",
                    "SET expires = :expires ADD requests :one",
                    {":one": 1, ":most": limits.requests_per_minute, ":expires": seconds + _DAY_SECONDS},
                    "attribute_not_exists(requests) OR requests < :most",
                ),
                self._update(
                    f"month#{tenant}#{reservation.month}",
                    "ADD held :usd SET #open = :open",
                    {":usd": usd, ":room": room, ":open": {"usd": usd, "at": seconds, **asdict(label)}},
                    "attribute_not_exists(held) OR held <= :room",
                    {"#open": f"{_OPEN}{request_id}"},
                ),
            ]
        )
        if reasons[0]:  # a second time
            return reservation
        if reasons[1]:
            raise too_many(now)
        if reasons[2]:
            raise too_dear()
        return reservation

    async def settle(self, reservation: Reservation, usd: Decimal) -> bool:
        """See `Ledger`."""
        write = self._settlement(reservation, usd)["Update"]
        for attempt in range(_TRIES):
            try:
                await self._run(lambda: self._client.update_item(**write))
                return True
            except ClientError as error:
                if _code(error) == "ConditionalCheckFailedException":
                    return False
                if _code(error) != "TransactionConflictException":
                    raise
            await _pause(attempt)
        raise _busy()

    async def sweep(self, tenant: str, now: datetime) -> Sequence[Unfinished]:
        """See `Ledger`."""
        lapsed = now - timedelta(seconds=LEASE_SECONDS)
        swept: list[Unfinished] = []
        for month in (f"{now.replace(day=1) - timedelta(days=1):%Y-%m}", f"{now:%Y-%m}"):
            item = await self._item(f"month#{tenant}#{month}") or {}
            for name, kept in item.items():
                if not name.startswith(_OPEN):
                    continue
                held = kept["M"]
                at = datetime.fromtimestamp(int(held["at"]["N"]), UTC)
                one = Reservation(name.removeprefix(_OPEN), tenant, month, Decimal(held["usd"]["N"]))
                if at >= lapsed:
                    continue
                # A transaction: asked twice because its answer was lost, it says twice that it was made.
                [done_before] = await self._transact([self._settlement(one, one.usd)])
                if not done_before:
                    label = Label(**{one.name: held[one.name]["S"] for one in fields(Label)})
                    swept.append(Unfinished(one, label, at))
        return swept

    async def owner(self, request_id: str) -> str | None:
        """See `Ledger`."""
        found = await self._item(f"request#{request_id}")
        return found["tenant"]["S"] if found else None

    async def claim(self, tenant: str, key: str, digest: str, now: datetime) -> bytes | None:
        """See `Ledger`."""
        seconds = int(now.timestamp())
        item = {
            "id": f"key#{tenant}#{key}",
            "digest": digest,
            "until": seconds + CLAIM_SECONDS,
            "expires": seconds + _DAY_SECONDS,
        }
        try:
            await self._run(
                lambda: self._client.put_item(
                    TableName=self._table,
                    Item=_typed(item),
                    ConditionExpression=_FREE,
                    ExpressionAttributeNames={"#until": "until"},
                    ExpressionAttributeValues=_typed({":now": seconds}),
                )
            )
        except ClientError as error:
            if _code(error) != "ConditionalCheckFailedException":
                raise
            found = await self._item(f"key#{tenant}#{key}")
            if found is None:  # given back in this very moment
                raise in_progress() from None
            if found["digest"]["S"] != digest:
                raise other_body() from None
            if "answer" not in found:
                raise in_progress() from None
            return found["answer"]["B"]
        return None

    async def keep(self, tenant: str, key: str, answer: bytes | None) -> None:
        """See `Ledger`."""
        at = _typed({"id": f"key#{tenant}#{key}"})
        if answer is None:
            await self._run(lambda: self._client.delete_item(TableName=self._table, Key=at))
        else:
            await self._run(
                lambda: self._client.update_item(
                    TableName=self._table,
                    Key=at,
                    UpdateExpression="SET answer = :answer",
                    ExpressionAttributeValues={":answer": {"B": answer}},
                )
            )

    async def _item(self, name: str) -> dict[str, Any] | None:
        found = await self._run(
            lambda: self._client.get_item(TableName=self._table, Key=_typed({"id": name}), ConsistentRead=True)
        )
        return found.get("Item")

    async def _transact(self, writes: Sequence[dict[str, Any]]) -> list[bool]:
        """Which conditions did not hold; all False when it was written."""
        for attempt in range(_TRIES):
            try:
                await self._run(lambda: self._client.transact_write_items(TransactItems=list(writes)))
                return [False] * len(writes)
            except ClientError as error:
                if _code(error) != "TransactionCanceledException":
                    raise
                reasons: list[dict[str, Any]] = cast(Any, error.response).get("CancellationReasons", [])
                codes = [str(reason.get("Code")) for reason in reasons]
                if "TransactionConflict" not in codes:
                    return [code == "ConditionalCheckFailed" for code in codes]
            await _pause(attempt)
        raise _busy()

    async def _run(self, call: Callable[[], Made]) -> Made:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def _settlement(self, reservation: Reservation, usd: Decimal) -> dict[str, Any]:
        return self._update(
            f"month#{reservation.tenant}#{reservation.month}",
            "ADD held :difference, spent :usd REMOVE #open",
            {":difference": usd - reservation.usd, ":usd": usd},
            "attribute_exists(#open)",
            {"#open": f"{_OPEN}{reservation.request_id}"},
        )

    def _put(self, name: str, values: dict[str, object]) -> dict[str, Any]:
        return {
            "Put": {
                "TableName": self._table,
                "Item": _typed({"id": name, **values}),
                "ConditionExpression": "attribute_not_exists(id)",
            }
        }

    def _update(
        self,
        name: str,
        expression: str,
        values: dict[str, object],
        condition: str | None,
        names: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        update: dict[str, Any] = {
            "TableName": self._table,
            "Key": _typed({"id": name}),
            "UpdateExpression": expression,
            "ExpressionAttributeValues": _typed(values),
        }
        update |= {"ConditionExpression": condition} if condition else {}
        return {"Update": update | ({"ExpressionAttributeNames": names} if names else {})}


async def _pause(attempt: int) -> None:
    await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311


def _busy() -> Problem:
    return Problem(503, "budget_unavailable", "The budget cannot be read now.", retry_after_seconds=1)


def _code(error: ClientError) -> str:
    return cast(Any, error.response)["Error"]["Code"]


def _typed(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: _typed_value(value) for name, value in values.items()}


def _typed_value(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {"M": _typed(cast(dict[str, Any], value))}
    return {"S": value} if isinstance(value, str) else {"N": format(Decimal(value), "f")}
