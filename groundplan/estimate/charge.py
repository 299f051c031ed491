"""What a resource is charged for."""

from dataclasses import dataclass
from decimal import Decimal

from groundplan.prices import HOURS_PER_MONTH


@dataclass(frozen=True)
class Charge:
    """`quantity` units a month at the price `key`; None when it depends on usage that nobody has declared.

    `usage` names that usage, `note` says what is counted or assumed, `saving` is the largest fraction that is saved
    where the saving was not measured yet (spot).
    """

    key: str
    quantity: Decimal | None
    usage: str = ""
    note: str = ""
    saving: Decimal = Decimal(0)


def monthly(key: str, count: Decimal | int = 1, note: str = "") -> Charge:
    """Charged by the month."""
    return Charge(key, Decimal(count), note=note)


def hourly(key: str, count: Decimal | int = 1, note: str = "", saving: Decimal = Decimal(0)) -> Charge:
    """Charged by the hour, all 730 of a month."""
    return Charge(key, Decimal(count) * HOURS_PER_MONTH, note=note, saving=saving)


def used(key: str, usage: str, *factors: Decimal | int | None, note: str = "") -> Charge:
    """Charged by use: the product of the factors, unknown when one of them is."""
    quantity: Decimal | None = Decimal(1)
    for factor in factors:
        quantity = None if factor is None or quantity is None else quantity * factor
    return Charge(key, quantity, usage, note)


def free(service: str, kinds: str, reason: str) -> dict[str, str]:
    """Types of a service, by their last names in one text, that are free for the same reason."""
    return {f"{service}::{kind}": reason for kind in kinds.split()}
