"""What an option must satisfy: what AWS offers and refuses, and what the workload's drivers say. One table.

Each rule has a name, the sentence it stands for, its source, and a check that says why an option fails. A failure
that a driver can mend names the driver and the value that would do.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from groundplan.catalogue import keeps_to
from groundplan.planner.market import TRANSFORM
from groundplan.planner.option import BEDROCK, Option
from groundplan.planner.pricing import Cost
from groundplan.planner.sizing import TWO_INSTANCES_ABOVE
from groundplan.prices import dollars

_GUIDE = "https://docs.aws.amazon.com/sagemaker/latest/dg"
_SAGEMAKER_API = "https://docs.aws.amazon.com/sagemaker/latest/APIReference"
_BEDROCK = "https://docs.aws.amazon.com/bedrock/latest"

# KiB of one request. The guide names 25 MB for real time, the API's own model 6,291,456 bytes: the lesser is held.
LARGEST_PAYLOAD_KIB = {
    "bedrock-on-demand": Decimal(25_000_000) / 1024,
    "serverless": Decimal(4 * 1024),
    "asynchronous": Decimal(1024**2),
    "batch-transform": Decimal(100 * 1024),
    "no-model": Decimal(6 * 1024),
}
REAL_TIME_PAYLOAD_KIB = Decimal(6 * 1024)
LONGEST_RESPONSE_MS = {"asynchronous": Decimal(3_600_000), "batch-transform": Decimal(3_600_000)}
REAL_TIME_RESPONSE_MS = Decimal(60_000)
SERVERLESS_GIB, SERVERLESS_CONCURRENCY = 6, 200
NEURON_LOADING = 2  # host memory holds the weights about twice while they are laid out for the cores
# What scales to zero refuses requests until an instance is there: no more than what one instance promises.
PROMISED_PERCENT = {"bedrock-on-demand": Decimal("99.9"), "scale-to-zero": TWO_INSTANCES_ABOVE}
ENDPOINT_PROMISED_PERCENT = Decimal("99.95")


@dataclass(frozen=True)
class Failure:
    """Why an option cannot be, and which driver would have to change to what; no driver where none can mend it."""

    rule: str
    reason: str
    driver: str = ""
    needed: Decimal | None = None


Check = Callable[[Option, Cost], Iterator[Failure]]


@dataclass(frozen=True)
class Rule:
    """One thing that must hold. `source` is where it is written, or `drivers` for what the workload itself says."""

    name: str
    says: str
    source: str
    check: Check


def failures(option: Option, cost: Cost) -> tuple[Failure, ...]:
    """Everything that speaks against an option."""
    return tuple(failure for rule in RULES for failure in rule.check(option, cost))


def _payload(option: Option, _: Cost) -> Iterator[Failure]:
    most = LARGEST_PAYLOAD_KIB.get(option.architecture)
    if most is None:
        if option.architecture in BEDROCK:
            return
        most = REAL_TIME_PAYLOAD_KIB
    given = option.drivers.payload_kib
    if given > most:
        yield Failure("payload", f"a request of {given:,} KiB; at most {most:,.0f}", "payload_kib", most)


def _response_time(option: Option, _: Cost) -> Iterator[Failure]:
    if option.architecture in BEDROCK or option.architecture == "no-model":
        return
    most = LONGEST_RESPONSE_MS.get(option.architecture, REAL_TIME_RESPONSE_MS)
    if option.service.p99_ms > most:
        yield Failure("response-time", f"one answer takes {option.service.p99_ms:,} ms at p99; at most {most:,} ms")


def _serverless_memory(option: Option, _: Cost) -> Iterator[Failure]:
    if option.memory_gib > SERVERLESS_GIB:
        yield Failure("serverless-memory", f"the model takes {option.memory_gib} GiB; at most {SERVERLESS_GIB}")


def _serverless_accelerator(option: Option, _: Cost) -> Iterator[Failure]:
    custom = option.custom
    if option.architecture == "serverless" and custom and _needs_accelerator(option):
        yield Failure("serverless-accelerator", "the model was measured on accelerators only; serverless has none")


def _needs_accelerator(option: Option) -> bool:
    custom = option.workload.model.custom
    if custom is None or custom.cpu_ms_per_request is not None:
        return False
    machines = option.market.machines
    return not any(
        (machine := machines.get(entry.instance_type)) is None or not machine.accelerator_count
        for entry in custom.measured
    )


def _serverless_concurrency(option: Option, _: Cost) -> Iterator[Failure]:
    if option.architecture != "serverless":
        return
    at_once = option.drivers.peak_requests_per_second * option.service.p50_ms / 1000
    if at_once > SERVERLESS_CONCURRENCY:
        most = SERVERLESS_CONCURRENCY * 1000 / option.service.p50_ms
        reason = f"{at_once:,.0f} requests at once at the peak; at most {SERVERLESS_CONCURRENCY}"
        yield Failure("serverless-concurrency", reason, "peak_requests_per_second", most)


def _accelerator_memory(option: Option, _: Cost) -> Iterator[Failure]:
    if option.machine and option.custom and option.machine.accelerator_count:
        wanted, there = option.custom.accelerator_memory_gib, option.machine.accelerator_memory_gib
        if wanted > there:
            reason = f"weights and KV cache take {wanted:,.1f} GiB; {option.runs_on} has {there}"
            yield Failure("accelerator-memory", reason)


def _host_memory(option: Option, _: Cost) -> Iterator[Failure]:
    if not (option.machine and option.custom and option.machine.memory_gib):
        return
    if not option.machine.accelerator_count and option.custom.memory_gib > option.machine.memory_gib:
        reason = f"the model takes {option.custom.memory_gib} GiB; {option.runs_on} has {option.machine.memory_gib}"
        yield Failure("host-memory", reason)


def _inferentia2_host_memory(option: Option, _: Cost) -> Iterator[Failure]:
    if option.kind == "inferentia2" and option.machine and option.custom:
        wanted = option.custom.weights_gib * NEURON_LOADING
        if wanted > option.machine.memory_gib:
            has = f"{option.runs_on} has {option.machine.memory_gib}"
            yield Failure("inferentia2-host-memory", f"loading takes {wanted:,.1f} GiB of host memory; {has}")


def _inferentia2_compiled(option: Option, _: Cost) -> Iterator[Failure]:
    if option.kind == "inferentia2" and option.custom and not option.custom.neuron_sdk:
        yield Failure("inferentia2-compiled", "nothing says with which Neuron SDK the model was compiled")


def _graviton_image(option: Option, _: Cost) -> Iterator[Failure]:
    if option.kind == "graviton" and option.custom and not option.custom.arm64:
        yield Failure("graviton-image", "its image is not built for arm64")


def _transform_machine(option: Option, _: Cost) -> Iterator[Failure]:
    if option.architecture == "batch-transform" and option.runs_on not in TRANSFORM:
        yield Failure("transform-machine", f"a transform job cannot run on {option.runs_on}")


def _model_in_region(option: Option, _: Cost) -> Iterator[Failure]:
    if option.model and option.model_prices is None and option.market.book.models():
        yield Failure("model-in-region", f"{option.market.region} has no {option.runs_on}")


def _batch_of_model(option: Option, _: Cost) -> Iterator[Failure]:
    prices = option.model_prices
    if option.architecture == "bedrock-batch" and prices and "input/batch" not in prices.prices:
        yield Failure("batch-of-model", f"{option.runs_on} has no batch price")


def _capability(option: Option, _: Cost) -> Iterator[Failure]:
    foundation, prices = option.workload.model.foundation, option.model_prices
    if option.model and foundation and prices and prices.mode != foundation.capability:
        yield Failure("capability", f"{option.runs_on} is for {prices.mode}; {foundation.capability} is needed")


def _tokens(option: Option, _: Cost) -> Iterator[Failure]:
    foundation, prices = option.workload.model.foundation, option.model_prices
    if not (option.model and foundation and prices):
        return
    for name, given, most in (
        ("in", foundation.input_tokens, prices.max_input_tokens),
        ("out", foundation.output_tokens, prices.max_output_tokens),
    ):
        if most is not None and given > most:
            yield Failure("tokens", f"{given:,} tokens {name}; {option.runs_on} takes at most {most:,}")


def _end_of_life(option: Option, _: Cost) -> Iterator[Failure]:
    prices, on = option.model_prices, option.market.book.retrieved
    if prices and prices.end_of_life and on and prices.end_of_life <= on:
        yield Failure("end-of-life", f"{option.runs_on} ended on {prices.end_of_life}")


def _approved(option: Option, _: Cost) -> Iterator[Failure]:
    market, catalogue = option.market, option.market.catalogue
    if not (option.model and catalogue):
        return
    if reason := catalogue.unapproved(option.runs_on, region=market.region, on=market.book.retrieved):
        yield Failure("approved", reason)


def _data_class(option: Option, _: Cost) -> Iterator[Failure]:
    if option.model:
        data, catalogue = option.workload.data.classification, option.market.catalogue
        refused = catalogue.unseen(option.runs_on, data) if catalogue else keeps_to(option.runs_on, data)
        if refused:
            yield Failure("data-class", refused)


def _availability(option: Option, _: Cost) -> Iterator[Failure]:
    if option.architecture in {"asynchronous", "bedrock-batch", "batch-transform"}:
        return  # these hold a request until it is answered; their lateness is judged by the latency
    most = PROMISED_PERCENT.get(option.architecture, ENDPOINT_PROMISED_PERCENT)
    given = option.drivers.availability_percent
    if given > most:
        yield Failure("availability", f"{given} % is asked for, {most} % promised", "availability_percent", most)


def _quality(option: Option, _: Cost) -> Iterator[Failure]:
    wanted = option.drivers.quality
    if option.quality is None:
        return  # not known before it is trained or tried: the gate judges it before a release
    if option.quality < wanted.floor:
        reason = f"{option.workload.key_metric} of {option.quality}; at least {wanted.floor}"
        yield Failure("quality", reason, "quality.floor", option.quality)
    for name, floor in sorted(wanted.slices.items()):
        reached = option.slices.get(name)
        if reached is None and option.architecture == "no-model":
            yield Failure("quality", f"the rule's quality on slice {name} was not measured")
        elif reached is not None and reached < floor:
            reason = f"{option.workload.key_metric} of {reached} on {name}; at least {floor}"
            yield Failure("quality", reason, f"quality.slices.{name}", reached)


def _latency(option: Option, _: Cost) -> Iterator[Failure]:
    drivers, latency = option.drivers, option.latency
    late = [
        (driver, takes, f"{name} of {takes:,.0f} ms ({latency.origin}); at most {allowed:,.0f}")
        for name, driver, takes, allowed in (
            ("p50", "latency_p50_ms", latency.p50_ms, drivers.deadline_ms("p50")),
            ("p99", "latency_p99_ms", latency.p99_ms, drivers.deadline_ms("p99")),
        )
        if takes > allowed
    ]
    if drivers.latency_p99_ms is None and late:  # nobody waits: one tolerance is for both, and the longer counts
        takes, reason = late[-1][1:]
        seconds = (takes / 1000).to_integral_value(rounding=ROUND_CEILING)
        yield Failure("latency", reason, "batching_tolerance_seconds", seconds)
        return
    for driver, takes, reason in late:
        yield Failure("latency", reason, driver, takes)


def _ceiling(option: Option, cost: Cost) -> Iterator[Failure]:
    ceiling, total = option.drivers.monthly_cost_ceiling_usd, cost.average
    if total.most > ceiling:
        needed = total.most.quantize(Decimal("0.01"), ROUND_CEILING)
        reason = f"{total} a month, {dollars(total.most - ceiling)} above the ceiling"
        yield Failure("cost-ceiling", reason, "monthly_cost_ceiling_usd", needed)


RULES = (
    Rule(
        "payload",
        "A request is at most 6 MiB on a real-time endpoint, 4 MB serverless, 1 GB asynchronous, 100 MB in a "
        "transform job, 25,000,000 bytes on Bedrock.",
        f"{_SAGEMAKER_API}/API_runtime_InvokeEndpoint.html {_GUIDE}/serverless-endpoints-invoke.html "
        f"{_GUIDE}/async-inference.html {_SAGEMAKER_API}/API_CreateTransformJob.html "
        f"{_BEDROCK}/APIReference/API_runtime_InvokeModel.html",
        _payload,
    ),
    Rule(
        "response-time",
        "A container answers within 60 seconds in real time and serverless, an hour asynchronously and in jobs.",
        f"{_SAGEMAKER_API}/API_runtime_InvokeEndpoint.html {_GUIDE}/async-inference-invoke-endpoint.html",
        _response_time,
    ),
    Rule(
        "serverless-memory",
        "A serverless endpoint has at most 6 GiB of memory.",
        f"{_SAGEMAKER_API}/API_ProductionVariantServerlessConfig.html",
        _serverless_memory,
    ),
    Rule(
        "serverless-accelerator",
        "A serverless endpoint has no GPU.",
        f"{_GUIDE}/serverless-endpoints.html",
        _serverless_accelerator,
    ),
    Rule(
        "serverless-concurrency",
        "A serverless endpoint answers at most 200 requests at once.",
        f"{_SAGEMAKER_API}/API_ProductionVariantServerlessConfig.html",
        _serverless_concurrency,
    ),
    Rule(
        "accelerator-memory",
        "Weights (parameters x bytes) and KV cache fit into the memory of a machine's accelerators.",
        "https://awsdocs-neuron.readthedocs-hosted.com/en/latest/general/arch/neuron-hardware/inf2-arch.html "
        "https://aws.amazon.com/ec2/instance-types/g5/",
        _accelerator_memory,
    ),
    Rule(
        "host-memory",
        "A model without an accelerator fits into the machine's memory.",
        "https://aws.amazon.com/sagemaker/ai/pricing/",
        _host_memory,
    ),
    Rule(
        "inferentia2-host-memory",
        "Inferentia2 needs host memory for the weights twice while it loads a language model.",
        "https://aws.amazon.com/ec2/instance-types/inf2/",
        _inferentia2_host_memory,
    ),
    Rule(
        "inferentia2-compiled",
        "Inferentia2 runs what was compiled for it, tied to the version of the Neuron SDK.",
        "https://awsdocs-neuron.readthedocs-hosted.com/en/latest/general/faq.html",
        _inferentia2_compiled,
    ),
    Rule(
        "graviton-image",
        "Graviton runs images that are built for arm64.",
        f"{_GUIDE}/realtime-endpoints-graviton.html",
        _graviton_image,
    ),
    Rule(
        "transform-machine",
        "Transform jobs run on some types of machines: none of Graviton, and not on ml.c5.large.",
        f"{_SAGEMAKER_API}/API_TransformResources.html",
        _transform_machine,
    ),
    Rule(
        "model-in-region",
        "A foundation model or inference profile is one that the region has.",
        f"{_BEDROCK}/userguide/models-regions.html",
        _model_in_region,
    ),
    Rule(
        "batch-of-model",
        "Batch inference takes the models that have a batch price.",
        f"{_BEDROCK}/userguide/batch-inference-supported.html",
        _batch_of_model,
    ),
    Rule(
        "capability",
        "A foundation model does what is needed: chat, embedding or rerank.",
        f"{_BEDROCK}/userguide/models-supported.html",
        _capability,
    ),
    Rule(
        "tokens",
        "Tokens in and out are within a foundation model's limits.",
        f"{_BEDROCK}/userguide/model-parameters.html",
        _tokens,
    ),
    Rule(
        "end-of-life",
        "A foundation model has not ended on the day of the prices.",
        f"{_BEDROCK}/userguide/model-lifecycle.html",
        _end_of_life,
    ),
    Rule(
        "approved",
        "A foundation model or inference profile is in `catalogue.toml`, for this region and still in use.",
        "catalogue.toml",
        _approved,
    ),
    Rule(
        "data-class",
        "A foundation model sees the classes of data that `catalogue.toml` lets it see. Restricted data is not sent "
        "through a cross-region inference profile, confidential data not through a global one.",
        f"{_BEDROCK}/userguide/cross-region-inference.html",
        _data_class,
    ),
    Rule(
        "availability",
        f"Above {TWO_INSTANCES_ABOVE} % an endpoint has two instances in two zones, for which AWS promises 99.95 %; "
        "for Bedrock it promises 99.9 %. An inference component at zero refuses requests for the minutes until an "
        f"instance is there: at most {TWO_INSTANCES_ABOVE} %.",
        "https://aws.amazon.com/sagemaker/sla/ https://aws.amazon.com/bedrock/sla/ "
        f"{_GUIDE}/endpoint-auto-scaling-zero-instances.html",
        _availability,
    ),
    Rule("quality", "The measured quality reaches the floor, over all and on each slice.", "drivers", _quality),
    Rule(
        "latency",
        "p50 and p99, with cold starts and queues, are within the drivers, or within the batching tolerance. What "
        "scales to zero starts cold: an inference component, an asynchronous or a serverless endpoint.",
        "drivers",
        _latency,
    ),
    Rule("cost-ceiling", "An average month costs at most the ceiling.", "drivers", _ceiling),
)
