"""How a fleet follows its traffic: what is held at which value, how long it waits, and when its hours begin. Pure."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from groundplan.planner.sizing import HEADROOM
from groundplan.serving.design import Busy, Fleet

OUT_SECONDS, IN_SECONDS = 60, 300  # after one step until the next: quickly more, slowly less
EARLY_MINUTES = 15  # instances take minutes to start


@dataclass(frozen=True)
class Hours:
    """When traffic comes, in UTC: hours of the day from which and to which, on all days or on working days only."""

    begins: int
    ends: int
    working_days: bool

    @property
    def opens(self) -> str:
        """The cron expression of when the instances are asked for."""
        minutes = (self.begins * 60 - EARLY_MINUTES) % (24 * 60)
        return f"cron({minutes % 60} {minutes // 60} {self._days} *)"

    @property
    def closes(self) -> str:
        """The cron expression of when they may go."""
        return f"cron(0 {self.ends} {self._days} *)"

    @property
    def _days(self) -> str:
        return "? * MON-FRI" if self.working_days else "* * ?"

    def asked_for(self, minute: int) -> bool:
        """Whether the instances are asked for at a minute, counted from midnight of a Monday."""
        day, within = divmod(minute, 24 * 60)
        first, last = self.begins * 60 - EARLY_MINUTES, self.ends * 60
        if self.working_days and day % 7 > 4:
            return False
        return first <= within < last if first < last else within >= first or within < last


# Ten hours of five days, eight hours of a night, as the plan counts them.
BUSY_HOURS: dict[Busy, Hours] = {"office-hours": Hours(8, 18, True), "nightly": Hours(22, 6, False)}


@dataclass(frozen=True)
class Target:
    """What target tracking holds at `value` for each instance or copy; `limit` is where it has no more to give."""

    by: Literal["invocations", "concurrency"]
    value: Decimal
    limit: Decimal


def target(fleet: Fleet) -> Target:
    """Requests a minute; requests at once for language models, whose requests differ too much in length."""
    if fleet.concurrency is not None:
        return Target("concurrency", fleet.concurrency, fleet.concurrency / HEADROOM)
    value = Decimal(fleet.invocations_per_minute)
    return Target("invocations", value, value / HEADROOM)
