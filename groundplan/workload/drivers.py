"""What a workload must do: the drivers from which its architecture follows."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from groundplan.quantity import PositiveQuantity, Quantity
from groundplan.refusal import Disallowed
from groundplan.toml_file import Values

Traffic = Literal["steady", "spiky", "office-hours", "nightly", "bulk"]
MONTH_HOURS = 730
# Hours of a month in which traffic of these shapes comes: ten hours of five days a week; eight hours a night.
BUSY_HOURS: dict[str, Decimal] = {"office-hours": Decimal(217), "nightly": Decimal(243)}


def at_most(most: Decimal | int, unit: str = "") -> AfterValidator:
    """A bound that no real workload passes; what lies above is a slip of the hand."""

    def check(value: Decimal) -> Decimal:
        if value > most:
            raise ValueError(f"allowed: at most {most}{unit}")
        return value

    return AfterValidator(check)


Rate = Annotated[PositiveQuantity, at_most(1_000_000, " a second")]
Milliseconds = Annotated[PositiveQuantity, at_most(86_400_000, " ms, a day")]
Fraction = Annotated[Quantity, at_most(1)]


class Quality(Values):
    """The least that the key metric may be, over all and for each slice. Fractions: 0.97, not 97."""

    floor: Fraction
    slices: dict[str, Fraction] = Field(default={}, max_length=100)


class Drivers(Values):
    """Rates are requests a second, times milliseconds, sizes KiB, money US dollars a month."""

    latency_p50_ms: Milliseconds | None = None
    latency_p99_ms: Milliseconds | None = Field(default=None, description="left out where nobody waits")
    batching_tolerance_seconds: Annotated[Quantity, at_most(31_536_000, " seconds, a year")] = Field(
        default=Decimal(0), description="how late a result may be, so that many are computed together"
    )
    average_requests_per_second: Rate = Field(description="over the whole month")
    peak_requests_per_second: Rate
    payload_kib: Annotated[PositiveQuantity, at_most(1024**3, " KiB")] = Field(description="the largest request")
    traffic: Traffic
    availability_percent: Annotated[PositiveQuantity, at_most(Decimal("99.999"), " %")]
    monthly_cost_ceiling_usd: Annotated[PositiveQuantity, at_most(10**9)]
    quality: Quality

    @model_validator(mode="after")
    def _do_not_contradict(self) -> "Drivers":
        p50, p99 = self.latency_p50_ms, self.latency_p99_ms
        if p50 is not None and p99 is not None and p50 > p99:
            raise Disallowed(f"{p50}", f"allowed: at most latency_p99_ms, {p99}", field="drivers.latency_p50_ms")
        average, peak = self.average_requests_per_second, self.peak_requests_per_second
        field = "drivers.average_requests_per_second"
        if average > peak:
            raise Disallowed(f"{average}", f"allowed: at most peak_requests_per_second, {peak}", field=field)
        hours = BUSY_HOURS.get(self.traffic, Decimal(MONTH_HOURS))
        if average * MONTH_HOURS > peak * hours:
            most = f"{(peak * hours / MONTH_HOURS):.3g}"
            traffic = f"{self.traffic} traffic has {hours} of {MONTH_HOURS} hours at peak_requests_per_second, {peak}"
            raise Disallowed(f"{average}", f"allowed: at most {most}, as {traffic}", field=field)
        return self

    @model_validator(mode="after")
    def _somebody_waits_or_nobody_does(self) -> "Drivers":
        if (self.latency_p50_ms is None) != (self.latency_p99_ms is None):
            missing = "latency_p50_ms" if self.latency_p50_ms is None else "latency_p99_ms"
            raise Disallowed(
                "nothing", "latency_p50_ms and latency_p99_ms stand together", field=f"drivers.{missing}"
            )
        if self.latency_p99_ms is None and self.batching_tolerance_seconds < 1:
            allowed = "allowed without latency_p99_ms: at least 1, how late a result may be"
            field = "drivers.batching_tolerance_seconds"
            raise Disallowed(f"{self.batching_tolerance_seconds}", allowed, field=field)
        return self

    @property
    def requests_per_month(self) -> Decimal:
        """Of an average month of 730 hours."""
        return self.average_requests_per_second * 3600 * MONTH_HOURS

    @property
    def tolerance_ms(self) -> Decimal:
        """How late a result may be, in milliseconds."""
        return self.batching_tolerance_seconds * 1000

    def deadline_ms(self, percentile: Literal["p50", "p99"]) -> Decimal:
        """What a response may take: the latency, or the tolerance where that is longer."""
        latency = self.latency_p50_ms if percentile == "p50" else self.latency_p99_ms
        return max(latency or Decimal(0), self.tolerance_ms)
