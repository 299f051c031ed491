"""A unit price that is known, one that is not, and what a price is asked for: instance types and models."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

HOURS_PER_MONTH = 730
Confidence = Literal["list", "crosschecked", "single-source", "stale", "extrapolated"]
CERTAIN = ("list", "crosschecked", "single-source")


@dataclass(frozen=True)
class Price:
    """US dollars for one unit (an hour, a token, a request, a GB-month), list price, first tier.

    `confidence` is `list` (AWS's own price list), `crosschecked` (two sources agree within 1 %), `single-source`,
    `stale` (older than 180 days when it was read) or `extrapolated` (from another region's price or another size's).
    """

    amount: Decimal
    unit: str
    effective: date
    source: str
    confidence: str

    @property
    def certain(self) -> bool:
        """False for what is stale or extrapolated: it counts as unknown where certainty is asked for."""
        return self.confidence in CERTAIN


@dataclass(frozen=True)
class Unknown:
    """A price that nobody could name a source for. It is shown, and never counted as zero."""

    key: str
    reason: str


@dataclass(frozen=True)
class InstanceType:
    """A SageMaker instance type. `accelerator` is the model of GPU or Neuron chip, None for none;
    `accelerator_memory_gib` is that of all its accelerators together."""

    name: str
    vcpu: int
    memory_gib: Decimal
    accelerator: str | None = None
    accelerator_count: int = 0
    accelerator_memory_gib: int = 0
    neuron_cores: int = 0


@dataclass(frozen=True)
class ModelPrices:
    """A foundation model or inference profile in one region.

    `prices` maps a tier to its price: `input`, `output`, `cache-read`, `cache-write`, each also below `/batch`,
    `/flex`, `/priority` or `/above-200k`, as `input/batch`.
    """

    id: str
    mode: str
    max_input_tokens: int | None
    max_output_tokens: int | None
    end_of_life: date | None
    prices: Mapping[str, Price]

    def price(self, tier: str) -> Price | Unknown:
        """The price of a tier, or why there is none."""
        found = self.prices.get(tier)
        return found or Unknown(f"bedrock/{self.id}/{tier}", f"{self.id} has no price for {tier}")
