"""What workloads were designed to cost, as a deployment keeps it and run time reads it: no model, no price list."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from groundplan.focus.workloads import Designed, plain
from groundplan.json_value import mapping, sequence


def design_as_json(one: Designed) -> dict[str, Any]:
    """As it is kept; without an estimate where there is none."""
    kept: dict[str, Any] = {"owner": one.owner}
    if one.ceiling_usd is not None:
        kept["monthly_cost_ceiling_usd"] = plain(one.ceiling_usd)
    if one.estimate_usd is not None and one.estimate_usd_at_most is not None:
        kept["estimate"] = {
            "monthly_usd": plain(one.estimate_usd),
            "monthly_usd_at_most": plain(one.estimate_usd_at_most),
            "unknowns": list(one.unknown_prices),
        }
        kept["charges"] = [
            {"key": key, "quantity": plain(quantity), "usd": plain(amount)}
            for key, (quantity, amount) in sorted(one.charges.items())
        ]
    return kept


def kept_design(document: object) -> Designed:
    """What was kept; without an estimate that cannot be read, as that of an older deployment may not be."""
    kept = mapping(document)
    known = Designed(owner=str(kept.get("owner") or ""), ceiling_usd=_ceiling(kept.get("monthly_cost_ceiling_usd")))
    estimate = mapping(kept.get("estimate"))
    charges: dict[str, tuple[Decimal, Decimal]] = {}
    try:
        for one in map(mapping, sequence(kept.get("charges"))):
            charges[str(one["key"])] = (Decimal(str(one["quantity"])), Decimal(str(one["usd"])))
        least, most = (Decimal(str(estimate[name])) for name in ("monthly_usd", "monthly_usd_at_most"))
    except (KeyError, InvalidOperation):
        return known
    return Designed(
        owner=known.owner,
        ceiling_usd=known.ceiling_usd,
        estimate_usd=least,
        estimate_usd_at_most=most,
        unknown_prices=tuple(map(str, sequence(estimate.get("unknowns")))),
        charges=charges,
    )


def designs_as_json(environment: str, designed: Mapping[str, Designed]) -> dict[str, Any]:
    """All workloads of an environment in one document."""
    return {
        "environment": environment,
        "workloads": [{"workload": name, **design_as_json(one)} for name, one in sorted(designed.items())],
    }


def kept_designs(document: object) -> dict[str, Designed]:
    """By workload."""
    kept = map(mapping, sequence(mapping(document).get("workloads")))
    return {str(one["workload"]): kept_design(one) for one in kept if one.get("workload")}


def _ceiling(value: object) -> Decimal | None:
    try:
        ceiling = Decimal(str(value))
    except InvalidOperation:
        return None
    return ceiling if ceiling.is_finite() and ceiling > 0 else None
