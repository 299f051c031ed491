"""Carries out what `groundplan.spend.stopper` decides: each thing once, written down before and after, and told."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import boto3
from aws_lambda_powertools import Logger

from groundplan.spend import Alarm, Decision, Notice, Order, Rules, Subject, Thing, decide
from groundplan.spend.budgets import Stop
from groundplan_runtime.integrations.client_config import CONFIG
from groundplan_runtime.integrations.spend_acts import KeptAct, SpendActs
from groundplan_runtime.integrations.spend_things import SpendThings
from groundplan_runtime.integrations.spend_topic import Teller, Topic
from groundplan_runtime.spend_settings import StopperSettings

logger = Logger()


class StopIncomplete(Exception):  # noqa: N818 - it names what happened
    """Some things could not be stopped; the others were. The message names them all."""


@dataclass(frozen=True, kw_only=True)
class Stopper:
    """`mode` is `on`, or `dry-run`: then it only says what it would do."""

    things: SpendThings
    acts: SpendActs
    teller: Teller
    rules: Rules
    mode: Stop

    def over(self, notice: Notice, subject: Subject, now: datetime) -> dict[str, Any]:
        """A budget was passed. The same notice again changes nothing, however often and at whatever time it comes."""
        order = Order(
            cause="budget",
            reason=f"{subject} is over {notice.percent} % of its monthly ceiling",
            workload=subject.name if subject.kind == "workload" else None,
        )
        key = f"{notice.budget}#{now:%Y-%m}#{notice.percent}"
        standing = self.acts.open(key, order, now)
        if standing == "closed" or (standing == "open" and self.mode == "dry-run"):
            return {"stopped": [], "waiting": [], "order": standing}
        return self._carry_out(key, order, now)

    def look(self, now: datetime) -> dict[str, Any]:
        """Go on with the orders that still wait for something."""
        results = [self._carry_out(key, order, now) for key, order in self.acts.open_orders()]
        return {name: [it for result in results for it in result[name]] for name in ("stopped", "waiting")}

    def close_for_the_night(self, now: datetime) -> dict[str, Any]:
        """Everything that nobody needs now to zero."""
        order = Order(cause="hours", reason="it is out of hours")
        return self._carry_out(None, order, now)

    def open_in_the_morning(self, now: datetime) -> dict[str, Any]:
        """What the night stopped runs again; what a budget stopped does not."""
        resumed = [
            kept.act.subject
            for kept in self.acts.all()
            if kept.act.cause == "hours" and kept.act.status == "done" and self.resume(kept, None, now)
        ]
        return {"resumed": resumed}

    def resume(self, kept: KeptAct, by: str | None, now: datetime) -> bool:
        """Bring one thing back; False when somebody else did. `by` is None for the clock."""
        if not self.acts.resumed(kept.act, by, now):
            return False
        try:
            self.things.resume(kept.act, kept.undo)
        except Exception:
            self.acts.not_resumed(kept.act)
            raise
        logger.info("resumed", subject=kept.act.subject, by=by or "the clock")
        return True

    def _carry_out(self, key: str | None, order: Order, now: datetime) -> dict[str, Any]:
        decisions = [self._decide(order, thing, now) for thing in self._running(order)]
        for decision in decisions:
            logger.info(decision.verdict, subject=decision.thing.subject, reason=decision.reason, mode=self.mode)
        wanted = [decision for decision in decisions if decision.verdict == "stop"]
        failed = list[str]()
        stopped = wanted if self.mode == "dry-run" else [one for one in wanted if self._stop(one, order, now, failed)]
        waiting = [decision for decision in decisions if decision.verdict == "wait"]
        if stopped:
            self.teller.tell(self._told(order, stopped))
        if key and not failed and (not waiting or self.mode == "dry-run"):
            self.acts.close(key)
        if failed:
            raise StopIncomplete(f"not stopped: {'; '.join(failed)}; the next look tries again")
        names = {"stopped": stopped, "waiting": waiting}
        return {name: [one.thing.subject for one in found] for name, found in names.items()}

    def _running(self, order: Order) -> Iterator[Thing]:
        if order.cause == "budget":
            yield from self.things.training_jobs()
        yield from self.things.endpoints()
        again = Counter(kept.act.subject for kept in self.acts.all() if kept.act.status == "resumed")
        yield from self.things.notebooks(again)

    def _decide(self, order: Order, thing: Thing, now: datetime) -> Decision:
        return decide(order, thing, self.rules, [kept.act for kept in self.acts.of(thing.subject)], now)

    def _stop(self, decision: Decision, order: Order, now: datetime, failed: list[str]) -> bool:
        thing = decision.thing
        undo = self.things.undo(thing)
        promise = None if undo is None else self.acts.promise(thing, order, decision.reason, undo, now)
        if promise is None:
            return False  # somebody else has it, or had it
        try:
            self.things.stop(thing)
        except Exception as error:
            # One thing must not keep the others from being stopped; all that failed are named together at the end.
            logger.exception("not stopped", subject=thing.subject)
            self.acts.keep(promise, failure=str(error))
            failed.append(f"{thing.subject}: {error}")
            return False
        self.acts.keep(promise)
        return True

    def _told(self, order: Order, stopped: Sequence[Decision]) -> Alarm:
        does = "would stop" if self.mode == "dry-run" else "stopped"
        number = f"{len(stopped)} thing{'s' if len(stopped) > 1 else ''}"
        environment = self.rules.environment
        lines = [f"{one.thing.subject} of {one.thing.workload}: {one.reason}" for one in stopped]
        back = "Nothing was done: [budgets] of the environment's file says stop = dry-run"
        if self.mode != "dry-run":
            back = f"Bring one back: groundplan resume {stopped[0].thing.subject} -e {environment}"
        title = f"Groundplan {does} {number} in {environment}"
        return Alarm(title, "\n".join([f"{title}: {order.reason}", *lines, back]))


def connect(settings: StopperSettings) -> Stopper:
    """A stopper with boto3's clients of the function's own account and region."""
    api: Any = boto3
    return Stopper(
        things=SpendThings(api.client("sagemaker", config=CONFIG), api.client("s3", config=CONFIG)),
        acts=SpendActs(api.resource("dynamodb", config=CONFIG).Table(settings.lineage_table), settings.alarms.stem),
        teller=Topic(api.client("sns", config=CONFIG), settings.alarms.alarm_topic),
        rules=settings.rules,
        mode=settings.mode,
    )
