"""A plan as lines for people and as JSON for machines."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from groundplan.planner.choice import Alternative, Considered, Plan, Relaxation
from groundplan.planner.option import TITLES
from groundplan.prices import Money, dollars


def as_json(plan: Plan) -> dict[str, Any]:
    """The keys of `groundplan plan --json`; amounts are decimals as text."""
    return {
        "workload": plan.workload.name,
        "region": plan.region,
        "monthly_cost_ceiling_usd": _number(plan.workload.drivers.monthly_cost_ceiling_usd),
        "choice": _choice(plan.chosen) if plan.chosen else None,
        "forced": plan.forced or None,
        "alternatives": [_alternative(one) for one in plan.alternatives],
        "refusal": plan.refusal or None,
        "relaxations": [_relaxation(one) for one in plan.relaxations],
    }


def text_lines(plan: Plan) -> Iterator[str]:
    """What `groundplan plan` prints for one workload."""
    yield plan.workload.name
    chosen = plan.chosen
    if chosen:
        option, latency = chosen.option, chosen.option.latency
        yield f"  plan      {TITLES[option.architecture]}, {option.runs_on}"
        if plan.forced:
            yield f"  forced    {plan.forced}"
        for place, line in enumerate((*chosen.size.arithmetic, *chosen.cost.arithmetic)):
            yield f"  {'' if place else 'size':8}  {line}"
        takes = f"p50 {latency.p50_ms:,.0f} ms, p99 {latency.p99_ms:,.0f} ms"
        yield f"  latency   {takes}, {latency.origin}: {latency.basis}"
        ceiling = dollars(plan.workload.drivers.monthly_cost_ceiling_usd)
        yield f"  cost      {chosen.cost.average} a month, {chosen.cost.peak} were it always peak; ceiling {ceiling}"
        if chosen.cost.average.unknowns:
            yield f"  unknown   {', '.join(chosen.cost.average.unknowns)}"
        if chosen.cost.average.uncertain:
            yield f"  uncertain {', '.join(chosen.cost.average.uncertain)} (stale or extrapolated)"
    else:
        yield "  refused   " + plan.refusal.partition(": ")[2]
    yield "  instead of"
    for one in plan.alternatives:
        what = TITLES[one.architecture] + (f", {one.runs_on}" if one.runs_on else "")
        yield f"    {what}: {'; '.join(one.reasons)}"


def _choice(chosen: Considered) -> dict[str, Any]:
    option, latency = chosen.option, chosen.option.latency
    return {
        "architecture": option.architecture,
        "runs_on": option.runs_on,
        "instances": {"least": chosen.size.least, "most": chosen.size.most} if option.machine else None,
        "arithmetic": [*chosen.size.arithmetic, *chosen.cost.arithmetic],
        "latency": {
            "p50_ms": _number(latency.p50_ms),
            "p99_ms": _number(latency.p99_ms),
            "origin": latency.origin,
            "basis": latency.basis,
        },
        "monthly_cost": {"average": _money(chosen.cost.average), "peak": _money(chosen.cost.peak)},
    }


def _alternative(one: Alternative) -> dict[str, Any]:
    return {
        "architecture": one.architecture,
        "runs_on": one.runs_on or None,
        "monthly_cost": _money(one.cost) if one.cost else None,
        "reasons": list(one.reasons),
    }


def _relaxation(one: Relaxation) -> dict[str, Any]:
    changes = [
        {
            "driver": change.driver,
            "given": None if change.given is None else _number(change.given),
            "needed": _number(change.needed),
        }
        for change in one.changes
    ]
    return {"architecture": one.architecture, "runs_on": one.runs_on, "changes": changes}


def _money(money: Money) -> dict[str, Any]:
    return {
        "usd": f"{money.most:.2f}",
        "unknown_prices": list(money.unknowns),
        "uncertain_prices": list(money.uncertain),
    }


def _number(number: Decimal) -> str:
    return format(number.normalize(), "f")
