"""Numbers of a file as exact decimals: finite, not negative, and what is allowed otherwise."""

from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator

LARGEST = 10**15


def _quantity(value: object) -> Decimal:
    if isinstance(value, Decimal):
        number = value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = Decimal(str(value))
    else:
        raise ValueError("allowed: a number")
    if not number.is_finite() or number < 0:
        raise ValueError("allowed: a finite number, not negative")
    if number > LARGEST:
        raise ValueError(f"allowed: at most {LARGEST:.0e}")
    return number


def _positive(value: object) -> Decimal:
    number = _quantity(value)
    if not number:
        raise ValueError("allowed: a number above zero")
    return number


Quantity = Annotated[Decimal, BeforeValidator(_quantity)]
PositiveQuantity = Annotated[Decimal, BeforeValidator(_positive)]
