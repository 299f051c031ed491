"""The gate: may this model be released? Pure: held-out samples, answers and drivers in, a verdict out."""

from groundplan.gate.figures import Change, Share, change, share
from groundplan.gate.held_out import HeldOut, Sample, leaks, read_held_out, values
from groundplan.gate.page import Changed, page
from groundplan.gate.verdict import OVERALL, Check, Row, Speed, Verdict, judge

__all__ = [
    "OVERALL",
    "Change",
    "Changed",
    "Check",
    "HeldOut",
    "Row",
    "Sample",
    "Share",
    "Speed",
    "Verdict",
    "change",
    "judge",
    "leaks",
    "page",
    "read_held_out",
    "share",
    "values",
]
