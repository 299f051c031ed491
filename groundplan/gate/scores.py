"""Key metrics of answers that are scores, where the true answer is yes (1) or no (0). The higher the better.

Each is judged only where both kinds of samples are many enough, as its interval rests on the rarer one.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from groundplan.gate.figures import Change, Share, Z

LEAST_YES = 0.5  # a score that says yes, for metrics that ask for a word and not for an order


@dataclass(frozen=True)
class Scored:
    """One metric: its value for scores and truths, and its standard error from value, positives and negatives."""

    value: Callable[[Sequence[float], Sequence[bool]], float]
    error: Callable[[float, int, int], float]


def roc_auc(scores: Sequence[float], truths: Sequence[bool]) -> float:
    """The share of pairs of a yes and a no that the scores put in order; a tie is half a pair."""
    below, ordered = 0, 0.0
    for yes, no in _tied(scores, truths):
        ordered += yes * (below + no / 2)
        below += no
    return ordered / (sum(truths) * below)


def average_precision(scores: Sequence[float], truths: Sequence[bool]) -> float:
    """The precision at each score that finds another yes, weighted by how many it finds."""
    found = seen = 0
    total = 0.0
    for yes, no in reversed(_tied(scores, truths)):
        found, seen = found + yes, seen + yes + no
        total += yes * found / seen
    return total / found


def f1(scores: Sequence[float], truths: Sequence[bool]) -> float:
    """The harmonic mean of precision and recall, where a score of LEAST_YES or more says yes."""
    said = [score >= LEAST_YES for score in scores]
    found = sum(yes and truth for yes, truth in zip(said, truths, strict=True))
    return 2 * found / (sum(said) + sum(truths))


def _tied(scores: Sequence[float], truths: Sequence[bool]) -> list[tuple[int, int]]:
    """How many of each kind have a score, from the lowest score to the highest."""
    ranked = sorted(zip(scores, truths, strict=True))
    groups = [[truth for _, truth in group] for _, group in groupby(ranked, key=lambda one: one[0])]
    return [(sum(group), len(group) - sum(group)) for group in groups]


def _roc_auc_error(value: float, positives: int, negatives: int) -> float:
    """Hanley and McNeil's: https://doi.org/10.1148/radiology.143.1.7063747"""
    one, two = value / (2 - value), 2 * value**2 / (1 + value)
    spread = value * (1 - value) + (positives - 1) * (one - value**2) + (negatives - 1) * (two - value**2)
    return math.sqrt(max(spread, 0) / (positives * negatives))


def _average_precision_error(value: float, positives: int, _: int) -> float:
    """The binomial one of Boyd, Eng and Page, who find it close: https://doi.org/10.1007/978-3-642-40994-3_29"""
    return math.sqrt(value * (1 - value) / positives)


def _f1_error(value: float, positives: int, _: int) -> float:
    """Wald's: what was found is a share of all that is yes or was said to be, and F1 a function of that share.

    That is taken for no more than the true yeses, so the interval is wider rather than narrower.
    https://arxiv.org/abs/2309.14621
    """
    part = value / (2 - value)
    return 2 / (1 + part) ** 2 * math.sqrt(part * (1 - part) / positives)


SCORED: Mapping[str, Scored] = {
    "average_precision": Scored(average_precision, _average_precision_error),
    "f1": Scored(f1, _f1_error),
    "roc_auc": Scored(roc_auc, _roc_auc_error),
}


def scored(metric: Scored, scores: Sequence[float], truths: Sequence[bool]) -> Share:
    """The figure with its interval of 95 per cent; both kinds of truths are among the samples."""
    value, positives = metric.value(scores, truths), sum(truths)
    # At the very ends the formulas say that nothing is left to chance: half a sample is.
    nearest = 1 / (2 * min(positives, len(truths) - positives))
    half = Z * metric.error(min(max(value, nearest), 1 - nearest), positives, len(truths) - positives)
    return Share(None, len(truths), value, max(0.0, value - half), min(1.0, value + half))


def moved(candidate: Share, serving: Share) -> Change:
    """As if the two had answered different samples: wider than it is, as on the same samples they err alike."""
    value = candidate.value - serving.value
    below = math.hypot(candidate.value - candidate.low, serving.high - serving.value)
    above = math.hypot(candidate.high - candidate.value, serving.value - serving.low)
    return Change(value, max(-1.0, value - below), min(1.0, value + above))


def score_of(answer: str | None, truth: bool) -> float:
    """An answer's number; one that is none is as wrong as can be."""
    try:
        number = float(answer or "")
    except ValueError:
        number = math.nan
    return number if math.isfinite(number) else (-math.inf if truth else math.inf)
