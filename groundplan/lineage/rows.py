"""The rows of the lineage table: a node's own, and one for each of its ancestors at any distance."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields, replace
from typing import Any

from groundplan.lineage.records import Endpoint, Package, Record, Run, Slice

STATE = "STATE"  # the row of a node itself
UP = "UP#"  # rows of its ancestors
RUN = "RUN#"  # rows of a workload's runs, by time
_OF_ITS_RECORD = (
    "cost_usd",
    "cost_basis",
    "record_uri",
    "record_sha256",
    "artefact_sha256",
    "checkpoints_saved",
    "resumed_from_step",
    "right_sizing",
)


@dataclass(frozen=True)
class Relation:
    """`node` came from `target`, `depth` steps away (1: directly).

    `version` is that of the node's record which said so. `until` is set when it was so and is not any more: an
    endpoint that serves something else since then.
    """

    node: str
    target: str
    depth: int
    version: str
    until: str | None = None

    def item(self) -> dict[str, Any]:
        """The row; the index `reversed` finds it by `target`."""
        kind, _, name = self.target.partition("/")
        row = {
            "node": self.node,
            "relation": f"{UP}{kind}#{name}",
            "target": self.target,
            "depth": self.depth,
            "version": self.version,
        }
        return row | ({"until": self.until} if self.until else {})

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "Relation":
        """From a row whose `relation` begins with `UP#`."""
        return cls(item["node"], item["target"], int(item["depth"]), item["version"], item.get("until"))


@dataclass(frozen=True)
class State:
    """What the table holds of one node. `record` are the fields of Run, Package or Endpoint, metrics as texts."""

    node: str
    kind: str
    name: str
    status: str
    created: str
    last_modified: str
    version: str
    record: Mapping[str, Any]

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "State":
        """From a row whose `relation` is `STATE` or begins with `RUN#`."""
        record: Mapping[str, Any] = item["record"]
        own = {field: record[field] for field in ("name", "status", "created", "last_modified")}
        return cls(node=item["subject"], kind=item["kind"], version=item["version"], record=record, **own)


def record_of(state: State) -> Record:
    """The record of a row as it was written, also by an older Groundplan: what that did not know is None.

    Numbers that are no integers are texts, as in the table.
    """
    kind: Any = {"run": Run, "package": Package, "endpoint": Endpoint}[state.kind]
    known = {field.name: state.record[field.name] for field in fields(kind) if field.name in state.record}
    return kind(**dict.fromkeys(field.name for field in fields(kind) if field.default is MISSING) | known)


def as_recorded(run: Run, state: State | None) -> Run | None:
    """The run with what its stored record added to it when it ended; None when the state is not of that, or has none.

    A record is stored once: what it was made of goes (runs of one fingerprint may share their checkpoints, and prices
    change), and the registered package names the record's digest.
    """
    known: Mapping[str, Any] = state.record if state else {}
    if not known.get("record_sha256") or (known["created"], known["status"]) != (run.created, run.status):
        return None
    added = {name: known.get(name) for name in _OF_ITS_RECORD}
    hardware: Mapping[str, Any] | None = known.get("hardware")
    return replace(
        run,
        **added,
        metrics={name: float(value) for name, value in known["metrics"].items()},
        slices=tuple(Slice(part["name"], float(part["value"]), part["slice"]) for part in known.get("slices", ())),
        hardware=hardware and {name: _number(value) for name, value in hardware.items()},
    )


def relations(
    record: Record, above: Mapping[str, Sequence[Relation]], below: Sequence[Relation]
) -> tuple[Relation, ...]:
    """Everything that this record says about who came from whom, at any distance.

    `above` holds for each node that the record names what it is already known to come from; `below` who is already
    known to come from the record's product. Those get the record's ancestors too, so it does not matter in which
    order a run, its package and its endpoint are written down.
    """
    edges = record.edges()
    found: dict[tuple[str, str], Relation] = {}

    def add(relation: Relation) -> None:
        key = (relation.node, relation.target)
        if key not in found or relation.depth < found[key].depth:
            found[key] = relation

    def climb(start: str, node: str, depth: int) -> None:
        for lower, upper in edges:
            if lower == node:
                add(Relation(start, upper, depth, record.version))
                climb(start, upper, depth + 1)
                for known in above.get(upper, ()):
                    add(Relation(start, known.target, depth + known.depth, record.version))

    for node in dict.fromkeys(lower for lower, _ in edges):
        climb(node, node, 1)
    own = {lower for lower, _ in edges}
    inherited = [relation for relation in found.values() if relation.node == record.product]
    for heir in below:
        if heir.node not in own:
            for relation in inherited:
                add(Relation(heir.node, relation.target, heir.depth + relation.depth, heir.version))
    return tuple(found.values())


def items(
    record: Record, above: Mapping[str, Sequence[Relation]], below: Sequence[Relation]
) -> tuple[dict[str, Any], ...]:
    """The rows of a record, in the order in which they are to be written.

    The row of the node itself is the last: where it stands, all the others do. Numbers are integers; metrics are
    the shortest text that reads back as the same float, since DynamoDB has neither floats nor NaN.
    """
    state = {
        "node": record.node,
        "relation": STATE,
        "subject": record.node,
        "kind": record.kind,
        "version": record.version,
        "record": _storable(asdict(record)),
    }
    rows = [relation.item() for relation in relations(record, above, below)]
    if isinstance(record, Run) and record.workload:
        index = {"node": f"workload/{record.workload}", "relation": f"{RUN}{record.created}#{record.name}"}
        rows.append(state | index)
    return (*rows, state)


def _number(value: Any) -> Any:
    """What `_storable` made of a number."""
    return float(value) if isinstance(value, str) else value


def _storable(value: Any) -> Any:
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Mapping):
        return {key: _storable(member) for key, member in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, tuple | list):
        return [_storable(member) for member in value]  # pyright: ignore[reportUnknownVariableType]
    return value
