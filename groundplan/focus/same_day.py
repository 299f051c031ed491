"""What a day cost before its bill comes: what was used, at the prices of the price files; and how wrong that was.

Bills come 8 to 48 hours late. Only machines are in it (training jobs and endpoints), for these are what a day can run
away with; tokens, requests, storage and discounts come with the bill.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from groundplan.focus.meters import price_key
from groundplan.focus.report import Group, Sums
from groundplan.focus.use import SameDay, Use, machine_hours
from groundplan.focus.workloads import Charged, Idle, Ran
from groundplan.prices import PriceBook, Unknown

NOT_BILLED = "AWS, not billed yet"
IDLE_DAYS = 7  # without a request
LAZY_PERCENT = Decimal(5)  # of one processor, over the same days
_HOUR = Decimal(3600)
_SMALLEST = Decimal("1e-9")


@dataclass(frozen=True)
class Fleet:
    """Machines of an endpoint since a time; what they were asked in the last IDLE_DAYS, None where nobody knows."""

    endpoint: str
    workload: str
    instance_type: str
    instances: int
    since: datetime
    requests: int | None = None
    cpu_percent: Decimal | None = None


def ran(record: Mapping[str, Any]) -> Ran | None:
    """A run of the lineage table that has ended; None while it has not."""
    if not record.get("ended"):
        return None
    cost = record.get("cost_usd")
    return Ran(
        name=str(record["name"]),
        day=_moment(record["ended"]).date(),
        cost_usd=Decimal(str(cost)) if cost is not None else None,
        training_seconds=record.get("training_seconds"),
        billable_seconds=record.get("billable_seconds"),
        spot=bool(record.get("spot")),
    )


def charges_of_run(workload: str, record: Mapping[str, Any]) -> Iterator[Charged]:
    """What a run that has ended costs, on the day of its end; nothing where its cost is not known."""
    run = ran(record)
    if run and run.cost_usd is not None:
        hours = Decimal(run.billable_seconds or 0) * (record.get("instance_count") or 1) / _HOUR
        meter = f"Train:{record.get('instance_type')}"
        yield machine_hours(workload, meter, run.day, hours, run.cost_usd)


def charges_of_fleet(fleet: Fleet, book: PriceBook, now: datetime) -> Iterator[Charged]:
    """What an endpoint's machines cost on each day of this month until now; nothing where they have no price."""
    price = book.find(f"sagemaker/hosting/{fleet.instance_type}")
    if isinstance(price, Unknown):
        return
    month = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    begin = max(month, fleet.since.astimezone(UTC))
    while begin < now:
        end = min(begin.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1), now)
        hours = Decimal(str((end - begin).total_seconds())) / _HOUR * fleet.instances
        amount = (hours * price.amount).quantize(_SMALLEST)
        meter = f"Host:{fleet.instance_type}"
        yield machine_hours(fleet.workload, meter, begin.date(), hours, amount)
        begin = end


def idle(fleet: Fleet, book: PriceBook) -> Iterator[Idle]:
    """The fleet, when nobody asks it anything, or when it is larger than what it does."""
    price = book.find(f"sagemaker/hosting/{fleet.instance_type}")
    machines = f"{fleet.instances} x {fleet.instance_type}"

    def monthly(instances: int) -> Decimal | None:
        return None if isinstance(price, Unknown) else price.amount * instances * 730

    if fleet.requests == 0:
        yield Idle(fleet.endpoint, f"no request in {IDLE_DAYS} days, {machines}", monthly(fleet.instances))
    elif fleet.instances > 1 and fleet.cpu_percent is not None and fleet.cpu_percent < LAZY_PERCENT:
        why = f"{fleet.cpu_percent:.1f} % of one processor used in {IDLE_DAYS} days, {machines}; one would do"
        yield Idle(fleet.endpoint, why, monthly(fleet.instances - 1))


def reconciled(use: Use, billed: Sequence[Charged]) -> list[SameDay]:
    """Per workload the two figures of machines, on the days of the use's month before the bill's newest, which is
    rarely whole, and before the day on which the platform was looked at."""
    machines = [
        one for one in billed if (price_key(one.meter) or "").startswith(("sagemaker/hosting", "sagemaker/training"))
    ]
    looked = use.at.astimezone(UTC).date()
    days = [one.day for one in billed]
    first, end = (max(use.month, min(days)), min(looked, max(days))) if days else (looked, looked)
    compared = first < end

    def total(of: Iterable[Charged], name: str, begin: date, before: date) -> Decimal:
        amounts = (one.effective for one in of if one.workload == name and begin <= one.day < before)
        return sum(amounts, Decimal(0))

    after = end if compared else use.month

    def missing(name: str) -> Decimal:
        # Day by day: what one has more in the bill than by usage is no credit for another.
        days = {one.day for one in use.charged if one.workload == name and one.day >= after}
        spans = [(name, day, day + timedelta(days=1)) for day in days]
        return sum(
            (max(total(use.charged, *span) - total(machines, *span), Decimal(0)) for span in spans), Decimal(0)
        )

    both = [one for one in machines if first <= one.day < end and one.workload in use.observed]
    return [
        SameDay(
            workload=name,
            first=first if compared else None,
            through=end - timedelta(days=1) if compared else None,
            same_day=total(use.charged, name, first, end),
            billed=total(machines, name, first, end),
            later=total(use.charged, name, after, date.max),
            not_billed=missing(name),
        )
        for name in sorted({one.workload for one in (*use.charged, *both)})
    ]


def not_billed_yet(charged: Sequence[Charged]) -> tuple[list[Group], list[Group]]:
    """Totals and groups of a same-day view, as of a bill whose list price is what was paid."""

    def grouped(*names: str) -> list[Group]:
        found: dict[tuple[Any, ...], Sums] = {}
        for one in charged:
            key = tuple(getattr(one, name) for name in names)
            sums = Sums(one.effective, one.effective, one.effective, 1)
            found[key] = found[key] + sums if key in found else sums
        return [
            Group(NOT_BILLED, "USD", dict(zip(names, key, strict=True)), sums)
            for key, sums in sorted(found.items(), key=str)
        ]

    return grouped(), [*grouped("workload"), *grouped("service"), *grouped("day")]


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
