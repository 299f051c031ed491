"""What may be spent, how it is told when it is too much, and what is stopped then. Pure rules."""

from groundplan.spend.alarm import Alarm, alarm
from groundplan.spend.budgets import Budgets, OutOfHours
from groundplan.spend.detector import Anomaly, anomalies
from groundplan.spend.notice import Notice, notice_of
from groundplan.spend.stopper import Act, Decision, Order, Rules, Thing, decide, incarnation
from groundplan.spend.thresholds import Crossing, Standing, Subject, crossings

__all__ = [
    "Act",
    "Alarm",
    "Anomaly",
    "Budgets",
    "Crossing",
    "Decision",
    "Notice",
    "Order",
    "OutOfHours",
    "Rules",
    "Standing",
    "Subject",
    "Thing",
    "alarm",
    "anomalies",
    "crossings",
    "decide",
    "incarnation",
    "notice_of",
]
