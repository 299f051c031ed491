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
from groundplan.focus.known import Known, age_note, beside
from groundplan.focus.report import Report, text_lines
from groundplan.focus.same_day import Fleet, charges_of_fleet, charges_of_run, idle, not_billed_yet, reconciled
from groundplan.focus.use import STALE_HOURS, Use, kept_use, use_as_json
from groundplan.focus.workloads import Charged, Designed, Observed
from groundplan.prices import PriceBook, read_prices
from groundplan.workload import read_workload
from groundplan_runtime.handlers.observe_platform import observe
from groundplan_runtime.integrations.platform_use import Platform
from groundplan_runtime.spend_settings import ObserverSettings

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


def use(*used: Charged) -> Use:
    """What was seen at NOW."""
    return Use(NOW, {"digit-reader": Observed()}, used)


def test_the_error_of_the_same_day_figure_is_told_for_days_that_are_billed_whole() -> None:
    billed = [charged(1, "8"), charged(2, "17"), charged(2, "99", "USE1-Requests"), charged(3, "1")]
    (found,) = reconciled(use(charged(1, "10"), charged(2, "10"), charged(3, "10"), charged(4, "2")), billed)
    assert found.as_json() == {
        "workload": "digit-reader",
        "first": "2026-11-01",
        "through": "2026-11-02",
        "same_day_usd": "20",
        "billed_usd": "25",
        "error_usd": "-5",
        "error": "-0.2",
        "later_usd": "12",
        "not_billed_usd": "11",
    }


@pytest.mark.parametrize("billed", [[], [charged(1, "10")], [replace(charged(1, "10"), day=date(2026, 10, 30))]])
def test_where_no_day_is_billed_whole_nothing_is_compared_and_what_was_used_is_told(billed: list[Charged]) -> None:
    (found,) = reconciled(use(charged(1, "10")), billed)
    told = found.as_json()
    assert (told["same_day_usd"], told["billed_usd"], told["error"], told["later_usd"]) == (None, None, None, "10")


def test_a_bill_of_two_months_is_compared_in_the_month_that_the_platform_looked_at() -> None:
    october = replace(charged(1, "900"), day=date(2026, 10, 30), month=date(2026, 10, 1))
    (found,) = reconciled(use(charged(1, "10"), charged(2, "10")), [october, charged(1, "10"), charged(2, "1")])
    assert (found.first, found.through, found.error) == (date(2026, 11, 1), date(2026, 11, 1), 0)


def test_an_old_look_is_compared_with_the_days_before_it_alone() -> None:
    old = replace(use(charged(1, "10"), charged(2, "4")), at=datetime(2026, 11, 2, 9, tzinfo=UTC))
    (found,) = reconciled(old, [charged(day, "10") for day in range(1, 15)])
    assert (found.through, found.error, found.later) == (date(2026, 11, 1), 0, 4)


def test_machines_that_are_billed_and_were_not_seen_are_an_error_of_all() -> None:
    (found,) = reconciled(use(), [charged(1, "10"), charged(2, "10")])
    assert found.error == -1
    assert reconciled(use(), [replace(charged(1, "10"), workload="of-others"), charged(2, "10")]) == []


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
        self._requests = requests  # over the time that is asked for

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


class Scaled(SageMaker):
    """One endpoint with no machine now."""

    def describe_endpoint(self, *, EndpointName: str) -> Mapping[str, Any]:  # noqa: N803
        described = super().describe_endpoint(EndpointName=EndpointName)
        return {**described, "ProductionVariants": [{"VariantName": "a", "CurrentInstanceCount": 0}]}


def test_an_endpoint_that_is_scaled_to_zero_costs_nothing(book: PriceBook) -> None:
    found = Platform(Table(), Scaled(), CloudWatch(0), book).use({"digit-reader": "e"}, NOW)
    assert sum(one.effective for one in found.charged if one.meter == "Host:ml.m5.large") == 0
    assert [one.monthly_usd for one in found.observed["digit-reader"].idle] == [0]


def test_what_was_used_and_has_no_price_is_named() -> None:
    nowhere = read_prices(ROOT, "nowhere")
    found = Platform(Table(), SageMaker(), CloudWatch(0), nowhere).use({"digit-reader": "e"}, NOW)
    assert found.unpriced == ["e, ml.m5.large"]
    [idle_one] = found.observed["digit-reader"].idle
    assert idle_one.monthly_usd is None
    told = beside(Report([], [], [], []), [charged(1, "1")], Known({}, found))
    assert any("no price is known of e, ml.m5.large" in note for note in told.notes)
    assert any("of unknown price: no request" in line for line in text_lines(told))


class Kept:
    """A bucket of which one object is written."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_object(self, **request: Any) -> None:
        assert request["Bucket"] == "costs"
        self.objects[request["Key"]] = request["Body"]


def test_the_observer_writes_what_the_command_sees_and_the_report_reads_the_same(book: PriceBook) -> None:
    platform, kept = Platform(Table(), SageMaker(), CloudWatch(1000), book), Kept()
    endpoints = {"digit-reader": "e", "other": "none"}
    told = observe(platform, kept, ObserverSettings("lineage", "costs", endpoints), NOW)
    assert told == {"at": NOW.isoformat(), "workloads": 2, "runs": 2, "idle": 0}
    assert kept_use(json.loads(kept.objects["observed/platform.json"])) == platform.use(endpoints, NOW)


def test_a_look_that_fails_leaves_the_one_before_it(book: PriceBook) -> None:
    class Throttled(SageMaker):
        def describe_endpoint(self, *, EndpointName: str) -> Mapping[str, Any]:  # noqa: N803
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, EndpointName)

    kept = Kept()
    with pytest.raises(ClientError):
        observe(
            Platform(Table(), Throttled(), CloudWatch(0), book), kept, ObserverSettings("t", "costs", {"a": "e"}), NOW
        )
    assert kept.objects == {}


def test_what_the_platform_saw_is_read_as_it_was_written(book: PriceBook) -> None:
    seen = Platform(Table(), SageMaker(), CloudWatch(0), book).use({"digit-reader": "e", "other": "none"}, NOW)
    seen = replace(seen, unpriced=["a thing"])
    assert kept_use(json.loads(json.dumps(use_as_json(seen)))) == seen


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"schema": "groundplan.platform-use/9"}, "groundplan.platform-use/9"),
        ({"at": "yesterday"}, "yesterday"),
        ({"workloads": [{"workload": "w"}]}, "runs"),
        ({"workloads": None}, "workloads"),
        ({"machine_hours": [{"workload": "w", "meter": "m", "day": "2026-11-01", "hours": "x", "usd": "1"}]}, "x"),
    ],
)
def test_what_cannot_be_read_whole_is_not_read_at_all(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        kept_use(use_as_json(use(charged(1, "1"))) | change)
    with pytest.raises(ValueError, match="schema"):
        kept_use(None)


def test_an_old_look_is_called_old() -> None:
    fresh, old = (age_note(use(), NOW + timedelta(hours=hours)) for hours in (1, STALE_HOURS + 1))
    assert "are as of 20 November 2026, 12:00 UTC, 1.0 hours ago" in fresh
    assert f"{STALE_HOURS + 1} hours ago" in old
    assert "are missing" in old


def test_what_was_seen_in_another_month_is_in_no_line_and_a_note_says_so() -> None:
    december = replace(charged(1, "1"), month=date(2026, 12, 1), day=date(2026, 12, 1))
    found = beside(Report([], [], [], []), [december], Known({}, use(charged(1, "10"))))
    assert [line.observed for line in found.workloads] == [None]
    assert any("are of 2026-11 and the newest bill is of 2026-12" in note for note in found.notes)


def test_what_is_not_billed_yet_stands_in_the_line_day_by_day() -> None:
    def waiting(billed: str) -> Decimal | None:
        looked = use(charged(19, "10"), charged(20, "7"))
        found = beside(Report([], [], [], []), [charged(1, "1"), charged(19, billed)], Known({}, looked))
        [line] = found.workloads
        return line.not_billed and line.not_billed.usd

    assert waiting("4") == 13, "the bill's newest day and the days after it, less what is billed of them"
    assert waiting("99") == 7, "more on one day is no credit for another"
    [unseen] = beside(Report([], [], [], []), [charged(1, "1")], Known()).workloads
    assert unseen.not_billed is None


def test_where_nobody_looked_nothing_is_called_zero() -> None:
    found = beside(Report([], [], [], []), [charged(1, "10")], Known())
    [line] = found.as_json()["workloads"]
    assert {name: line[name] for name in ("training_runs", "refused_runs", "idle", "spot")} == dict.fromkeys(
        ("training_runs", "refused_runs", "idle", "spot")
    )
