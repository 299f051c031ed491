"""With what a workload may meet its drivers: a foundation model, a model of its own, or a rule."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from groundplan.quantity import PositiveQuantity, Quantity
from groundplan.refusal import Disallowed
from groundplan.text import FileName, InstanceType, matching
from groundplan.toml_file import Values
from groundplan.workload.data import Sentence
from groundplan.workload.drivers import Fraction, Milliseconds, Rate, at_most

ModelId = Annotated[str, matching(r"[A-Za-z0-9][A-Za-z0-9._:/-]{2,127}", "allowed: the id of a Bedrock model")]
Tokens = Annotated[int, Field(ge=0, le=10_000_000)]


def _in_order(p50: Decimal | None, p99: Decimal | None) -> None:
    if (p50 is None) != (p99 is None) or (p50 is not None and p99 is not None and p50 > p99):
        raise Disallowed(f"p50_ms of {p50}", f"allowed: together with p99_ms, {p99}, and at most that")


class Baseline(Values):
    """The simple thing to beat: a rule or a query, with its measured quality. Good enough, it is the plan."""

    rule: Sentence = Field(description="what it does")
    quality: Fraction = Field(description="its key metric, measured")
    slices: dict[str, Fraction] = Field(default={}, max_length=100)
    milliseconds: Milliseconds = Field(default=Decimal(10), description="what one answer takes")


class FoundationModel(Values):
    """A model of Bedrock that was tried on this use case, and what came of it."""

    id: ModelId
    quality: Fraction | None = Field(default=None, description="its key metric, measured; left out: not yet known")
    slices: dict[str, Fraction] = Field(default={}, max_length=100)
    p50_ms: Milliseconds | None = None
    p99_ms: Milliseconds | None = None

    @model_validator(mode="after")
    def _latencies_in_order(self) -> "FoundationModel":
        _in_order(self.p50_ms, self.p99_ms)
        return self


class Foundation(Values):
    """What a request to a foundation model is made of, and the models that may answer."""

    capability: Literal["chat", "embedding", "rerank"] = "chat"
    input_tokens: Annotated[Tokens, Field(ge=1, description="of one request, with retrieved passages")]
    output_tokens: Tokens
    models: Annotated[tuple[FoundationModel, ...], Field(strict=False, min_length=1, max_length=20)]


class Measured(Values):
    """What one instance of a type was measured to do, at a latency that was measured with it."""

    instance_type: InstanceType
    requests_per_second: Rate
    p50_ms: Milliseconds
    p99_ms: Milliseconds

    @model_validator(mode="after")
    def _latencies_in_order(self) -> "Measured":
        _in_order(self.p50_ms, self.p99_ms)
        return self


class CompiledFor(Values):
    """What a compilation for NeuronCores fixed: nothing else can be served with its artefacts."""

    cores: Annotated[int, Field(ge=1, le=24, description="NeuronCores over which it is spread")]
    sequence_length: Annotated[int, Field(ge=1, le=10_000_000, description="tokens, prompt and answer together")]
    batch_size: Annotated[int, Field(ge=1, le=4096, description="sequences at once")]
    kv_bytes_per_token: Annotated[
        int, Field(ge=0, le=2**30, description="keys and values of one token, over all layers")
    ]


class Custom(Values):
    """A model of one's own, or an open one that is hosted here."""

    framework: FileName
    memory_gib: Annotated[PositiveQuantity, at_most(8192, " GiB")] = Field(description="of the model when it serves")
    quality: Fraction | None = Field(default=None, description="its key metric, measured; left out: not yet known")
    slices: dict[str, Fraction] = Field(default={}, max_length=100)
    parameters_billion: Annotated[PositiveQuantity, at_most(10_000)] | None = Field(
        default=None, description="of a language model"
    )
    bytes_per_parameter: Annotated[PositiveQuantity, at_most(8)] = Decimal(2)
    kv_cache_gib: Annotated[Quantity, at_most(8192)] = Field(default=Decimal(0), description="at full concurrency")
    cpu_ms_per_request: Milliseconds | None = Field(
        default=None, description="declared work of one request on one vCPU, for machines that were not measured"
    )
    cold_start_seconds: Annotated[PositiveQuantity, at_most(3600, " seconds")] | None = Field(
        default=None, description="until a new copy answers, on a machine that is there"
    )
    arm64: bool = Field(default=False, description="its image is also built for Graviton")
    neuron_sdk: FileName | None = Field(default=None, description="Neuron SDK that it was compiled with")
    compiled: CompiledFor | None = Field(default=None, description="for Inferentia2")
    measured: Annotated[tuple[Measured, ...], Field(strict=False, max_length=50)] = ()

    @field_validator("measured")
    @classmethod
    def _types_differ(cls, value: tuple[Measured, ...]) -> tuple[Measured, ...]:
        names = [entry.instance_type for entry in value]
        for name in names:
            if names.count(name) > 1:
                raise Disallowed(name, "allowed: each instance type once")
        return value

    @model_validator(mode="after")
    def _its_speed_is_known(self) -> "Custom":
        if not self.measured and self.cpu_ms_per_request is None:
            raise Disallowed(
                "nothing",
                "measured on an instance type, or declared: one of them says how fast it is",
                field="model.custom.measured",
            )
        return self

    @property
    def accelerator_memory_gib(self) -> Decimal:
        """Weights and KV cache: parameters x bytes, in GiB; the memory in use where there are no parameters."""
        if self.parameters_billion is None:
            return self.memory_gib
        return self.weights_gib + self.kv_cache_gib

    @property
    def weights_gib(self) -> Decimal:
        """Parameters x bytes, in GiB."""
        return (self.parameters_billion or Decimal(0)) * self.bytes_per_parameter * 10**9 / 2**30


class Model(Values):
    """A foundation model, a model of one's own, or both: then the plan says which is the better bargain."""

    foundation: Foundation | None = None
    custom: Custom | None = None

    @model_validator(mode="after")
    def _one_at_least(self) -> "Model":
        if not self.foundation and not self.custom:
            raise Disallowed("nothing", "allowed: model.foundation, model.custom, or both", field="model")
        return self
