"""The table `cube` in DuckDB: sums of charges, whoever made them, of which a report's groups are summed further."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from groundplan.focus.queries import DIMENSIONS, MEASURES, MONEY, grouped
from groundplan.focus.report import Group, gather
from groundplan.focus.workloads import Charged

# What the lines of workloads are made of, beside what everybody asks for.
DETAILS = ("service", "meter", "unit", "month")
Ask = Callable[[str], list[tuple[Any, ...]]]  # a statement of DuckDB to its rows


def asked(by: Sequence[Sequence[str]]) -> tuple[Sequence[Sequence[str]], list[str], list[str]]:
    """The groups that are wanted, and the dimensions and measures of a cube that has them.

    Without any `by` it is each dimension alone, and `charged` then answers.
    """
    wanted = by or tuple((dimension,) for dimension in DIMENSIONS)
    details = () if by else DETAILS
    dimensions = [*(name for one in wanted for name in one), *details]
    return wanted, list(dict.fromkeys(dimensions)), [*MEASURES, *["quantity"][: len(details)]]


def columns(dimensions: Iterable[str], measures: Iterable[str]) -> dict[str, str]:
    """Of the cube, with their types, in the order in which `queries.cube` gives them."""
    keys = {name: "DATE" if name in ("day", "month") else "VARCHAR" for name in dimensions}
    counts = dict.fromkeys(("charges", "unpriced"), "HUGEINT")
    return (
        dict.fromkeys(("provider", "currency", "cause"), "VARCHAR") | keys | dict.fromkeys(measures, MONEY) | counts
    )


def make(ask: Ask, dimensions: Iterable[str], measures: Iterable[str]) -> None:
    """An empty one."""
    named = ", ".join(f"{name} {kind}" for name, kind in columns(dimensions, measures).items())
    ask(f"CREATE OR REPLACE TABLE cube ({named})")


def totals(ask: Ask) -> list[Group]:
    """By provider and currency alone."""
    return gather(ask(grouped([])), [])


def groups(ask: Ask, wanted: Sequence[Sequence[str]]) -> list[Group]:
    """By each of `wanted`."""
    return [group for one in wanted for group in gather(ask(grouped(one)), one)]


def charged(ask: Ask) -> list[Charged]:
    """What each workload was charged in US dollars, day by day and meter by meter."""
    keys = ", ".join(("workload", "tenant", *DETAILS[:3], "month", "day"))
    rows = ask(f"""SELECT {keys}, sum(quantity), sum(effective), sum(billed) FROM cube
        WHERE workload IS NOT NULL AND currency = 'USD' GROUP BY {keys} ORDER BY ALL""")
    return [Charged(*row) for row in rows]
