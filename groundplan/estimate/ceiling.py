"""What is said of an estimate that passes its ceiling, or that is not certain."""

from collections.abc import Iterator
from decimal import Decimal

from groundplan.estimate.estimate import Estimate, Line
from groundplan.prices import dollars

WEIGHTIEST = 5


def excess(what: str, found: Estimate, ceiling: Decimal | int) -> tuple[Line, str] | None:
    """The line that weighs most, and by how much `what` is above its ceiling and through what; None when it is not.

    A saving that was not measured is not counted on: the upper end of the sum is compared.
    """
    total = found.total
    if total.most <= ceiling:
        return None
    heaviest = found.weightiest(WEIGHTIEST)
    over, limit = dollars(total.most - ceiling), dollars(Decimal(ceiling))
    weights = "; ".join(f"{line.path} ({line.type}) {line.cost}" for line in heaviest)
    says = f"{what} would cost {total} a month, {over} above its ceiling of {limit}. What weighs most: {weights}"
    return heaviest[0], says


def uncertainties(found: Estimate) -> Iterator[tuple[Line, str]]:
    """Each line with a price that is missing, stale or extrapolated, and what is said of it."""
    for line in found.lines:
        keys = [*line.cost.unknowns, *(f"{key} (stale or extrapolated)" for key in line.cost.uncertain)]
        if keys:
            reason = f": {line.reason}" if line.reason else ""
            yield line, f"{line.path} ({line.type}) has no certain price for {', '.join(keys)}{reason}"
