"""Tells people what a bill says: ceilings that were passed, days that cost unusually much, each once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from aws_lambda_powertools import Logger

from groundplan.focus.report import Report
from groundplan.focus.workloads import Charged, Designed
from groundplan.spend.news import Watch
from groundplan_runtime.integrations.cost_exports import months
from groundplan_runtime.integrations.spend_topic import Teller
from groundplan_runtime.integrations.told_alarms import ToldAlarms

logger = Logger()


@dataclass(frozen=True)
class People:
    """What is watched, what they were told already, and how they are told."""

    watch: Watch
    told: ToldAlarms
    teller: Teller

    def tell(
        self, report: Report, charged: Sequence[Charged], designed: Mapping[str, Designed], now: datetime
    ) -> list[str]:
        """Keys of what they were told now. What could not be told raises, when the rest has been."""
        known = {key for month in months(now) for key in self.told.told(month)}
        owners = {name: one.owner for name, one in designed.items()}
        news = [
            *self.watch.passed(report.workloads, charged, known),
            *self.watch.stood_out(charged, report.groups, owners, known),
        ]
        told, failed = list[str](), list[Exception]()
        for one in news:
            try:
                if self.told.tell_once(one.key, partial(self.teller.tell, one.alarm), now):
                    told.append(one.key)
            except Exception as error:
                # One alarm must not keep the others from being heard.
                logger.exception("not told", key=one.key)
                failed.append(error)
        if failed:
            raise failed[0]
        return told
