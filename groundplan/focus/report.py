"""The sums of a bill: what was billed, effective and list cost, and what became of the difference."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from groundplan.focus.metered_sum import MeteredSum, dearest
from groundplan.focus.use import SameDay
from groundplan.focus.workloads import SPOT_PROMISE, Idle, WorkloadLine, plain
from groundplan.prices.money import dollars

CAUSES = ("negotiated", "commitment", "spot", "credit", "prepaid", "other")
UNALLOCATED = "(unallocated)"
NOTHING = Decimal(0)


@dataclass(frozen=True)
class Sums:
    """Sums of charges. `savings` says by cause what was saved of the list price; together they are list - effective.

    `negotiated` is list less contracted cost; of what is then left, `commitment` and `spot` are what such prices took
    off. A `credit` is no price at all, and what is `prepaid` is no saving: a commitment's purchase, whose effective
    cost stands with the use that it covers.
    """

    billed: Decimal = NOTHING
    effective: Decimal = NOTHING
    list: Decimal = NOTHING
    rows: int = 0
    savings: Mapping[str, Decimal] = field(default_factory=dict[str, Decimal])

    @classmethod
    def of(cls, cause: str, amounts: Sequence[Decimal], rows: int) -> "Sums":
        """Of charges with one cause to cost less than contracted; billed, effective, list and contracted cost."""
        billed, effective, listed, contracted = amounts
        if cause in ("credit", "prepaid"):
            savings = {cause: listed - effective}
        else:
            savings = {"negotiated": listed - contracted, cause: contracted - effective}
        return cls(billed, effective, listed, rows, savings)

    def __add__(self, other: "Sums") -> "Sums":
        causes = {*self.savings, *other.savings}
        return Sums(
            self.billed + other.billed,
            self.effective + other.effective,
            self.list + other.list,
            self.rows + other.rows,
            {cause: self.savings.get(cause, NOTHING) + other.savings.get(cause, NOTHING) for cause in causes},
        )

    def as_json(self) -> dict[str, Any]:
        """Amounts as decimal texts."""
        return {
            "billed": plain(self.billed),
            "effective": plain(self.effective),
            "list": plain(self.list),
            "savings": {cause: plain(self.savings.get(cause, NOTHING)) for cause in CAUSES},
            "rows": self.rows,
        }


@dataclass(frozen=True)
class Group:
    """Sums of one provider and currency, of one value of each dimension; None where a charge has none."""

    provider: str | None
    currency: str
    key: Mapping[str, str | date | None]
    sums: Sums

    @property
    def by(self) -> str:
        """The dimensions, as in `workload,service,day`."""
        return ",".join(self.key)

    @property
    def name(self) -> str:
        """The values, for people."""
        return ", ".join(UNALLOCATED if value is None else str(value) for value in self.key.values())

    def as_json(self) -> dict[str, Any]:
        """As documented."""
        key = {name: value and str(value) for name, value in self.key.items()}
        return {
            "by": self.by,
            **key,
            "provider": self.provider,
            "billing_currency": self.currency,
            **self.sums.as_json(),
        }


@dataclass(frozen=True)
class Reconciled:
    """What files held beside what was counted; `left_out` are rows that another row or file gave already."""

    provider: str | None
    currency: str
    held: Decimal
    held_rows: int
    left_out: Decimal
    left_out_rows: int
    counted: Decimal

    @property
    def difference(self) -> Decimal:
        """Zero to the cent, or the report is wrong."""
        return self.held - self.left_out - self.counted

    def as_json(self) -> dict[str, Any]:
        """As documented."""
        return {
            "provider": self.provider,
            "billing_currency": self.currency,
            "held": plain(self.held),
            "held_rows": self.held_rows,
            "left_out": plain(self.left_out),
            "left_out_rows": self.left_out_rows,
            "counted": plain(self.counted),
            "difference": plain(self.difference),
        }


@dataclass(frozen=True)
class BillFile:
    """A file and what became of it: `status` is `counted`, `refused` or `left out`, `reason` says why."""

    name: str
    status: str
    format: str = ""
    version: str = ""
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """As documented."""
        return {
            "file": self.name,
            "status": self.status,
            "format": self.format or None,
            "focus_version": self.version or None,
            "reason": self.reason or None,
        }


@dataclass(frozen=True)
class Report:
    """What files of a bill say. `notes` are what a reader should know; `metered` is the gateway's own count."""

    totals: Sequence[Group]
    groups: Sequence[Group]
    reconciliation: Sequence[Reconciled]
    files: Sequence[BillFile]
    notes: Sequence[str] = ()
    workloads: Sequence[WorkloadLine] = ()
    same_day: Sequence[SameDay] = ()
    metered: Sequence[MeteredSum] = ()

    def as_json(self) -> dict[str, Any]:
        """What `groundplan report --json` prints."""
        return {
            "totals": [_total(group) for group in self.totals],
            "groups": [group.as_json() for group in self.groups],
            "workloads": [line.as_json() for line in self.workloads],
            "same_day": [one.as_json() for one in self.same_day],
            "metered": [one.as_json() for one in self.metered],
            "reconciliation": [one.as_json() for one in self.reconciliation],
            "files": [one.as_json() for one in self.files],
            "notes": list(self.notes),
        }


def gather(rows: Iterable[Sequence[Any]], by: Sequence[str]) -> list[Group]:
    """Groups from rows of `queries.grouped`, in their order."""
    found: dict[tuple[Any, ...], Sums] = {}
    width = 2 + len(by)
    for row in rows:
        cause, *amounts, charges = row[width:]
        sums = Sums.of(cause, amounts, int(charges))
        key = tuple(row[:width])
        found[key] = found[key] + sums if key in found else sums
    return [
        Group(provider, currency, dict(zip(by, values, strict=True)), sums)
        for (provider, currency, *values), sums in found.items()
    ]


def without_line(groups: Sequence[Group]) -> Iterator[str]:
    """Notes on charges that no workload's line can hold: without the tag, or in another currency than ceilings."""
    by_workload = [group for group in groups if group.by == "workload"]
    tagged = [group for group in by_workload if group.key["workload"]]
    if by_workload and not tagged:
        yield (
            "no charge has a tag workload, so no workload has a line: AWS puts tags on a bill once the paying "
            "account has activated them as cost allocation tags (docs/cost.md)"
        )
    if others := sorted({group.currency for group in tagged} - {"USD"}):
        yield f"what is billed in {', '.join(others)} is in no workload's line: ceilings are in US dollars (USD)"


def text_lines(report: Report) -> Iterator[str]:
    """Totals and the largest groups, for people. Sums of different currencies stand apart."""
    if not report.totals:
        yield "nothing was billed in these files"
    for total in report.totals:
        yield f"{total.provider or UNALLOCATED}, {total.currency}"
        yield f"  {'':28} {'billed':>18} {'effective':>18} {'list':>18} {'saved':>18}"
        yield f"  {'total':28} {_amounts(total)}  {total.sums.rows:,} rows"
        for by in dict.fromkeys(group.by for group in report.groups):
            own = [g for g in report.groups if (g.by, g.provider, g.currency) == (by, total.provider, total.currency)]
            yield f"  by {by}"
            yield from (f"    {_short(group.name):26} {_amounts(group)}" for group in _largest(own))
            if len(own) > MOST_LINES:
                yield f"    and {len(own) - MOST_LINES} more; --json has them all"
        saved = ((cause, total.sums.savings.get(cause, NOTHING)) for cause in CAUSES)
        yield "  saved of the list price: " + ", ".join(
            f"{cause} {money(amount, total.currency)}" for cause, amount in saved if amount
        )
    for line in report.workloads:
        yield from _line(line)
    for one in report.same_day:
        yield f"same-day view, {one.workload}: {same_day_words(one)}"
    if report.metered:
        yield f"metered by the gateway in {report.metered[0].month}, each request once"
        yield f"  {'tenant, feature, workload, model':58} {'requests':>12} {'tokens':>14} {'dollars':>14}"
        for one in dearest(report.metered)[:MOST_LINES]:
            yield f"  {_short(one.name, 58):58} {one.requests:>12,} {one.tokens:>14,} {dollars(one.usd):>14}"
        if len(report.metered) > MOST_LINES:
            yield f"  and {len(report.metered) - MOST_LINES} more; --json has them all"
    for one in report.reconciliation:
        left = f", left out as there already: {one.left_out_rows:,} ({money(one.left_out, one.currency)})"
        yield (
            f"reconciled {one.provider or UNALLOCATED}: {one.held_rows:,} rows hold {money(one.held, one.currency)}"
            f"{left if one.left_out_rows else ''}; {money(one.counted, one.currency)} are counted, "
            f"a difference of {money(one.difference, one.currency)}"
        )


def _line(line: WorkloadLine) -> Iterator[str]:
    meant, coming = line.designed, line.forecast
    ceiling = dollars(meant.ceiling_usd) if meant.ceiling_usd else "none"
    estimate = "none" if meant.estimate_usd_at_most is None else dollars(meant.estimate_usd_at_most)
    times = f", {line.above:.1f} \N{MULTIPLICATION SIGN} the ceiling" if line.above else ""
    sums = f"forecast {dollars(coming.month_end)} ({dollars(coming.low)} to {dollars(coming.high)}){times}"
    spent = f"{dollars(coming.to_date)} through {coming.last_day:%d %b}"
    if line.not_billed and line.not_billed.usd:
        spent += f" and {dollars(line.not_billed.usd)} of machines not billed yet"
    yield f"{line.workload}, {line.month:%Y-%m}: ceiling {ceiling}, estimate {estimate}, {spent}, {sums}"
    yield f"  why: {line.why}"
    for words in seen_words(line):
        yield f"  {words}"


def seen_words(line: WorkloadLine) -> Iterator[str]:
    """What the platform saw of a workload, a sentence each; nothing where nobody looked."""
    seen = line.observed
    if seen is None:
        return
    if seen.runs:
        known = [run.cost_usd for run in seen.runs if run.cost_usd is not None]
        unknown = len(seen.runs) - len(known)
        each = f", {dollars(sum(known, NOTHING) / len(known))} each" if len(known) > 1 else ""
        beside = f" and {unknown} of unknown cost" if unknown else ""
        cost = f"{dollars(sum(known, NOTHING))}{each}{beside}" if known else "of unknown cost"
        yield f"training runs: {len(seen.runs)}, {cost}"
    if line.spot_saving is not None:
        low, high = (f"{one:.0%}" for one in SPOT_PROMISE)
        yield f"spot saved {line.spot_saving:.0%} of the time that was trained; promised are {low} to {high}"
    if seen.refused_runs:
        unknown = f", and {seen.refused_unknown} of unknown cost" * bool(seen.refused_unknown)
        cost = f"{dollars(seen.refused_usd)} not spent{unknown}"
        yield f"runs that had been done before and were refused: {seen.refused_runs}, {cost}"
    yield from (f"idle: {one.name}, {monthly(one)}: {one.why}" for one in seen.idle)


def monthly(one: Idle) -> str:
    """Its dollars, in words; a price that is not known is not nothing."""
    return "of unknown price" if one.monthly_usd is None else f"{dollars(one.monthly_usd)} a month"


def same_day_words(one: SameDay) -> str:
    """The same-day figure, what was billed, and how wrong it was."""
    if one.first is None or one.through is None:
        return f"{dollars(one.later)} of machines, on days that are not billed whole yet"
    wrong = "nothing was billed" if one.error is None else f"wrong by {one.error:+.1%}"
    days = f"{one.first:%d %b} to {one.through:%d %b}"
    return (
        f"{days} {dollars(one.same_day)}, billed {dollars(one.billed)}, {wrong}; {dollars(one.later)} on later days"
    )


MOST_LINES = 10


def _largest(groups: Sequence[Group]) -> Sequence[Group]:
    if groups and "day" in groups[0].key:
        return groups[-MOST_LINES:]
    first = sorted(groups, key=lambda group: (-abs(group.sums.billed), group.name))[:MOST_LINES]
    # What nobody answers for is always shown.
    lost = [group for group in groups if None in group.key.values() and group not in first]
    return [*first, *lost]


def _short(text: str, most: int = 26) -> str:
    visible = "".join(one if one.isprintable() else "?" for one in text)
    return visible if len(visible) <= most else visible[: most - 1] + "…"


def _amounts(group: Group) -> str:
    sums = group.sums
    amounts = (sums.billed, sums.effective, sums.list, sums.list - sums.effective)
    return " ".join(f"{money(amount, group.currency):>18}" for amount in amounts)


def money(amount: Decimal, currency: str) -> str:
    """`$1,234.56`, or `1,234.56 EUR`."""
    if currency == "USD":
        return dollars(amount)
    return f"{dollars(amount).replace('$', '')} {currency}"


def _total(group: Group) -> dict[str, Any]:
    whole = group.as_json()
    del whole["by"]
    return whole
