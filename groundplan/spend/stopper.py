"""What is stopped when too much was spent, or out of hours, and what never is. Decides only; somebody else acts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Kind = Literal["training", "endpoint", "notebook"]
Cause = Literal["budget", "hours"]
Verdict = Literal["stop", "wait", "leave"]
Runs = Literal["instances", "by itself"]
LEASE = timedelta(minutes=5)  # from the word that something is stopped to AWS's answer


@dataclass(frozen=True, kw_only=True)
class Thing:
    """Something that costs while it runs. `workload` and `environment` are its tags, None where it has none.

    `incarnation` tells it from one that had its name before. Of a training job `saves` says whether it keeps
    checkpoints and `saved` whether one is there; of an endpoint `runs` is whether it pays for machines around the
    clock or comes down by itself when nobody asks.
    """

    kind: Kind
    name: str
    incarnation: str
    workload: str | None
    environment: str | None
    saves: bool = False
    saved: bool = False
    runs: Runs = "instances"

    @property
    def subject(self) -> str:
        """`training/<name>`, as commands take it."""
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What an environment admits; see `groundplan.spend.budgets.Budgets`."""

    environment: str
    production: bool
    never_stop: frozenset[str] = frozenset()
    stop_production: frozenset[str] = frozenset()
    cool_down: timedelta = timedelta(hours=4)


@dataclass(frozen=True, kw_only=True)
class Order:
    """That something is to be stopped: all of a workload, or of the whole environment where none is named."""

    cause: Cause
    reason: str
    workload: str | None = None


@dataclass(frozen=True, kw_only=True)
class Act:
    """One thing that was stopped, once. Times in UTC; `acting` is promised and not answered yet."""

    subject: str
    incarnation: str
    status: Literal["acting", "done", "failed", "resumed"]
    cause: Cause
    at: datetime
    resumed_at: datetime | None = None
    resumed_by: str | None = None


@dataclass(frozen=True)
class Decision:
    """What is to be done with a thing, and why, in words."""

    thing: Thing
    verdict: Verdict
    reason: str


def decide(order: Order, thing: Thing, rules: Rules, acts: Sequence[Act], now: datetime) -> Decision:
    """`acts` are what was done to the thing so far, under any incarnation. What protects most is asked first."""
    why_not = _untouchable(order, thing, rules) or _done(thing, acts, now) or _cooling(acts, rules, now)
    if why_not:
        return Decision(thing, "leave", why_not)
    if thing.kind == "training":
        if not thing.saves:
            return Decision(thing, "leave", "it keeps no checkpoints: all that it cost would be lost")
        if not thing.saved:
            return Decision(thing, "wait", "it has no checkpoint yet; it is stopped as soon as one is there")
        return Decision(thing, "stop", f"{order.reason}; its checkpoint is kept")
    if thing.runs == "by itself":
        return Decision(thing, "leave", "it costs nothing while nobody asks")
    return Decision(thing, "stop", order.reason)


def incarnation(created: datetime) -> str:
    """The incarnation of something by the time of its making; the text sorts by time."""
    return f"{created:%Y-%m-%dT%H:%M:%S.%f}"


def acts_of(stem: str) -> str:
    """Partition of the lineage table in which it is written down what was stopped of an environment."""
    return f"stopped/{stem}"


def _untouchable(order: Order, thing: Thing, rules: Rules) -> str:
    if thing.environment != rules.environment:
        whose = f"of environment {thing.environment}" if thing.environment else "without the tag environment"
        return f"it is {whose}, not of {rules.environment}"
    if order.workload and thing.workload != order.workload:
        return f"it is of {thing.workload or 'no workload'}, and this is about {order.workload}"
    if thing.workload is None:
        return "it has no tag workload: nobody knows whose it is"
    if thing.workload in rules.never_stop:
        return f"{thing.workload} is never stopped (never_stop)"
    if order.cause == "hours" and thing.kind == "training":
        return "training has no closing hours"
    opted_in = order.cause == "budget" and thing.workload in rules.stop_production
    if thing.kind == "endpoint" and rules.production and not opted_in:
        return f"production serving goes on; {thing.workload} is not in stop_production"
    return ""


def _done(thing: Thing, acts: Sequence[Act], now: datetime) -> str:
    for act in acts:
        if act.incarnation == thing.incarnation:
            if act.status == "done" or act.status == "resumed":
                return f"it was stopped at {act.at:%H:%M} UTC"
            if act.status == "acting" and now - act.at <= LEASE:
                return "it is being stopped"
    return ""


def _cooling(acts: Sequence[Act], rules: Rules, now: datetime) -> str:
    resumed = max((act for act in acts if act.resumed_at), key=lambda act: act.resumed_at or now, default=None)
    if resumed is None or resumed.resumed_at is None or resumed.resumed_by is None:
        return ""
    until = resumed.resumed_at + rules.cool_down
    if now >= until:
        return ""
    return f"{resumed.resumed_by} brought it back; it is left alone until {until:%Y-%m-%d %H:%M} UTC"
