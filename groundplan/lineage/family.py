"""One node with all that it came from and all that came of it: the nodes, their steps, and what to say of each."""

import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from groundplan.lineage.records import Endpoint, Package, Record, Run
from groundplan.lineage.rows import Relation, State, record_of
from groundplan.prices import dollars

MOST_METRICS = 3


@dataclass(frozen=True)
class Family:
    """`ancestors` and `descendants` are nodes with their distance, nearest first.

    `steps` are pairs (node, what it came from directly), of the nodes whose records are known. `facts` are short
    texts about a node.
    """

    subject: str
    ancestors: tuple[tuple[str, int], ...]
    descendants: tuple[tuple[str, int], ...]
    steps: tuple[tuple[str, str], ...]
    facts: Mapping[str, tuple[str, ...]]

    @property
    def nodes(self) -> tuple[str, ...]:
        """The subject and all others, the nearest first."""
        return (self.subject, *(node for node, _ in (*self.ancestors, *self.descendants)))

    def above(self, node: str) -> tuple[str, ...]:
        """What a node of the family came from directly."""
        return tuple(upper for lower, upper in self.steps if lower == node)

    def below(self, node: str) -> tuple[str, ...]:
        """What came of a node of the family directly."""
        return tuple(lower for lower, upper in self.steps if upper == node)

    def in_order(self, most: int | None = None) -> tuple[str, ...]:
        """The `most` nearest, each after everything that it came from; the subject's own order where that is free."""
        chosen = set(sorted(self.nodes, key=self._distance)[:most])
        rank = {node: (-depth, node) for node, depth in self.ancestors} | {self.subject: (0, self.subject)}
        rank |= {node: (depth, node) for node, depth in self.descendants}
        placed: dict[str, None] = {}

        def place(node: str) -> None:
            if node in chosen and node not in placed:
                chosen.discard(node)  # also ends the round where records contradict each other
                for upper in sorted(self.above(node), key=lambda each: rank.get(each, (0, each))):
                    place(upper)
                placed[node] = None

        for node in sorted(chosen, key=lambda each: rank[each]):
            place(node)
        return tuple(placed)

    def _distance(self, node: str) -> int:
        return 0 if node == self.subject else dict((*self.ancestors, *self.descendants))[node]


def family(
    subject: str, ancestors: Sequence[Relation], descendants: Sequence[Relation], states: Sequence[State]
) -> Family:
    """From the relations of a node and what is recorded of the nodes among them."""
    above = tuple((relation.target, relation.depth) for relation in ancestors)
    below = tuple((relation.node, relation.depth) for relation in descendants)
    known = {subject, *(node for node, _ in (*above, *below))}
    records = [record_of(state) for state in states]
    steps = {step: None for record in records for step in record.edges() if known.issuperset(step)}
    # What no record tells of is still so many steps away; of the nearest it is known what the step is.
    steps |= {(subject, node): None for node, depth in above if depth == 1}
    steps |= {(node, subject): None for node, depth in below if depth == 1}
    facts = {record.node: tuple(_facts(record)) for record in records}
    for record in records:
        if isinstance(record, Run) and record.product and record.artefact_sha256:
            facts[record.product] = (f"sha256 {record.artefact_sha256[:12]}…",)
    return Family(subject, above, below, tuple(steps), facts)


def _facts(record: Record) -> Iterator[str]:
    yield record.status
    if isinstance(record, Package) and record.approval:
        yield record.approval
    if isinstance(record, Endpoint) and record.config:
        yield record.config
    if not isinstance(record, Run):
        return
    yield money(record.cost_usd)
    for name, value in sorted(record.metrics.items(), key=lambda each: ("_" in each[0], each[0]))[:MOST_METRICS]:
        yield f"{name} {number(value)}"
    if record.interruptions:
        yield f"{record.interruptions} interruption{'s' if record.interruptions > 1 else ''}"
    if record.forced_reason:
        yield f"forced: {record.forced_reason}"


def number(value: object) -> str:
    """A metric as it is shown, also from its text in the table."""
    known = float(str(value)) if value is not None else math.nan
    return f"{known:.4g}" if math.isfinite(known) else "not finite"


def money(usd: str | None) -> str:
    """A run's cost as it is shown; below a cent with the digits that tell runs apart."""
    if usd is None:
        return "cost unknown"
    amount = Decimal(usd)
    return dollars(amount) if amount >= Decimal("0.01") or not amount else f"${amount:.4f}"


def visible(text: str) -> str:
    """The text with what would not be seen, steer a terminal or turn the writing round named instead: `\\u001b`."""
    unseen = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return "".join(f"\\u{ord(each):04x}" if unicodedata.category(each) in unseen else each for each in text)
