"""From the plan's decision to what the constructs are given: fleet, memory, scaling target, promise. Pure."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Literal

from groundplan.planner import Option
from groundplan.planner.choice import Considered
from groundplan.planner.option import BEDROCK, REAL_TIME
from groundplan.planner.sizing import HEADROOM
from groundplan.prices import Price
from groundplan.serving.offers import Mode

Busy = Literal["", "office-hours", "nightly"]
_MODES: dict[str, Mode] = {
    "serverless": "serverless",
    "asynchronous": "asynchronous",
    "scale-to-zero": "component",
    "batch-transform": "batch-transform",
    **dict.fromkeys(REAL_TIME.values(), "real-time"),
}
SERVERLESS_MOST_CONCURRENCY = 200


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Instances of one type, at least and at most, and what one of them does.

    `requests_per_second` is what is counted on: the measured rate less the headroom. `concurrency` is given for
    language models, whose requests differ too much in length for a rate to tell how busy a machine is.
    """

    instance_type: str
    least: int
    most: int
    requests_per_second: Decimal
    concurrency: Decimal | None = None
    busy: Busy = ""

    def __post_init__(self) -> None:
        if not 0 <= self.least <= self.most or self.most < 1:
            raise ValueError(f"allowed: 0 <= least <= most and most >= 1, got least {self.least}, most {self.most}")
        if self.requests_per_second <= 0 or (self.concurrency is not None and self.concurrency <= 0):
            raise ValueError(f"what one instance does must be above zero, got {self.requests_per_second} requests/s")

    @property
    def invocations_per_minute(self) -> int:
        """Of one instance, which is what SageMakerVariantInvocationsPerInstance counts."""
        return max(1, int(self.requests_per_second * 60))


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What callers were promised, and with what alarms compare: shares of requests in per cent, p99 of the model.

    `always_asked`: traffic never stops, so silence is a failure. `thousand_usd` is what the plan said that a thousand
    requests cost, `hourly_usd` what an hour of an instance costs, or of a serverless endpoint's work; None where no
    price is known. `wait_seconds` is how long a request may lie in a queue.
    """

    p99_ms: Decimal | None = None
    wait_seconds: Decimal | None = None
    failed_percent: Decimal = Decimal(1)
    refused_percent: Decimal = Decimal(5)
    always_asked: bool = False
    thousand_usd: Decimal | None = None
    hourly_usd: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class Design:
    """How one workload is served. `fleet` where there are instances, `memory_mib` where it is serverless."""

    mode: Mode
    promise: Promise
    fleet: Fleet | None = None
    memory_mib: int = 0
    concurrency: int = 0
    model_memory_mib: int = 0
    accelerators: int = 0


def design(considered: Considered) -> Design | None:
    """The design of a chosen option; None for Bedrock and for a rule, which no endpoint serves."""
    option = considered.option
    if option.architecture in BEDROCK or option.architecture == "no-model":
        return None
    mode = _MODES[option.architecture]
    promise = _promise(considered, mode)
    if mode == "serverless":
        at_once = option.drivers.peak_requests_per_second * option.service.p99_ms / 1000
        concurrency = min(max(1, _whole(at_once)), SERVERLESS_MOST_CONCURRENCY)
        return Design(mode=mode, promise=promise, memory_mib=option.memory_gib * 1024, concurrency=concurrency)
    memory = option.workload.model.custom.memory_gib if option.workload.model.custom else Decimal(1)
    return Design(
        mode=mode,
        promise=promise,
        fleet=_fleet(considered),
        model_memory_mib=_whole(memory * 1024),
        accelerators=option.machine.accelerator_count if option.machine else 0,
    )


def _fleet(considered: Considered) -> Fleet:
    option, size = considered.option, considered.size
    traffic = option.drivers.traffic
    return Fleet(
        instance_type=option.runs_on,
        least=size.least,
        most=max(size.most, 1),
        requests_per_second=option.requests_per_second * HEADROOM,
        concurrency=_concurrency(option),
        busy=traffic if traffic in ("office-hours", "nightly") else "",
    )


def _concurrency(option: Option) -> Decimal | None:
    """Requests that one instance works on at once: rate x time, by Little's law. For language models only."""
    custom = option.workload.model.custom
    if custom is None or custom.parameters_billion is None:
        return None
    return max(Decimal(1), option.requests_per_second * HEADROOM * option.service.p50_ms / 1000)


def _promise(considered: Considered, mode: Mode) -> Promise:
    option = considered.option
    drivers = option.drivers
    waited_for = mode in ("real-time", "serverless", "component")
    average = considered.cost.average
    return Promise(
        p99_ms=drivers.latency_p99_ms if waited_for else None,
        wait_seconds=drivers.tolerance_ms / 1000 if mode == "asynchronous" else None,
        always_asked=waited_for and drivers.traffic == "steady",
        thousand_usd=None if average.unknowns else average.most / drivers.requests_per_month * 1000,
        hourly_usd=_hourly(option, mode),
    )


def _hourly(option: Option, mode: Mode) -> Decimal | None:
    if option.machine:
        component = "transform" if mode == "batch-transform" else "hosting"
        price = option.market.price(f"sagemaker/{component}/{option.runs_on}")
        return price.amount if isinstance(price, Price) else None
    price = option.market.price(f"sagemaker/serverless/{option.memory_gib}gb")
    return price.amount * 3600 if isinstance(price, Price) else None


def _whole(number: Decimal) -> int:
    return int(number.to_integral_value(rounding=ROUND_CEILING))
