"""How many machines, for how many hours of a month, and the arithmetic in words."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from groundplan.planner.option import FROM_ZERO, Option
from groundplan.workload.drivers import BUSY_HOURS, MONTH_HOURS

HEADROOM = Decimal("0.7")  # of the measured throughput is counted on: the rest is for what scaling is too late for
TWO_INSTANCES_ABOVE = Decimal(99)  # per cent of availability that one instance, in one zone, cannot promise
IDLE_TAIL = 2  # assumed: from zero, instances stay as long again as they work before the alarm takes them away
AWAKE_HOURS = Decimal("0.25")  # assumed: from zero, a request keeps instances for so long before the alarm takes them
LONG_TOLERANCE_SECONDS = 3600  # of a queue, in which a peak is levelled to the average
JOB_START_HOURS = Decimal("0.1")  # paid while a job's instance starts
NIGHTS = Decimal(365) / 12
MONTH = Decimal(MONTH_HOURS)


@dataclass(frozen=True)
class Size:
    """Instances at least and at most, and paid instance-hours of an average month and of one at peak."""

    least: int
    most: int
    hours: Decimal
    hours_at_peak: Decimal
    arithmetic: tuple[str, ...]


def size(option: Option, *, words: bool = False) -> Size:
    """The size of an option on machines, nothing elsewhere; with the arithmetic in `words` where they are wanted."""
    if option.machine is None:
        return Size(0, 0, Decimal(0), Decimal(0), ())
    sized = _jobs if option.architecture == "batch-transform" else _endpoint
    return sized(option, words)


def least_instances(option: Option) -> int:
    """One, or two in two zones where availability asks for it; none for what scales to zero."""
    if option.architecture in FROM_ZERO:
        return 0
    return 2 if option.drivers.availability_percent > TWO_INSTANCES_ABOVE else 1


def _endpoint(option: Option, words: bool) -> Size:
    drivers, least = option.drivers, least_instances(option)
    usable = option.requests_per_second * HEADROOM
    peak, average = drivers.peak_requests_per_second, drivers.average_requests_per_second
    at_peak = max(least, _whole(peak / usable), 1)
    at_average = max(least, _whole(average / usable), 1)
    if drivers.traffic in ("spiky", "bulk") and option.architecture not in FROM_ZERO:
        least = at_peak  # it comes and goes before scaling has an instance that answers
    levelled = option.architecture == "asynchronous" and drivers.batching_tolerance_seconds >= LONG_TOLERANCE_SECONDS
    most = at_average if levelled else at_peak
    hours, says = _hours(option, least, most, at_average, average / usable)
    if not words:
        return Size(least, most, hours, MONTH * most, ())
    arithmetic = (
        f"one {option.runs_on} does {_short(option.requests_per_second)} requests/s; {HEADROOM:.0%} of it is counted "
        f"on: {_short(usable)}",
        f"peak {_short(peak)} / {_short(usable)} -> {at_peak}, average {_short(average)} / {_short(usable)} -> "
        f"{at_average}"
        + (", at least 2 for two zones" if least_instances(option) == 2 else "")
        + (f"; a queue of {_short(drivers.batching_tolerance_seconds)} s levels the peak" if levelled else ""),
        (f"scales between {least} and {most}; " if least < most else f"{most} at all times; ")
        + says.format(at_average=at_average, most=most, least=least, traffic=drivers.traffic)
        + f" = {_short(hours)} instance-hours a month",
    )
    return Size(least, most, hours, MONTH * most, arithmetic)


def _hours(option: Option, least: int, most: int, at_average: int, work: Decimal) -> tuple[Decimal, str]:
    """Paid instance-hours of an average month, and why, in words with fields to fill in."""
    traffic = option.drivers.traffic
    if traffic == "steady":
        return MONTH * at_average, "{at_average} x 730 h, as traffic is steady"
    if busy := BUSY_HOURS.get(traffic):
        return busy * most + (MONTH - busy) * least, "{most} in the busy hours of {traffic}, {least} in the others"
    hours = MONTH * most
    if option.architecture in FROM_ZERO:
        if traffic == "bulk":  # requests come together
            awake = max(work * MONTH * IDLE_TAIL, Decimal(1))
            says = f"hours of work x {IDLE_TAIL} (as long again before scaling in, assumed)"
        else:
            awake = option.drivers.requests_per_month * AWAKE_HOURS * most
            says = f"each request keeps {{most}} awake for {AWAKE_HOURS} h (assumed)"
        if awake < hours:
            return awake, says
    return hours, "{most} x 730 h, as {traffic} traffic comes faster than instances do"


def _jobs(option: Option, words: bool) -> Size:
    drivers = option.drivers
    window = option.latency.p50_ms / 3_600_000
    runs = NIGHTS if drivers.traffic == "nightly" else MONTH / window
    rates = (drivers.average_requests_per_second, drivers.peak_requests_per_second)
    work, peak_work = (rate * 3600 * MONTH / runs / option.requests_per_second / 3600 for rate in rates)
    count = max(1, _whole(work / (window - JOB_START_HOURS)))
    peak_count = max(1, _whole(peak_work / (window - JOB_START_HOURS)))
    hours = runs * (work + count * JOB_START_HOURS)
    peak_hours = runs * (peak_work + peak_count * JOB_START_HOURS)
    if not words:
        return Size(0, max(count, peak_count), hours, peak_hours, ())
    arithmetic = (
        f"{_short(runs)} jobs a month of {_short(drivers.requests_per_month / runs)} requests each",
        f"one {option.runs_on} does {_short(option.requests_per_second)} requests/s: {_short(work)} h of work a job",
        f"within {_short(window)} h -> {count} instance(s), {JOB_START_HOURS} h each to start = {_short(hours)} "
        "instance-hours a month",
    )
    return Size(0, max(count, peak_count), hours, peak_hours, arithmetic)


def _whole(number: Decimal) -> int:
    return int(number.to_integral_value(rounding=ROUND_CEILING))


def _short(number: Decimal) -> str:
    """A number for people: two decimals, or two digits that tell for what is small."""
    if number and abs(number) < 1:
        return format(number.normalize(), ".2g") if number >= Decimal("0.0001") else format(float(number), ".2g")
    text = f"{number:,.2f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
