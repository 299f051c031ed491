"""What a month will have cost when it ends: the days that were billed, and a median for each that is to come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from statistics import median

WINDOW_DAYS = 28
LEAST_OF_A_KIND = 3  # days of a kind, before its own median says anything
METHOD = (
    "what it cost so far, and for each day to come the median of the days of its kind (working days, weekends) among "
    "the last 28; the newest day is taken for unfinished. Between: the same with the medians of the cheaper and the "
    "dearer half of those days"
)


@dataclass(frozen=True)
class Forecast:
    """Amounts of a month: `to_date` through `last_day`, and to its end."""

    to_date: Decimal
    month_end: Decimal
    low: Decimal
    high: Decimal
    last_day: date
    days_to_come: int


def forecast(daily: Mapping[date, Decimal], month: date, last_day: date) -> Forecast:
    """The forecast of the month that begins on `month`.

    `daily` are costs by day, days before the month among them; a day without one cost nothing. `last_day` is the last
    that the bill knows of, whoever had costs then: bills are late, so it is rarely whole. One dear day, or a fee of
    the first, is no trend: medians do not follow them.
    """
    end = (month + timedelta(days=32)).replace(day=1)
    last = min(last_day, end - timedelta(days=1))
    to_date = sum((cost for day, cost in daily.items() if month <= day <= last), Decimal(0))
    whole = [last - timedelta(days=ago) for ago in range(1, WINDOW_DAYS + 1)]
    first = min(daily, default=last)
    known = {day: daily.get(day, Decimal(0)) for day in whole if day >= first}
    ended = last == end - timedelta(days=1)
    if not known and not ended:
        known = {last: daily.get(last, Decimal(0))}
    coming = [last + timedelta(days=ahead) for ahead in range(1, (end - last).days)]

    def usual(day: date, part: float) -> Decimal:
        alike = sorted(cost for one, cost in known.items() if (one.weekday() < 5) == (day.weekday() < 5))
        costs = alike if len(alike) >= LEAST_OF_A_KIND else sorted(known.values())
        return _at(costs, part)

    def to_the_end(part: float) -> Decimal:
        rest = Decimal(0) if ended else max(usual(last, part) - daily.get(last, Decimal(0)), Decimal(0))
        return to_date + rest + sum((usual(day, part) for day in coming), Decimal(0))

    low, middle, high = (to_the_end(part) for part in (0.25, 0.5, 0.75))
    return Forecast(to_date, middle, min(low, middle), max(high, middle), last, len(coming))


def _at(costs: Sequence[Decimal], part: float) -> Decimal:
    """The median, or that of the lower or the upper half."""
    if part == 0.5 or len(costs) < 2:
        return median(costs)
    half = (len(costs) + 1) // 2
    return median(costs[:half] if part < 0.5 else costs[-half:])
