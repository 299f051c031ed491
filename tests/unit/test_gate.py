"""The gate: each way of being stopped, and what is shown without being judged."""

import json
import math
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.canonical import canonical_json
from groundplan.gate import (
    OVERALL,
    Changed,
    HeldOut,
    Sample,
    Speed,
    Verdict,
    change,
    judge,
    leaks,
    page,
    read_held_out,
    share,
    values,
)
from groundplan.manifest import Entry, Manifest
from groundplan.planner import Market
from groundplan.prices import read_prices
from groundplan.refusal import BadInput
from groundplan.workload import Gate, Workload, read_workload

ROOT = Path(__file__).parents[2]
MARKET = Market(read_prices(ROOT, "us-east-1"))
SPEED = Speed(p50_ms=2.0, p99_ms=4.0, requests_per_second=400.0, requests=1000, machine="this machine")
DIGITS = [str(at % 10) for at in range(1000)]  # a hundred of each
HELD_OUT = HeldOut(
    [
        Sample(request=f"r{at}", expected=digit, row=f"row {at}", slices={"digit": digit}, baseline="0")
        for at, digit in enumerate(DIGITS)
    ],
    "0" * 64,
)


def workload(**gate: Any) -> Workload:
    found = read_workload(ROOT, "digit-reader")
    return found.model_copy(update={"gate": Gate.model_validate(gate)})


def answers(wrong: dict[str, int]) -> list[str | None]:
    """Right ones, but for so many of each digit."""
    left = dict(wrong)
    given: list[str | None] = []
    for digit in DIGITS:
        spoilt = left.get(digit, 0) > 0
        left[digit] = left.get(digit, 0) - 1
        given.append("x" if spoilt else digit)
    return given


def judged(wrong: dict[str, int], serving: dict[str, int] | None = None, **changes: Any) -> Verdict:
    values: dict[str, Any] = {
        "workload": workload(),
        "held_out": HELD_OUT,
        "answers": answers(wrong),
        "speed": SPEED,
        "reported": {"accuracy": 0.99},
        "in_service": None if serving is None else ("1.0.0", answers(serving)),
    }
    values |= changes
    of, held_out, given, speed = (values.pop(name) for name in ("workload", "held_out", "answers", "speed"))
    return judge(of, MARKET, held_out, given, speed, candidate="1.1.0", **values)


def test_a_good_model_passes() -> None:
    verdict = judged({"3": 1}, {"3": 2})
    assert verdict.failures == ()
    assert [row.name for row in verdict.rows] == [OVERALL, *(f"digit_{digit}" for digit in range(10))]


def test_better_on_average_and_worse_on_one_digit_is_stopped_and_the_digit_named() -> None:
    verdict = judged({"7": 4}, dict.fromkeys("012345689", 1))
    overall, seven = verdict.rows[0], verdict.rows[8]
    assert overall.judgement == "passed"
    assert overall.against_service is not None
    assert overall.against_service.value > 0
    assert [row.name for row in verdict.rows if row.judgement == "failed"] == [seven.name] == ["digit_7"]
    assert "digit_7: falls by 0.0400" in verdict.failures[0]


def test_a_fall_of_exactly_the_tolerance_passes_and_one_sample_more_fails() -> None:
    assert judged({"7": 2}, {"0": 5}).passed
    assert not judged({"7": 3}, {"0": 5}).passed
    assert judged({"7": 3}, {"0": 5}, workload=workload(slice_tolerances={"digit_7": 0.03})).passed


def test_the_mean_may_not_fall_even_where_no_slice_does_by_much() -> None:
    verdict = judged(dict.fromkeys("01234", 1), {})
    assert [row.name for row in verdict.rows if row.judgement == "failed"] == [OVERALL]
    assert judged(dict.fromkeys("01234", 1), {}, workload=workload(tolerance=0.005)).passed


def test_floors_bind_without_a_version_in_service() -> None:
    assert judged({"8": 15}).passed
    verdict = judged({"8": 16})  # 0.84 of digit_8, whose floor is 0.85
    assert verdict.failures == ("digit_8: 0.8400 is below the floor of 0.85",)
    low = judged(dict.fromkeys("01234567", 7))  # 0.944 over all
    assert low.failures[0] == "overall: 0.9440 is below the floor of 0.95"


def test_slices_with_too_few_samples_are_said_and_not_judged() -> None:
    verdict = judged({"7": 100}, {}, workload=workload(least_samples=101, tolerance=0.5))
    assert {row.judgement for row in verdict.rows[1:]} == {"not judged"}
    assert verdict.rows[8].reasons == ("100 samples; at least 101 are needed to judge it",)
    assert "digit_7" in next(one.says for one in verdict.checks if one.name == "slices")


def test_a_whole_set_that_is_too_small_is_no_proof() -> None:
    verdict = judged({}, workload=workload(least_samples=1001))
    assert verdict.failures == ("overall: 1000 samples; at least 1001 are needed to judge it",)


def test_a_floor_of_a_slice_without_samples_is_no_floor() -> None:
    held_out = HeldOut([one for one in HELD_OUT.samples if one.expected != "8"], "0" * 64)
    given = [one for one, digit in zip(answers({}), DIGITS, strict=True) if digit != "8"]
    verdict = judged({}, held_out=held_out, answers=given)
    assert "slices: no sample of digit_8" in verdict.failures[0]


def test_a_model_that_is_no_better_than_the_rule_is_stopped() -> None:
    ruled = HeldOut([replace(one, baseline=one.expected) for one in HELD_OUT.samples], "0" * 64)
    verdict = judged({}, held_out=ruled)
    assert verdict.failures == (
        "simple rule: 1.0000 against 1.0000 of the simple rule, measured on the same samples",
    )


def test_without_the_rules_answers_its_declared_quality_stands_in_and_is_said_to() -> None:
    unruled = HeldOut([replace(one, baseline=None) for one in HELD_OUT.samples], "0" * 64)
    verdict = judged({}, held_out=unruled)
    assert "declared, not measured" in next(one.says for one in verdict.checks if one.name == "simple rule")


@pytest.mark.parametrize("word", ["nan", "NaN", " inf ", "-Infinity"])
def test_an_answer_that_is_not_finite_stops_it(word: str) -> None:
    given = answers({})
    given[3] = word
    assert any(
        why.startswith("answers: 1 are not finite numbers: samples 4") for why in judged({}, answers=given).failures
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_training_whose_metrics_are_not_finite_is_stopped(value: float) -> None:
    verdict = judged({}, reported={"accuracy": 0.99, "loss": value})
    assert verdict.failures == ("metrics of the training: not finite: loss",)
    assert judged({}, reported={"loss": 1.0}).failures == ("metrics of the training: its record holds no accuracy",)


def test_requests_that_failed_count_as_wrong_and_stop_it() -> None:
    given = answers({})
    given[0] = None
    verdict = judged({}, answers=given)
    assert verdict.rows[0].candidate.right == 999
    assert verdict.failures == ("requests: 1 of 1000 requests failed; they count as wrong",)


@pytest.mark.parametrize(("p50", "p99"), [(200.1, 201.0), (1.0, 15000.1)])
def test_measured_latency_is_held_against_the_drivers(p50: float, p99: float) -> None:
    verdict = judged({}, speed=replace(SPEED, p50_ms=p50, p99_ms=p99))
    assert any(why.startswith("latency p") for why in verdict.failures)


@pytest.mark.parametrize("field", ["p50_ms", "p99_ms", "requests_per_second"])
def test_a_speed_that_was_not_measured_is_no_speed(field: str) -> None:
    verdict = judged({}, speed=replace(SPEED, **{field: math.nan}))
    assert any("not measured" in why for why in verdict.failures)
    canonical_json(verdict.as_json())


def test_a_ceiling_that_the_measured_speed_breaches_stops_it() -> None:
    fraud = read_workload(ROOT, "fraud-scorer").model_copy(update={"key_metric": "accuracy"})
    held_out = HeldOut(
        [replace(one, slices={"first": "payment"} if one.expected == "0" else {}) for one in HELD_OUT.samples],
        "0" * 64,
    )
    fast = replace(SPEED, p50_ms=7, p99_ms=24, requests_per_second=310, instance_type="ml.c5.xlarge")
    slow = replace(fast, requests_per_second=12)
    ok, breached = (judged({}, workload=fraud, held_out=held_out, speed=one) for one in (fast, slow))
    assert ok.failures == ()
    # The other measured machine of the workload still does it: what stops is that nothing does.
    only = fraud.model.custom.model_copy(update={"measured": fraud.model.custom.measured[:1]})  # pyright: ignore
    alone = fraud.model_copy(update={"model": fraud.model.model_copy(update={"custom": only})})
    stopped = judged({}, workload=alone, held_out=held_out, speed=slow)
    assert "plan" in stopped.failures[0]
    assert "monthly_cost_ceiling_usd" in stopped.failures[0]
    assert breached.plan["measured"]["choice"]["runs_on"] != "ml.c5.xlarge"


def test_answers_and_samples_are_as_many() -> None:
    with pytest.raises(BadInput, match="answers: 999"):
        judged({}, answers=answers({})[:-1])
    with pytest.raises(BadInput, match=r"1\.0\.0: answers: 0"):
        judged({}, in_service=("1.0.0", []))


def test_a_metric_that_answers_alone_cannot_show_is_refused() -> None:
    of = workload().model_copy(update={"key_metric": "loss"})
    with pytest.raises(BadInput, match=r"key_metric: 'loss'.*accuracy, average_precision, f1, roc_auc"):
        judged({}, workload=of, reported={"loss": 0.1})


def test_the_verdict_is_json() -> None:
    document = judged({"7": 4}, {}).as_json()
    assert json.loads(json.dumps(document, allow_nan=False))["rows"][8]["reasons"]
    assert document["passed"] is False


# Figures ---------------------------------------------------------------------------------------------------------


def test_intervals_are_those_of_the_handbook() -> None:
    # https://www.itl.nist.gov/div898/handbook/prc/section2/prc241.htm: 4 of 20, there with z of 90 per cent one-sided
    found = share(4, 20)
    assert (round(found.low, 4), round(found.high, 4)) == (0.0807, 0.416)
    assert share(20, 20).high == 1
    assert share(20, 20).low < 1


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 5000), st.data())
def test_an_interval_holds_its_share_and_shrinks_with_samples(samples: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, samples))
    one, ten = share(right, samples), share(right * 10, samples * 10)
    assert 0 <= one.low <= one.value <= one.high <= 1
    assert ten.high - ten.low < one.high - one.low


def test_a_change_is_certain_when_chance_does_not_explain_it() -> None:
    assert not change(3, 1, 100).certain
    assert change(30, 5, 100).certain
    assert change(5, 30, 100).high < 0
    with pytest.raises(ValueError, match="better"):
        change(60, 60, 100)


# The held-out set -------------------------------------------------------------------------------------------------


def lines(*rows: dict[str, Any]) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


GOOD = {"request": "0,1", "expected": "3", "row": "3,0,1", "slices": {"digit": "3"}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "at least one sample"),
        (b"{", "one JSON object a line"),
        (b"[1]", "a JSON object"),
        (b'{"request": "\xff"}', "one JSON object a line"),
        (lines({**GOOD, "label": "3"}), "label: '3' is not allowed; allowed: baseline, expected"),
        (lines({**GOOD, "expected": 3}), "line 1: expected: 3"),
        (lines({**GOOD, "row": " "}), "line 1: row"),
        (lines({**GOOD, "slices": ["3"]}), "dimension to value"),
        (lines({**GOOD, "slices": {"digit": 3}}), "slices.digit"),
        (lines(GOOD, GOOD), "line 1 is the same"),
        (lines(GOOD, {**GOOD, "row": "x", "baseline": "3"}), "for every sample, or for none"),
        (b"[" * 100000, "one JSON object a line"),
    ],
)
def test_a_held_out_set_that_cannot_be_used_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_held_out(content, "held-out.jsonl")
    assert said in str(refused.value)


def test_a_sample_that_training_saw_is_a_leak() -> None:
    held_out = read_held_out(lines(GOOD, {**GOOD, "row": "3,9,9"}), "held-out.jsonl")
    manifest = Manifest.of("lake", "digits", [Entry("train/part-0.csv", "1", "a" * 64, 10)])
    apart = [("train/part-0.csv", 1, b"3,5,5\n"), ("train/part-0.csv", 2, b"0,1")]
    assert leaks(held_out, manifest, apart) == []
    found = leaks(held_out, manifest, [*apart, ("validation/part-1.csv", 7, b"3,9,9\r\n")])
    assert "validation/part-1.csv, line 7" in str(found[0])
    [row] = leaks(held_out, manifest, [("train/a.parquet", 4, values(["3.0", "9", "9.0"]))])
    assert "train/a.parquet, row 4" in str(row)
    same = Manifest.of("lake", "digits", [Entry("train/all.jsonl", "1", held_out.sha256, 10)])
    assert "this very file" in str(leaks(held_out, same, [])[0])


def test_rows_are_compared_by_their_values_and_not_by_how_they_are_written() -> None:
    assert values(["3.0", "1e-1", "a b", None, " x "]) == values(["3", "0.1", "a b", "", "x"]) == "3,0.1,a b,,x"
    assert values(["0.1"]) == values([str(0.10000000149011612)]), "a number of 32 bits in a column of 64"
    assert values(["1234567890123"]) != values(["1234567890124"]), "keys are not rounded"
    assert values(["nan", "-inf"]) == "nan,-inf"


# The page -----------------------------------------------------------------------------------------------------------


class Read(HTMLParser):
    """Tags and texts of a page; refuses what is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "line", "path", "circle"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def written(verdict: Verdict, changes: list[Changed] | None = None) -> Read:
    read = Read()
    read.feed(page(verdict, changes or [], lineage="groundplan lineage <job>", written="2026-11-21 09:00 UTC"))
    assert read.open == []
    return read


def test_the_page_says_which_slice_stopped_it_in_words() -> None:
    read = written(judged({"7": 4}, dict.fromkeys("012345689", 1)))
    assert "✕ Stopped" in read.text
    assert "digit_7: falls by 0.0400, more than the 0.02 tolerated" in read.text


def test_the_page_needs_nothing_from_elsewhere() -> None:
    read = written(judged({}))
    assert not [tag for tag, _ in read.tags if tag in ("script", "link", "img", "iframe")]
    assert not [value for _, attributes in read.tags for name, value in attributes.items() if name in ("src", "href")]


def test_whatever_the_page_is_given_it_shows_as_text() -> None:
    nasty = '"><script>alert(1)</script>'
    held_out = HeldOut([replace(one, slices={nasty: nasty}) for one in HELD_OUT.samples], nasty)
    verdict = judge(
        workload(), MARKET, held_out, answers({}), replace(SPEED, machine=nasty), candidate=nasty,
        reported={"accuracy": 1.0}, in_service=(nasty, answers({})),
    )  # fmt: skip
    read = written(verdict, [Changed(nasty, nasty, nasty)])
    assert "script" not in {tag for tag, _ in read.tags}
    assert nasty in read.text


def test_floors_are_compared_as_written_not_as_floats() -> None:
    held_out = HeldOut(list(HELD_OUT.samples[:100]), "0" * 64)
    exact = workload(least_samples=1)
    drivers = exact.drivers.model_copy(
        update={"quality": exact.drivers.quality.model_copy(update={"floor": Decimal("0.95"), "slices": {}})}
    )
    of = exact.model_copy(update={"drivers": drivers})
    given = ["x"] * 5 + [*DIGITS[5:100]]
    assert judged({}, workload=of, held_out=held_out, answers=given).rows[0].judgement == "passed"
