"""A ceiling in dollars becomes seconds, and the arithmetic is shown."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from groundplan.prices import PriceBook, read_prices
from groundplan.refusal import BadInput
from groundplan.run_time import run_time
from groundplan.workload import Workload, read_workload

ROOT = Path(__file__).parents[2]
KEY = "sagemaker/instance/ml.m5.large"


def book(amount: str = "0.36", confidence: str = "list") -> PriceBook:
    row = {"amount": amount, "unit": "hour", "effective": "2026-11-01", "source": "list", "confidence": confidence}
    sections: dict[str, Any] = {name: {} for name in ("sources", "instance_types", "models", "unknown")}
    document = {**sections, "region": "us-east-1", "retrieved": str(date(2026, 11, 1)), "prices": {KEY: row}}
    return PriceBook("us-east-1", document, "us-east-1.json")


def workload(**changes: Any) -> Workload:
    known = read_workload(ROOT, "digit-reader")
    return known.model_copy(update={"training": known.trained.model_copy(update=changes)})


def test_the_workloads_own_limit_holds_where_the_ceiling_pays_for_more() -> None:
    found = run_time(workload(), book())
    assert found.seconds == 1800
    assert found.arithmetic == (
        "at most 1,800 s, the least of max_runtime_seconds (1,800) and what $50.00 a month pays for "
        "(500,000 s at 1 x $0.36 per hour); on demand that is $0.18, disks not counted"
    )


@pytest.mark.parametrize(("machines", "seconds"), [(1, 1000), (2, 500), (3, 333)])
def test_the_ceiling_of_a_run_bounds_its_seconds_and_every_machine_costs(machines: int, seconds: int) -> None:
    found = run_time(workload(run_ceiling_usd=Decimal("0.10"), instance_count=machines), book())
    assert found.seconds == seconds
    assert Decimal(found.seconds) / 3600 * machines * Decimal("0.36") <= Decimal("0.10")


def test_a_ceiling_that_pays_for_less_than_a_minute_is_refused_with_what_a_minute_costs() -> None:
    with pytest.raises(BadInput, match=r"training.run_ceiling_usd: '0.005' .* 50 s of ml.m5.large .* least \$0.01"):
        run_time(workload(run_ceiling_usd=Decimal("0.005")), book())


def test_a_machine_without_a_price_is_never_free() -> None:
    unpriced = workload(instance_type="ml.p99.large")
    found = run_time(unpriced, book())
    assert found.seconds == 1800
    assert "UNKNOWN what that costs, so no ceiling is kept" in found.arithmetic
    with pytest.raises(BadInput, match=r"training.instance_type: 'ml.p99.large' .* no ceiling can be kept"):
        run_time(unpriced, book(), require_known_prices=True)


def test_an_extrapolated_price_is_not_known_where_certainty_is_asked_for() -> None:
    assert run_time(workload(), book(confidence="extrapolated")).seconds == 1800
    with pytest.raises(BadInput, match="its price is extrapolated"):
        run_time(workload(), book(confidence="extrapolated"), require_known_prices=True)


def test_a_machine_that_is_free_is_bounded_by_the_workload_alone() -> None:
    assert run_time(workload(), book(amount="0")).seconds == 1800


def test_every_workload_of_the_repository_can_pay_for_its_run() -> None:
    digits = read_workload(ROOT, "digit-reader")
    assert run_time(digits, read_prices(ROOT, "us-east-1"), require_known_prices=True).seconds == 1800
