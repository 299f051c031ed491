"""From answers to a verdict: each question that was asked, how it was answered, and what was not judged and why."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

from groundplan.gate.figures import Change, Share, change, share
from groundplan.gate.held_out import HeldOut
from groundplan.gate.scores import SCORED, Scored, moved, score_of, scored
from groundplan.planner import Market, plan
from groundplan.planner.report import as_json as plan_as_json
from groundplan.refusal import bad
from groundplan.workload import Custom, Measured, Workload

SCHEMA = "groundplan.verdict/1"
OVERALL = "overall"
Judgement = Literal["passed", "failed", "not judged"]
Answers = Sequence[str | None]
_NOT_FINITE = {"nan", "inf", "-inf", "+inf", "infinity", "-infinity"}


@dataclass(frozen=True)
class Speed:
    """What was measured while the held-out set was answered, one request after the other.

    `instance_type` is None where it was measured on a machine that is no instance type, and `machine` says which.
    """

    p50_ms: float
    p99_ms: float
    requests_per_second: float
    requests: int
    machine: str
    instance_type: str | None = None


@dataclass(frozen=True)
class Check:
    """One question and its answer."""

    name: str
    judgement: Judgement
    says: str


@dataclass(frozen=True)
class Row:
    """One slice, or all samples: the figures of the three, the fall that is tolerated, and the judgement."""

    name: str
    candidate: Share
    in_service: Share | None
    baseline: Share | None
    against_service: Change | None
    floor: Decimal | None
    tolerance: Decimal
    judgement: Judgement
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """What the gate says of one candidate. It passes when no check and no row failed."""

    workload: str
    candidate: str
    in_service: str | None
    held_out_sha256: str
    samples: int
    key_metric: str
    rows: tuple[Row, ...]
    checks: tuple[Check, ...]
    speed: Speed
    plan: Mapping[str, Any]

    @property
    def passed(self) -> bool:
        """Whether it may be put before the person who decides."""
        return not self.failures

    @property
    def failures(self) -> tuple[str, ...]:
        """Why it is stopped, one line each, as a person reads them."""
        rows = [f"{row.name}: {'; '.join(row.reasons)}" for row in self.rows if row.judgement == "failed"]
        return (*rows, *(f"{one.name}: {one.says}" for one in self.checks if one.judgement == "failed"))

    def as_json(self) -> dict[str, Any]:
        """The keys of `groundplan verify --json`; floors and tolerances are decimals as text."""
        rows = [
            asdict(row)
            | {"floor": None if row.floor is None else str(row.floor), "tolerance": str(row.tolerance)}
            | {"against_service": row.against_service and asdict(row.against_service)}
            | {"reasons": list(row.reasons)}
            for row in self.rows
        ]
        return {
            "schema": SCHEMA,
            "workload": self.workload,
            "candidate": self.candidate,
            "in_service": self.in_service,
            "passed": self.passed,
            "failures": list(self.failures),
            "held_out_sha256": self.held_out_sha256,
            "samples": self.samples,
            "key_metric": self.key_metric,
            "rows": rows,
            "checks": [asdict(one) for one in self.checks],
            "speed": {name: _number(value) for name, value in asdict(self.speed).items()},
            "plan": dict(self.plan),
        }


def judge(
    workload: Workload,
    market: Market,
    held_out: HeldOut,
    answers: Answers,
    speed: Speed,
    *,
    candidate: str,
    reported: Mapping[str, float],
    in_service: tuple[str, Answers] | None = None,
) -> Verdict:
    """The verdict on `candidate`'s answers; `reported` are the metrics of its own training.

    `in_service` is the name and the answers of the version that serves, on the same samples. An answer of None is
    one that failed, and counts as wrong. Raises BadInput when the answers are not as many as the samples, and for a
    key metric that answers alone cannot show.
    """
    metric = SCORED.get(workload.key_metric)
    if workload.key_metric != "accuracy" and metric is None:
        where, allowed = f"workloads/{workload.name}/workload.toml", ", ".join(["accuracy", *sorted(SCORED)])
        raise bad(where, "key_metric", workload.key_metric, f"the gate judges by one of: {allowed}")
    for who, given in ((candidate, answers), *((in_service,) if in_service else ())):
        if len(given) != len(held_out.samples):
            raise bad(who, "answers", len(given), f"one for each of the {len(held_out.samples)} samples is required")
    if metric:
        _two_kinds(held_out)
        rows = tuple(_scored_rows(workload, metric, held_out, answers, in_service))
    else:
        rows = tuple(_rows(workload, held_out, answers, in_service))
    checks = [
        *([_numbers(answers)] if metric else []),
        _finite("answers", [at for at, one in enumerate(answers, 1) if one and one.strip().lower() in _NOT_FINITE]),
        _answered(answers),
        _reported(workload, reported),
        _floors_are_sampled(workload, rows),
        _baseline(workload, rows[0]),
    ]
    figures = {row.name: row.candidate for row in rows}
    measured, planned = _planned(workload, market, figures, speed)
    return Verdict(
        workload=workload.name,
        candidate=candidate,
        in_service=in_service[0] if in_service else None,
        held_out_sha256=held_out.sha256,
        samples=len(held_out.samples),
        key_metric=workload.key_metric,
        rows=rows,
        checks=(*checks, *_latency(workload, speed), planned),
        speed=speed,
        plan=measured,
    )


def _number(value: object) -> object:
    """JSON has no number for NaN and infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _rows(
    workload: Workload, held_out: HeldOut, answers: Answers, in_service: tuple[str, Answers] | None
) -> Sequence[Row]:
    """All samples first, then the slices by dimension and name."""
    truth = held_out.expected
    right = [answer is not None and answer.strip() == true for answer, true in zip(answers, truth, strict=True)]
    serving, rule = _right(in_service[1] if in_service else None, truth), _right(held_out.baseline, truth)
    outcomes = list(zip(right, serving, rule, strict=True))
    rows = [_row(workload, OVERALL, Counter(outcomes), bool(in_service), held_out.baseline is not None)]
    for names in held_out.slices.values():
        counted: dict[str, Counter[tuple[bool, bool, bool]]] = {}
        for (name, *outcome), times in Counter(zip(names, right, serving, rule, strict=True)).items():
            if name:
                counted.setdefault(name, Counter())[(bool(outcome[0]), bool(outcome[1]), bool(outcome[2]))] += times
        rows += [
            _row(workload, name, counted[name], bool(in_service), held_out.baseline is not None)
            for name in sorted(counted)
        ]
    return rows


def _two_kinds(held_out: HeldOut) -> None:
    for at, expected in enumerate(held_out.expected, 1):
        if expected not in ("0", "1"):
            raise bad(f"held-out set: sample {at}", "expected", expected, "allowed for scores: 1 for yes, 0 for no")


def _scored_rows(
    workload: Workload, metric: Scored, held_out: HeldOut, answers: Answers, in_service: tuple[str, Answers] | None
) -> Sequence[Row]:
    """The same order as of `_rows`."""
    truths = [one == "1" for one in held_out.expected]

    def numbers(given: Answers) -> list[float]:
        return [score_of(one, truth) for one, truth in zip(given, truths, strict=True)]

    serving = numbers(in_service[1]) if in_service else None
    rule = numbers(held_out.baseline) if held_out.baseline else None
    of = (numbers(answers), serving, rule)
    places: dict[str, list[int]] = {OVERALL: list(range(len(truths)))}
    for names in held_out.slices.values():
        found: dict[str, list[int]] = {}
        for at, name in enumerate(names):
            if name:
                found.setdefault(name, []).append(at)
        places |= dict(sorted(found.items()))
    return [_scored_row(workload, metric, name, truths, of, at) for name, at in places.items()]


def _scored_row(
    workload: Workload,
    metric: Scored,
    name: str,
    truths: Sequence[bool],
    of: tuple[Sequence[float], Sequence[float] | None, Sequence[float] | None],
    at: Sequence[int],
) -> Row:
    here = [truths[one] for one in at]
    rarer = min(sum(here), len(here) - sum(here))
    least = workload.gate.least_samples
    floor, tolerance = _asked(workload, name)
    if not rarer:
        nothing = Share(None, len(here), 0.0, 0.0, 1.0)
        judgement: Judgement = "failed" if name == OVERALL else "not judged"
        reason = f"all of its {len(here)} samples have the same true answer"
        return Row(name, nothing, None, None, None, floor, tolerance, judgement, (reason,))
    figure = scored(metric, [of[0][one] for one in at], here)
    serving, rule = (scored(metric, [scores[one] for one in at], here) if scores else None for scores in of[1:])
    against = moved(figure, serving) if serving else None
    reasons = _reasons(figure, against, floor, tolerance)
    judgement = "failed" if reasons else "passed"
    if rarer < least:
        judgement = "failed" if name == OVERALL else "not judged"
        reasons = [f"{rarer} samples of the rarer answer; at least {least} are needed to judge it"]
    return Row(name, figure, serving, rule, against, floor, tolerance, judgement, tuple(reasons))


def _asked(workload: Workload, name: str) -> tuple[Decimal | None, Decimal]:
    """The floor and the tolerated fall of a row."""
    gate, quality = workload.gate, workload.drivers.quality
    if name == OVERALL:
        return quality.floor, gate.tolerance
    return quality.slices.get(name), gate.slice_tolerances.get(name, gate.slice_tolerance)


def _right(answers: Answers | None, truth: Sequence[str]) -> Sequence[bool]:
    if answers is None:
        return [False] * len(truth)
    return [answer is not None and answer.strip() == true for answer, true in zip(answers, truth, strict=True)]


def _row(
    workload: Workload,
    name: str,
    outcomes: Counter[tuple[bool, bool, bool]],
    served: bool,
    ruled: bool,
) -> Row:
    samples = sum(outcomes.values())
    of = [sum(times for outcome, times in outcomes.items() if outcome[which]) for which in range(3)]
    better = sum(times for (candidate, serving, _), times in outcomes.items() if candidate and not serving)
    worse = sum(times for (candidate, serving, _), times in outcomes.items() if serving and not candidate)
    figure, against = share(of[0], samples), change(better, worse, samples) if served else None
    floor, tolerance = _asked(workload, name)
    reasons = _reasons(figure, against, floor, tolerance)
    judgement: Judgement = "failed" if reasons else "passed"
    if samples < (least := workload.gate.least_samples):
        judgement = "failed" if name == OVERALL else "not judged"
        reasons = [f"{samples} samples; at least {least} are needed to judge it"]
    serving, rule = share(of[1], samples) if served else None, share(of[2], samples) if ruled else None
    return Row(name, figure, serving, rule, against, floor, tolerance, judgement, tuple(reasons))


def _reasons(figure: Share, against: Change | None, floor: Decimal | None, tolerance: Decimal) -> list[str]:
    """Why a row fails: compared exactly, in whole samples, not as rounded fractions."""
    reasons: list[str] = []
    if floor is not None and _exactly(figure) < floor:
        reasons.append(f"{figure.value:.4f} is below the floor of {floor}")
    if against is not None:
        in_samples = figure.right is not None
        fallen = -round(against.value * figure.samples) if in_samples else -Decimal(str(round(against.value, 12)))
        if fallen > tolerance * (figure.samples if in_samples else 1):
            chance = "" if against.certain else " (which chance alone may explain)"
            reasons.append(f"falls by {-against.value:.4f}, more than the {tolerance} tolerated{chance}")
    return reasons


def _exactly(figure: Share) -> Fraction:
    """Its value, without what floating point adds to a share."""
    if figure.right is None:
        return Fraction(str(round(figure.value, 12)))
    return Fraction(figure.right, figure.samples)


def _numbers(answers: Answers) -> Check:
    wrong = [at for at, one in enumerate(answers, 1) if one is not None and not _is_number(one)]
    if wrong:
        return Check("scores", "failed", f"{len(wrong)} answers are no number, the first to sample {wrong[0]}")
    return Check("scores", "passed", "each is a number")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _finite(name: str, places: Sequence[int]) -> Check:
    if places:
        shown = ", ".join(map(str, places[:5])) + (", …" if len(places) > 5 else "")
        return Check(name, "failed", f"{len(places)} are not finite numbers: samples {shown}")
    return Check(name, "passed", "none is NaN or infinite")


def _answered(answers: Answers) -> Check:
    missing = sum(answer is None for answer in answers)
    says = (
        f"{missing} of {len(answers)} requests failed; they count as wrong" if missing else "every one was answered"
    )
    return Check("requests", "failed" if missing else "passed", says)


def _reported(workload: Workload, reported: Mapping[str, float]) -> Check:
    wrong = sorted(name for name, value in reported.items() if not math.isfinite(value))
    if wrong:
        return Check("metrics of the training", "failed", f"not finite: {', '.join(wrong)}")
    if workload.key_metric not in reported:
        return Check("metrics of the training", "failed", f"its record holds no {workload.key_metric}")
    says = f"{workload.key_metric} was {reported[workload.key_metric]:.4f} in training"
    return Check("metrics of the training", "passed", says)


def _floors_are_sampled(workload: Workload, rows: Sequence[Row]) -> Check:
    known = {row.name for row in rows}
    named = {**workload.drivers.quality.slices, **workload.gate.slice_tolerances}
    if missing := sorted(set(named) - known):
        says = f"no sample of {', '.join(missing)}: a slice with a floor or a tolerance of its own has samples"
        return Check("slices", "failed", says)
    few = [row.name for row in rows if row.judgement == "not judged"]
    return Check(
        "slices", "passed", f"not judged, for want of samples: {', '.join(few)}" if few else "each is judged"
    )


def _baseline(workload: Workload, overall: Row) -> Check:
    rule = overall.baseline
    quality = _exactly(rule) if rule else Fraction(workload.baseline.quality)
    how = "measured on the same samples" if rule else "declared, not measured on these samples"
    beats = _exactly(overall.candidate) > quality
    says = f"{overall.candidate.value:.4f} against {float(quality):.4f} of the simple rule, {how}"
    return Check("simple rule", "passed" if beats else "failed", says)


def _latency(workload: Workload, speed: Speed) -> Sequence[Check]:
    figures = (("p50", speed.p50_ms), ("p99", speed.p99_ms))
    if any(not math.isfinite(ms) or ms < 0 for _, ms in figures) or not math.isfinite(speed.requests_per_second):
        return [Check("latency", "failed", "it was not measured: a figure is not a finite number")]
    where = f"on {speed.instance_type or speed.machine}, {speed.requests} requests"
    checks: list[Check] = []
    for percentile, took in figures:
        deadline = workload.drivers.deadline_ms("p50" if percentile == "p50" else "p99")
        kept = Decimal(str(took)) <= deadline
        says = f"{took:.2f} ms of at most {deadline.normalize():f} ms, measured {where}"
        checks.append(Check(f"latency {percentile}", "passed" if kept else "failed", says))
    return checks


def _planned(
    workload: Workload, market: Market, figures: Mapping[str, Share], speed: Speed
) -> tuple[dict[str, Any], Check]:
    """The plan with what was measured in place of what was declared: quality, slices, and speed where it holds."""
    custom = workload.model.custom
    numbers = (speed.p50_ms, speed.p99_ms, speed.requests_per_second)
    if custom is None:
        return {}, Check("plan", "failed", "the workload has no [model.custom]: nothing here serves a trained model")
    if not all(math.isfinite(number) and number > 0 for number in numbers):
        return {}, Check("plan", "failed", "not planned again: the speed was not measured")
    measured = {name: _planned_quality(figure) for name, figure in figures.items()}
    # A floor that is missed has failed a row already: what is asked here is what the speed costs.
    floors = workload.drivers.quality
    slices = {name: max(measured.get(name, floor), floor) for name, floor in floors.slices.items()}
    quality = max(measured[OVERALL], floors.floor)
    update = {"quality": quality, "slices": {**custom.slices, **slices}, **_speeds(custom, speed)}
    changed = custom.model_copy(update=update)
    again = workload.model_copy(update={"model": workload.model.model_copy(update={"custom": changed})})
    made, before = plan(again, market), plan(workload, market)
    document = {"before": plan_as_json(before), "measured": plan_as_json(made)}
    if made.chosen is None:
        return document, Check("plan", "failed", made.refusal)
    if made.chosen.option.architecture == "no-model":
        return document, Check(
            "plan", "failed", "with these figures the simple rule is the cheapest that is good enough"
        )
    what = f"{made.chosen.option.architecture} on {made.chosen.option.runs_on}, {made.chosen.cost.average} a month"
    ceiling = f"ceiling ${workload.drivers.monthly_cost_ceiling_usd}"
    if before.chosen and before.chosen.option.architecture != made.chosen.option.architecture:
        was = f"{before.chosen.option.architecture} on {before.chosen.option.runs_on}"
        return document, Check("plan", "passed", f"{what}, {ceiling}; it was {was} before it was measured")
    return document, Check("plan", "passed", f"{what}, {ceiling}")


def _planned_quality(figure: Share) -> Decimal:
    exactly = _exactly(figure)
    return Decimal(exactly.numerator) / exactly.denominator


def _speeds(custom: Custom, speed: Speed) -> dict[str, Any]:
    """The measured entry of the instance type; from another machine, work a request on one processor."""
    if speed.instance_type is None:
        return {"cpu_ms_per_request": _decimal(1000 / speed.requests_per_second)} if not custom.measured else {}
    entry = Measured(
        instance_type=speed.instance_type,
        requests_per_second=_decimal(speed.requests_per_second),
        p50_ms=_decimal(speed.p50_ms),
        p99_ms=_decimal(speed.p99_ms),
    )
    others = [one for one in custom.measured if one.instance_type != speed.instance_type]
    return {"measured": (*others, entry)}


def _decimal(number: float) -> Decimal:
    return Decimal(str(round(number, 6))) or Decimal("0.000001")
