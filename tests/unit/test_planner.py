"""The planner: each decision, each rule from both sides, and what must hold whatever the drivers are."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.canonical import canonical_json
from groundplan.catalogue import read_catalogue
from groundplan.planner import RULES, TITLES, Market, Plan, plan
from groundplan.planner.candidates import candidates
from groundplan.planner.choice import Considered
from groundplan.planner.market import TRANSFORM
from groundplan.planner.pricing import price
from groundplan.planner.report import as_json, text_lines
from groundplan.planner.rules import failures
from groundplan.planner.rules_page import rules_page
from groundplan.prices import PriceBook, read_prices
from groundplan.prices.price_book import SECTIONS
from groundplan.refusal import BadInput
from groundplan.workload import Workload, read_workload, read_workloads
from groundplan.workload.schema import workload_schema
from groundplan_operate.command_line import groundplan

ROOT = Path(__file__).parents[2]
MARKET = Market(read_prices(ROOT, "us-east-1"))
APPROVED = Market(MARKET.book, read_catalogue(ROOT))
DECISIONS = {
    "digit-reader": ("serverless", "1 GiB"),
    "fraud-scorer": ("real-time-cpu", "ml.c5.xlarge"),
    "invoice-reader": ("real-time-inferentia2", "ml.inf2.8xlarge"),
    "nightly-churn": ("batch-transform", "ml.c5.xlarge"),
    "support-assistant": ("bedrock-on-demand", "amazon.nova-lite-v1:0"),
}

CPU = {"instance_type": "ml.c5.xlarge", "requests_per_second": 100, "p50_ms": 10, "p99_ms": 30}
GPU = {"instance_type": "ml.g6.xlarge", "requests_per_second": 5, "p50_ms": 200, "p99_ms": 600}
INF2 = {"instance_type": "ml.inf2.xlarge", "requests_per_second": 9, "p50_ms": 150, "p99_ms": 500}
GRAVITON = {"instance_type": "ml.c7g.xlarge", "requests_per_second": 120, "p50_ms": 9, "p99_ms": 28}
NOVA = {"id": "amazon.nova-lite-v1:0", "quality": 0.9, "p50_ms": 900, "p99_ms": 2000}
CUSTOM: dict[str, Any] = {"framework": "xgboost", "memory_gib": 1, "quality": 0.9, "measured": [CPU]}
FOUNDATION: dict[str, Any] = {"input_tokens": 1000, "output_tokens": 100, "models": [NOVA]}
DRIVERS: dict[str, Any] = {
    "latency_p50_ms": 5000,
    "latency_p99_ms": 20000,
    "average_requests_per_second": 1,
    "peak_requests_per_second": 4,
    "payload_kib": 10,
    "traffic": "steady",
    "availability_percent": 99,
    "monthly_cost_ceiling_usd": 100000,
    "quality": {"floor": 0.8},
}


def workload(**changes: Any) -> Workload:
    """A workload that anything could serve; what is given changes parts of its tables."""
    parts = {name: changes.pop(name, {}) for name in ("drivers", "data", "baseline")}
    custom, foundation = changes.pop("custom", {}), changes.pop("foundation", None)
    data = {
        "classification": "internal",
        "source": "a system of records",
        "freshness_hours": 24,
        "retention_days": 30,
        "readers": ["someone"],
    }
    document: dict[str, Any] = {
        "name": "example",
        "owner": "team",
        "cost_centre": "team",
        "use_case": "Whatever this one is good for.",
        "key_metric": "accuracy",
        "baseline": {"rule": "The simplest thing there is.", "quality": 0.1} | parts["baseline"],
        "data": data | parts["data"],
        "drivers": {name: value for name, value in (DRIVERS | parts["drivers"]).items() if value is not None},
        "model": {
            **({"custom": CUSTOM | custom} if custom is not None else {}),
            **({"foundation": FOUNDATION | foundation} if foundation is not None else {}),
        },
        **changes,
    }
    return Workload.model_validate(document)


def broken_rules(given: Workload, architecture: str, runs_on: str = "", market: Market = MARKET) -> set[str]:
    """Names of the rules that speak against an architecture (on something)."""
    [option] = [
        one for one in candidates(given, market) if one.architecture == architecture and runs_on in ("", one.runs_on)
    ]
    return {failure.rule for failure in failures(option, price(option)[1])}


@pytest.mark.parametrize("name", DECISIONS)
def test_each_example_lands_on_its_own_plan(name: str) -> None:
    chosen = plan(read_workload(ROOT, name), MARKET).chosen
    assert chosen
    assert (chosen.option.architecture, chosen.option.runs_on) == DECISIONS[name]


def test_five_examples_five_architectures_and_one_refusal() -> None:
    plans = [plan(one, MARKET) for one in read_workloads(ROOT)]
    assert len({one.chosen.option.architecture for one in plans if one.chosen}) == len(DECISIONS)
    [refused] = [one for one in plans if one.chosen is None]
    assert refused.workload.name == "live-captions"
    assert "relax drivers.monthly_cost_ceiling_usd from 500 to 3414.03 (real-time endpoint on GPU" in refused.refusal


def test_an_answer_holds_every_alternative_with_its_reason() -> None:
    for one in read_workloads(ROOT):
        found = plan(one, MARKET)
        said = {alternative.architecture for alternative in found.alternatives}
        chosen = {found.chosen.option.architecture} if found.chosen else set[str]()
        assert said | chosen == set(TITLES)
        assert not said & chosen
        assert all(alternative.reasons and all(alternative.reasons) for alternative in found.alternatives)


def test_the_arithmetic_of_fraud_scorer_by_hand() -> None:
    # 320 / (310 x 0.7) -> 2 instances; 2 x 730 h x 0.204 = 297.84;
    # 180/s x 3600 x 730 = 473,040,000 requests x 8 KiB = 3,609.0087890625 GB x 0.016 = 57.744140625
    chosen = plan(read_workload(ROOT, "fraud-scorer"), MARKET).chosen
    assert chosen
    assert (chosen.size.least, chosen.size.most, chosen.size.hours) == (2, 2, 1460)
    assert chosen.cost.average.most == Decimal("297.84") + Decimal("57.744140625")
    assert chosen.option.latency.origin == "measured"
    assert any("peak 320 / 217 -> 2" in line for line in chosen.size.arithmetic)


def test_the_arithmetic_of_support_assistant_by_hand() -> None:
    # 0.2/s x 3600 x 730 = 525,600 requests; x (3500 x 0.00000006 + 350 x 0.00000024) = 154.5264
    chosen = plan(read_workload(ROOT, "support-assistant"), MARKET).chosen
    assert chosen
    assert chosen.cost.average.most == Decimal("154.5264")


def test_transform_jobs_run_on_what_sagemakers_own_api_lists() -> None:
    loader: Any = Loader()
    listed = loader.load_service_model("sagemaker", "service-2")["shapes"]["TransformInstanceType"]["enum"]
    assert set(listed) == TRANSFORM


def test_the_arithmetic_of_nightly_churn_by_hand() -> None:
    # 23/s x 3600 x 730 requests a month at 1,000/s = 16.79 h of work, and 365/12 starts of 0.1 h
    chosen = plan(read_workload(ROOT, "nightly-churn"), MARKET).chosen
    assert chosen
    assert round(chosen.cost.average.most, 6) == round((Decimal("16.79") + Decimal(365) / 120) * Decimal("0.204"), 6)


Sides = tuple[Mapping[str, Any], Mapping[str, Any], str, str]
LARGE = {"parameters_billion": 8, "memory_gib": 16, "neuron_sdk": "2.26"}
EITHER_SIDE: dict[str, list[Sides]] = {
    "payload": [
        ({"drivers": {"payload_kib": 6144}}, {"drivers": {"payload_kib": 6145}}, "real-time-cpu", ""),
        ({"drivers": {"payload_kib": 4096}}, {"drivers": {"payload_kib": 4097}}, "serverless", ""),
        ({"drivers": {"payload_kib": 1048576}}, {"drivers": {"payload_kib": 1048577}}, "asynchronous", ""),
        ({"drivers": {"payload_kib": 102400}}, {"drivers": {"payload_kib": 102401}}, "batch-transform", ""),
        (
            {"foundation": {}, "drivers": {"payload_kib": 24414}},
            {"foundation": {}, "drivers": {"payload_kib": 24415}},
            "bedrock-on-demand",
            "",
        ),
    ],
    "response-time": [
        (
            {"custom": {"measured": [CPU | {"p99_ms": 60000}]}},
            {"custom": {"measured": [CPU | {"p99_ms": 60001}]}},
            "real-time-cpu",
            "",
        ),
        (
            {"custom": {"measured": [CPU | {"p99_ms": 3600000}]}},
            {"custom": {"measured": [CPU | {"p99_ms": 3600001}]}},
            "asynchronous",
            "",
        ),
    ],
    "serverless-memory": [({"custom": {"memory_gib": 6}}, {"custom": {"memory_gib": 6.1}}, "serverless", "")],
    "serverless-accelerator": [
        ({"custom": {"measured": [GPU, CPU]}}, {"custom": {"measured": [GPU]}}, "serverless", "")
    ],
    "serverless-concurrency": [
        (
            {"drivers": {"peak_requests_per_second": 20000}},
            {"drivers": {"peak_requests_per_second": 20001}},
            "serverless",
            "",
        )
    ],
    "accelerator-memory": [
        (
            {"custom": {"measured": [GPU], "parameters_billion": 8, "kv_cache_gib": 9}},
            {"custom": {"measured": [GPU], "parameters_billion": 8, "kv_cache_gib": 9.2}},
            "real-time-gpu",
            "",
        )
    ],
    "host-memory": [({"custom": {"memory_gib": 8}}, {"custom": {"memory_gib": 8.1}}, "real-time-cpu", "")],
    "inferentia2-host-memory": [
        (
            {"custom": LARGE | {"measured": [INF2 | {"instance_type": "ml.inf2.8xlarge"}]}},
            {"custom": LARGE | {"measured": [INF2]}},
            "real-time-inferentia2",
            "",
        )
    ],
    "inferentia2-compiled": [
        (
            {"custom": {"measured": [INF2], "neuron_sdk": "2.26"}},
            {"custom": {"measured": [INF2]}},
            "real-time-inferentia2",
            "",
        )
    ],
    "graviton-image": [
        (
            {"custom": {"measured": [GRAVITON], "arm64": True}},
            {"custom": {"measured": [GRAVITON]}},
            "real-time-graviton",
            "",
        )
    ],
    "transform-machine": [
        ({"custom": {"measured": [CPU]}}, {"custom": {"measured": [other], **arm}}, "batch-transform", "")
        for other, arm in ((GRAVITON, {"arm64": True}), (CPU | {"instance_type": "ml.c5.large"}, {}))
    ],
    "model-in-region": [
        (
            {"foundation": {}},
            {"foundation": {"models": [NOVA | {"id": "eu.amazon.nova-lite-v1:0"}]}},
            "bedrock-on-demand",
            "",
        )
    ],
    "batch-of-model": [
        (
            {"foundation": {}},
            {"foundation": {"models": [NOVA | {"id": "anthropic.claude-sonnet-5"}]}},
            "bedrock-batch",
            "",
        )
    ],
    "capability": [
        ({"foundation": {}}, {"foundation": {"capability": "embedding", "output_tokens": 0}}, "bedrock-on-demand", "")
    ],
    "tokens": [
        ({"foundation": {"input_tokens": 300000}}, {"foundation": {"input_tokens": 300001}}, "bedrock-on-demand", ""),
        ({"foundation": {"output_tokens": 10000}}, {"foundation": {"output_tokens": 10001}}, "bedrock-on-demand", ""),
    ],
    "end-of-life": [
        (
            {"foundation": {"models": [NOVA | {"id": "meta.llama3-1-8b-instruct-v1:0"}]}},
            {"foundation": {"models": [NOVA | {"id": "anthropic.claude-sonnet-4-20250514-v1:0"}]}},
            "bedrock-on-demand",
            "",
        )
    ],
    "approved": [
        (
            {"foundation": {}},
            {"foundation": {"models": [NOVA | {"id": "amazon.nova-pro-v1:0"}]}},
            "bedrock-on-demand",
            "",
        )
    ],
    "data-class": [
        (
            {
                "foundation": {"models": [NOVA | {"id": f"{profile}amazon.nova-2-lite-v1:0"}]},
                "data": {"classification": right},
            },
            {
                "foundation": {"models": [NOVA | {"id": f"{profile}amazon.nova-2-lite-v1:0"}]},
                "data": {"classification": wrong},
            },
            "bedrock-on-demand",
            "",
        )
        for profile, right, wrong in (("us.", "confidential", "restricted"), ("global.", "internal", "confidential"))
    ],
    "availability": [
        (
            {"drivers": {"availability_percent": 99.95}},
            {"drivers": {"availability_percent": 99.96}},
            "real-time-cpu",
            "",
        ),
        (
            {"foundation": {}, "drivers": {"availability_percent": 99.9}},
            {"foundation": {}, "drivers": {"availability_percent": 99.91}},
            "bedrock-on-demand",
            "",
        ),
        ({"drivers": {"availability_percent": 99}}, {"drivers": {"availability_percent": 99.1}}, "scale-to-zero", ""),
    ],
    "quality": [
        (
            {"drivers": {"quality": {"floor": 0.9}}},
            {"drivers": {"quality": {"floor": 0.91}}},
            "real-time-cpu",
            "",
        ),
        (
            {"drivers": {"quality": {"floor": 0.5, "slices": {"old": 0.7}}}, "custom": {"slices": {"old": 0.7}}},
            {"drivers": {"quality": {"floor": 0.5, "slices": {"old": 0.71}}}, "custom": {"slices": {"old": 0.7}}},
            "real-time-cpu",
            "",
        ),
    ],
    "latency": [
        (
            {"drivers": {"latency_p99_ms": 30, "latency_p50_ms": 10}},
            {"drivers": {"latency_p99_ms": 29, "latency_p50_ms": 10}},
            "real-time-cpu",
            "",
        ),
        (
            {"drivers": {"latency_p99_ms": 30, "latency_p50_ms": 10}},
            {"drivers": {"latency_p99_ms": 30, "latency_p50_ms": 9}},
            "real-time-cpu",
            "",
        ),
        ({"drivers": {"latency_p99_ms": 10030}}, {"drivers": {"latency_p99_ms": 10029}}, "serverless", ""),
        ({"drivers": {"latency_p99_ms": 301030}}, {"drivers": {"latency_p99_ms": 301029}}, "asynchronous", ""),
        ({"drivers": {"latency_p99_ms": 300030}}, {"drivers": {"latency_p99_ms": 300029}}, "scale-to-zero", ""),
        (
            {"drivers": {"batching_tolerance_seconds": 900}},
            {"drivers": {"batching_tolerance_seconds": 899}},
            "batch-transform",
            "",
        ),
        (
            {"foundation": {}, "drivers": {"batching_tolerance_seconds": 86400}},
            {"foundation": {}, "drivers": {"batching_tolerance_seconds": 86399}},
            "bedrock-batch",
            "",
        ),
    ],
    "cost-ceiling": [
        # 730 h x 0.204 = 148.92, and 2,628,000 x 10 KiB = 25.0625... GB x 0.016 = 0.401
        (
            {"drivers": {"monthly_cost_ceiling_usd": 149.33}},
            {"drivers": {"monthly_cost_ceiling_usd": 149.32}},
            "real-time-cpu",
            "",
        )
    ],
}


def test_every_rule_has_a_workload_on_either_side() -> None:
    assert list(EITHER_SIDE) == [rule.name for rule in RULES]


@pytest.mark.parametrize(
    ("rule", "sides"), [(rule, sides) for rule, several in EITHER_SIDE.items() for sides in several]
)
def test_a_rule_admits_one_side_and_refuses_the_other(rule: str, sides: Sides) -> None:
    right, wrong, architecture, runs_on = sides
    market = APPROVED if rule == "approved" else MARKET
    assert rule not in broken_rules(workload(**right), architecture, runs_on, market)
    assert rule in broken_rules(workload(**wrong), architecture, runs_on, market)


def test_a_rule_that_is_good_enough_is_the_plan() -> None:
    chosen = plan(workload(baseline={"quality": 0.8}), MARKET).chosen
    assert chosen
    assert chosen.option.architecture == "no-model"
    # 2,628,000 requests x (0.0000002 + 0.125 GB x 0.01 s x 0.0000133334)
    assert chosen.cost.average.most == 2628000 * (Decimal("0.0000002") + Decimal("0.00125") * Decimal("0.0000133334"))
    worse = plan(workload(baseline={"quality": 0.79}), MARKET).chosen
    assert worse
    assert worse.option.architecture != "no-model"


@pytest.mark.parametrize(
    ("changes", "architecture"),
    [
        (
            {
                "custom": None,
                "foundation": {},
                "drivers": {"latency_p50_ms": None, "latency_p99_ms": None, "batching_tolerance_seconds": 90000},
            },
            "bedrock-batch",
        ),
        ({"custom": LARGE | {"measured": [GPU]}}, "real-time-gpu"),
        (
            {
                "custom": LARGE | {"measured": [GPU], "memory_gib": 20},
                "drivers": {"traffic": "bulk", "payload_kib": 200000, "batching_tolerance_seconds": 1200},
            },
            "asynchronous",
        ),
        (
            {
                "custom": LARGE | {"measured": [GPU], "memory_gib": 20},
                "drivers": {
                    "traffic": "bulk",
                    "average_requests_per_second": 0.01,
                    "latency_p50_ms": 800,
                    "latency_p99_ms": 600000,
                },
            },
            "scale-to-zero",
        ),
    ],
)
def test_the_other_architectures_are_chosen_where_they_are_best(changes: dict[str, Any], architecture: str) -> None:
    chosen = plan(workload(**changes), MARKET).chosen
    assert chosen
    assert chosen.option.architecture == architecture


@pytest.mark.parametrize(
    ("rate", "records"), [(Decimal("0.0001"), Decimal(73000) / 24), (Decimal(1), Decimal(2628000))]
)
def test_a_batch_job_of_fewer_than_a_hundred_records_is_paid_as_a_hundred(rate: Decimal, records: Decimal) -> None:
    # a job a day in a tolerance of 24 hours; 8.64 a day are filled up: 730 / 24 x 100 = 3041.67 a month
    drivers = {"average_requests_per_second": rate, "batching_tolerance_seconds": 86400, "traffic": "bulk"}
    one = workload(custom=None, foundation={}, drivers=drivers)
    [batch] = [option for option in candidates(one, MARKET) if option.architecture == "bedrock-batch"]
    tokens = 1000 * Decimal("0.00000003") + 100 * Decimal("0.00000012")
    assert round(price(batch)[1].average.most, 9) == round(records * tokens, 9)


@pytest.mark.parametrize(
    ("traffic", "least"), [("steady", 1), ("office-hours", 1), ("nightly", 1), ("spiky", 3), ("bulk", 3)]
)
def test_the_peaks_machines_always_run_where_it_comes_faster_than_they_start(traffic: str, least: int) -> None:
    peak = workload(
        drivers={"traffic": traffic, "peak_requests_per_second": 210, "latency_p99_ms": 50, "latency_p50_ms": 20},
        plan={"force": "real-time-cpu", "reason": "so that it is on machines"},
    )
    chosen = plan(peak, MARKET).chosen
    assert chosen
    assert (chosen.size.least, chosen.size.most) == (least, 3)  # 210 / (100 x 70 %)
    assert ("3 at all times" in str(chosen.size.arithmetic)) is (least == 3)


def test_graviton_is_chosen_only_where_its_price_is_known() -> None:
    graviton = workload(custom={"measured": [GRAVITON, CPU], "arm64": True}, drivers={"latency_p99_ms": 5000})
    without = plan(graviton, MARKET)
    assert without.chosen
    assert without.chosen.option.architecture == "real-time-cpu"
    [lost] = [one for one in without.alternatives if one.architecture == "real-time-graviton"]
    assert lost.reasons == ("no known price for sagemaker/hosting/ml.c7g.xlarge",)
    document = json.loads((ROOT / "groundplan/prices/us-east-1.json").read_text())
    row = {"amount": "0.17", "unit": "hour", "effective": "2026-11-20", "source": "a list", "confidence": "list"}
    document["prices"]["sagemaker/instance/ml.c7g.xlarge"] = row
    chosen = plan(graviton, Market(PriceBook("us-east-1", document, "x.json"))).chosen
    assert chosen
    assert chosen.option.runs_on == "ml.c7g.xlarge"


def test_where_no_price_is_known_the_plan_says_at_least_and_plus_how_many() -> None:
    empty: dict[str, Any] = {section: {} for section in SECTIONS}
    found = plan(workload(), Market(PriceBook("eu-south-2", empty, "eu-south-2.json")))
    assert found.chosen
    assert found.chosen.cost.average.unknowns
    assert any("at least $0.00, plus" in line for line in text_lines(found))


def test_a_forced_plan_is_checked_and_priced_and_says_what_would_be_cheaper() -> None:
    forced = workload(plan={"force": "real-time-cpu", "reason": "the team has run one for years"})
    found = plan(forced, MARKET)
    assert found.chosen
    assert found.chosen.option.architecture == "real-time-cpu"
    [cheaper] = [one for one in found.alternatives if one.architecture == "serverless"]
    assert "plan.force asks for real-time-cpu" in cheaper.reasons[0]
    assert as_json(found)["forced"] == "the team has run one for years"
    wrong = plan(workload(plan={"force": "real-time-gpu", "reason": "somebody likes accelerators"}), MARKET)
    assert wrong.chosen is None
    assert "plan.force asks for real-time endpoint on GPU, which is not possible" in wrong.refusal


def relaxed(refused: Plan, place: int) -> Workload:
    """The workload with one of the proposed relaxations made."""
    document = refused.workload.model_dump(exclude_unset=True)
    for change in refused.relaxations[place].changes:
        parts = change.driver.split(".", 3)
        at = document
        for part in parts[:-1]:
            at = at[part]
        at[parts[-1]] = change.needed
    return Workload.model_validate(document)


@pytest.mark.parametrize(
    "changes",
    [
        {"monthly_cost_ceiling_usd": 1, "latency_p99_ms": 5000},
        {"latency_p50_ms": 1, "latency_p99_ms": 2},
        {"latency_p50_ms": 10, "latency_p99_ms": 20, "monthly_cost_ceiling_usd": 5},
        {"availability_percent": 99.99},
        {"payload_kib": 2000000},
        {"quality": {"floor": 0.95, "slices": {"old": 0.99}}},
        {"latency_p50_ms": None, "latency_p99_ms": None, "batching_tolerance_seconds": 1, "payload_kib": 80000},
    ],
)
def test_relaxing_what_a_refusal_names_is_enough(changes: dict[str, Any]) -> None:
    refused = plan(workload(drivers=changes, custom={"slices": {"old": 0.9}}), MARKET)
    assert refused.chosen is None
    assert refused.relaxations
    for place in range(len(refused.relaxations)):
        assert plan(relaxed(refused, place), MARKET).chosen


def test_a_refusal_writes_numbers_without_exponents() -> None:
    refused = plan(workload(drivers={"monthly_cost_ceiling_usd": Decimal("1E-7"), "latency_p99_ms": 5000}), MARKET)
    assert "drivers.monthly_cost_ceiling_usd from 0.0000001 to " in refused.refusal


def test_what_scales_to_zero_says_that_its_caller_tries_again() -> None:
    says = {one.architecture: one.latency.basis for one in candidates(workload(), MARKET)}
    assert "the caller tries again" in says["scale-to-zero"]
    assert "the caller tries again" not in says["asynchronous"]


def test_a_refusal_that_no_driver_mends_says_so() -> None:
    old = NOVA | {"id": "anthropic.claude-sonnet-4-20250514-v1:0"}
    refused = plan(
        workload(
            custom=None,
            foundation={"models": [old]},
            baseline={"slices": {}, "quality": 0},
            drivers={"quality": {"floor": 0.8, "slices": {"x": 0.5}}},
        ),
        MARKET,
    )
    assert refused.chosen is None
    assert "relaxing no driver helps" in refused.refusal


# What must hold whatever the drivers are.
rates = st.tuples(st.floats(0.001, 300), st.floats(1, 20)).map(lambda pair: (pair[0], pair[0] * pair[1]))
workloads = st.builds(
    lambda rate, traffic, p99, tolerance, availability, ceiling, floor, payload, custom: workload(
        drivers={
            "average_requests_per_second": rate[0] / 4,
            "peak_requests_per_second": rate[1],
            "traffic": traffic,
            "latency_p50_ms": p99 / 2,
            "latency_p99_ms": p99,
            "batching_tolerance_seconds": tolerance,
            "availability_percent": availability,
            "monthly_cost_ceiling_usd": ceiling,
            "quality": {"floor": floor},
            "payload_kib": payload,
        },
        custom=custom,
        foundation={},
        baseline={"quality": 0.6},
    ),
    rates,
    st.sampled_from(["steady", "spiky", "office-hours", "nightly", "bulk"]),
    st.floats(5, 400_000),
    st.sampled_from([0, 60, 1000, 4000, 90_000, 500_000]),
    st.sampled_from([90, 99, 99.5, 99.9, 99.95]),
    st.floats(1, 100_000),
    st.sampled_from([0.5, 0.7, 0.9]),
    st.floats(1, 7000),
    st.sampled_from([{}, {"measured": [GPU, CPU]}, {"measured": (), "cpu_ms_per_request": 25}]),
)
LOOSER: dict[str, Callable[[Any], Any]] = {
    "latency_p50_ms": lambda value: value,  # with p99, below
    "latency_p99_ms": lambda value: value * 3,
    "batching_tolerance_seconds": lambda value: value * 2 + 1000,
    "availability_percent": lambda value: value - 5,
    "monthly_cost_ceiling_usd": lambda value: value * 2,
    "quality": lambda value: value | {"floor": value["floor"] / 2},
}


def changed(one: Workload, **drivers: Any) -> Workload:
    document = one.model_dump(exclude_unset=True)
    document["drivers"] |= drivers
    return Workload.model_validate(document)


@settings(max_examples=60, deadline=None)
@given(workloads, st.sampled_from(sorted(LOOSER)))
def test_a_looser_driver_never_makes_the_plan_dearer(one: Workload, driver: str) -> None:
    before = plan(one, MARKET).chosen
    after = plan(changed(one, **{driver: LOOSER[driver](one.drivers.model_dump()[driver])}), MARKET).chosen
    if before:
        assert after
        assert after.cost.average.most <= before.cost.average.most


@settings(max_examples=60, deadline=None)
@given(workloads, st.sampled_from([1, 2, 7]), st.sampled_from([1, Decimal("1.3"), 5]))
def test_more_traffic_never_makes_the_plan_cheaper(one: Workload, average: int, peak: Decimal) -> None:
    drivers = one.drivers
    more = changed(
        one,
        average_requests_per_second=drivers.average_requests_per_second * average,
        peak_requests_per_second=drivers.peak_requests_per_second * peak * average,
    )
    before, after = plan(one, MARKET).chosen, plan(more, MARKET).chosen
    if after:
        assert before
        assert after.cost.average.most >= before.cost.average.most


@settings(max_examples=60, deadline=None)
@given(workloads)
def test_the_chosen_plan_satisfies_every_driver(one: Workload) -> None:
    chosen = plan(one, MARKET).chosen
    if chosen is None:
        return
    drivers, latency = one.drivers, chosen.option.latency
    tolerance = drivers.batching_tolerance_seconds * 1000
    assert latency.p50_ms <= max(drivers.latency_p50_ms or 0, tolerance)
    assert latency.p99_ms <= max(drivers.latency_p99_ms or 0, tolerance)
    assert chosen.cost.average.most <= drivers.monthly_cost_ceiling_usd
    assert chosen.option.quality is None or chosen.option.quality >= drivers.quality.floor
    if chosen.option.architecture.startswith("real-time"):
        able = chosen.size.most * chosen.option.requests_per_second
        assert able >= drivers.peak_requests_per_second
        assert chosen.size.least >= (2 if drivers.availability_percent > 99 else 1)


@settings(max_examples=30, deadline=None)
@given(workloads)
def test_same_input_same_bytes(one: Workload) -> None:
    first = canonical_json(as_json(plan(one, MARKET)))
    again = canonical_json(as_json(plan(one, Market(read_prices(ROOT, "us-east-1")))))
    assert first == again


@cache
def run(*arguments: str) -> tuple[int, str, str]:
    command = [sys.executable, "-c", "from groundplan_operate.command_line import main; main()", "plan", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_the_command_prints_the_five_decisions_and_the_refusal() -> None:
    status, out, err = run("--json")
    plans = json.loads(out)["plans"]
    decided = {one["workload"]: one["choice"] and one["choice"]["architecture"] for one in plans}
    assert decided == {name: architecture for name, (architecture, _) in DECISIONS.items()} | {"live-captions": None}
    assert status == 1
    assert err.startswith("groundplan: workloads/live-captions/workload.toml: nothing satisfies it; relax drivers.")
    assert len(err.splitlines()) == 1


def test_one_workload_that_is_planned_ends_well() -> None:
    status, out, err = run("fraud-scorer")
    assert (status, err) == (0, "")
    assert "real-time endpoint on CPU, ml.c5.xlarge" in out
    assert "Bedrock on demand: the workload names no foundation model" in out


def test_planning_imports_neither_cdk_nor_boto3() -> None:
    code = (
        "import sys, click; from groundplan_operate.command_line import groundplan; "
        "groundplan(['plan', 'digit-reader', '--json'], standalone_mode=False); "
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'aws_cdk', 'boto3', 'botocore', 'jsii'}), "
        "file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_the_published_schema_and_the_page_of_rules_are_current() -> None:
    assert (ROOT / "schemas/workload.schema.json").read_text() == workload_schema(), "run make pages"
    assert (ROOT / "docs/planner-rules.md").read_text() == rules_page(), "run make pages"


@pytest.mark.parametrize(
    "file", sorted((ROOT / "workloads").glob("*/workload.toml")), ids=lambda file: file.parent.name
)
def test_every_workload_tells_editors_where_its_schema_is(file: Path) -> None:
    first, _, _ = file.read_text().partition("\n")
    assert (file.parent / first.removeprefix("#:schema ")).resolve() == ROOT / "schemas/workload.schema.json"


def test_the_cheapest_is_chosen_of_those_that_fit() -> None:
    one = read_workload(ROOT, "nightly-churn")
    fitting = [
        Considered(option, *price(option), failures(option, price(option)[1])) for option in candidates(one, MARKET)
    ]
    cheapest = min(each.cost.average.most for each in fitting if not each.failures)
    chosen = plan(one, MARKET).chosen
    assert chosen
    assert chosen.cost.average.most == cheapest


WRONG = {
    "an unknown foundation model": (
        "support-assistant",
        'id = "amazon.nova-lite-v1:0"',
        'id = "amazon.nova-heavy-v9:0"',
        "model.foundation.models.1.id: 'amazon.nova-heavy-v9:0' is not allowed; allowed: a model or",
    ),
    "a model of another region": (
        "support-assistant",
        'id = "amazon.nova-lite-v1:0"',
        'id = "eu.amazon.nova-lite-v1:0"',
        "model.foundation.models.1.id: 'eu.amazon.nova-lite-v1:0' is not allowed",
    ),
    "an instance type that the region lacks": (
        "fraud-scorer",
        'instance_type = "ml.c5.xlarge"',
        'instance_type = "ml.c5.tiny"',
        "model.custom.measured.0.instance_type: 'ml.c5.tiny' is not allowed; allowed: an instance type",
    ),
    "an average above the peak": (
        "fraud-scorer",
        "average_requests_per_second = 180",
        "average_requests_per_second = 321",
        "drivers.average_requests_per_second: '321' is not allowed; allowed: at most peak_requests_per_second, 320",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_workload_is_a_line_and_the_others_are_planned(
    wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name, old, new, line = WRONG[wrong]
    shutil.copytree(ROOT / "workloads", tmp_path / "workloads", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "environments", tmp_path / "environments")
    (tmp_path / "cdk.json").touch()
    file = tmp_path / "workloads" / name / "workload.toml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput) as error:
        groundplan(["plan", "--json"], standalone_mode=False)
    assert str(error.value).startswith(f"workloads/{name}/workload.toml: {line}")
    assert len(str(error.value).splitlines()) == 1
    said = capsys.readouterr()
    assert len(json.loads(said.out)["plans"]) == len(DECISIONS)
    assert "live-captions" in said.err


@pytest.mark.parametrize(
    "command",
    [("train", "fraud-scorer"), ("image", "build", "fraud-scorer"), ("ingest", "fraud-scorer", "tests")],
    ids=" ".join,
)
def test_what_trains_nothing_has_no_data_set_no_image_and_no_job(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(BadInput) as error:
        groundplan([*command, "-e", "local"], standalone_mode=False)
    assert "fraud-scorer/workload.toml: training: 'nothing' is not allowed; it trains nothing" in str(error.value)
