"""What a fleet costs and which requests it answers too late under simulated traffic, minute by minute.

Pure, without chance: the same traffic gives the same outcome. Requests come evenly within a minute and queue before
machines that take them one after the other; callers give up after a minute. Scaling follows the rules that the
endpoints' stacks set (groundplan.serving.scaling) by the alarms that Application Auto Scaling makes of them. While
instances start the endpoint is being updated, and AWS takes no other change.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, pi, sin

from groundplan.planner.candidates import INSTANCE_START_MS
from groundplan.serving.design import Fleet
from groundplan.serving.scaling import BUSY_HOURS, IN_SECONDS, OUT_SECONDS, target

DAY, WEEK = 24 * 60, 7 * 24 * 60
START_MINUTES = ceil(INSTANCE_START_MS / 60_000)
# AWS says of its alarms that scale-in is the slower one and begins a tenth below the target; these lengths are what
# it is seen to make of a metric by the minute, and are not promised.
# https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html
ABOVE_MINUTES, BELOW_MINUTES, BELOW = 3, 15, Fraction(9, 10)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What one instance takes in a minute, its p99 while nothing queues, and what it costs from its start on."""

    requests_per_minute: int
    p99_ms: int
    hourly_usd: Fraction
    start_minutes: int = START_MINUTES


@dataclass(frozen=True)
class Outcome:
    """Dollars, requests, those that took longer than the driver allows, and instances by the minute."""

    usd: Fraction
    requests: Fraction
    late: Fraction
    instances: Sequence[int]

    @property
    def late_percent(self) -> float:
        """Of all requests; the driver is a p99, so more than 1 breaks it."""
        return float(100 * self.late / self.requests) if self.requests else 0.0


def simulate(traffic: Sequence[int], fleet: Fleet, machine: Machine, driver_ms: int) -> Outcome:
    """`traffic` is requests by the minute from midnight of a Monday (UTC). A fleet with least = most is fixed."""
    scaling, queue = _Scaling(fleet, machine.start_minutes), Fraction(0)
    usd = late = Fraction(0)
    instances: list[int] = []
    for minute, arriving in enumerate(traffic):
        scaling.begin(minute)
        capacity = scaling.ready * machine.requests_per_minute
        slack = Fraction(max(0, driver_ms - machine.p99_ms), 60_000)
        late += arriving * _share_beyond(queue, arriving, capacity, slack)
        queue = min(max(Fraction(0), queue + arriving - capacity), Fraction(capacity))
        usd += scaling.paid * machine.hourly_usd / 60
        instances.append(scaling.ready)
        scaling.end(minute, arriving)
    return Outcome(usd, Fraction(sum(traffic)), late, instances)


def _share_beyond(queue: Fraction, arriving: int, capacity: int, slack: Fraction) -> Fraction:
    """The part of a minute in which whoever comes waits longer than `slack` minutes: the wait changes evenly."""
    if capacity == 0:
        return Fraction(1)
    first, last = queue / capacity, max(Fraction(0), (queue + arriving - capacity) / capacity)
    change = Fraction(arriving - capacity, capacity)
    if first > slack and last > slack:
        return Fraction(1)
    if first <= slack and last <= slack:
        return Fraction(0)
    crossing = (slack - first) / change
    return 1 - crossing if last > slack else crossing


class _Scaling:
    """Instances that answer and that start, and what moves them."""

    def __init__(self, fleet: Fleet, start_minutes: int) -> None:
        self._fleet, self._start_minutes = fleet, start_minutes
        self._held = Fraction(target(fleet).value)
        self._hours = BUSY_HOURS.get(fleet.busy)
        self.ready, self._starting, self._ready_at = fleet.least, 0, 0
        self._above = self._below = 0
        self._last_out = self._last_in = -WEEK

    @property
    def paid(self) -> int:
        return self.ready + self._starting

    def begin(self, minute: int) -> None:
        if self._starting and minute >= self._ready_at:
            self.ready, self._starting = self.ready + self._starting, 0
        if not self._starting and self.ready < self._floor(minute):
            self._start(self._floor(minute), minute)

    def end(self, minute: int, arriving: int) -> None:
        load = Fraction(arriving, self.ready) if self.ready else Fraction(arriving)
        self._above = self._above + 1 if load > self._held else 0
        self._below = self._below + 1 if load < self._held * BELOW else 0
        if self._starting:
            return
        wanted = min(self._fleet.most, max(self._floor(minute), ceil(self.ready * load / self._held)))
        if wanted > self.ready and self._above >= ABOVE_MINUTES and (minute - self._last_out) * 60 >= OUT_SECONDS:
            self._start(wanted, minute + 1)
            self._last_out = minute
        if wanted < self.ready and self._below >= BELOW_MINUTES and (minute - self._last_in) * 60 >= IN_SECONDS:
            self.ready, self._last_in = wanted, minute

    def _floor(self, minute: int) -> int:
        return self._fleet.most if self._hours and self._hours.asked_for(minute) else self._fleet.least

    def _start(self, wanted: int, minute: int) -> None:
        self._starting, self._ready_at = wanted - self.ready, minute + self._start_minutes


# Traffic -----------------------------------------------------------------------------------------------------------


def steady(per_minute: int, minutes: int = WEEK) -> list[int]:
    """The same all the time."""
    return [per_minute] * minutes


def spiky(low: int, high: int, minutes: int = WEEK) -> list[int]:
    """Every six hours twenty minutes of the highest, at once."""
    return [high if minute % 360 < 20 else low for minute in range(minutes)]


def office_hours(low: int, high: int, minutes: int = WEEK) -> list[int]:
    """Half a wave from eight to six on working days, the highest at one o'clock."""
    hours = BUSY_HOURS["office-hours"]
    first, last = hours.begins * 60, hours.ends * 60
    found: list[int] = []
    for minute in range(minutes):
        day, within = divmod(minute, DAY)
        busy = day % 7 < 5 and first <= within < last
        found.append(low + round((high - low) * sin(pi * (within - first) / (last - first))) if busy else low)
    return found
