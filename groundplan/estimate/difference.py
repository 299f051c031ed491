"""What a change costs: two estimates, resource by resource, as a pull request wants it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from groundplan.estimate.estimate import Estimate, Line
from groundplan.estimate.report import money, shown, table
from groundplan.prices import dollars


@dataclass(frozen=True)
class Change:
    """One resource that costs otherwise than before; `before` or `after` is None where it is not there."""

    before: Line | None
    after: Line | None

    @property
    def line(self) -> Line:
        """The line as it will be, or as it was."""
        found = self.after or self.before
        assert found  # noqa: S101 - one of them is always there
        return found

    @property
    def change(self) -> Literal["added", "removed", "changed"]:
        """What happened to it."""
        return "added" if self.before is None else "removed" if self.after is None else "changed"

    @property
    def difference(self) -> Decimal:
        """Dollars a month more than before, at most, of what is known."""
        return _most(self.after) - _most(self.before)


@dataclass(frozen=True)
class Difference:
    """Two totals and every change that costs, the largest first."""

    before: Estimate
    after: Estimate
    changes: Sequence[Change]

    @property
    def usd(self) -> Decimal:
        """Dollars a month more than before, of what is known."""
        return self.after.total.most - self.before.total.most


def difference(before: Estimate, after: Estimate) -> Difference:
    """Resources are the same when stack, path and type are; free ones are left out."""
    old, new = ({(line.stack, line.path, line.type): line for line in one.lines} for one in (before, after))
    changes = [
        Change(old.get(key), new.get(key))
        for key in {**old, **new}
        if _matters(old.get(key)) or _matters(new.get(key))
        if _costs(old.get(key)) != _costs(new.get(key))
    ]
    return Difference(before, after, sorted(changes, key=lambda one: (-abs(one.difference), one.line.path)))


def difference_as_json(found: Difference) -> dict[str, Any]:
    """`changes` and `totals`, as docs/commands.md describes them."""
    return {
        "changes": [
            {
                "change": one.change,
                "stack": one.line.stack,
                "path": one.line.path,
                "type": one.line.type,
                "workload": one.line.workload or None,
                "before": money(one.before.cost) if one.before else None,
                "after": money(one.after.cost) if one.after else None,
                "difference_usd": format(one.difference, "f"),
            }
            for one in found.changes
        ],
        "totals": {
            "before": money(found.before.total),
            "after": money(found.after.total),
            "difference_usd": format(found.usd, "f"),
        },
    }


def difference_lines(found: Difference) -> Iterator[str]:
    """For a terminal."""
    signs = {"added": "+", "removed": "-", "changed": "~"}
    width = max((len(one.line.path) for one in found.changes), default=0)
    for one in found.changes:
        yield f"{signs[one.change]} {one.line.path:{width}}  {_step(one)}  {one.line.type}"
    yield headline(found)


def difference_markdown(found: Difference) -> Iterator[str]:
    """For a pull request."""
    yield f"**{headline(found)}**"
    yield ""
    rows = [
        (one.change, f"`{one.line.path}`", f"`{one.line.type}`", _shown(one.before), _shown(one.after), _signed(one))
        for one in found.changes
    ]
    yield from table(("Change", "Resource", "Type", "Before", "After", "A month"), rows)


def headline(found: Difference) -> str:
    """The change in one line."""
    if not found.changes:
        return f"no change of cost: {found.after.total} a month"
    direction = "more" if found.usd > 0 else "less"
    by = f"{dollars(abs(found.usd))} {direction} a month" if found.usd else "no change of what is known"
    return f"{by}: {found.before.total} before, {found.after.total} after"


def _matters(line: Line | None) -> bool:
    return line is not None and line.kind != "free"


def _most(line: Line | None) -> Decimal:
    return line.cost.most if line else Decimal(0)


def _shown(line: Line | None) -> str:
    return shown(line.cost, [line]) if line else "-"


def _step(one: Change) -> str:
    return f"{_shown(one.before)} -> {_shown(one.after)} ({_signed(one)})"


def _costs(line: Line | None) -> object:
    return line and (line.cost, _shown(line))


def _signed(one: Change) -> str:
    if one.difference:
        return f"{'+' if one.difference > 0 else ''}{dollars(one.difference)}"
    unknown = any(line and line.cost.unknowns for line in (one.before, one.after))
    return "unknown" if unknown else "by usage"
