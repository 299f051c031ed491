"""An estimate as JSON, as text for a terminal, and as Markdown for a pull request."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from groundplan.estimate.estimate import Estimate, Item, Line
from groundplan.prices import Money, Price, rate

_PARTS = ("account", "stack", "workload")


def as_json(estimate: Estimate) -> dict[str, Any]:
    """`resources` and `totals`, as docs/commands.md describes them."""
    return {
        "resources": [_resource(line) for line in estimate.lines],
        "totals": {
            **money(estimate.total),
            "by_undeclared_usage": estimate.unmeasured,
            **{f"{part}s": {name: money(one) for name, one in estimate.totals_by(part).items()} for part in _PARTS},
        },
        "unknowns": [{"key": key, "reason": reason} for key, reason in estimate.prices_missing().items()],
    }


def money(known: Money) -> dict[str, Any]:
    """Dollars a month as decimals in text, and what is not in them."""
    return {
        "monthly_usd": _plain(known.least),
        "monthly_usd_at_most": _plain(known.most),
        "unknowns": list(known.unknowns),
        "uncertain": list(known.uncertain),
    }


def _resource(line: Line) -> dict[str, Any]:
    return {
        "account": line.account,
        "region": line.region,
        "stack": line.stack,
        "path": line.path,
        "logical_id": line.logical_id,
        "type": line.type,
        "workload": line.workload or None,
        "kind": line.kind,
        **money(line.cost),
        "charges": [_charge(item) for item in line.items],
        "reason": line.reason or None,
    }


def _charge(item: Item) -> dict[str, Any]:
    price = item.price
    known = isinstance(price, Price)
    return {
        "key": item.charge.key,
        "quantity": None if item.charge.quantity is None else _plain(item.charge.quantity),
        "usage": item.charge.usage or None,
        "usage_from": item.origin or None,
        "unit_price_usd": _plain(price.amount) if known else None,
        "unit": price.unit if known else None,
        "confidence": price.confidence if known else "unknown",
        "source": price.source if known else None,
        "effective": price.effective.isoformat() if known else None,
        "note": item.charge.note or None,
    }


def text_lines(estimate: Estimate) -> Iterator[str]:
    """For a terminal: every stack with its resources, the totals, and what is unknown."""
    width = max((len(line.path) for line in estimate.lines if line.kind != "free"), default=0)
    for stack, known in estimate.totals_by("stack").items():
        lines = [line for line in estimate.lines if line.stack == stack]
        yield f"{stack}  ({lines[0].account}, {lines[0].region})  {shown(known, lines)} a month"
        free = sum(line.kind == "free" for line in lines)
        for line in sorted(lines, key=lambda line: (-line.cost.most, line.path)):
            if line.kind != "free":
                yield f"  {line.kind:8} {line.path:{width}}  {_amount(line):>12}  {_why(line)}".rstrip()
        if free:
            yield f"  free     {free} resources"
        yield ""
    yield "a month, by"
    for part in _PARTS:
        for name, known in estimate.totals_by(part).items():
            yield f"  {part:9} {name:{max(width - 1, 24)}} {known}"
    yield f"total {summary(estimate)}"
    for key, reason in estimate.prices_missing().items():
        yield f"unknown: {key}: {reason}"


def markdown_lines(estimate: Estimate) -> Iterator[str]:
    """For a pull request: what costs, the totals, and what is unknown."""
    yield f"**{summary(estimate)}**"
    yield ""
    yield from table(
        ("Stack", "Resource", "Cost", "A month", "Why"),
        [
            (line.stack, f"`{line.path}`", line.kind, _amount(line), _why(line))
            for line in sorted(estimate.lines, key=lambda line: (-line.cost.most, line.path))
            if line.kind != "free"
        ],
    )
    for part in _PARTS:
        yield ""
        rows = [(name, str(known)) for name, known in estimate.totals_by(part).items()]
        yield from table((part.capitalize(), "A month"), rows)
    missing = estimate.prices_missing()
    if missing:
        yield ""
        yield from (f"- unknown: `{key}`: {reason}" for key, reason in missing.items())


def summary(estimate: Estimate) -> str:
    """`$12.30 a month`, with what is not in it."""
    unmeasured = estimate.unmeasured
    by_usage = f"; {unmeasured} resources also cost by usage that is not declared" if unmeasured else ""
    return f"{estimate.total} a month{by_usage}"


def shown(known: Money, lines: Sequence[Line]) -> str:
    """A sum; `by usage` where nothing but undeclared usage costs, `UNKNOWN` where no price is known."""
    if known.most:
        return str(known)
    if known.unknowns:
        return "UNKNOWN"
    return "by usage" if any(line.unmeasured for line in lines) else str(known)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A Markdown table; nothing without rows."""
    if rows:
        yield f"| {' | '.join(heads)} |"
        yield f"|{'---|' * len(heads)}"
        yield from (f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows)


def _amount(line: Line) -> str:
    return shown(line.cost, [line])


def _why(line: Line) -> str:
    if line.kind == "unknown" and not line.items:
        return line.reason
    return "; ".join(_said(item) for item in line.items if item.charge.quantity != 0)


def _said(item: Item) -> str:
    price, charge = item.price, item.charge
    unit = rate(price) if isinstance(price, Price) else f"UNKNOWN ({price.key})"
    doubt = f", {price.confidence}" if isinstance(price, Price) and not price.certain else ""
    if charge.quantity is None:
        return f"{unit}{doubt} ({charge.usage} not declared)"
    details = ", ".join(part for part in (charge.note, item.origin and f"{charge.usage} {item.origin}") if part)
    return f"{_short(charge.quantity)} x {unit}{doubt}" + (f" ({details})" if details else "")


def _short(number: Decimal) -> str:
    return f"{number.normalize():,f}" if number == number.to_integral_value() else f"{number:,.3f}".rstrip("0")


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f") if number else "0"
