"""The model of `workload.toml`."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from groundplan.refusal import Disallowed, bad
from groundplan.text import TagValue, WorkloadName
from groundplan.toml_file import Values
from groundplan.workload.data import Data, Sentence
from groundplan.workload.drivers import Drivers
from groundplan.workload.gate import Gate
from groundplan.workload.model import Baseline, Model
from groundplan.workload.training import Training

Architecture = Literal[
    "no-model",
    "bedrock-on-demand",
    "bedrock-batch",
    "serverless",
    "real-time-cpu",
    "real-time-graviton",
    "real-time-gpu",
    "real-time-inferentia2",
    "scale-to-zero",
    "asynchronous",
    "batch-transform",
]


class Force(Values):
    """An architecture that is taken whatever is cheapest. It is checked and priced like any other."""

    force: Architecture
    reason: Sentence


class Metering(Values):
    """By whom and for what use is counted."""

    tenants: Annotated[tuple[WorkloadName, ...], Field(strict=False, max_length=1000)] = ()
    features: Annotated[tuple[WorkloadName, ...], Field(strict=False, max_length=100)] = ()


class Workload(Values):
    """One workload. Its folder holds this file, and the training script and whatever else it needs."""

    name: WorkloadName
    owner: TagValue
    cost_centre: TagValue
    use_case: Sentence
    data: Data
    drivers: Drivers
    baseline: Baseline
    model: Model
    training: Training | None = Field(default=None, description="left out: nothing is trained here")
    plan: Force | None = None
    metering: Metering = Metering()
    gate: Gate = Gate()
    key_metric: str = Field(min_length=1, max_length=64)  # after training, which says what is measured

    @field_validator("key_metric")
    @classmethod
    def _key_metric_is_measured(cls, value: str, info: ValidationInfo) -> str:
        training: Training | None = info.data.get("training")
        if training and value not in training.metrics:
            raise Disallowed(value, f"allowed: a metric of the training: {', '.join(training.metrics)}")
        return value

    @property
    def trained(self) -> Training:
        """Its training; raises BadInput where there is none."""
        if self.training is None:
            where = f"workloads/{self.name}/workload.toml"
            raise bad(where, "training", "nothing", "it trains nothing; add [training] to give it something to train")
        return self.training

    @model_validator(mode="after")
    def _training_has_data(self) -> "Workload":
        if self.training and not (self.data.dataset and self.data.channels):
            missing = "channels" if self.data.dataset else "dataset"
            raise Disallowed("nothing", "a value is required where there is [training]", field=f"data.{missing}")
        return self
