"""What a region offers: machines with their sizes and prices, foundation models with theirs, looked up once."""

import re
from decimal import Decimal
from functools import cache, cached_property
from typing import Literal

from groundplan.catalogue import Catalogue
from groundplan.prices import InstanceType, ModelPrices, Price, PriceBook, Unknown

Kind = Literal["cpu", "graviton", "gpu", "inferentia2", "other"]

# Graviton types that SageMaker hosts (botocore's ProductionVariantInstanceType); sizes: vCPU to memory GiB, from
# https://aws.amazon.com/ec2/instance-types/c7g/ and https://aws.amazon.com/ec2/instance-types/m6g/
_SIZES = {"large": 2, "xlarge": 4, "2xlarge": 8, "4xlarge": 16, "8xlarge": 32, "12xlarge": 48, "16xlarge": 64}
GRAVITON = {
    f"ml.{family}.{size}": InstanceType(f"ml.{family}.{size}", vcpu, Decimal(vcpu * gib_per_vcpu))
    for family, gib_per_vcpu in (("c6g", 2), ("c7g", 2), ("m6g", 4))
    for size, vcpu in _SIZES.items()
}
# Types that run transform jobs, family by family: botocore's TransformInstanceType, and
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_TransformResources.html
_INTEL = "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge"
_GPU = "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"
_TRANSFORM = {
    "m4": "xlarge 2xlarge 4xlarge 10xlarge 16xlarge",
    "c4": "xlarge 2xlarge 4xlarge 8xlarge",
    "p2": "xlarge 8xlarge 16xlarge",
    "p3": "2xlarge 8xlarge 16xlarge",
    "c5": "xlarge 2xlarge 4xlarge 9xlarge 18xlarge",
    "m5": "large xlarge 2xlarge 4xlarge 12xlarge 24xlarge",
    **dict.fromkeys(("m6i", "c6i", "r6i"), f"{_INTEL} 32xlarge"),
    **dict.fromkeys(("m7i", "c7i", "r7i"), f"{_INTEL} 48xlarge"),
    "g4dn": _GPU,
    **dict.fromkeys(("g5", "g6", "g6e"), f"{_GPU} 24xlarge 48xlarge"),
    "trn1": "2xlarge 32xlarge",
    "inf2": "xlarge 8xlarge 24xlarge 48xlarge",
}
TRANSFORM = frozenset(f"ml.{family}.{size}" for family, sizes in _TRANSFORM.items() for size in sizes.split())


@cache
def kind_of(machine: InstanceType) -> Kind:
    """Which of the plans a machine belongs to; Trainium to none."""
    family = machine.name.split(".")[1]
    if family == "inf2":
        return "inferentia2"
    if machine.neuron_cores:
        return "other"
    if machine.accelerator_count:
        return "gpu"
    return "graviton" if re.fullmatch(r"[cmr]\d+g[a-z]*", family) else "cpu"


class Market:
    """A region's price book and the approved models, None where every model is.

    What was looked up is kept: many workloads are planned against one.
    """

    def __init__(self, book: PriceBook, catalogue: Catalogue | None = None) -> None:
        self.book, self.catalogue = book, catalogue
        self.region = book.region
        self._prices: dict[str, Price | Unknown] = {}
        self._models: dict[str, ModelPrices | None] = {}

    @cached_property
    def machines(self) -> dict[str, InstanceType]:
        """Name to instance type, Graviton's included whether the region's file has their price or not."""
        return GRAVITON | {machine.name: machine for machine in self.book.instances()}

    @cached_property
    def general_machines(self) -> tuple[InstanceType, ...]:
        """Machines without an accelerator for which a declared amount of work can be counted.

        Of those of one size the cheapest: a declared figure knows no other difference. Burstable ones are left out.
        """
        cheapest: dict[tuple[Kind, int, Decimal], tuple[tuple[bool, Decimal], InstanceType]] = {}
        for name in sorted(self.machines):
            machine, price = self.machines[name], self.price(f"sagemaker/hosting/{name}")
            kind = kind_of(machine)
            if kind not in ("cpu", "graviton") or name.startswith("ml.t"):
                continue
            dearness = (True, Decimal(0)) if isinstance(price, Unknown) else (False, price.amount)
            key = (kind, machine.vcpu, machine.memory_gib)
            if key not in cheapest or dearness < cheapest[key][0]:
                cheapest[key] = (dearness, machine)
        return tuple(machine for _, machine in cheapest.values())

    def price(self, key: str) -> Price | Unknown:
        """The price of a key, or why there is none."""
        if key not in self._prices:
            self._prices[key] = self.book.find(key)
        return self._prices[key]

    def model(self, id: str) -> ModelPrices | None:  # noqa: A002
        """A foundation model or inference profile, None when the region lacks it."""
        if id not in self._models:
            self._models[id] = self.book.model(id)
        return self._models[id]
