"""One way to meet a workload: an architecture on a machine, with a model, or with none."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from groundplan.planner.market import Kind, Market
from groundplan.prices import InstanceType, ModelPrices
from groundplan.workload import Custom, Drivers, FoundationModel, Workload

# Every architecture, in the order in which equally cheap ones are preferred: the fewest moving parts first.
TITLES = {
    "no-model": "no model: the rule is good enough",
    "bedrock-on-demand": "Bedrock on demand",
    "bedrock-batch": "Bedrock batch inference",
    "batch-transform": "SageMaker batch transform",
    "serverless": "SageMaker serverless",
    "asynchronous": "SageMaker asynchronous endpoint",
    "scale-to-zero": "inference component that scales to zero",
    "real-time-cpu": "real-time endpoint on CPU",
    "real-time-graviton": "real-time endpoint on Graviton",
    "real-time-gpu": "real-time endpoint on GPU",
    "real-time-inferentia2": "real-time endpoint on Inferentia2",
}
REAL_TIME: dict[Kind, str] = {
    "cpu": "real-time-cpu",
    "graviton": "real-time-graviton",
    "gpu": "real-time-gpu",
    "inferentia2": "real-time-inferentia2",
}
ON_MACHINES = {*REAL_TIME.values(), "scale-to-zero", "asynchronous", "batch-transform"}
FROM_ZERO = {"scale-to-zero", "asynchronous"}
BEDROCK = {"bedrock-on-demand", "bedrock-batch"}

Origin = Literal["measured", "declared", "assumed"]


@dataclass(frozen=True)
class Latency:
    """What a response takes, and where the figure comes from."""

    p50_ms: Decimal
    p99_ms: Decimal
    origin: Origin
    basis: str


@dataclass(frozen=True)
class Option:
    """An architecture on something: an instance type, a model's id, or the memory of a serverless endpoint.

    `service` is what one request takes once it is being computed, `latency` what the caller sees.
    """

    architecture: str
    runs_on: str
    workload: Workload
    market: Market
    service: Latency
    latency: Latency
    quality: Decimal | None
    slices: Mapping[str, Decimal]
    machine: InstanceType | None = None
    kind: Kind = "other"
    requests_per_second: Decimal = Decimal(0)
    memory_gib: int = 0
    model: FoundationModel | None = None
    model_prices: ModelPrices | None = None

    @property
    def drivers(self) -> Drivers:
        """What the workload must do."""
        return self.workload.drivers

    @property
    def custom(self) -> Custom | None:
        """The workload's own model, where this option serves it."""
        return self.workload.model.custom if self.machine or self.memory_gib else None
