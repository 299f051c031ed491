"""Ceilings: which thresholds are passed, and how that is told to people who do not know AWS."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from groundplan.spend import Crossing, Notice, Standing, Subject, alarm, crossings, notice_of

LETTER = (Path(__file__).parents[1] / "events/budget_notice.txt").read_text()
DIGITS = Subject("workload", "digit-reader")
DAY_12 = Standing(
    subject=DIGITS,
    ceiling_usd=Decimal(50),
    actual_usd=Decimal("41.20"),
    forecast_usd=Decimal("72.00"),
    day=date(2026, 11, 12),
)
PERCENTS = {"actual_percent": (50, 80, 100), "forecast_percent": (100, 150)}


def passed(standing: Standing, **more: object) -> list[tuple[str, int]]:
    return [(one.basis, one.percent) for one in crossings(standing, **PERCENTS, **more)]  # pyright: ignore


def test_the_highest_threshold_passed_is_told_of_each_basis() -> None:
    assert passed(DAY_12) == [("actual", 80), ("forecast", 100)]


def test_what_was_told_is_not_told_again_and_what_lies_below_it_neither() -> None:
    assert passed(DAY_12, told=[("actual", 80)]) == [("forecast", 100)]
    assert passed(DAY_12, told=[("actual", 100), ("forecast", 100)]) == []
    assert passed(DAY_12, told=[("actual", 50)]) == [("actual", 80), ("forecast", 100)]


def test_a_threshold_that_is_met_to_the_cent_is_not_passed() -> None:
    assert passed(replace(DAY_12, actual_usd=Decimal(40), forecast_usd=None)) == [("actual", 50)]
    assert passed(replace(DAY_12, actual_usd=Decimal("40.01"), forecast_usd=None)) == [("actual", 80)]


def test_a_forecast_of_what_was_spent_already_is_no_news() -> None:
    assert passed(replace(DAY_12, actual_usd=Decimal(60))) == [("actual", 100)]


@pytest.mark.parametrize(
    ("basis", "percent", "title", "first"),
    [
        (
            "actual",
            80,
            "digit-reader passed 80 % of its monthly ceiling",
            "digit-reader passed 80 % of its monthly ceiling on day 12; at this rate 2.1 × the ceiling",
        ),
        (
            "forecast",
            100,
            "digit-reader is forecast to pass 100 % of its monthly ceiling",
            "digit-reader is forecast to pass 100 % of its monthly ceiling, as of day 12; "
            "by the end of the month 1.4 × the ceiling",
        ),
    ],
)
def test_an_alarm_is_in_plain_words(basis: str, percent: int, title: str, first: str) -> None:
    told = alarm(
        Crossing(DAY_12, basis, percent),  # pyright: ignore[reportArgumentType]
        environment="dev",
        owner="ml-team",
        page="https://costs.example.com",
    )
    assert told.title == title
    sums = "Spent $41.20" if basis == "actual" else "Forecast $72.00"
    assert told.text.splitlines() == [
        first,
        f"{sums} of $50.00, environment dev",
        "Owner: ml-team",
        "Page: https://costs.example.com",
    ]


def test_accounts_and_tenants_are_named_as_such_and_a_title_fits_a_subject_line() -> None:
    for kind, name in (("account", "ai"), ("tenant", "a" * 24)):
        crossing = Crossing(replace(DAY_12, subject=Subject(kind, name)), "forecast", 1000)  # pyright: ignore
        told = alarm(crossing, environment="dev", owner="finance", page=None)
        assert told.title.startswith(f"{kind} {name} is forecast to pass")
        assert told.title.isascii()
        assert len(told.title) < 100
        assert "not set: page in [budgets]" in told.text


def test_the_letter_of_aws_budgets_is_read() -> None:
    notice = notice_of(LETTER)
    assert notice
    assert notice == Notice(
        "groundplan-dev-workload-digit-reader", Decimal(50), "actual", Decimal(40), Decimal("41.20")
    )
    assert notice.percent == 80
    assert notice.subject("groundplan-dev") == DIGITS
    assert notice.crossing(DIGITS, date(2026, 11, 12)) == Crossing(replace(DAY_12, forecast_usd=None), "actual", 80)


def test_a_forecast_in_a_letter_is_no_spending() -> None:
    notice = notice_of(LETTER.replace("ACTUAL", "FORECASTED").replace("$50.00", "$1,250.00"))
    assert notice
    assert notice.limit_usd == 1250
    standing = notice.crossing(DIGITS, date(2026, 11, 12)).standing
    assert (standing.actual_usd, standing.forecast_usd) == (0, Decimal("41.20"))


@pytest.mark.parametrize("fact", ["Budget Name", "Budgeted Amount", "Alert Type", "Alert Threshold", "ACTUAL Amount"])
def test_a_letter_that_lacks_a_fact_is_not_guessed_at(fact: str) -> None:
    kept = "\n".join(line for line in LETTER.splitlines() if not line.startswith(fact))
    assert notice_of(kept) is None


def test_a_letter_with_a_sum_that_is_none_or_a_ceiling_of_nothing_is_not_guessed_at() -> None:
    assert notice_of(LETTER.replace("$50.00", "$5.0.0")) is None
    assert notice_of(LETTER.replace("$50.00", "$0.00")) is None


def test_a_budget_of_somebody_else_is_nobodys() -> None:
    notice = notice_of(LETTER)
    assert notice
    for name in (
        "company-workload-x",
        "groundplan-dev2-workload-x",
        "groundplan-dev-other-x",
        "groundplan-dev-tenant-",
    ):
        assert replace(notice, budget=name).subject("groundplan-dev") is None
