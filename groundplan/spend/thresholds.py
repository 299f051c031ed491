"""Which thresholds of a ceiling are passed, by what was spent and by what is forecast."""

import calendar
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

Kind = Literal["account", "workload", "tenant"]
Basis = Literal["actual", "forecast"]


@dataclass(frozen=True)
class Subject:
    """Whose ceiling it is."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        """As people call it: workloads by their names alone."""
        return self.name if self.kind == "workload" else f"{self.kind} {self.name}"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a month stands on a day. US dollars; `forecast_usd` is to the month's end, None where there is none yet.

    Of `actual_usd` so much is `not_billed_usd`: machines by usage and list price.
    """

    subject: Subject
    ceiling_usd: Decimal
    actual_usd: Decimal
    forecast_usd: Decimal | None
    day: date
    not_billed_usd: Decimal = Decimal(0)

    @property
    def rate(self) -> Decimal:
        """The month's spending as a multiple of the ceiling, if every day were like those until today."""
        days = calendar.monthrange(self.day.year, self.day.month)[1]
        return self.actual_usd / self.day.day * days / self.ceiling_usd


@dataclass(frozen=True)
class Crossing:
    """A threshold that was passed; `percent` of the ceiling."""

    standing: Standing
    basis: Basis
    percent: int


def crossings(
    standing: Standing,
    *,
    actual_percent: Sequence[int],
    forecast_percent: Sequence[int],
    told: Collection[tuple[Basis, int]] = (),
) -> tuple[Crossing, ...]:
    """The highest threshold passed of each basis; none that was told of this month, nor one below it.

    A forecast says nothing any more once so much was spent. Passed means above, as AWS Budgets' GREATER_THAN is.
    """
    spent = _highest(standing, standing.actual_usd, actual_percent)
    expected = _highest(standing, standing.forecast_usd or Decimal(0), forecast_percent)
    if expected and standing.actual_usd * 100 > expected * standing.ceiling_usd:
        expected = None
    found: tuple[tuple[Basis, int | None], ...] = (("actual", spent), ("forecast", expected))
    return tuple(
        Crossing(standing, basis, percent)
        for basis, percent in found
        if percent and all(known < percent for other, known in told if other == basis)
    )


def _highest(standing: Standing, usd: Decimal, percents: Sequence[int]) -> int | None:
    return max((percent for percent in percents if usd * 100 > percent * standing.ceiling_usd), default=None)
