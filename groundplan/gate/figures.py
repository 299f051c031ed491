"""Shares of right answers with what is known of them, and how two models differ on the same samples."""

from dataclasses import dataclass
from math import sqrt

Z = 1.959964  # of 95 per cent, two-sided


@dataclass(frozen=True)
class Share:
    """`right` of `samples`, and the interval in which the true share lies with 95 per cent confidence.

    `right` is None for a metric that counts no right answers.
    """

    right: int | None
    samples: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Change:
    """By how much the candidate is better (above zero) or worse than another on the same samples, with 95 per cent.

    `certain` says that the interval leaves zero out.
    """

    value: float
    low: float
    high: float

    @property
    def certain(self) -> bool:
        """Whether it is more than chance explains."""
        return self.low > 0 or self.high < 0


def share(right: int, samples: int) -> Share:
    """Wilson's score interval, which holds for few samples and for shares near 0 and 1.

    https://www.itl.nist.gov/div898/handbook/prc/section2/prc241.htm
    """
    if not 0 <= right <= samples or not samples:
        raise ValueError(f"allowed: 0 <= right <= samples and samples > 0, got {right} of {samples}")
    value, square = right / samples, Z * Z / samples
    middle = (value + square / 2) / (1 + square)
    half = Z * sqrt(value * (1 - value) / samples + square / samples / 4) / (1 + square)
    # At the ends the formula gives 0 and 1 exactly, and floating point not quite.
    return Share(right, samples, value, max(0.0, min(middle - half, value)), min(1.0, max(middle + half, value)))


def change(better: int, worse: int, samples: int) -> Change:
    """Of paired answers: the candidate alone was right on `better` samples, the other alone on `worse`.

    The interval is Agresti and Min's, which adds half a sample to each of the four outcomes and so holds where few
    answers differ: https://doi.org/10.1002/sim.1781
    """
    if min(better, worse) < 0 or better + worse > samples or not samples:
        raise ValueError(f"allowed: better + worse <= samples, got {better} and {worse} of {samples}")
    total = samples + 2
    mended_better, mended_worse = better + 0.5, worse + 0.5
    middle = (mended_better - mended_worse) / total
    half = Z * sqrt(mended_better + mended_worse - (mended_better - mended_worse) ** 2 / total) / total
    return Change((better - worse) / samples, max(-1.0, middle - half), min(1.0, middle + half))
