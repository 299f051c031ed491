"""One line a workload: what it may cost, was meant to cost, has cost, will have cost, and why they differ."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Context, Decimal
from typing import Any

from groundplan.focus.difference import Difference, Item, difference
from groundplan.focus.forecast import METHOD, Forecast, forecast
from groundplan.focus.meters import counts_tokens, family, price_key
from groundplan.prices import dollars

NOTHING = Decimal(0)
_WIDE = Context(prec=60)
# What AWS promises of spot capacity for training: "up to 90 %".
# https://docs.aws.amazon.com/sagemaker/latest/dg/model-managed-spot-training.html
SPOT_PROMISE = (Decimal(0), Decimal("0.9"))


@dataclass(frozen=True)
class Charged:
    """What a workload was charged on a day for one meter; US dollars, effective cost. `month` is the invoice's."""

    workload: str
    tenant: str | None
    service: str | None
    meter: str | None
    unit: str | None
    month: date
    day: date
    quantity: Decimal | None
    effective: Decimal
    billed: Decimal


@dataclass(frozen=True)
class Designed:
    """What was meant. US dollars a month; the estimate is between two sums, and None where nothing was synthesised.

    `charges` are those of the estimate with a quantity: key of the price to quantity and amount.
    """

    owner: str = ""
    ceiling_usd: Decimal | None = None
    estimate_usd: Decimal | None = None
    estimate_usd_at_most: Decimal | None = None
    unknown_prices: tuple[str, ...] = ()
    charges: Mapping[str, tuple[Decimal, Decimal]] = field(default_factory=dict[str, tuple[Decimal, Decimal]])


@dataclass(frozen=True)
class Ran:
    """A training run of the month. `cost_usd` is None where no price is known."""

    name: str
    day: date
    cost_usd: Decimal | None
    training_seconds: int | None = None
    billable_seconds: int | None = None
    spot: bool = False


@dataclass(frozen=True)
class Idle:
    """Something that costs and does little; US dollars a month, None where its price is not known."""

    name: str
    why: str
    monthly_usd: Decimal | None


@dataclass(frozen=True)
class Observed:
    """What the platform itself knows of a workload's month."""

    runs: Sequence[Ran] = ()
    refused_runs: int = 0
    refused_usd: Decimal = NOTHING
    refused_unknown: int = 0
    inferences: int | None = None
    idle: Sequence[Idle] = ()


@dataclass(frozen=True)
class NotBilled:
    """What machines cost by usage and list price, and the bill does not hold yet; US dollars, until a day."""

    usd: Decimal
    through: date


@dataclass(frozen=True)
class WorkloadLine:
    """What finance reads of one workload in one month."""

    workload: str
    month: date
    designed: Designed
    observed: Observed | None  # None where nobody looked
    forecast: Forecast
    billed: Decimal
    differs: Difference | None
    unit_costs: Mapping[str, Any]
    not_billed: NotBilled | None = None  # None where nobody looked at this month

    @property
    def above(self) -> Decimal | None:
        """The forecast as a multiple of the ceiling; None without a ceiling."""
        ceiling = self.designed.ceiling_usd
        return self.forecast.month_end / ceiling if ceiling else None

    @property
    def spot_saving(self) -> Decimal | None:
        """What spot saved of the time that was trained, between 0 and 1; None without such runs."""
        spot = [
            run
            for run in (self.observed.runs if self.observed else ())
            if run.spot and run.training_seconds and run.billable_seconds is not None
        ]
        trained = sum(run.training_seconds or 0 for run in spot)
        return 1 - Decimal(sum(run.billable_seconds or 0 for run in spot)) / trained if trained else None

    @property
    def why(self) -> str:
        """Why the forecast differs from the estimate, in words, what weighs most first."""
        if self.differs is None:
            return "there is no estimate to compare with"
        words = {
            "price": "prices are {} than planned",
            "volume": "{} is used than planned",
            "mix": "{} kinds are used than planned",
            "unplanned": "things that no plan holds",
            "untold": "what plan and bill count in different units",
        }
        more = {"price": ("higher", "lower"), "volume": ("more", "less"), "mix": ("dearer", "cheaper")}
        parts = sorted(self.differs.parts().items(), key=lambda part: -abs(part[1]))
        said = [
            f"{_signed(amount)}: {words[name].format(more[name][amount < 0] if name in more else '')}"
            for name, amount in parts
            if abs(amount) >= Decimal("0.005")
        ]
        return "; ".join(said) or "as planned"

    def as_json(self) -> dict[str, Any]:
        """As documented."""
        meant, seen, coming = self.designed, self.observed, self.forecast
        saving = self.spot_saving
        return {
            "workload": self.workload,
            "owner": meant.owner or None,
            "month": self.month.strftime("%Y-%m"),
            "billing_currency": "USD",
            "ceiling_usd": _text(meant.ceiling_usd),
            "estimate_usd": _text(meant.estimate_usd),
            "estimate_usd_at_most": _text(meant.estimate_usd_at_most),
            "estimate_unknowns": list(meant.unknown_prices),
            "actual_usd": plain(coming.to_date),
            "billed_usd": plain(self.billed),
            "through": coming.last_day.isoformat(),
            "not_billed_usd": self.not_billed and plain(self.not_billed.usd),
            "forecast_usd": plain(coming.month_end),
            "forecast_usd_between": [plain(coming.low), plain(coming.high)],
            "forecast_method": METHOD,
            "forecast_of_ceiling": _text(self.above and self.above.quantize(Decimal("0.001"))),
            "differs": self.differs
            and {
                "usd": plain(self.differs.total),
                **{name: plain(part) for name, part in self.differs.parts().items()},
            },
            "why": self.why,
            "unit_costs": self.unit_costs,
            "spot": None
            if saving is None
            else {
                "saving": plain(saving.quantize(Decimal("0.0001"))),
                "promised": [plain(one) for one in SPOT_PROMISE],
            },
            "training_runs": seen
            and {
                "runs": len(seen.runs),
                "usd": plain(sum((run.cost_usd for run in seen.runs if run.cost_usd is not None), NOTHING)),
                "of_unknown_cost": sum(run.cost_usd is None for run in seen.runs),
            },
            "refused_runs": seen
            and {
                "runs": seen.refused_runs,
                "would_have_cost_usd": plain(seen.refused_usd),
                "of_unknown_cost": seen.refused_unknown,
            },
            "idle": seen
            and [{"name": one.name, "why": one.why, "monthly_usd": _text(one.monthly_usd)} for one in seen.idle],
        }


def workload_lines(
    charged: Sequence[Charged], designed: Mapping[str, Designed], observed: Mapping[str, Observed]
) -> list[WorkloadLine]:
    """A line of the newest month for each workload that was charged, observed or estimated, sorted by name."""
    months = [one.month for one in charged]
    if not months:
        return []
    month = max(months)
    # Costs of one month only fall behind when its days are over: the bill's newest day is the same for everybody.
    following = (month + timedelta(days=32)).replace(day=1)
    last = max((one.day for one in charged if month <= one.day < following), default=month)
    estimated = {name for name, one in designed.items() if one.estimate_usd is not None}
    names = sorted({one.workload for one in charged} | estimated | observed.keys())
    return [
        _line(name, month, last, [one for one in charged if one.workload == name], designed, observed)
        for name in names
    ]


def _line(
    name: str,
    month: date,
    last: date,
    own: Sequence[Charged],
    designed: Mapping[str, Designed],
    observed: Mapping[str, Observed],
) -> WorkloadLine:
    meant, seen = designed.get(name, Designed()), observed.get(name)
    daily: dict[date, Decimal] = {}
    for one in own:
        inside = month <= one.day <= last
        # A charge of this invoice for a day outside of its month counts on the month's first day.
        day = one.day if inside or one.month != month else month
        if one.month == month or not inside:
            daily[day] = daily.get(day, NOTHING) + one.effective
    coming = forecast(daily, month, last)
    current = [one for one in own if one.month == month]
    return WorkloadLine(
        workload=name,
        month=month,
        designed=meant,
        observed=seen,
        forecast=coming,
        billed=sum((one.billed for one in current), NOTHING),
        differs=_differs(meant, current, coming),
        unit_costs=_unit_costs(current, seen),
    )


def _differs(meant: Designed, current: Iterable[Charged], coming: Forecast) -> Difference | None:
    """The forecast less the estimate's upper end: what a ceiling is compared with."""
    if meant.estimate_usd is None:
        return None
    planned = {key: Item(family(key), amount, quantity) for key, (quantity, amount) in meant.charges.items()}
    rest = (meant.estimate_usd_at_most or meant.estimate_usd) - sum((one.amount for one in planned.values()), NOTHING)
    if rest:
        planned["(the rest of the estimate)"] = Item("(the rest of the estimate)", rest)
    actual: dict[str, Item] = {}
    growth = coming.month_end / coming.to_date if coming.to_date else NOTHING
    for one in current:
        key = price_key(one.meter) or f"{one.service or '(no service)'}: {one.meter or '(no meter)'}"
        known = actual.get(key, Item(family(key), NOTHING, NOTHING))
        quantity = None if one.quantity is None or known.quantity is None else known.quantity + one.quantity * growth
        actual[key] = Item(known.family, known.amount + one.effective * growth, quantity)
    found = difference(planned, actual)
    # The last digits of the growth are no cause of anything.
    total = coming.month_end - (meant.estimate_usd_at_most or meant.estimate_usd)
    return found + Difference(untold=total - found.total)


def _unit_costs(current: Sequence[Charged], seen: Observed | None) -> dict[str, Any]:
    """What one of everything cost so far this month; None where there is none, or it is not counted."""
    hosting = sum(
        (one.effective for one in current if (price_key(one.meter) or "").startswith("sagemaker/hosting/")), NOTHING
    )
    tokens = [(one.effective, (one.quantity or NOTHING) * counts_tokens(one.unit)) for one in current]
    of_tokens = [(cost, count) for cost, count in tokens if count]
    counted = sum((count for _, count in of_tokens), NOTHING)
    costs = [run.cost_usd for run in (seen.runs if seen else ()) if run.cost_usd is not None]
    inferences = seen.inferences if seen else None
    tenants: dict[str | None, Decimal] = {}
    for one in current:
        tenants[one.tenant] = tenants.get(one.tenant, NOTHING) + one.effective
    return {
        "training_run_usd": _text(_rounded(sum(costs, NOTHING) / len(costs)) if costs else None),
        "thousand_inferences_usd": _text(_rounded(hosting * 1000 / inferences) if inferences else None),
        "million_tokens_usd": _text(
            _rounded(sum((cost for cost, _ in of_tokens), NOTHING) * 1_000_000 / counted) if counted else None
        ),
        "tenants": [
            {"tenant": tenant, "usd": plain(cost)}
            for tenant, cost in sorted(tenants.items(), key=lambda one: (-one[1], one[0] or ""))
        ],
    }


def plain(amount: Decimal) -> str:
    """All digits, no exponent, no zeros behind."""
    return format(amount.normalize(_WIDE), "f") if amount else "0"


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("1e-9"))


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)


def _signed(amount: Decimal) -> str:
    return f"+{dollars(amount)}" if amount > 0 else dollars(amount)
