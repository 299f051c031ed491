"""Why a workload costs other than planned, in parts that sum to the difference.

Things are counted by the price they are charged at (`sagemaker/hosting/ml.m5.large`), in families whose units can be
added up (hours of machines, requests).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

NOTHING = Decimal(0)
_SMALLEST = Decimal("1e-12")


@dataclass(frozen=True)
class Item:
    """So much of one thing, and what it costs. `quantity` is None where the two sides do not count alike."""

    family: str
    amount: Decimal
    quantity: Decimal | None = None

    @property
    def price(self) -> Decimal | None:
        """Of one unit; None where there is none to divide by."""
        return self.amount / self.quantity if self.quantity else None


@dataclass(frozen=True)
class Difference:
    """Actual less planned.

    `price`: the same at another price; `volume`: more or less of a family, at its planned average; `mix`: dearer or
    cheaper kinds of it; `unplanned`: things that no plan holds; `untold`: what the sides count in other units.
    """

    price: Decimal = NOTHING
    volume: Decimal = NOTHING
    mix: Decimal = NOTHING
    unplanned: Decimal = NOTHING
    untold: Decimal = NOTHING

    @property
    def total(self) -> Decimal:
        """The sum of the parts, which is the difference."""
        return self.price + self.volume + self.mix + self.unplanned + self.untold

    def __add__(self, other: "Difference") -> "Difference":
        return Difference(
            self.price + other.price,
            self.volume + other.volume,
            self.mix + other.mix,
            self.unplanned + other.unplanned,
            self.untold + other.untold,
        )

    def parts(self) -> dict[str, Decimal]:
        """Name to part."""
        return {name: getattr(self, name) for name in ("price", "volume", "mix", "unplanned", "untold")}


def difference(planned: Mapping[str, Item], actual: Mapping[str, Item]) -> Difference:
    """The parts; their sum is the sum of `actual` less that of `planned`, to the last digit."""
    found = Difference()
    for family in sorted({item.family for item in (*planned.values(), *actual.values())}):
        before = {name: item for name, item in planned.items() if item.family == family}
        after = {name: item for name, item in actual.items() if item.family == family}
        found += _of_family(before, after)
    return found


def _of_family(planned: Mapping[str, Item], actual: Mapping[str, Item]) -> Difference:
    unplanned = sum((item.amount for name, item in actual.items() if name not in planned), NOTHING)
    known = {name: item for name, item in actual.items() if name in planned}
    before, after = _sum(planned), _sum(known)
    counted = [item.quantity for item in (*planned.values(), *known.values())]
    total = sum((item.quantity or NOTHING for item in planned.values()), NOTHING)
    if not planned or not total or None in counted:
        return Difference(unplanned=unplanned, untold=after - before)
    prices = {name: item.price or NOTHING for name, item in planned.items()}
    at_planned_prices = sum(((item.quantity or NOTHING) * prices[name] for name, item in known.items()), NOTHING)
    grown = sum((item.quantity or NOTHING for item in known.values()), NOTHING) - total
    volume = (grown * before / total).quantize(_SMALLEST)
    price = (after - at_planned_prices).quantize(_SMALLEST)
    # Mix is the rest, so that nothing is lost to a division's last digit.
    return Difference(price=price, volume=volume, mix=after - before - price - volume, unplanned=unplanned)


def _sum(items: Mapping[str, Item]) -> Decimal:
    return sum((item.amount for item in items.values()), NOTHING)
