"""What was ordered stopped and what was, in the lineage table: of any number of triggers at once one acts.

Partition key `stopped/<stem>`; sort key `ORDER#<budget>#<month>#<percent>`, or `ACT#<subject>#<incarnation>`: what
runs can be stopped once only, whoever asks how often. Acts are never deleted.
"""

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol, cast

from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

from groundplan.lineage.records import iso
from groundplan.spend.stopper import LEASE, Act, Cause, Order, Thing, acts_of

_A: Any = Attr  # boto3 is untyped
_K: Any = Key
ORDER, ACT = "ORDER#", "ACT#"


class Table(Protocol):
    """What is used of boto3's table resource."""

    def query(self, **request: Any) -> Mapping[str, Any]: ...
    def update_item(self, **request: Any) -> object: ...


@dataclass(frozen=True, kw_only=True)
class KeptAct:
    """An act with all that is written down of it. `undo` is what AWS is asked to bring the thing back."""

    act: Act
    workload: str
    reason: str
    undo: Mapping[str, Any]
    failure: str | None = None


@dataclass(frozen=True)
class Promise:
    """The right to stop one thing, and the duty to say how it went."""

    relation: str
    token: str


class SpendActs:
    """`stem` is how the names of the environment begin."""

    def __init__(self, table: Table, stem: str) -> None:
        self._table = table
        self._node = acts_of(stem)

    # Orders -----------------------------------------------------------------------------------------------------

    def open(self, key: str, order: Order, now: datetime) -> Literal["opened", "open", "closed"]:
        """Write an order down; what became of it where it was given before."""
        given = {"cause": order.cause, "reason": order.reason, "workload": order.workload, "at": iso(now)}
        if self._set(ORDER + key, {**given, "status": "open"}, _A("node").not_exists()):
            return "opened"
        [item] = self._query(ORDER + key)
        return "open" if item["status"] == "open" else "closed"

    def open_orders(self) -> Iterator[tuple[str, Order]]:
        """Keys and orders that are not carried out yet."""
        for item in self._query(ORDER):
            if item["status"] == "open":
                order = Order(cause=item["cause"], reason=item["reason"], workload=item.get("workload"))
                yield item["relation"].removeprefix(ORDER), order

    def close(self, key: str) -> None:
        """The order is carried out."""
        self._set(ORDER + key, {"status": "closed"}, _A("status").eq("open"))

    # Acts -------------------------------------------------------------------------------------------------------

    def of(self, subject: str) -> tuple[KeptAct, ...]:
        """Everything that was done to a subject, `<kind>/<name>`."""
        return tuple(_kept(item) for item in self._query(f"{ACT}{subject}#"))

    def all(self) -> tuple[KeptAct, ...]:
        """Everything that was ever stopped in the environment."""
        return tuple(_kept(item) for item in self._query(ACT))

    def promise(
        self, thing: Thing, order: Order, reason: str, undo: Mapping[str, Any], now: datetime
    ) -> Promise | None:
        """The right to stop the thing; None when somebody has it, or did it."""
        relation, token = f"{ACT}{thing.subject}#{thing.incarnation}", secrets.token_hex(8)
        over = _A("status").eq("acting") & _A("at").lt(iso(now - LEASE))
        free = _A("node").not_exists() | _A("status").eq("failed") | over
        given = {
            "subject": thing.subject,
            "incarnation": thing.incarnation,
            "workload": thing.workload,
            "cause": order.cause,
            "reason": reason,
            "undo": json.dumps(undo, default=str),
            "at": iso(now),
            "status": "acting",
            "token": token,
        }
        return Promise(relation, token) if self._set(relation, given, free) else None

    def keep(self, promise: Promise, *, failure: str | None = None) -> None:
        """How it went."""
        outcome = {"status": "failed", "failure": failure} if failure else {"status": "done", "failure": None}
        self._set(promise.relation, outcome, _A("token").eq(promise.token))

    def resumed(self, act: Act, by: str | None, now: datetime) -> bool:
        """Write down that the thing runs again; False when somebody else was faster. `by` is None for the clock."""
        given = {"status": "resumed", "resumed_at": iso(now), "resumed_by": by}
        return self._set(f"{ACT}{act.subject}#{act.incarnation}", given, _A("status").eq("done"))

    def not_resumed(self, act: Act) -> None:
        """It could not be brought back after all."""
        given = {"status": "done", "resumed_at": None, "resumed_by": None}
        self._set(f"{ACT}{act.subject}#{act.incarnation}", given, _A("status").eq("resumed"))

    def _set(self, relation: str, given: Mapping[str, Any], condition: Any) -> bool:
        names = {f"#s{i}": name for i, name in enumerate(given)}
        try:
            self._table.update_item(
                Key={"node": self._node, "relation": relation},
                UpdateExpression="SET " + ", ".join(f"#s{i} = :s{i}" for i in range(len(given))),
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={f":s{i}": value for i, value in enumerate(given.values())},
                ConditionExpression=condition,
            )
        except ClientError as refused:
            answer: Any = refused.response  # pyright: ignore[reportUnknownMemberType]
            if answer["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def _query(self, beginning: str) -> Iterator[Mapping[str, Any]]:
        condition = _K("node").eq(self._node) & _K("relation").begins_with(beginning)
        more: dict[str, Any] = {}
        while True:
            page = self._table.query(KeyConditionExpression=condition, ConsistentRead=True, **more)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def _kept(item: Mapping[str, Any]) -> KeptAct:
    resumed_at: str | None = item.get("resumed_at")
    act = Act(
        subject=item["subject"],
        incarnation=item["incarnation"],
        status=item["status"],
        cause=cast(Cause, item["cause"]),
        at=datetime.fromisoformat(item["at"]),
        resumed_at=datetime.fromisoformat(resumed_at) if resumed_at else None,
        resumed_by=item.get("resumed_by"),
    )
    return KeptAct(
        act=act,
        workload=item["workload"],
        reason=item["reason"],
        undo=json.loads(item["undo"]),
        failure=item.get("failure"),
    )
