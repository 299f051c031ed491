"""What a day's bill has to tell people: ceilings that were passed, and days that cost unusually much."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from groundplan.focus.report import Group
from groundplan.focus.workloads import Charged, WorkloadLine
from groundplan.spend.alarm import Alarm, alarm, unusual
from groundplan.spend.detector import anomalies
from groundplan.spend.thresholds import Basis, Standing, Subject, crossings

LEAST_FORECAST_DAYS = 7  # since a workload's first charge; before, one dear day would be taken for every day
LOOKS_BACK_DAYS = 4  # a day's charges keep coming for a while after it
REST = "What no workload answers for"
BASES: tuple[Basis, ...] = ("actual", "forecast")


@dataclass(frozen=True)
class News:
    """An alarm, and the key under which it is remembered that it was told."""

    key: str
    alarm: Alarm


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Of an environment: thresholds in percent of a ceiling, who answers where no workload's owner does, the page."""

    environment: str
    owner: str
    page: str | None
    actual_percent: Sequence[int]
    forecast_percent: Sequence[int]

    def passed(
        self, lines: Sequence[WorkloadLine], charged: Sequence[Charged], told: Collection[str]
    ) -> Iterator[News]:
        """Thresholds of workloads' ceilings; `told` are the keys that were told before."""
        first = _first_days(charged)
        for line in lines:
            ceiling, coming = line.designed.ceiling_usd, line.forecast
            if not ceiling:
                continue
            place = f"{line.month:%Y-%m}/workload/{line.workload}"
            known_days = (coming.last_day - first.get(line.workload, coming.last_day)).days
            waiting = line.not_billed if line.not_billed and line.not_billed.usd else None
            not_billed = waiting.usd if waiting else Decimal(0)
            standing = Standing(
                subject=Subject("workload", line.workload),
                ceiling_usd=ceiling,
                actual_usd=coming.to_date + not_billed,
                forecast_usd=coming.month_end if known_days >= LEAST_FORECAST_DAYS else None,
                day=max(coming.last_day, waiting.through) if waiting else coming.last_day,
                not_billed_usd=not_billed,
            )
            found = crossings(
                standing,
                actual_percent=self.actual_percent,
                forecast_percent=self.forecast_percent,
                told=_told(place, told),
            )
            for one in found:
                owner = line.designed.owner or self.owner
                said = alarm(one, environment=self.environment, owner=owner, page=self.page)
                yield News(f"{place}/{one.basis}-{one.percent}", said)

    def stood_out(
        self, charged: Sequence[Charged], groups: Sequence[Group], owners: Mapping[str, str], told: Collection[str]
    ) -> Iterator[News]:
        """Of the bill's newest days those that stand out: of each workload in `owners`, and of all else together."""
        totals = _days(groups)
        if not totals:
            return
        newest = max(totals)
        recent = [newest - timedelta(days=ago) for ago in range(LOOKS_BACK_DAYS)]
        for name, daily in _by_workload(charged, totals, owners).items():
            known = {day: float(usd) for day, usd in daily.items()}
            for one in anomalies(known, recent):
                key = f"{one.day:%Y-%m}/{f'workload/{name}' if name else 'rest'}/day-{one.day.day}"
                owner = owners.get(name) or self.owner
                said = unusual(one, name or REST, environment=self.environment, owner=owner, page=self.page)
                if key not in told:
                    yield News(key, said)


def _first_days(charged: Sequence[Charged]) -> dict[str, date]:
    found: dict[str, date] = {}
    for one in charged:
        found[one.workload] = min(one.day, found.get(one.workload, one.day))
    return found


def _told(place: str, told: Collection[str]) -> list[tuple[Basis, int]]:
    found: list[tuple[Basis, int]] = []
    for basis in BASES:
        beginning = f"{place}/{basis}-"
        found.extend((basis, int(key.removeprefix(beginning))) for key in told if key.startswith(beginning))
    return found


def _days(groups: Sequence[Group]) -> dict[date, Decimal]:
    """What everything in US dollars cost by day, whoever bills it."""
    found: dict[date, Decimal] = {}
    for group in groups:
        day = group.key.get("day")
        if group.by == "day" and isinstance(day, date) and group.currency == "USD":
            found[day] = found.get(day, Decimal(0)) + group.sums.effective
    return found


def _by_workload(
    charged: Sequence[Charged], totals: Mapping[date, Decimal], names: Collection[str]
) -> dict[str, dict[date, Decimal]]:
    """Workload to day to cost; under no name what is left of each day."""
    found: dict[str, dict[date, Decimal]] = {"": dict(totals)}
    for one in charged:
        if one.workload in names:
            own = found.setdefault(one.workload, {})
            own[one.day] = own.get(one.day, Decimal(0)) + one.effective
            found[""][one.day] = found[""].get(one.day, Decimal(0)) - one.effective
    return found
