"""Exact sums of US dollars that carry what they do not know."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal

from groundplan.prices.price import Price, Unknown

_CENT = Decimal("0.01")
_WIDE = Context(prec=100)  # sums of absurd quantities are still shown


@dataclass(frozen=True)
class Money:
    """Between `least` and `most` US dollars (equal unless a saving was not measured yet), plus unknowns.

    `unknowns` are the keys of prices that are missing, `uncertain` those that are counted but extrapolated or stale;
    each stands once, sorted. Money adds, and multiplies by a quantity that is not negative.

    >>> str(Money.of(Price(Decimal("0.23"), "hour", ...), 730))
    '$167.90'
    """

    least: Decimal = Decimal(0)
    most: Decimal = Decimal(0)
    unknowns: tuple[str, ...] = ()
    uncertain: tuple[str, ...] = ()

    @classmethod
    def usd(cls, amount: Decimal | int | str) -> "Money":
        """So many dollars, known."""
        known = Decimal(amount)
        return cls(known, known)

    @classmethod
    def unknown(cls, key: str) -> "Money":
        """Something that costs, nobody knows how much."""
        return cls(unknowns=(key,))

    @classmethod
    def of(cls, price: Price | Unknown, quantity: Decimal | int, key: str = "") -> "Money":
        """`quantity` units at a price; nothing of an unknown price costs nothing.

        `key` is what an uncertain price is called in the sum.
        """
        if not quantity:
            return cls()
        if isinstance(price, Unknown):
            return cls.unknown(price.key)
        known = price.amount * quantity
        return cls(known, known, uncertain=() if price.certain else (key or price.source,))

    @property
    def exact(self) -> bool:
        """True when every price of the sum is there and certain."""
        return not self.unknowns and not self.uncertain

    def saving(self, at_most: Decimal) -> "Money":
        """The same less anything between nothing and the fraction `at_most`: a saving that was not measured yet."""
        return Money(self.least * (1 - at_most), self.most, self.unknowns, self.uncertain)

    def __add__(self, other: "Money") -> "Money":
        return Money(
            self.least + other.least,
            self.most + other.most,
            _together(self.unknowns, other.unknowns),
            _together(self.uncertain, other.uncertain),
        )

    def __mul__(self, quantity: Decimal | int) -> "Money":
        if not quantity:
            return Money()
        return Money(self.least * quantity, self.most * quantity, self.unknowns, self.uncertain)

    def __str__(self) -> str:
        known = dollars(self.most) if self.least == self.most else f"{dollars(self.least)} to {dollars(self.most)}"
        return f"at least {known}, plus {len(self.unknowns)} unknown" if self.unknowns else known


def dollars(amount: Decimal) -> str:
    """`$1,234.56`, rounded to the cent; a sum below half a cent that is not zero reads `< $0.01`."""
    cents = amount.quantize(_CENT, ROUND_HALF_UP, _WIDE)
    if not cents and amount > 0:
        return "< $0.01"
    return f"-${-cents:,}" if cents < 0 else f"${cents:,}"


def rate(price: Price) -> str:
    """A unit price as a price list has it: `$0.023 per GB-month`, `$0.20 per million requests`."""
    amount, unit = price.amount, price.unit
    if amount < Decimal("0.0001"):
        amount, unit = amount * 1_000_000, f"million {unit}s"
    text = format(amount.normalize(), "f")
    whole, _, cents = text.partition(".")
    return f"${whole}.{cents:0<2} per {unit}"


def _together(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    if not one or not other or one == other:
        return one or other
    return tuple(sorted({*one, *other}))
