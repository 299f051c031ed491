"""How long a training job may run: what its workload allows, and no longer than its ceiling pays for."""

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from groundplan.prices import PriceBook, Unknown, dollars, rate
from groundplan.refusal import bad
from groundplan.workload import Workload

SHORTEST_SECONDS = 60  # a job that may not even run a minute is a slip of the hand, not a plan


@dataclass(frozen=True)
class RunTime:
    """`seconds` is the request's MaxRuntimeInSeconds; `arithmetic` says in one line how it came about."""

    seconds: int
    arithmetic: str


def run_time(workload: Workload, book: PriceBook, *, require_known_prices: bool = False) -> RunTime:
    """The least of `max_runtime_seconds` and the seconds that the ceiling of a run pays for.

    The price is that of on-demand capacity, which spot never passes; the disks beside the machines are not counted.
    Raises BadInput where the ceiling pays for less than a minute, and for a machine without a certain price where
    known prices are required. Elsewhere such a price bounds nothing, and the arithmetic says so.
    """
    training, where = workload.trained, f"workloads/{workload.name}/workload.toml"
    most = training.max_runtime_seconds
    price = book.find(f"sagemaker/training/{training.instance_type}")
    known = not isinstance(price, Unknown)
    if require_known_prices and not (known and price.certain):
        why = price.reason if isinstance(price, Unknown) else f"its price is {price.confidence}"
        allowed = f"no ceiling can be kept: {why}; take a machine with a price, or renew: groundplan prices refresh"
        raise bad(where, "training.instance_type", training.instance_type, allowed)
    if isinstance(price, Unknown):
        return RunTime(most, f"at most {most:,} s; UNKNOWN what that costs, so no ceiling is kept: {price.reason}")
    own = training.run_ceiling_usd
    ceiling = own or workload.drivers.monthly_cost_ceiling_usd
    hourly = price.amount * training.instance_count
    affordable = int((ceiling / hourly * 3600).to_integral_value(ROUND_FLOOR)) if hourly else most
    whose = f"{dollars(ceiling)} {'a run' if own else 'a month'}"
    machines = f"{training.instance_count} x {rate(price)}"
    if affordable < SHORTEST_SECONDS:
        field = "training.run_ceiling_usd" if own else "drivers.monthly_cost_ceiling_usd"
        needed = dollars(hourly * SHORTEST_SECONDS / 3600)
        allowed = f"it pays for {affordable} s of {training.instance_type} at {machines}; allowed: at least {needed}"
        raise bad(where, field, f"{ceiling}", allowed)
    seconds = min(most, affordable)
    worst = dollars(Decimal(seconds) / 3600 * hourly)
    return RunTime(
        seconds,
        f"at most {seconds:,} s, the least of max_runtime_seconds ({most:,}) and what {whose} pays for "
        f"({affordable:,} s at {machines}); on demand that is {worst}, disks not counted",
    )
