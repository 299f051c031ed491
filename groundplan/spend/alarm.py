"""A crossed threshold in words that need no knowledge of AWS."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from groundplan.prices import dollars
from groundplan.spend.detector import Anomaly
from groundplan.spend.thresholds import Crossing

LONGEST_SUBJECT = 99  # characters of ASCII: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html


@dataclass(frozen=True)
class Alarm:
    """One message: `title` for a subject line, `text` of a few lines."""

    title: str
    text: str


def alarm(crossing: Crossing, *, environment: str, owner: str, page: str | None) -> Alarm:
    """What finance reads: what passed which ceiling, when, at what rate; whose it is, and where to read more."""
    standing = crossing.standing
    what, percent, day = str(standing.subject), f"{crossing.percent} %", f"day {standing.day.day}"
    if crossing.basis == "actual":
        title = f"{what} passed {percent} of its monthly ceiling"
        first = f"{title} on {day}; at this rate {times(standing.rate)} the ceiling"
        sums = f"Spent {dollars(standing.actual_usd)} of {dollars(standing.ceiling_usd)}"
        if standing.not_billed_usd:
            sums += f" ({dollars(standing.not_billed_usd)} of it is not billed yet: machines at list prices)"
    else:
        forecast = standing.forecast_usd or Decimal(0)
        title = f"{what} is forecast to pass {percent} of its monthly ceiling"
        first = f"{title}, as of {day}; by the end of the month {times(forecast / standing.ceiling_usd)} the ceiling"
        sums = f"Forecast {dollars(forecast)} of {dollars(standing.ceiling_usd)}"
    return _alarm(title, [first, f"{sums}, environment {environment}"], owner, page)


def unusual(anomaly: Anomaly, what: str, *, environment: str, owner: str, page: str | None) -> Alarm:
    """A day that cost more than days like it: how much, and what was expected."""
    cost, expected = (Decimal(str(usd)) for usd in (anomaly.actual_usd, max(anomaly.expected_usd, 0.0)))
    title = f"{what} cost unusually much on {anomaly.day:%d %B}"
    first = f"{what} cost {dollars(cost)} on {anomaly.day:%A, %d %B}; days like it cost about {dollars(expected)}"
    return _alarm(title, [first, f"The bill of that day may still grow, environment {environment}"], owner, page)


def _alarm(title: str, lines: Sequence[str], owner: str, page: str | None) -> Alarm:
    read = page or "not set: page in [budgets] of the environment's file"
    return Alarm(title[:LONGEST_SUBJECT], "\n".join([*lines, f"Owner: {owner}", f"Page: {read}"]))


def times(factor: Decimal) -> str:
    """A factor as people read it, with one decimal and the sign of multiplication."""
    return f"{factor.quantize(Decimal('0.1'), ROUND_HALF_UP)} \N{MULTIPLICATION SIGN}"
