"""The simulation of scaling against cases that were worked out by hand."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from traffic import DAY, WEEK, Machine, office_hours, simulate, spiky, steady

from groundplan.serving.design import Fleet
from groundplan.serving.scaling import BUSY_HOURS, target

# One machine was measured to take 100 requests a minute; 70 are counted on. An hour costs 60 cents, a minute one.
ONE = Machine(requests_per_minute=100, p99_ms=400, hourly_usd=Fraction(6, 10), start_minutes=5)
DRIVER_MS = 1000  # 600 ms, a hundredth of a minute, may be spent in the queue


def fleet(least: int, most: int, **more: Any) -> Fleet:
    """A fleet whose machines do what the one does."""
    rate = Decimal(70) / 60
    return Fleet(instance_type="ml.c5.xlarge", least=least, most=most, requests_per_second=rate, **more)


def test_the_fleet_is_what_the_cases_below_say() -> None:
    assert (target(fleet(1, 4)).value, target(fleet(1, 4)).limit) == (70, 100)


def test_traffic_below_the_target_moves_nothing_and_costs_the_least_fleet() -> None:
    outcome = simulate(steady(130, 120), fleet(2, 4), ONE, DRIVER_MS)
    assert outcome.usd == Fraction(120 * 2, 100)
    assert (outcome.requests, outcome.late, set(outcome.instances)) == (130 * 120, 0, {2})


def test_a_fixed_fleet_that_is_too_small_is_late_for_ever() -> None:
    # From the second minute on everybody waits. In the first the queue grows by 100 a minute before a machine that
    # takes 100: after a hundredth of it the wait is a hundredth of a minute.
    outcome = simulate(steady(200, 10), fleet(1, 1), ONE, DRIVER_MS)
    assert outcome.late == 200 * Fraction(99, 100) + 9 * 200
    assert outcome.usd == Fraction(10, 100)


def test_a_step_is_followed_after_three_minutes_and_a_start() -> None:
    # Minutes 10, 11, 12 are above 70: ceil(200 / 70) = 3 machines, asked for in minute 13, ready in minute 18.
    outcome = simulate([50] * 10 + [200] * 20, fleet(1, 4), ONE, DRIVER_MS)
    assert outcome.instances == [1] * 18 + [3] * 12
    # Minute 10 as above; 11 to 17 all; in minute 18 a queue of 100 before machines that take 300 drains by 100 a
    # minute: a third of a minute of waiting becomes a hundredth after 97 hundredths of it.
    assert outcome.late == 200 * Fraction(99, 100) + 7 * 200 + 200 * Fraction(97, 100)
    assert outcome.usd == Fraction(13 * 1 + 17 * 3, 100)  # paid from their start


def test_nothing_else_moves_while_instances_start() -> None:
    # 400 would want 6 of at most 8 at once; what is still missing is asked for once the first are there.
    outcome = simulate([150] * 4 + [400] * 16, fleet(1, 8), ONE, DRIVER_MS)
    assert outcome.instances == [1] * 8 + [3] * 6 + [6] * 6


def test_fewer_are_kept_only_after_a_quarter_of_an_hour_below_nine_tenths() -> None:
    # 100 over 3 machines is below 63 from the first minute on; after fifteen ceil(3 x 33.3 / 70) = 2 stay.
    outcome = simulate([200] * 5 + [100] * 40, fleet(3, 4), ONE, DRIVER_MS)
    assert set(outcome.instances) == {3}  # not below the least
    started = simulate([50, 200, 200, 200, *[200] * 6, *[100] * 40], fleet(1, 4), ONE, DRIVER_MS)
    assert started.instances == [1] * 9 + [3] * 16 + [2] * 25


def test_a_load_between_nine_tenths_and_the_target_is_left_alone() -> None:
    # 190 over 3 is 63.3: below the target of 70, and above nine tenths of it.
    outcome = simulate([200] * 9 + [190] * 60, fleet(1, 4), ONE, DRIVER_MS)
    assert outcome.instances[-1] == 3


def test_office_hours_are_prepared_for_and_end() -> None:
    outcome = simulate(office_hours(10, 250, DAY), fleet(1, 4, busy="office-hours"), ONE, DRIVER_MS)
    assert outcome.late == 0
    opens = 7 * 60 + 45
    assert outcome.instances[opens + 4] == 1
    assert set(outcome.instances[opens + 5 : 18 * 60]) == {4}
    assert outcome.instances[-1] == 1


def test_nobody_is_prepared_for_what_comes_at_once() -> None:
    scaled = simulate(spiky(50, 350), fleet(1, 5), ONE, DRIVER_MS)
    fixed = simulate(spiky(50, 350), fleet(5, 5), ONE, DRIVER_MS)
    assert fixed.late == 0 < scaled.late
    assert scaled.usd < fixed.usd == Fraction(WEEK * 5, 100)


def test_without_a_machine_everybody_is_late() -> None:
    outcome = simulate([5] * 3, fleet(0, 1), ONE, DRIVER_MS)
    assert outcome.late == outcome.requests == 15


@pytest.mark.parametrize(
    ("traffic", "minute", "asked_for"),
    [
        ("office-hours", 7 * 60 + 44, False),
        ("office-hours", 7 * 60 + 45, True),
        ("office-hours", 18 * 60, False),
        ("office-hours", 5 * DAY + 12 * 60, False),  # Saturday
        ("nightly", 21 * 60 + 44, False),
        ("nightly", 21 * 60 + 45, True),
        ("nightly", DAY + 5 * 60 + 59, True),
        ("nightly", DAY + 6 * 60, False),
    ],
)
def test_the_clock_says_when_instances_are_asked_for(traffic: Any, minute: int, asked_for: bool) -> None:
    assert BUSY_HOURS[traffic].asked_for(minute) is asked_for


def test_the_clocks_words_are_those_of_the_same_hours() -> None:
    office, night = BUSY_HOURS["office-hours"], BUSY_HOURS["nightly"]
    assert (office.opens, office.closes) == ("cron(45 7 ? * MON-FRI *)", "cron(0 18 ? * MON-FRI *)")
    assert (night.opens, night.closes) == ("cron(45 21 * * ? *)", "cron(0 6 * * ? *)")
