"""The gate where answers are scores: the metric is the workload's, and what stops a model stops it here, too."""

import random
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn import metrics  # pyright: ignore[reportMissingTypeStubs]

from groundplan.gate import HeldOut, Sample, Speed, Verdict, judge, page
from groundplan.gate.scores import SCORED, average_precision, f1, roc_auc, scored
from groundplan.planner import Market
from groundplan.prices import read_prices
from groundplan.refusal import BadInput
from groundplan.workload import Gate, Workload, read_workload

ROOT = Path(__file__).parents[2]
MARKET = Market(read_prices(ROOT, "us-east-1"))
SPEED = Speed(7, 24, 310, 2000, "a machine", "ml.c5.xlarge")
SAMPLES = [(at % 10 == 0, "first_payment" if at % 4 == 0 else "is_later") for at in range(2000)]
ORACLE: Any = metrics


def workload(metric: str = "average_precision", **gate: Any) -> Workload:
    update = {"key_metric": metric, "gate": Gate.model_validate(gate)}
    return read_workload(ROOT, "fraud-scorer").model_copy(update=update)


def held_out(samples: Sequence[tuple[bool, str]] = SAMPLES, *, baseline: bool = True) -> HeldOut:
    rows = [
        Sample(f"r{at}", str(int(truth)), f"row {at}", dict([name.split("_")]), "0.5" if baseline else None)
        for at, (truth, name) in enumerate(samples)
    ]
    return HeldOut(rows, "0" * 64)


def answers(wrong: float, samples: Sequence[tuple[bool, str]] = SAMPLES, of: str = "") -> list[str | None]:
    """Scores that put most payments in order: a share `wrong` of them, or of a slice, says nothing."""
    chance = random.Random(7)  # noqa: S311
    given: list[str | None] = []
    for truth, name in samples:
        spoilt = chance.random() < wrong and of in ("", name)
        given.append(f"{chance.random() if spoilt else truth * 0.5 + chance.random() * 0.5:.6f}")
    return given


def judged(given: Sequence[str | None], serving: Sequence[str | None] | None = None, **changes: Any) -> Verdict:
    metric = changes.get("workload", workload()).key_metric
    values: dict[str, Any] = {"workload": workload(), "held_out": held_out(), "reported": {metric: 0.9}} | changes
    of, against = values.pop("workload"), ("1.0.0", serving) if serving else None
    return judge(
        of, MARKET, values["held_out"], given, SPEED, candidate="2", reported=values["reported"], in_service=against
    )


scores = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=60)


@given(scores)
def test_the_metrics_are_those_of_scikit_learn_also_where_scores_are_tied(given_: list[tuple[int, bool]]) -> None:
    numbers, truths = [float(one) for one, _ in given_], [truth for _, truth in given_]
    assume(len(set(truths)) == 2)
    assert roc_auc(numbers, truths) == pytest.approx(ORACLE.roc_auc_score(truths, numbers))
    assert average_precision(numbers, truths) == pytest.approx(ORACLE.average_precision_score(truths, numbers))


@given(scores)
def test_f1_is_that_of_scikit_learn_for_answers_and_for_scores_that_say_yes_from_a_half_on(
    given_: list[tuple[int, bool]],
) -> None:
    numbers, truths = [one / 6 for one, _ in given_], [truth for _, truth in given_]
    assume(any(truths))
    said = [one >= 0.5 for one in numbers]
    assert (
        f1(numbers, truths)
        == f1([float(one) for one in said], truths)
        == pytest.approx(ORACLE.f1_score(truths, said, zero_division=0))
    )


def test_the_interval_of_f1_holds_the_true_one_at_least_as_often_as_it_says() -> None:
    """A model that finds 70 of 100 yeses, and says yes to 5 of 100 noes, of which there are twice as many."""
    chance, held = random.Random(11), 0  # noqa: S311
    truths = [at % 3 == 0 for at in range(300)]
    meant = 2 * 0.7 * 100 / (0.7 * 100 + 0.05 * 200 + 100)
    for _ in range(400):
        given_ = [float(chance.random() < (0.7 if truth else 0.05)) for truth in truths]
        found = scored(SCORED["f1"], given_, truths)
        held += found.low <= meant <= found.high
    assert held >= 0.95 * 400


def test_a_model_that_misses_more_or_cries_wolf_more_than_the_one_that_serves_is_stopped() -> None:
    right: list[str | None] = [str(int(truth)) for truth, _ in SAMPLES]
    misses: list[str | None] = ["0" if at % 50 == 0 else one for at, one in enumerate(right)]
    cries: list[str | None] = ["1" if at % 50 == 1 else one for at, one in enumerate(right)]
    assert judged(right, misses, workload=workload("f1")).passed
    for worse in (misses, cries):
        verdict = judged(worse, right, workload=workload("f1"))
        assert "more than the 0 tolerated" in verdict.rows[0].reasons[0]
        assert judged(worse, worse, workload=workload("f1")).passed


@pytest.mark.parametrize("metric", ["average_precision", "f1", "roc_auc"])
def test_the_workloads_own_metric_is_what_is_judged(metric: str) -> None:
    verdict = judged(answers(0), workload=workload(metric))
    assert verdict.passed, verdict.failures
    assert [row.name for row in verdict.rows] == ["overall", "first_payment", "is_later"]
    overall = verdict.rows[0]
    assert verdict.key_metric == metric
    assert overall.candidate.right is None
    assert overall.candidate.low < overall.candidate.value <= overall.candidate.high
    assert overall.baseline
    assert overall.baseline.value == {"average_precision": 0.1, "f1": 2 / 11, "roc_auc": 0.5}[metric]
    assert metric in page(verdict, [], lineage="none", written="now")


def test_a_perfect_order_leaves_something_to_chance() -> None:
    perfect: list[str | None] = [str(int(truth)) for truth, _ in SAMPLES]
    overall = judged(perfect).rows[0].candidate
    assert (overall.value, overall.high) == (1, 1)
    assert overall.low < 0.999


def test_better_on_average_and_worse_on_one_slice_is_stopped_and_the_slice_named() -> None:
    verdict = judged(answers(0.1, of="first_payment"), answers(0.3, of="is_later"))
    of = {row.name: row for row in verdict.rows}
    assert of["overall"].judgement == "passed"
    assert of["first_payment"].judgement == "failed"
    assert "more than the 0.02 tolerated" in of["first_payment"].reasons[0]
    assert not verdict.passed


def test_floors_bind_and_chance_is_said_where_it_may_explain_a_fall() -> None:
    assert any("below the floor of 0.72" in one for one in judged(answers(0.9)).failures)
    verdict = judged(answers(0.02), answers(0.01), workload=workload(tolerance=Decimal("0.0001")))
    [why] = verdict.rows[0].reasons
    assert "which chance alone may explain" in why


def test_what_no_order_shows_is_said_and_not_judged() -> None:
    few = [(truth, "is_rare" if at in range(0, 200, 2) else name) for at, (truth, name) in enumerate(SAMPLES)]
    rare = {row.name: row for row in judged(answers(0, few), held_out=held_out(few)).rows}["is_rare"]
    assert (rare.judgement, rare.reasons) == (
        "not judged",
        ("20 samples of the rarer answer; at least 30 are needed to judge it",),
    )
    one_kind = [(truth, "is_paid" if not truth else name) for truth, name in SAMPLES]
    paid = {row.name: row for row in judged(answers(0, one_kind), held_out=held_out(one_kind)).rows}["is_paid"]
    assert paid.judgement == "not judged"
    assert "the same true answer" in paid.reasons[0]
    nobody = [(False, "is_later")] * 100
    verdict = judged(answers(0, nobody), held_out=held_out(nobody))
    assert verdict.rows[0].judgement == "failed"


@pytest.mark.parametrize("answer", [None, "yes", "nan", "inf", ""])
def test_an_answer_that_is_no_score_stops_it_and_counts_as_wrong(answer: str | None) -> None:
    given = answers(0)
    spoilt = [answer, *given[1:]]  # the first is a yes
    verdict = judged(spoilt)
    assert not verdict.passed
    assert verdict.rows[0].candidate.value < judged(given).rows[0].candidate.value


def test_a_held_out_set_that_says_neither_yes_nor_no_is_refused() -> None:
    one = HeldOut([Sample("r", "maybe", "row")], "0" * 64)
    with pytest.raises(BadInput, match="1 for yes, 0 for no"):
        judged(["0.5"], held_out=one)


def test_a_model_that_orders_no_better_than_the_rule_is_stopped() -> None:
    flat: list[str | None] = ["0.5"] * len(SAMPLES)
    assert any(one.startswith("simple rule") for one in judged(flat).failures)
