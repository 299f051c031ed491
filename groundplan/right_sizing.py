"""Whether a run was on the right machine: what it used of it, and a cheaper one that would have held it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from groundplan.prices import InstanceType, Price, PriceBook, dollars

SHORTEST_SECONDS = 60  # of a run that tells something
RUNS_A_MONTH = 30  # for the example in the line
MEMORY_ROOM = Decimal("1.25")  # another machine has at least a quarter more memory than the run's peak
TIGHT = Decimal("0.9")  # of the memory: above it, a little more data may not fit
GIB = 2**30
# They save up processor time and spend it in bursts: what a run takes on them says little about the next.
BURSTABLE = re.compile(r"ml\.t[0-9]")
GRAVITON = re.compile(r"ml\.[a-z]+[0-9]+g")
Verdict = Literal["smaller", "fits", "tight", "unknown"]


@dataclass(frozen=True)
class Hardware:
    """What a run used, as the training kit measured it: percent are of all processors together.

    Each is None where it was not measured. `gpus` hold one entry an accelerator, with `utilization_percent_max`
    where they were measured.
    """

    cpus: float | None = None
    cpu_percent_mean: float | None = None
    cpu_percent_max: float | None = None
    memory_bytes_total: int | None = None
    memory_bytes_max: int | None = None
    disk_bytes_max: int | None = None
    seconds: float | None = None
    gpus: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Advice:
    """`line` is for people. `instance_type` is the machine to take instead, None where there is none to name.

    Savings are decimals as text: of a run as long as this one at least, and of a month of RUNS_A_MONTH of them.
    """

    verdict: Verdict
    line: str
    instance_type: str | None = None
    saves_usd_a_run: str | None = None
    saves_usd_a_month: str | None = None


@dataclass(frozen=True)
class _Load:
    """What a run asked of its machine: gibibytes and processors at its peak, processors on average."""

    memory_gib: Decimal
    peak_cpus: Decimal
    mean_cpus: Decimal
    words: str

    def longest(self, vcpu: int) -> Decimal:
        """How many times as long it runs on so many processors at most, each as fast as now.

        Where it used more than there are, it takes so much longer; with this mean and this peak that is worst when it
        was either at its peak or idle.
        """
        if self.peak_cpus <= vcpu:
            return Decimal(1)
        return 1 - self.mean_cpus / self.peak_cpus + self.mean_cpus / vcpu


def right_size(
    use: Hardware | None,
    *,
    instance_type: str | None,
    instance_count: int | None,
    billable_seconds: float | None,
    book: PriceBook,
    allowed: Sequence[str],
) -> Advice:
    """What to take instead of `instance_type`: of the `allowed` ones, at prices that are known and certain.

    `unknown` says why it cannot be told: the run was too short, was measured on another machine, or not at all.
    """
    machine = book.instance(instance_type) if instance_type else None
    why = _cannot_tell(use, instance_type, machine)
    if why or use is None or machine is None:
        return Advice("unknown", f"right-sizing: cannot be told: {why}")
    load = _load(use, machine)
    tight = load.memory_gib > machine.memory_gib * TIGHT
    current = book.find(f"sagemaker/training/{machine.name}")
    if not isinstance(current, Price) or not current.certain:
        reason = f"is {current.confidence}" if isinstance(current, Price) else f"is not known: {current.reason}"
        return Advice("unknown", f"right-sizing: {load.words}; the price of {machine.name} {reason}")
    fitting = _fitting(load, machine, use, book, allowed)
    if tight:
        return _larger(load, current, fitting)
    if not fitting or fitting[0].usd_an_hour >= current.amount:
        line = f"right-sizing: {load.words}: {machine.name} fits; the limits allow none that is cheaper"
        return Advice("fits", line)
    other = fitting[0].machine
    seconds = use.seconds if billable_seconds is None else billable_seconds
    hours = Decimal(str(seconds)) / 3600 * (instance_count or 1)
    saved = (current.amount - fitting[0].usd_an_hour) * hours
    slower = load.longest(other.vcpu)
    but = f", in at most {slower:.2f} times the time" if slower > 1 else ""
    month = saved * RUNS_A_MONTH
    return Advice(
        "smaller",
        f"right-sizing: {load.words}: {other.name} ({other.vcpu} vCPU, {other.memory_gib:f} GiB) would have held it"
        f"{but}; saves {_dollars(saved)} a run, {_dollars(month)} a month at {RUNS_A_MONTH} runs",
        other.name,
        format(saved.quantize(Decimal("0.000001")), "f"),
        format(month.quantize(Decimal("0.0001")), "f"),
    )


@dataclass(frozen=True)
class _Offer:
    """A machine that would have held a run; `usd_an_hour` is for what it does in an hour of the present one."""

    machine: InstanceType
    price: Decimal
    usd_an_hour: Decimal


def _fitting(
    load: _Load, machine: InstanceType, use: Hardware, book: PriceBook, allowed: Sequence[str]
) -> list[_Offer]:
    """Of the allowed machines those that would have held the run, the cheapest first."""
    offers: list[_Offer] = []
    for name in allowed:
        other, price = book.instance(name), book.find(f"sagemaker/training/{name}")
        if other is None or name == machine.name or not isinstance(price, Price) or not price.certain:
            continue
        if _is_alike(other, machine, use) and other.memory_gib >= load.memory_gib * MEMORY_ROOM:
            offers.append(_Offer(other, price.amount, price.amount * load.longest(other.vcpu)))
    return sorted(offers, key=lambda offer: (offer.usd_an_hour, -offer.machine.memory_gib, offer.machine.name))


def _cannot_tell(use: Hardware | None, name: str | None, machine: InstanceType | None) -> str:
    measured = use and (use.cpus, use.cpu_percent_mean, use.cpu_percent_max, use.memory_bytes_max, use.seconds)
    if use is None or measured is None or None in measured:
        return "the run left no measure of what it used"
    if machine is None:
        return f"how large {name or 'the machine'} is, is not known"
    if (use.seconds or 0) < SHORTEST_SECONDS:
        return f"the run took {use.seconds:.0f} seconds; it takes {SHORTEST_SECONDS} to see something"
    total = Decimal(use.memory_bytes_total or 0) / GIB
    # A machine keeps a part of its memory for itself.
    if use.cpus != machine.vcpu or not machine.memory_gib * Decimal("0.8") <= total <= machine.memory_gib:
        return (
            f"measured on {use.cpus:g} processors and {total:.1f} GiB, and {machine.name} "
            f"has {machine.vcpu} and {machine.memory_gib:f}"
        )
    if machine.accelerator and len(use.gpus) < machine.accelerator_count:
        return f"the use of its {machine.accelerator_count} {machine.accelerator} was not measured"
    return ""


def _load(use: Hardware, machine: InstanceType) -> _Load:
    memory = Decimal(use.memory_bytes_max or 0) / GIB
    mean, peak = Decimal(str(use.cpu_percent_mean)), Decimal(str(use.cpu_percent_max))
    words = f"memory peaked at {memory:.1f} of {machine.memory_gib:f} GiB, CPU mean {mean:.0f} % of {machine.vcpu}"
    if machine.accelerator:
        words += ", GPU idle" if _idle(use) else f", GPU peak {max(_percent(gpu) for gpu in use.gpus):.0f} %"
    cpus = Decimal(machine.vcpu) / 100
    return _Load(memory, max(peak, mean) * cpus, mean * cpus, words)


def _is_alike(other: InstanceType, machine: InstanceType, use: Hardware) -> bool:
    """Whether a run of `machine` can run on `other` at all: same kind of processor and accelerator."""
    if BURSTABLE.match(other.name) or other.neuron_cores != machine.neuron_cores:
        return False
    if bool(GRAVITON.match(other.name)) != bool(GRAVITON.match(machine.name)):
        return False
    if machine.accelerator and not _idle(use):
        return (other.accelerator, other.accelerator_count) == (machine.accelerator, machine.accelerator_count)
    return not other.accelerator


def _larger(load: _Load, current: Price, fitting: Sequence[_Offer]) -> Advice:
    line = f"right-sizing: {load.words}: a little more data may not fit"
    if not fitting:
        return Advice("tight", f"{line}; no machine that the limits allow has more memory")
    other, price = fitting[0].machine, _dollars(fitting[0].price)
    line = f"{line}; {other.name} has {other.memory_gib:f} GiB, for {price} an hour, not {_dollars(current.amount)}"
    return Advice("tight", line, other.name)


def _idle(use: Hardware) -> bool:
    return bool(use.gpus) and all(_percent(gpu) == 0 for gpu in use.gpus)


def _percent(gpu: Mapping[str, Any]) -> float:
    value = gpu.get("utilization_percent_max")
    # What was not measured counts as busy: then nothing is advised that would need it idle.
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 100.0


def _dollars(amount: Decimal) -> str:
    return dollars(amount) if amount >= Decimal("0.005") or amount <= 0 else f"${amount:.4f}"
