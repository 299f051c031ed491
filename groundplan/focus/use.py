"""What the platform knows of a month beside any bill: written down in the ai account, read where bills are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from groundplan.focus.workloads import Charged, Idle, Observed, Ran, plain
from groundplan.json_value import mapping, sequence

SCHEMA = "groundplan.platform-use/1"
STALE_HOURS = 24  # it is written every day before the report is made
SERVICE, UNIT = "Amazon SageMaker", "Hours"


@dataclass(frozen=True)
class Use:
    """As of `at`: by workload what was seen of that month, and what machines cost by the price files.

    `unpriced` names what was used and has no price: it is in no sum.
    """

    at: datetime
    observed: Mapping[str, Observed]
    charged: Sequence[Charged] = ()
    unpriced: Sequence[str] = ()

    @property
    def month(self) -> date:
        """Its first day."""
        return self.at.astimezone(UTC).date().replace(day=1)

    def age_hours(self, now: datetime) -> float:
        """Since it was looked at; never below zero, as clocks differ."""
        return max(0.0, (now - self.at).total_seconds() / 3600)


@dataclass(frozen=True)
class SameDay:
    """The same-day figure of a workload beside its bill, over the days that both know whole. US dollars.

    `first` and `through` are None, and both sums nothing, where there is no such day. `later` is the same-day figure
    of the days after, and `not_billed` what of it the bill does not hold yet, day by day.
    """

    workload: str
    first: date | None
    through: date | None
    same_day: Decimal
    billed: Decimal
    later: Decimal
    not_billed: Decimal

    @property
    def error(self) -> Decimal | None:
        """The same-day figure less what was billed, as a fraction of it; None where nothing was billed."""
        return (self.same_day - self.billed) / self.billed if self.first and self.billed else None

    def as_json(self) -> dict[str, Any]:
        """As documented; what cannot be compared is None."""
        known = self.first is not None
        return {
            "workload": self.workload,
            "first": self.first and self.first.isoformat(),
            "through": self.through and self.through.isoformat(),
            "same_day_usd": plain(self.same_day) if known else None,
            "billed_usd": plain(self.billed) if known else None,
            "error_usd": plain(self.same_day - self.billed) if known else None,
            "error": None if self.error is None else plain(self.error.quantize(Decimal("0.0001"))),
            "later_usd": plain(self.later),
            "not_billed_usd": plain(self.not_billed),
        }


def machine_hours(workload: str, meter: str, day: date, hours: Decimal, usd: Decimal) -> Charged:
    """Hours of machines on a day, at the price files' prices; `meter` as in `Train:ml.m5.large`."""
    return Charged(workload, None, SERVICE, meter, UNIT, day.replace(day=1), day, hours, usd, usd)


def use_as_json(use: Use) -> dict[str, Any]:
    """As it is kept."""
    return {
        "schema": SCHEMA,
        "at": use.at.astimezone(UTC).isoformat(),
        "workloads": [{"workload": name, **_seen(one)} for name, one in sorted(use.observed.items())],
        "machine_hours": [
            {
                "workload": one.workload,
                "meter": one.meter,
                "day": one.day.isoformat(),
                "hours": _text(one.quantity),
                "usd": plain(one.effective),
            }
            for one in use.charged
        ],
        "unpriced": list(use.unpriced),
    }


def kept_use(document: object) -> Use:
    """What was kept; raises ValueError that says why it cannot be read: half of it would be a silent zero."""
    kept = mapping(document)
    if kept.get("schema") != SCHEMA:
        raise ValueError(f"its schema is {kept.get('schema')!r}, and this reads {SCHEMA}")
    try:
        at = datetime.fromisoformat(str(kept["at"]))
        return Use(
            at=at if at.tzinfo else at.replace(tzinfo=UTC),
            observed={str(one["workload"]): _observed(one) for one in _list(kept, "workloads")},
            charged=[_hours(one) for one in _list(kept, "machine_hours")],
            unpriced=[str(one) for one in sequence(kept["unpriced"])],
        )
    except (KeyError, TypeError, ValueError, InvalidOperation) as error:
        raise ValueError(f"it is not as {SCHEMA} says ({type(error).__name__}: {error})") from None


def _seen(one: Observed) -> dict[str, Any]:
    return {
        "runs": [
            {
                "name": run.name,
                "day": run.day.isoformat(),
                "cost_usd": _text(run.cost_usd),
                "training_seconds": run.training_seconds,
                "billable_seconds": run.billable_seconds,
                "spot": run.spot,
            }
            for run in one.runs
        ],
        "refused_runs": one.refused_runs,
        "refused_usd": plain(one.refused_usd),
        "refused_unknown": one.refused_unknown,
        "inferences": one.inferences,
        "idle": [{"name": it.name, "why": it.why, "monthly_usd": _text(it.monthly_usd)} for it in one.idle],
    }


def _observed(kept: Mapping[str, Any]) -> Observed:
    return Observed(
        runs=[
            Ran(
                name=str(run["name"]),
                day=date.fromisoformat(run["day"]),
                cost_usd=_amount(run["cost_usd"]),
                training_seconds=_count(run["training_seconds"]),
                billable_seconds=_count(run["billable_seconds"]),
                spot=run["spot"] is True,
            )
            for run in _list(kept, "runs")
        ],
        refused_runs=int(kept["refused_runs"]),
        refused_usd=Decimal(kept["refused_usd"]),
        refused_unknown=int(kept["refused_unknown"]),
        inferences=_count(kept["inferences"]),
        idle=[Idle(str(it["name"]), str(it["why"]), _amount(it["monthly_usd"])) for it in _list(kept, "idle")],
    )


def _hours(kept: Mapping[str, Any]) -> Charged:
    day, hours = date.fromisoformat(kept["day"]), Decimal(kept["hours"])
    return machine_hours(str(kept["workload"]), str(kept["meter"]), day, hours, Decimal(kept["usd"]))


def _list(kept: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    if not isinstance(kept[name], list):
        raise TypeError(f"{name} is no list")
    return [mapping(one) for one in sequence(kept[name])]


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)


def _amount(value: Any) -> Decimal | None:
    return None if value is None else Decimal(value)


def _count(value: Any) -> int | None:
    return None if value is None else int(value)
