"""The detector on simulated days: how often it rings for nothing, and what it sees.

python tests/unit/test_spend_detector.py prints both.
"""

import math
import random
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta

import pytest

from groundplan.spend import anomalies
from groundplan.spend.detector import DEVIATIONS, LEAST_DAYS, WINDOW_DAYS

FIRST = date(2026, 1, 1)
WEEK = {"office": (1.0, 1.0, 1.0, 1.0, 1.0, 0.3, 0.3), "steady": (1.0,) * 7, "weekend": (0.8,) * 5 + (1.6, 1.6)}
FALSE_ALARMS = 1 / 500  # of the days, at most
DEAR, SEEN = 3, 0.9  # of the days that cost so many times as much it sees so many, at least


def simulated(seed: int, days: int) -> dict[date, float]:
    """Daily US dollars: a weekly season, log-normal noise of 5 to 20 %, and up to a fifth of growth a year."""
    chance = random.Random(seed)  # noqa: S311 - a simulation
    level, noise, growth = 10 ** chance.uniform(1, 4), chance.uniform(0.05, 0.2), chance.uniform(-0.1, 0.2)
    week = WEEK[chance.choice(sorted(WEEK))]
    return {
        (day := FIRST + timedelta(days=number)): level
        * week[day.weekday()]
        * (1 + growth * number / 365)
        * math.exp(chance.gauss(0, noise))
        for number in range(days)
    }


def series(count: int, days: int) -> Iterator[dict[date, float]]:
    return (simulated(seed, days) for seed in range(count))


def as_the_report_sees_it(daily: Mapping[date, float], day: date) -> dict[date, float]:
    """What the daily function knows on a day: the bills of its month and of the one before."""
    first = (day.replace(day=1) - timedelta(days=1)).replace(day=1)
    return {known: usd for known, usd in daily.items() if first <= known <= day}


def rung(seen: Callable[[Mapping[date, float], date], Mapping[date, float]]) -> tuple[int, int]:
    """Days without anything unusual on which it rings, and days."""
    found = days = 0
    for daily in series(100, WINDOW_DAYS + 300):
        for day in sorted(daily)[WINDOW_DAYS:]:
            days += 1
            found += len(anomalies(seen(daily, day), [day]))
    return found, days


def noticed(seen: Callable[[Mapping[date, float], date], Mapping[date, float]]) -> tuple[int, int]:
    """Days of three times their cost that it sees, and days: of two months in turn, quiet weekends among them."""
    found = days = 0
    for daily in series(400, WINDOW_DAYS + 62):
        judged = sorted(daily)[WINDOW_DAYS:]
        day = judged[days % len(judged)]
        days += 1
        found += bool(anomalies(seen({**daily, day: DEAR * daily[day]}, day), [day]))
    return found, days


SEEN_BY: dict[str, Callable[[Mapping[date, float], date], Mapping[date, float]]] = {
    "eight weeks": lambda daily, _: daily,
    "this month's and the last one's bills": as_the_report_sees_it,
}


@pytest.mark.parametrize("who", SEEN_BY)
def test_it_rings_for_nothing_on_less_than_one_day_in_500(who: str) -> None:
    found, days = rung(SEEN_BY[who])
    assert days == 30_000
    assert found / days <= FALSE_ALARMS, f"{found} of {days}"


@pytest.mark.parametrize("who", SEEN_BY)
def test_a_day_of_three_times_its_cost_is_seen(who: str) -> None:
    found, days = noticed(SEEN_BY[who])
    assert found >= SEEN * days, found


def test_one_expensive_day_does_not_hide_the_next() -> None:
    daily = simulated(3, WINDOW_DAYS + 7)
    first, second = sorted(daily)[-2:]
    daily |= {first: 20 * daily[first], second: 20 * daily[second]}
    assert [one.day for one in anomalies(daily, [first, second])] == [first, second]


def test_a_weekend_that_costs_as_much_as_a_workday_stands_out_and_a_workday_does_not() -> None:
    daily = {
        (day := FIRST + timedelta(days=number)): WEEK["office"][day.weekday()] * 100 + number % 5
        for number in range(WINDOW_DAYS + 14)
    }
    last = sorted(daily)[-7:]
    assert anomalies(daily, last) == ()
    [saturday] = [day for day in last if day.weekday() == 5]
    [found] = anomalies({**daily, saturday: 100.0}, last)
    assert found.day == saturday
    assert found.expected_usd < 40


def test_amounts_that_never_vary_are_not_expected_to_the_cent() -> None:
    daily = {FIRST + timedelta(days=number): 30.0 for number in range(WINDOW_DAYS + 1)}
    day = max(daily)
    assert anomalies({**daily, day: 32.0}, [day]) == ()
    assert anomalies({**daily, day: 60.0}, [day])


def test_too_little_small_change_and_the_first_weeks_are_no_anomaly() -> None:
    daily = {FIRST + timedelta(days=number): 0.01 for number in range(WINDOW_DAYS + 1)}
    day = max(daily)
    assert anomalies({**daily, day: 0.5}, [day]) == ()
    assert anomalies({**daily, day: 0.5}, [day], least_usd=0.1)
    assert anomalies({**daily, day: 0.0}, [day]) == ()
    young = FIRST + timedelta(days=LEAST_DAYS - 1)
    assert anomalies({**daily, young: 500.0}, [young]) == ()


def test_a_day_without_a_figure_is_neither_judged_nor_taken_for_a_free_one() -> None:
    daily = {FIRST + timedelta(days=number): 30.0 for number in range(WINDOW_DAYS + 1)}
    day = max(daily)
    half = {one: usd for one, usd in daily.items() if one.toordinal() % 2 or one == day}
    assert anomalies(half, [day]) == ()
    assert anomalies({one: usd for one, usd in daily.items() if one != day}, [day]) == ()


@pytest.mark.parametrize("least_usd", [1.0, 25.0])
def test_what_is_told_is_how_much_and_how_unusual(least_usd: float) -> None:
    daily = {FIRST + timedelta(days=number): 30.0 + number % 3 for number in range(WINDOW_DAYS + 1)}
    day = max(daily)
    [found] = anomalies({**daily, day: 60.0}, [day], least_usd=least_usd)
    assert found.actual_usd == 60
    assert 29 <= found.expected_usd <= 33
    assert found.deviations > DEVIATIONS


if __name__ == "__main__":
    for knowing, what in SEEN_BY.items():
        rings, of_days = rung(what)
        sees, dear = noticed(what)
        print(f"knowing {knowing}: {rings} false alarms on {of_days:,} simulated days ({rings / of_days:.4f} a day);")
        print(f"  {sees} of {dear} days of {DEAR} times their cost are seen")
