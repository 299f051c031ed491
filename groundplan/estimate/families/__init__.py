"""What each type of resource is charged for: one small file a family."""

from collections.abc import Callable, Iterable, Mapping

from groundplan.estimate.charge import Charge
from groundplan.estimate.families import compute, integration, ml, network, observability, security, storage
from groundplan.estimate.resource import Resource

Charges = Callable[[Resource], Iterable[Charge]]

_FAMILIES = (compute, integration, ml, network, observability, security, storage)
CHARGED: Mapping[str, Charges] = {kind: charges for family in _FAMILIES for kind, charges in family.CHARGED.items()}
FREE: Mapping[str, str] = {kind: reason for family in _FAMILIES for kind, reason in family.FREE.items()}

# Why a type that has a rule may still cost nothing, as it is set.
UNCHARGED: Mapping[str, str] = {kind: reason for family in _FAMILIES for kind, reason in family.UNCHARGED.items()}


def is_classed(kind: str) -> bool:
    """Whether a type is known: charged by a rule, or free for a reason."""
    return kind in CHARGED or kind in FREE or kind.startswith("Custom::")
