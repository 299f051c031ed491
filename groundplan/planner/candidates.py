"""Every option that a workload has in a region, good or not."""

from collections.abc import Iterator
from decimal import Decimal

from groundplan.planner.market import GRAVITON, Market, kind_of
from groundplan.planner.option import FROM_ZERO, REAL_TIME, Latency, Option
from groundplan.prices import InstanceType
from groundplan.refusal import Finding
from groundplan.workload import Custom, Foundation, FoundationModel, Measured, Workload

# Assumed where nothing was measured or declared. Each is shown as assumed in the plan.
P99_OVER_P50 = 3
INSTANCE_START_MS = Decimal(300_000)  # until an instance that was not there answers
SERVERLESS_COLD_START_MS = Decimal(10_000)
QUEUE_MS = Decimal(1_000)  # of an asynchronous endpoint that is awake
FIRST_TOKEN_MS, MS_PER_OUTPUT_TOKEN = Decimal(500), Decimal(15)
# CreateModelInvocationJob waits between 24 and 168 hours: results are promised for no earlier.
BEDROCK_BATCH_MS = Decimal(24 * 3_600_000)
TRANSFORM_MS = Decimal(15 * 60_000)  # the shortest window in which a transform job starts and ends


def candidates(workload: Workload, market: Market) -> Iterator[Option]:
    """The options, machine by machine and model by model, in a fixed order."""
    baseline = workload.baseline
    quick = Latency(
        baseline.milliseconds,
        baseline.milliseconds * P99_OVER_P50,
        "declared",
        f"declared for the rule; p99 assumed {P99_OVER_P50} times that",
    )
    yield Option("no-model", "Lambda", workload, market, quick, quick, baseline.quality, baseline.slices)
    if workload.model.foundation:
        for model in workload.model.foundation.models:
            yield from _on_bedrock(workload, market, workload.model.foundation, model)
    if workload.model.custom:
        yield from _hosted(workload, market, workload.model.custom)


def unfounded(workload: Workload, market: Market, source: str) -> list[Finding]:
    """A finding for each machine and model that the workload names and the region's price file does not know."""
    findings: list[Finding] = []
    models = workload.model.foundation.models if workload.model.foundation else ()
    for place, model in enumerate(models):
        if market.book.models() and market.model(model.id) is None:
            allowed = f"allowed: a model or inference profile that {market.region} has in groundplan/prices/"
            findings.append(Finding(source, f"model.foundation.models.{place}.id", model.id, allowed))
    measured = workload.model.custom.measured if workload.model.custom else ()
    known_here = len(market.machines) > len(GRAVITON)
    for place, entry in enumerate(measured):
        name = entry.instance_type
        listed = name in market.machines or f"sagemaker/instance/{name}" in market.book.unknown()
        if known_here and not listed:
            allowed = f"allowed: an instance type that {market.region} has in groundplan/prices/{market.region}.json"
            findings.append(Finding(source, f"model.custom.measured.{place}.instance_type", name, allowed))
    return findings


def _on_bedrock(
    workload: Workload, market: Market, foundation: Foundation, model: FoundationModel
) -> Iterator[Option]:
    if model.p50_ms is not None and model.p99_ms is not None:
        own = Latency(model.p50_ms, model.p99_ms, "measured", f"measured with {model.id}")
    else:
        p50 = FIRST_TOKEN_MS + MS_PER_OUTPUT_TOKEN * foundation.output_tokens
        basis = f"{FIRST_TOKEN_MS} ms, {MS_PER_OUTPUT_TOKEN} ms an output token, p99 {P99_OVER_P50} times p50"
        own = Latency(p50, p50 * P99_OVER_P50, "assumed", basis)
    later = Latency(BEDROCK_BATCH_MS, BEDROCK_BATCH_MS, "assumed", "a batch job may take 24 hours")
    prices = market.model(model.id)
    for architecture, latency in (("bedrock-on-demand", own), ("bedrock-batch", later)):
        yield Option(
            architecture,
            model.id,
            workload,
            market,
            own,
            latency,
            model.quality,
            model.slices,
            model=model,
            model_prices=prices,
        )


def _hosted(workload: Workload, market: Market, custom: Custom) -> Iterator[Option]:
    measured = {entry.instance_type: entry for entry in custom.measured}
    machines = [
        market.machines.get(name) or InstanceType(name, 0, Decimal(0)) for name in measured
    ]  # a machine of unknown size is only measured
    if custom.cpu_ms_per_request is not None:
        machines += [
            machine
            for machine in market.general_machines
            if machine.name not in measured and (custom.arm64 or kind_of(machine) == "cpu")
        ]
    yield from _serverless(workload, market, custom, machines, measured)
    for machine in machines:
        yield from _on_machine(workload, market, custom, machine, measured.get(machine.name))


def _service(custom: Custom, machine: InstanceType, measured: Measured | None) -> tuple[Latency, Decimal]:
    if measured:
        basis = f"measured on {machine.name} at {measured.requests_per_second} requests a second"
        return Latency(measured.p50_ms, measured.p99_ms, "measured", basis), measured.requests_per_second
    work = custom.cpu_ms_per_request or Decimal(0)
    basis = f"declared: {work} ms on one vCPU; p99 assumed {P99_OVER_P50} times that"
    return Latency(work, work * P99_OVER_P50, "declared", basis), machine.vcpu * 1000 / work


def _on_machine(
    workload: Workload, market: Market, custom: Custom, machine: InstanceType, measured: Measured | None
) -> Iterator[Option]:
    service, requests_per_second = _service(custom, machine, measured)
    kind = kind_of(machine)
    architectures = [*([REAL_TIME[kind]] if kind in REAL_TIME else []), "scale-to-zero", "asynchronous"]
    for architecture in (*architectures, "batch-transform"):
        yield Option(
            architecture,
            machine.name,
            workload,
            market,
            service,
            _seen(workload, custom, architecture, service),
            custom.quality,
            custom.slices,
            machine=machine,
            kind=kind,
            requests_per_second=requests_per_second,
        )


def _seen(workload: Workload, custom: Custom, architecture: str, service: Latency) -> Latency:
    """What the caller waits: the service's own time, and the queue, the start or the window in which jobs run."""
    if architecture == "batch-transform":
        window = max(workload.drivers.deadline_ms("p50"), TRANSFORM_MS)
        return Latency(window, window, "assumed", "jobs are sized to end within the batching tolerance")
    if architecture not in FROM_ZERO:
        return service
    start = INSTANCE_START_MS + (custom.cold_start_seconds or Decimal(0)) * 1000
    queue = QUEUE_MS if architecture == "asynchronous" else Decimal(0)
    basis = f"{service.basis}; p99 with an instance that starts, assumed {INSTANCE_START_MS / 1000} s"
    if architecture == "scale-to-zero":
        basis += ", while requests are refused and the caller tries again"
    return Latency(service.p50_ms + queue, service.p99_ms + queue + start, "assumed", basis)


def _serverless(
    workload: Workload,
    market: Market,
    custom: Custom,
    machines: list[InstanceType],
    measured: dict[str, Measured],
) -> Iterator[Option]:
    like = [_service(custom, machine, measured.get(machine.name))[0] for machine in machines if _is_plain(machine)]
    # Without a processor's figure the accelerator's stands in; the rules refuse such a model anyway.
    like = like or [_service(custom, machine, measured.get(machine.name))[0] for machine in machines]
    slowest = max(like, key=lambda latency: (latency.p50_ms, latency.p99_ms))
    memory = int(custom.memory_gib.to_integral_value(rounding="ROUND_CEILING"))
    cold = custom.cold_start_seconds
    cold_ms = cold * 1000 if cold is not None else SERVERLESS_COLD_START_MS
    origin = "declared" if cold is not None else "assumed"
    basis = f"as on an instance ({slowest.basis}); p99 with a cold start, {origin} {cold_ms / 1000} s"
    yield Option(
        "serverless",
        f"{memory} GiB",
        workload,
        market,
        slowest,
        Latency(slowest.p50_ms, slowest.p99_ms + cold_ms, "assumed", basis),
        custom.quality,
        custom.slices,
        memory_gib=max(memory, 1),
    )


def _is_plain(machine: InstanceType) -> bool:
    return kind_of(machine) in ("cpu", "graviton")
