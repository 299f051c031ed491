"""A week of the fraud scorer, on the fleet that its plan gives it for each shape of traffic, and on fixed fleets."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from serving_workloads import measured, scorer
from traffic import Machine, Outcome, office_hours, simulate, spiky, steady

from groundplan.planner import Market, plan
from groundplan.planner.sizing import HEADROOM
from groundplan.prices import read_prices
from groundplan.serving.design import Fleet, design

ROOT = Path(__file__).parents[2]
LOW, MIDDLE, HIGH = 60, 600, 900  # requests a second
RATE = 310  # of one machine, measured
TWO_ZONES = 2
SHAPES: Mapping[str, Callable[[], list[int]]] = {
    "steady": lambda: steady(MIDDLE * 60),
    "spiky": lambda: spiky(LOW * 60, HIGH * 60),
    "office-hours": lambda: office_hours(LOW * 60, HIGH * 60),
}


def week(shape: str) -> Mapping[str, Outcome]:
    """By the fleet: as planned, as if it were always scaled, all of the peak's machines, and those of the average."""
    traffic = SHAPES[shape]()
    average = sum(traffic) // len(traffic) // 60
    fleet, p99_ms, hourly_usd, driver_ms = _planned(shape, average)
    machine = Machine(requests_per_minute=RATE * 60, p99_ms=p99_ms, hourly_usd=hourly_usd)
    fleets = {
        "as planned": fleet,
        "scaled from two machines": replace(fleet, least=TWO_ZONES),
        "fixed for the peak": _fixed(fleet, fleet.most),
        "fixed for the average": _fixed(fleet, max(TWO_ZONES, -(-average // int(RATE * HEADROOM)))),
    }
    return {name: simulate(traffic, one, machine, driver_ms) for name, one in fleets.items()}


def _fixed(fleet: Fleet, count: int) -> Fleet:
    return replace(fleet, least=count, most=count, busy="")


def _planned(shape: str, average: int) -> tuple[Fleet, int, Fraction, int]:
    """The plan's fleet, with two machines at least, as production has it; p99 and price of one, and the driver."""
    workload = scorer(
        f"{shape}-scorer",
        "real-time-cpu",
        drivers={"average_requests_per_second": average, "peak_requests_per_second": HIGH, "traffic": shape},
        custom={"measured": measured("ml.c5.xlarge", RATE)},
    )
    chosen = plan(workload, Market(read_prices(ROOT, "us-east-1"))).chosen
    planned = design(chosen) if chosen else None
    if chosen is None or planned is None or planned.fleet is None or planned.promise.hourly_usd is None:
        raise ValueError(f"{workload.name} has no plan with machines of a known price")
    fleet = replace(planned.fleet, least=max(TWO_ZONES, planned.fleet.least))
    p99_ms = int(chosen.option.service.p99_ms)
    return fleet, p99_ms, Fraction(planned.promise.hourly_usd), int(planned.promise.p99_ms or 0)
