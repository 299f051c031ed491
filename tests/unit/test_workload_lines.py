"""One line a workload: ceiling, estimate, actual, forecast, and why they differ."""

import json
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from focus_rows import rows, write
from groundplan.focus.difference import Item, difference
from groundplan.focus.forecast import forecast
from groundplan.focus.meters import counts_tokens, price_key
from groundplan.focus.workloads import Charged, Designed, Observed, Ran, WorkloadLine, workload_lines
from groundplan_operate.command_line import groundplan

NOVEMBER = date(2026, 11, 1)
HOURS = "USE1-Host:ml.m5.large"

amounts = st.decimals(min_value=0, max_value=10**6, places=9)
items = st.builds(Item, st.sampled_from(["machines", "requests"]), amounts, st.none() | amounts)
baskets = st.dictionaries(st.sampled_from("abcd"), items)


@given(planned=baskets, actual=baskets)
def test_the_parts_sum_to_the_difference(planned: dict[str, Item], actual: dict[str, Item]) -> None:
    less = sum((item.amount for item in planned.values()), Decimal(0))
    assert difference(planned, actual).total == sum((item.amount for item in actual.values()), Decimal(0)) - less


def machines(amount: str, hours: str) -> Item:
    """Hours of a machine."""
    return Item("machines", Decimal(amount), Decimal(hours))


@pytest.mark.parametrize(
    ("planned", "actual", "cause", "amount"),
    [
        ({"m5": machines("10", "100")}, {"m5": machines("12", "100")}, "price", "2"),
        ({"m5": machines("10", "100")}, {"m5": machines("15", "150")}, "volume", "5"),
        ({"m5": machines("10", "100")}, {}, "volume", "-10"),
        ({"m5": machines("10", "100"), "g5": machines("100", "100")},
         {"m5": machines("5", "50"), "g5": machines("150", "150")}, "mix", "45"),
        ({"m5": machines("10", "100")}, {"m5": machines("10", "100"), "p5": machines("60", "1")}, "unplanned", "60"),
        ({}, {"m5": machines("7", "70")}, "unplanned", "7"),
        ({"m5": Item("machines", Decimal(9))}, {"m5": machines("11", "100")}, "untold", "2"),
    ],
)  # fmt: skip
def test_each_cause_is_told_from_the_others(
    planned: dict[str, Item], actual: dict[str, Item], cause: str, amount: str
) -> None:
    parts = difference(planned, actual).parts()
    assert parts.pop(cause) == Decimal(amount)
    assert not any(parts.values())


def steady(until: int, usd: str = "10") -> dict[date, Decimal]:
    """The same cost on each day of November until one, and of October."""
    return {date(2026, 10, 1) + timedelta(days=at): Decimal(usd) for at in range(31 + until)}


def test_a_steady_month_is_forecast_to_the_cent() -> None:
    found = forecast(steady(10), NOVEMBER, date(2026, 11, 10))
    assert (found.to_date, found.month_end, found.low, found.high) == (100, 300, 300, 300)
    assert found.days_to_come == 20


def test_one_dear_day_is_no_trend() -> None:
    daily = steady(10) | {date(2026, 11, 4): Decimal(500)}
    assert forecast(daily, NOVEMBER, date(2026, 11, 10)).month_end == 500 + 29 * 10


def test_the_newest_day_is_taken_for_unfinished() -> None:
    daily = steady(10) | {date(2026, 11, 10): Decimal("2.5")}
    assert forecast(daily, NOVEMBER, date(2026, 11, 10)).month_end == 300


def test_weekends_to_come_cost_what_weekends_cost() -> None:
    days = [date(2026, 10, 1) + timedelta(days=at) for at in range(31 + 15)]
    daily = {day: Decimal(10 if day.weekday() < 5 else 1) for day in days}
    # November 2026 has 21 working days.
    assert forecast(daily, NOVEMBER, date(2026, 11, 15)).month_end == 21 * 10 + 9


def test_a_month_that_is_over_is_what_it_was() -> None:
    found = forecast(steady(30), NOVEMBER, date(2026, 11, 30))
    assert found.to_date == found.month_end == found.low == found.high == 300


def test_a_first_day_alone_is_taken_for_usual() -> None:
    assert forecast({NOVEMBER: Decimal(4)}, NOVEMBER, NOVEMBER).month_end == 120


@pytest.mark.parametrize(
    ("meter", "key"),
    [
        ("USE1-Host:ml.m5.large", "sagemaker/hosting/ml.m5.large"),
        ("EUC1-Train:ml.g5.12xlarge", "sagemaker/training/ml.g5.12xlarge"),
        ("USE1-SpotTrain:ml.m5.large", "sagemaker/training/ml.m5.large"),
        ("Hosting:ml.inf2.8xlarge", "sagemaker/hosting/ml.inf2.8xlarge"),
        ("USE1-Lambda-GB-Second-ARM", "lambda/duration/arm"),
        ("something else", None),
        (None, None),
    ],
)
def test_a_meter_names_the_price_that_it_is_charged_at(meter: str | None, key: str | None) -> None:
    assert price_key(meter) == key


def test_tokens_are_counted_in_the_bills_own_units() -> None:
    assert [counts_tokens(unit) for unit in ("1K tokens", "Tokens", "1M Tokens", "Hours", None)] == [
        1000,
        1,
        10**6,
        0,
        0,
    ]


def charged(day: int, usd: str, meter: str = HOURS, hours: str = "24", **more: str) -> Charged:
    """What the digit reader was charged on a day of November."""
    tenant, unit = more.get("tenant"), more.get("unit", "Hours")
    cost = Decimal(usd)
    return Charged(
        "digit-reader",
        tenant,
        "Amazon SageMaker",
        meter,
        unit,
        NOVEMBER,
        date(2026, 11, day),
        Decimal(hours),
        cost,
        cost,
    )


def line(own: list[Charged], designed: Designed | None = None, observed: Observed | None = None) -> WorkloadLine:
    """The digit reader's line."""
    (found,) = workload_lines(own, {"digit-reader": designed or Designed()}, {"digit-reader": observed or Observed()})
    return found


def test_a_line_says_why_the_forecast_is_above_the_estimate() -> None:
    hours = {"sagemaker/hosting/ml.m5.large": (Decimal(720), Decimal(72))}
    meant = Designed("vision", Decimal(100), Decimal(72), Decimal(72), charges=hours)
    own = [charged(day, "4.80", hours="48") for day in range(1, 11)]
    found = line([*own, charged(3, "30", meter="USE1-Train:ml.p5.48xlarge", hours="1")], meant)
    assert found.forecast.month_end == Decimal("4.80") * 30 + 30
    assert found.differs is not None
    assert found.differs.total == found.forecast.month_end - 72
    assert found.differs.volume > 0
    assert found.differs.unplanned > 0
    assert "more is used than planned" in found.why
    assert "things that no plan holds" in found.why
    assert found.above == Decimal("1.74")


def test_without_an_estimate_nothing_is_compared() -> None:
    assert line([charged(1, "3")]).differs is None
    assert line([charged(1, "3")]).as_json()["differs"] is None


def test_what_one_of_everything_costs() -> None:
    tokens = charged(2, "6", "USE1-Claude-input-tokens", "2000", unit="1K tokens", tenant="museum")
    runs = [Ran("a", NOVEMBER, Decimal(2)), Ran("b", NOVEMBER, Decimal(4)), Ran("c", NOVEMBER, None)]
    costs = line([charged(1, "3"), tokens], observed=Observed(runs, inferences=6000)).unit_costs
    assert costs["training_run_usd"] == "3"
    assert costs["thousand_inferences_usd"] == "0.5"
    assert costs["million_tokens_usd"] == "3"
    assert costs["tenants"] == [{"tenant": "museum", "usd": "6"}, {"tenant": None, "usd": "3"}]


def test_what_nobody_counted_costs_nothing_that_is_known() -> None:
    costs = line([charged(1, "3", meter="other")]).unit_costs
    assert costs["training_run_usd"] is None
    assert costs["thousand_inferences_usd"] is None
    assert costs["million_tokens_usd"] is None


def test_spot_is_measured_against_what_aws_promises() -> None:
    runs = [Ran("a", NOVEMBER, Decimal(1), 1000, 300, spot=True), Ran("b", NOVEMBER, Decimal(1), 900, 900)]
    assert line([charged(1, "3")], observed=Observed(runs)).as_json()["spot"] == {
        "saving": "0.7",
        "promised": ["0", "0.9"],
    }


def test_the_actual_is_all_of_the_invoice_also_what_lies_outside_of_its_month() -> None:
    before = Charged("digit-reader", None, "S", "m", "u", NOVEMBER, date(2026, 10, 31), None, Decimal(5), Decimal(5))
    assert line([before, charged(2, "3")]).forecast.to_date == 8


def test_the_command_prints_a_line_for_each_workload_of_the_bill(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = rows(300)
    groundplan(["report", "--focus", str(write(tmp_path / "a.csv", own)), "--json"], standalone_mode=False)
    lines = {one["workload"]: one for one in json.loads(capsys.readouterr().out)["workloads"]}
    assert lines.keys() == {"digit-reader", "invoice-reader", "support-assistant"}
    mine = [row for row in own if json.loads(row["Tags"]).get("workload") == "digit-reader"]
    expected = sum((Decimal(row["EffectiveCost"]) for row in mine), Decimal(0))
    assert Decimal(lines["digit-reader"]["actual_usd"]) == expected
    assert lines["digit-reader"]["ceiling_usd"] == "50"
