"""The detector on simulated days: how often it rings for nothing, and what it sees."""

import math
import random
from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from groundplan.spend import anomalies
from groundplan.spend.detector import DEVIATIONS, LEAST_DAYS, WINDOW_DAYS

FIRST = date(2026, 1, 1)
WEEK = {"office": (1.0, 1.0, 1.0, 1.0, 1.0, 0.3, 0.3), "steady": (1.0,) * 7, "weekend": (0.8,) * 5 + (1.6, 1.6)}
FALSE_ALARMS = 1 / 500  # of the days, at most
SEEN = 0.9  # of the days that cost 2.5 times as much, at least


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


def test_it_rings_for_nothing_on_less_than_one_day_in_500() -> None:
    judged = rung = 0
    for daily in series(100, WINDOW_DAYS + 300):
        days = sorted(daily)[WINDOW_DAYS:]
        judged += len(days)
        rung += len(anomalies(daily, days))
    assert judged == 30_000
    assert rung / judged <= FALSE_ALARMS, f"{rung} of {judged}"


def test_a_day_of_two_and_a_half_times_its_cost_is_seen() -> None:
    seen = 0
    for daily in series(200, WINDOW_DAYS + 7):
        day = max(daily)
        seen += bool(anomalies({**daily, day: 2.5 * daily[day]}, [day]))
    assert seen >= SEEN * 200, seen


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
