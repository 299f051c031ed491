"""What a day cost before its bill comes, what stands idle, and how wrong the same-day figure was."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from groundplan.estimate import Estimate
from groundplan.focus.design import designs
from groundplan.focus.kept_design import design_as_json, designs_as_json, kept_design, kept_designs
from groundplan.focus.same_day import Fleet, charges_of_fleet, charges_of_run, idle, not_billed_yet, reconciled
from groundplan.focus.workloads import Charged, Designed
from groundplan.prices import PriceBook, read_prices
from groundplan.workload import read_workload
from groundplan_runtime.integrations.platform_use import Platform

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
RUN: dict[str, Any] = {
    "name": "digit-reader-1",
    "status": "Completed",
    "last_modified": "2026-11-18T10:00:00+00:00",
    "workload": "digit-reader",
    "created": "2026-11-18T09:00:00+00:00",
    "ended": "2026-11-18T10:00:00+00:00",
    "cost_usd": "0.5",
    "training_seconds": 3600,
    "billable_seconds": 1800,
    "instance_type": "ml.m5.large",
    "instance_count": 2,
    "spot": True,
    "fingerprint": "f1",
}
FLEET = Fleet("e", "digit-reader", "ml.m5.large", 2, NOW - timedelta(days=40), requests=0)


@pytest.fixture(scope="module")
def book() -> PriceBook:
    """Prices of us-east-1."""
    return read_prices(ROOT, "us-east-1")


def price(book: PriceBook) -> Decimal:
    """An hour of the fleet's machine."""
    found: Any = book.find("sagemaker/hosting/ml.m5.large")
    return found.amount


def test_a_run_costs_on_the_day_of_its_end_what_its_record_says() -> None:
    (found,) = charges_of_run("digit-reader", RUN)
    assert (found.day, found.effective, found.quantity) == (date(2026, 11, 18), Decimal("0.5"), Decimal(1))


@pytest.mark.parametrize("unknown", [{"ended": None}, {"cost_usd": None}])
def test_a_run_whose_cost_is_not_known_is_no_charge_of_nothing(unknown: dict[str, None]) -> None:
    assert not list(charges_of_run("digit-reader", RUN | unknown))


def test_an_endpoint_costs_its_hours_of_this_month(book: PriceBook) -> None:
    found = list(charges_of_fleet(FLEET, book, NOW))
    assert [one.day.day for one in found] == list(range(1, 21))
    assert sum(one.quantity or 0 for one in found) == 2 * (19 * 24 + 12)
    assert sum(one.effective for one in found) == 2 * (19 * 24 + 12) * price(book)


def test_a_young_endpoint_costs_from_its_making_on(book: PriceBook) -> None:
    (found,) = charges_of_fleet(replace(FLEET, since=NOW - timedelta(hours=3)), book, NOW)
    assert found.quantity == 6


def test_an_endpoint_that_nobody_asks_is_named_with_its_dollars(book: PriceBook) -> None:
    (found,) = idle(FLEET, book)
    assert found.why == "no request in 7 days, 2 x ml.m5.large"
    assert found.monthly_usd == price(book) * 2 * 730


def test_a_fleet_that_is_larger_than_its_work_is_named_with_what_it_could_save(book: PriceBook) -> None:
    (found,) = idle(replace(FLEET, requests=100, cpu_percent=Decimal(2)), book)
    assert "one would do" in found.why
    assert found.monthly_usd == price(book) * 730


@pytest.mark.parametrize(
    "busy",
    [
        replace(FLEET, requests=100, cpu_percent=Decimal(60)),
        replace(FLEET, requests=100, cpu_percent=Decimal(2), instances=1),
        replace(FLEET, requests=100),
        replace(FLEET, requests=None, cpu_percent=Decimal(2), instances=1),
    ],
)
def test_what_works_or_is_not_known_is_not_called_idle(book: PriceBook, busy: Fleet) -> None:
    assert not list(idle(busy, book))


def charged(day: int, usd: str, meter: str = "USE1-Train:ml.m5.large") -> Charged:
    """A charge of November."""
    when, amount = date(2026, 11, day), Decimal(usd)
    return Charged("digit-reader", None, "SageMaker", meter, "Hours", date(2026, 11, 1), when, None, amount, amount)


def test_the_error_of_the_same_day_figure_is_told_for_days_that_are_billed_whole() -> None:
    used = [charged(1, "10"), charged(2, "10"), charged(3, "10")]
    billed = [charged(1, "8"), charged(2, "12"), charged(2, "99", "USE1-Requests"), charged(3, "1")]
    (found,) = reconciled(used, billed)
    assert found.as_json() == {
        "workload": "digit-reader",
        "first": "2026-11-01",
        "through": "2026-11-02",
        "same_day_usd": "20",
        "billed_usd": "20",
        "error_usd": "0",
        "error": "0",
    }


def test_without_a_bill_there_is_nothing_to_reconcile() -> None:
    assert reconciled([charged(1, "10")], []) == []
    assert reconciled([charged(1, "10")], [charged(1, "10")]) == []


def test_the_same_day_view_sums_to_its_charges() -> None:
    totals, groups = not_billed_yet([charged(1, "10"), charged(2, "5")])
    assert [total.sums.billed for total in totals] == [15]
    assert [group.sums.billed for group in groups if group.by == "day"] == [10, 5]
    assert not_billed_yet([]) == ([], [])


def test_what_a_deployment_keeps_is_read_as_it_was_written() -> None:
    charges = {"kms/key": (Decimal(1), Decimal("1.00"))}
    digits = Designed("vision-team", Decimal(50), Decimal(1), Decimal("2.5"), ("x",), charges)
    written = {"digit-reader": digits, "only-a-ceiling": Designed("others", Decimal(7)), "nothing": Designed()}
    read = kept_designs(json.loads(json.dumps(designs_as_json("dev", written))))
    assert read == written
    assert kept_design(json.loads(json.dumps(design_as_json(digits)))) == digits


def test_a_workload_of_which_nothing_was_synthesised_has_a_ceiling_and_no_estimate_of_nothing() -> None:
    found = designs([read_workload(ROOT, "digit-reader")], Estimate([]))
    assert kept_design(design_as_json(found["digit-reader"])) == Designed("vision-team", Decimal(50))


@pytest.mark.parametrize(
    "document",
    [{}, [], None, "x", {"estimate": {}}, {"estimate": {"monthly_usd": "?"}, "monthly_cost_ceiling_usd": "much"}],
)
def test_a_design_that_cannot_be_read_is_no_estimate_of_nothing(document: object) -> None:
    assert kept_design(document) == Designed()
    assert kept_designs({"workloads": [document, {"workload": "x"}]}) == {"x": Designed()}
    assert Estimate([]).totals_by("workload") == {}


@pytest.mark.parametrize("ceiling", ["0", "-1", "nan", "Infinity", None])
def test_a_ceiling_that_is_none_is_no_ceiling_of_nothing(ceiling: str | None) -> None:
    assert kept_design({"monthly_cost_ceiling_usd": ceiling}).ceiling_usd is None


class Table:
    """The lineage table with one run and its claim."""

    name = "lineage"
    meta = None

    def query(self, **_: Any) -> Mapping[str, Any]:
        return {"Items": [{"subject": "run/digit-reader-1", "kind": "run", "version": "1", "record": RUN}]}

    def get_item(self, **request: Any) -> Mapping[str, Any]:
        assert request["Key"] == {"node": "claim/f1", "relation": "CLAIM"}
        names = ("fingerprint", "workload", "environment", "status", "launch_id", "training_job_name", "checkpoints")
        texts = dict.fromkeys((*names, "claimed_at", "lease_until"), "x")
        return {"Item": texts | {"cost_usd": "0.5", "refused_in": {"2026-11": Decimal(3), "2026-10": Decimal(9)}}}

    def put_item(self, **_: Any) -> None:
        raise AssertionError("a report only reads")


class SageMaker:
    """One endpoint of two machines."""

    def describe_endpoint(self, *, EndpointName: str) -> Mapping[str, Any]:  # noqa: N803 - boto3's
        if EndpointName != "e":
            raise ClientError({"Error": {"Code": "ValidationException"}}, "DescribeEndpoint")
        made = NOW - timedelta(days=40)
        variants = [{"VariantName": "a", "CurrentInstanceCount": 2}, {"VariantName": "b"}]
        return {"EndpointConfigName": "c", "ProductionVariants": variants, "CreationTime": made}

    def describe_endpoint_config(self, *, EndpointConfigName: str) -> Mapping[str, Any]:  # noqa: N803
        assert EndpointConfigName == "c"
        serverless = {"VariantName": "b", "ServerlessConfig": {"MemorySizeInMB": 1024}}
        return {"ProductionVariants": [{"VariantName": "a", "InstanceType": "ml.m5.large"}, serverless]}


class CloudWatch:
    """Measures of the endpoint's one variant."""

    def __init__(self, requests: int) -> None:
        self._requests = requests

    def list_metrics(self, *, Namespace: str, **_: Any) -> Mapping[str, Any]:  # noqa: N803
        known = {"AWS/SageMaker"} if self._requests else set[str]()
        names = ["EndpointName", "VariantName"]
        dimensions = [{"Name": name, "Value": "v"} for name in names]
        return {"Metrics": [{"Dimensions": dimensions}, {"Dimensions": dimensions[:1]}] if Namespace in known else []}

    def get_metric_statistics(self, **_: Any) -> Mapping[str, Any]:
        return {"Datapoints": [{"Sum": self._requests / 2}, {"Sum": self._requests / 2}]}


def test_the_platform_tells_runs_refused_ones_requests_and_idle_endpoints(book: PriceBook) -> None:
    platform = Platform(Table(), SageMaker(), CloudWatch(0), book)
    found = platform.use({"digit-reader": "e"}, NOW)
    seen = found.observed["digit-reader"]
    assert [run.name for run in seen.runs] == ["digit-reader-1"]
    assert (seen.refused_runs, seen.refused_usd, seen.refused_unknown) == (3, Decimal("1.5"), 0)
    assert [one.name for one in seen.idle] == ["e"]
    assert {one.meter for one in found.charged} == {"Train:ml.m5.large", "Host:ml.m5.large"}


def test_an_endpoint_that_is_asked_is_not_idle_and_one_that_is_not_there_costs_nothing(book: PriceBook) -> None:
    platform = Platform(Table(), SageMaker(), CloudWatch(1000), book)
    found = platform.use({"digit-reader": "e", "other": "none"}, NOW)
    assert found.observed["digit-reader"].inferences == 1000
    assert not found.observed["digit-reader"].idle
    assert found.observed["other"].inferences is None
    assert {one.meter for one in found.charged if one.workload == "other"} == {"Train:ml.m5.large"}
