"""Days that cost more than days like them did: a seasonal median, and the median deviation from it.

Medians, because one expensive day must not hide the next. On days that have nothing unusual (weekly seasons,
log-normal noise of 5 to 20 %, some growth) it rings on at most 1 day in 500, which
`tests/unit/test_spend_detector.py` measures on 30,000 simulated days; a day of three times its cost it sees in at
least 9 of 10, and less often on the quiet days of a week.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median

WINDOW_DAYS = 56  # eight weeks: eight days of each weekday
LEAST_DAYS = 21  # before, every day is news
DEVIATIONS = 7.0
NORMAL = 1.4826  # standard deviation of a normal distribution over its median absolute deviation
LEAST_SPREAD = 0.05  # of what is expected: amounts that never vary are not expected to the cent


@dataclass(frozen=True)
class Anomaly:
    """A day that cost more than expected. US dollars, `deviations` of the usual spread above what was expected."""

    day: date
    actual_usd: float
    expected_usd: float
    deviations: float


def anomalies(
    daily_usd: Mapping[date, float], days: Sequence[date], *, least_usd: float = 1.0
) -> tuple[Anomaly, ...]:
    """Those of `days` that stand out from the eight weeks before each, by `least_usd` at least.

    A day without a figure is neither judged nor learned from: it is unknown, not free. Too little is no anomaly.
    """
    found = (_judge(daily_usd, day, least_usd) for day in days if day in daily_usd)
    return tuple(anomaly for anomaly in found if anomaly)


def _judge(daily_usd: Mapping[date, float], day: date, least_usd: float) -> Anomaly | None:
    before = [day - timedelta(days=ago) for ago in range(1, WINDOW_DAYS + 1)]
    known = {one: daily_usd[one] for one in before if one in daily_usd}
    if len(known) < LEAST_DAYS:
        return None
    level = median(known.values())
    seasons = {
        weekday: median(of) - level
        for weekday in range(7)
        if (of := [usd for one, usd in known.items() if one.weekday() == weekday])
    }
    residuals = {one: usd - seasons[one.weekday()] for one, usd in known.items()}
    recent = median(usd for one, usd in residuals.items() if (day - one).days <= WINDOW_DAYS // 2)  # it may grow
    spread = NORMAL * median(abs(usd - level) for usd in residuals.values())
    expected = recent + seasons.get(day.weekday(), 0.0)
    excess = daily_usd[day] - expected
    deviations = excess / max(spread, LEAST_SPREAD * abs(expected), 0.01)
    if deviations <= DEVIATIONS or excess < least_usd:
        return None
    return Anomaly(day, daily_usd[day], expected, deviations)
