"""The lineage table: who came from whom, at any distance, in one query.

Partition key `node`, sort key `relation`; the index `reversed` has partition key `target`, sort key `node` and all
attributes. A node's partition holds its own row (`STATE`), a row for each of its ancestors (`UP#<kind>#<id>`, with
`target` and `depth`), and for a workload its runs by time (`RUN#<creation>#<job>`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Protocol

from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

from groundplan.lineage.rows import RUN, STATE, UP, Relation, State

INDEX = "reversed"
MOST_A_REQUEST = 100  # https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
_RECORDED = ("run/", "package/", "endpoint/")
_SWEEP = {"node": "sweep", "relation": "WATERMARK"}
_A: Any = Attr  # boto3 is untyped; its conditions are made here and nowhere else
_K: Any = Key


class Table(Protocol):
    """What is used of boto3's table resource."""

    @property
    def name(self) -> str: ...
    @property
    def meta(self) -> Any: ...
    def put_item(self, **request: Any) -> object: ...
    def get_item(self, **request: Any) -> Mapping[str, Any]: ...
    def query(self, **request: Any) -> Mapping[str, Any]: ...


class LineageTable:
    """Reads and writes rows made by `groundplan.lineage.rows`; `table` is boto3's table resource."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def put(self, items: Iterable[Mapping[str, Any]]) -> int:
        """Write rows in their order; how many were accepted.

        A row of a newer version stays, one of the same or an older version is replaced. A relation of the same
        version is replaced by a shorter one only, and not at all once it is past.
        """
        return sum(self._put(item, _acceptable(item)) for item in items)

    def get(self, node: str) -> State | None:
        """What is recorded of a run, package or endpoint; None when nothing is. Reads what was written last."""
        answer = self._table.get_item(Key={"node": node, "relation": STATE}, ConsistentRead=True)
        item = answer.get("Item")
        return State.from_item(_plain(item)) if item else None

    def get_many(self, nodes: Iterable[str]) -> tuple[State, ...]:
        """What is recorded of those nodes that are runs, packages and endpoints, in one request a hundred of them."""
        keys = [{"node": node, "relation": STATE} for node in dict.fromkeys(nodes) if node.startswith(_RECORDED)]
        found: list[State] = []
        while keys:
            asked, keys = keys[:MOST_A_REQUEST], keys[MOST_A_REQUEST:]
            answer = self._table.meta.client.batch_get_item(RequestItems={self._table.name: {"Keys": asked}})
            found += [State.from_item(_plain(item)) for item in answer["Responses"].get(self._table.name, ())]
            keys += answer.get("UnprocessedKeys", {}).get(self._table.name, {}).get("Keys", [])
        return tuple(found)

    def ancestors(self, node: str, *, past: bool = False) -> tuple[Relation, ...]:
        """What a node came from, at any distance, nearest first; with `past` also what an endpoint used to serve.

        One query, of what was written last.
        """
        rows = self._query(_K("node").eq(node) & _K("relation").begins_with(UP), ConsistentRead=True)
        return _relations(rows, past)

    def descendants(self, node: str, *, past: bool = False) -> tuple[Relation, ...]:
        """What came of a node, at any distance, nearest first: in each, `node` is the descendant.

        One query of the index, which follows the table within about a second.
        """
        return _relations(self._query(_K("target").eq(node), IndexName=INDEX), past)

    def runs_of(self, workload: str, *, limit: int | None = None) -> tuple[State, ...]:
        """The runs of a workload as last recorded, newest first."""
        condition = _K("node").eq(f"workload/{workload}") & _K("relation").begins_with(RUN)
        found: list[State] = []
        for row in self._query(condition, ScanIndexForward=False, ConsistentRead=True):
            found.append(State.from_item(row))
            if len(found) == limit:
                break
        return tuple(found)

    def close_past(self, node: str) -> None:
        """Mark as past what older versions of a node's record said, and its present one does not say any more."""
        state = self.get(node)
        for relation in self.ancestors(node) if state else ():
            if state and relation.version < state.version:
                row = replace(relation, until=state.last_modified).item()
                self._put(row, _A("version").eq(relation.version))

    def watermark(self) -> str | None:
        """The time up to which the sweep has seen everything; None before its first success."""
        item = self._table.get_item(Key=_SWEEP, ConsistentRead=True).get("Item")
        return str(item["version"]) if item else None

    def set_watermark(self, time: str) -> None:
        """Move the watermark; never backwards."""
        self.put([{**_SWEEP, "version": time}])

    def _put(self, item: Mapping[str, Any], condition: Any) -> bool:
        try:
            self._table.put_item(Item=item, ConditionExpression=condition)
        except ClientError as refused:
            answer: Any = refused.response  # pyright: ignore[reportUnknownMemberType]
            if answer["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def _query(self, condition: Any, **request: Any) -> Iterator[Mapping[str, Any]]:
        start: dict[str, Any] = {}
        while True:
            page = self._table.query(KeyConditionExpression=condition, **request, **start)
            for item in page["Items"]:
                yield _plain(item)
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def _acceptable(item: Mapping[str, Any]) -> Any:
    new, version = _A("node").not_exists(), _A("version")
    if not item["relation"].startswith(UP):
        return new | version.lte(item["version"])
    shorter = version.eq(item["version"]) & _A("until").not_exists() & _A("depth").gte(item["depth"])
    return new | version.lt(item["version"]) | shorter


def _relations(rows: Iterable[Mapping[str, Any]], past: bool) -> tuple[Relation, ...]:
    found = [relation for row in rows if (relation := Relation.from_item(row)) and (past or not relation.until)]
    return tuple(sorted(found, key=lambda relation: (relation.depth, relation.target, relation.node)))


def _plain(value: Any) -> Any:
    """Without boto3's Decimal: every number in this table is an integer."""
    if isinstance(value, Decimal):
        return int(value)
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [_plain(member) for member in value]  # pyright: ignore[reportUnknownVariableType]
    return value
