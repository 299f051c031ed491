"""Prices every resource of an assembly: fixed, by usage, unknown or free, and the totals."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Literal

from groundplan.estimate.charge import Charge
from groundplan.estimate.families import CHARGED, FREE, UNCHARGED
from groundplan.estimate.resource import NotLiteral, Resource
from groundplan.estimate.template import Stack
from groundplan.estimate.usage import Usage
from groundplan.prices import Money, Price, PriceBook, Unknown

Kind = Literal["fixed", "usage", "unknown", "free"]
UNTAGGED = "(no workload)"


@dataclass(frozen=True)
class Item:
    """One charge with its price and what it costs a month: nothing yet, where nobody knows how much is used."""

    charge: Charge
    price: Price | Unknown
    cost: Money
    origin: str = ""


@dataclass(frozen=True)
class Line:
    """A resource in the estimate. `reason` says why it is free, or what is not known."""

    stack: str
    account: str
    region: str
    logical_id: str
    path: str
    type: str
    workload: str
    kind: Kind
    cost: Money
    items: Sequence[Item] = ()
    reason: str = ""
    template: Path = Path()

    @property
    def unmeasured(self) -> bool:
        """Whether something of it depends on usage that nobody has declared."""
        return any(item.charge.quantity is None for item in self.items)


@dataclass(frozen=True)
class Estimate:
    """Every resource's line, in the order of the templates."""

    lines: Sequence[Line]

    @property
    def total(self) -> Money:
        """The sum over all resources."""
        return total(self.lines)

    @property
    def unmeasured(self) -> int:
        """How many resources have a cost by usage that nobody has declared; it is in no sum."""
        return sum(line.unmeasured for line in self.lines)

    def totals_by(self, part: Literal["account", "stack", "workload"]) -> dict[str, Money]:
        """The sums by account, stack or workload, sorted by name."""
        groups: dict[str, list[Line]] = {}
        for line in self.lines:
            name = {"account": line.account, "stack": line.stack, "workload": line.workload or UNTAGGED}[part]
            groups.setdefault(name, []).append(line)
        return {name: total(lines) for name, lines in sorted(groups.items())}

    def weightiest(self, count: int) -> list[Line]:
        """The lines that cost most, dearest first; those that cost nothing are not among them."""
        return sorted((line for line in self.lines if line.cost.most), key=lambda line: -line.cost.most)[:count]

    def unused(self, usage: Usage) -> list[str]:
        """`<type or path>: <name>` of every assumption that no resource has a use for, as after a slip of the pen."""
        names: dict[str, set[str]] = {}
        for line in self.lines:
            own = {name.strip() for item in line.items for name in item.charge.usage.split(",")}
            names.setdefault(line.type, set()).update(own)
            names.setdefault(line.path, set()).update(own)
        return [
            f"{key}: {name}" for key, used in usage.assumed.items() for name in used if name not in names.get(key, ())
        ]

    def prices_missing(self) -> dict[str, str]:
        """Key to reason of every price and property that is unknown, sorted; by usage or not."""
        found: dict[str, str] = {}
        for line in self.lines:
            for key in line.cost.unknowns:
                found.setdefault(key, line.reason)
            for item in line.items:
                if isinstance(item.price, Unknown):
                    found[item.price.key] = item.price.reason
        return dict(sorted(found.items()))


def total(lines: Iterable[Line]) -> Money:
    """The sum of lines; an unknown price that several lines need is one unknown."""
    least = most = Decimal(0)
    unknowns: set[str] = set()
    uncertain: set[str] = set()
    for line in lines:
        least += line.cost.least
        most += line.cost.most
        unknowns.update(line.cost.unknowns)
        uncertain.update(line.cost.uncertain)
    return Money(least, most, tuple(sorted(unknowns)), tuple(sorted(uncertain)))


def estimate(stacks: Sequence[Stack], books: Callable[[str], PriceBook], usage: Usage | None = None) -> Estimate:
    """Every resource of `stacks`; `books` gives a region's prices, and is asked once a region."""
    book_of = cache(books)
    known = usage or Usage()
    lines: list[Line] = []
    for stack in stacks:
        resources = [
            Resource(stack, logical_id, str(raw.get("Type")), raw, known)
            for logical_id, raw in stack.resources.items()
        ]
        # What takes no tag belongs to whom most of its stack does.
        tagged = Counter(resource.workload for resource in resources if resource.workload)
        [fallback, *_] = [*(workload for workload, _ in tagged.most_common(1)), ""]
        book = book_of(stack.region)
        lines += [_line(resource, book, fallback) for resource in resources if _is_made(resource)]
        if not stack.template:
            lines.append(_unread(stack))
    return Estimate(lines)


def _unread(stack: Stack) -> Line:
    """A stack whose template could not be read costs nobody knows what."""
    return Line(
        stack=stack.name,
        account=stack.account,
        region=stack.region,
        logical_id="",
        path=stack.name,
        type="AWS::CloudFormation::Stack",
        workload=str(stack.tags.get("workload", "")),
        kind="unknown",
        cost=Money.unknown(stack.name),
        reason=f"{stack.file.name} cannot be read",
        template=stack.file,
    )


def _is_made(resource: Resource) -> bool:
    """False for a resource whose condition says that there will be none."""
    condition = resource.raw.get("Condition")
    return condition is None or resource.stack.condition(condition) is not False


def _uncharged(kind: str) -> str:
    return UNCHARGED.get(kind, "nothing of it is charged as it is set")


@dataclass
class _Priced:
    items: list[Item] = field(default_factory=list[Item])
    cost: Money = field(default_factory=Money)
    reason: str = ""


def _line(resource: Resource, book: PriceBook, fallback: str) -> Line:
    stack = resource.stack
    free = FREE.get(resource.type)
    if free is None and resource.type.startswith("Custom::"):
        free = FREE["AWS::CloudFormation::CustomResource"]
    priced = _Priced() if free else _priced(resource, book)
    return Line(
        stack=stack.name,
        account=stack.account,
        region=stack.region,
        logical_id=resource.logical_id,
        path=resource.path,
        type=resource.type,
        workload=resource.workload or fallback,
        kind="free" if free else _kind(priced),
        cost=priced.cost,
        items=tuple(priced.items),
        template=stack.file,
        reason=free or priced.reason or ("" if priced.items else _uncharged(resource.type)),
    )


def _priced(resource: Resource, book: PriceBook) -> _Priced:
    found = _Priced()
    charges = CHARGED.get(resource.type)
    if charges is None:
        found.cost = Money.unknown(resource.type)
        found.reason = f"no rule says what {resource.type} costs"
        return found
    try:
        for charge in charges(resource):
            item = _item(resource, charge, book.find(charge.key))
            found.items.append(item)
            found.cost += item.cost
            if isinstance(item.price, Unknown):
                found.reason = item.price.reason
    except NotLiteral as error:
        name = f"{resource.path}.{error.name}"
        found.cost += Money.unknown(name)
        found.reason = f"{error.name} is not a value that is known before deployment"
    except (AttributeError, TypeError, ValueError):
        # A property of another shape than CloudFormation's schema allows.
        found.cost += Money.unknown(resource.path)
        found.reason = f"its properties are not those of a {resource.type}"
    return found


def _item(resource: Resource, charge: Charge, price: Price | Unknown) -> Item:
    if charge.quantity is None:
        # How much is used is not known: the unit price is shown. If that is not known either, it is an unknown.
        return Item(charge, price, Money.unknown(price.key) if isinstance(price, Unknown) else Money())
    cost = Money.of(price, charge.quantity, charge.key)
    names = [name.strip() for name in charge.usage.split(",") if name.strip()]
    kind, path, workload = resource.type, resource.path, resource.workload
    origins = {resource.usage_known.origin(kind, path, workload, name) for name in names} - {""}
    return Item(charge, price, cost.saving(charge.saving) if charge.saving else cost, ", ".join(sorted(origins)))


def _kind(priced: _Priced) -> Kind:
    if priced.cost.unknowns:
        return "unknown"
    if not priced.items:
        return "free"
    return "usage" if all(item.charge.usage for item in priced.items) else "fixed"
