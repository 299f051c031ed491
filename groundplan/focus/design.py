"""What workloads were meant to cost: their ceilings, and the estimate of what was synthesised for them."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from groundplan.estimate import Estimate
from groundplan.focus.workloads import Designed
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
