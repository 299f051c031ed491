"""What workloads were meant to cost: their ceilings, and the estimate of what was synthesised for them."""

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from groundplan.estimate import Estimate
from groundplan.focus.workloads import Designed, plain
from groundplan.json_value import mapping, sequence
from groundplan.prices import Money, Price
from groundplan.workload import Workload


def designs(workloads: Iterable[Workload], estimated: Estimate | None) -> dict[str, Designed]:
    """By name; of an estimate also workloads without a file here."""
    known = {one.name: one for one in workloads}
    totals: Mapping[str, Money] = estimated.totals_by("workload") if estimated else {}
    charges = planned_charges(estimated) if estimated else {}
    found: dict[str, Designed] = {}
    for name in sorted(known.keys() | (charges.keys())):
        one, total = known.get(name), totals.get(name)
        found[name] = Designed(
            owner=one.owner if one else "",
            ceiling_usd=one.drivers.monthly_cost_ceiling_usd if one else None,
            estimate_usd=total.least if total else None,
            estimate_usd_at_most=total.most if total else None,
            unknown_prices=total.unknowns if total else (),
            charges=charges.get(name, {}),
        )
    return found


def planned_charges(estimated: Estimate) -> dict[str, dict[str, tuple[Decimal, Decimal]]]:
    """Workload to the keys of its prices, each with the quantity and the amount of a month."""
    found: dict[str, dict[str, tuple[Decimal, Decimal]]] = {}
    for line in estimated.lines:
        for item in line.items if line.workload else ():
            if item.charge.quantity and isinstance(item.price, Price):
                own = found.setdefault(line.workload, {})
                quantity, amount = own.get(item.charge.key, (Decimal(0), Decimal(0)))
                own[item.charge.key] = (quantity + item.charge.quantity, amount + item.cost.most)
    return found


def charges_as_json(charges: Mapping[str, tuple[Decimal, Decimal]]) -> list[dict[str, str]]:
    """As they are kept in a workload's design.json."""
    return [
        {"key": key, "quantity": plain(quantity), "usd": plain(amount)}
        for key, (quantity, amount) in sorted(charges.items())
    ]


def kept_design(document: Any, workload: Workload) -> Designed:
    """What design.json says; without what it does not say, as one that is older does not."""
    known = mapping(mapping(document).get("estimate"))
    charges: dict[str, tuple[Decimal, Decimal]] = {}
    try:
        for one in map(mapping, sequence(mapping(document).get("charges"))):
            charges[str(one["key"])] = (Decimal(str(one["quantity"])), Decimal(str(one["usd"])))
        least, most = (Decimal(str(known[name])) for name in ("monthly_usd", "monthly_usd_at_most"))
    except (KeyError, InvalidOperation):
        return Designed(workload.owner, workload.drivers.monthly_cost_ceiling_usd)
    return Designed(
        owner=workload.owner,
        ceiling_usd=workload.drivers.monthly_cost_ceiling_usd,
        estimate_usd=least,
        estimate_usd_at_most=most,
        unknown_prices=tuple(map(str, sequence(known.get("unknowns")))),
        charges=charges,
    )
