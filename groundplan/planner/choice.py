"""The cheapest option that meets every driver, and why each other one lost."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from groundplan.planner.candidates import candidates
from groundplan.planner.market import Market
from groundplan.planner.option import BEDROCK, REAL_TIME, TITLES, Option
from groundplan.planner.pricing import Cost, price
from groundplan.planner.rules import Failure, failures
from groundplan.planner.sizing import Size
from groundplan.prices import Money, dollars
from groundplan.workload import Workload

_ORDER = {architecture: place for place, architecture in enumerate(TITLES)}


@dataclass(frozen=True)
class Considered:
    """An option, sized, priced and judged."""

    option: Option
    size: Size
    cost: Cost
    failures: tuple[Failure, ...]

    @property
    def rank(self) -> tuple[bool, Decimal, Decimal, Decimal, int, str]:
        """Known prices first, then the cheapest month, the cheapest peak, and the fewest hours of processors."""
        average, peak = self.cost.average, self.cost.peak
        option = self.option
        work = self.size.hours * (option.machine.vcpu if option.machine else 0)
        return bool(average.unknowns), average.most, peak.most, work, _ORDER[option.architecture], option.runs_on


@dataclass(frozen=True)
class Alternative:
    """An architecture that was not chosen, at its best, and why. `cost` is None where there was nothing to price."""

    architecture: str
    runs_on: str
    cost: Money | None
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Change:
    """A driver, what it is, and the least change of it that would help."""

    driver: str
    given: Decimal | None
    needed: Decimal


@dataclass(frozen=True)
class Relaxation:
    """With these changes an option would meet every driver."""

    architecture: str
    runs_on: str
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Plan:
    """The decision for one workload; `chosen` is None for one that nothing satisfies."""

    workload: Workload
    region: str
    chosen: Considered | None
    alternatives: tuple[Alternative, ...]
    relaxations: tuple[Relaxation, ...] = ()
    forced: str = ""

    @property
    def refusal(self) -> str:
        """Why there is no plan and which driver to relax by how much, in one line; nothing where there is one."""
        if self.chosen:
            return ""
        where = f"workloads/{self.workload.name}/workload.toml"
        force = self.workload.plan
        what = (
            f"plan.force asks for {TITLES[force.force]}, which is not possible" if force else "nothing satisfies it"
        )
        if self.relaxations:
            return f"{where}: {what}; relax {'; or '.join(_relaxed(one) for one in self.relaxations)}"
        best = next(iter(_by_reasons(self.alternatives)), None)
        why = f" ({TITLES[best.architecture]}: {best.reasons[0]})" if best else ""
        return f"{where}: {what}, and relaxing no driver helps{why}"


def plan(workload: Workload, market: Market) -> Plan:
    """The decision for a workload in a region."""
    considered = [_judged(option) for option in candidates(workload, market)]
    forced = workload.plan
    eligible = [one for one in considered if not forced or one.option.architecture == forced.force]
    fitting = [one for one in eligible if not one.failures]
    chosen = min(fitting, key=lambda one: one.rank, default=None)
    if chosen:
        sized, cost = price(chosen.option, words=True)
        chosen = Considered(chosen.option, sized, cost, chosen.failures)
    return Plan(
        workload,
        market.region,
        chosen,
        tuple(_alternatives(workload, considered, chosen)),
        () if chosen else _relaxations(eligible),
        forced.reason if forced else "",
    )


def _judged(option: Option) -> Considered:
    sized, cost = price(option)
    return Considered(option, sized, cost, failures(option, cost))


def _best(options: Iterable[Considered]) -> Considered | None:
    """The cheapest that fits, or else the one that fails least."""
    return min(options, key=lambda one: (_hard(one), len(one.failures), one.rank), default=None)


def _hard(one: Considered) -> int:
    return sum(not failure.driver for failure in one.failures)


def _alternatives(
    workload: Workload, considered: Sequence[Considered], chosen: Considered | None
) -> Iterable[Alternative]:
    for architecture in TITLES:
        if chosen and architecture == chosen.option.architecture:
            continue
        best = _best(one for one in considered if one.option.architecture == architecture)
        if best is None:
            yield Alternative(architecture, "", None, (_absent(workload, architecture),))
            continue
        reasons = tuple(failure.reason for failure in best.failures) or (_dearer(best, chosen, workload),)
        yield Alternative(architecture, best.option.runs_on, best.cost.average, reasons)


def _absent(workload: Workload, architecture: str) -> str:
    if architecture in BEDROCK:
        return "the workload names no foundation model"
    if workload.model.custom is None:
        return "the workload has no model of its own"
    if architecture == "real-time-graviton" and workload.model.custom.cpu_ms_per_request is not None:
        return "its image is not built for arm64"
    machines = {name: kind for kind, name in REAL_TIME.items()}
    words = {"cpu": "a CPU", "graviton": "Graviton", "gpu": "a GPU", "inferentia2": "Inferentia2"}
    return f"the model was not measured on {words[machines[architecture]]}"


def _dearer(best: Considered, chosen: Considered | None, workload: Workload) -> str:
    if chosen is None:
        return "plan.force asks for another"
    if best.rank < chosen.rank:
        saves = dollars(chosen.cost.average.most - best.cost.average.most)
        return f"cheaper by {saves} a month, but plan.force asks for {workload.plan.force if workload.plan else ''}"
    if best.cost.average.unknowns and not chosen.cost.average.unknowns:
        return f"no known price for {', '.join(best.cost.average.unknowns)}"
    more = best.cost.average.most - chosen.cost.average.most
    return f"{dollars(more)} a month more" if more else "costs the same and has more moving parts"


def _relaxations(considered: Sequence[Considered]) -> tuple[Relaxation, ...]:
    """One driver alone, for each that would do, by its least change; or else the fewest drivers together."""
    mendable = [one for one in considered if one.failures and not _hard(one)]
    found = [_relaxation(one) for one in sorted(mendable, key=lambda one: (len(one.failures), one.rank))]
    single: dict[str, Relaxation] = {}
    for relaxation in found:
        if len(relaxation.changes) != 1:
            break
        change = relaxation.changes[0]
        held = single.get(change.driver)
        if held is None or _less(change, held.changes[0]):
            single[change.driver] = relaxation
    return tuple(single[driver] for driver in sorted(single)) or tuple(found[:1])


_UPWARDS = ("drivers.latency", "drivers.batching", "drivers.monthly")


def _less(one: Change, other: Change) -> bool:
    upwards = one.driver.startswith(_UPWARDS)
    return one.needed < other.needed if upwards else one.needed > other.needed


def _relaxation(one: Considered) -> Relaxation:
    changes = tuple(
        Change(f"drivers.{failure.driver}", _given(one.option.workload, failure.driver), failure.needed)
        for failure in one.failures
        if failure.needed is not None
    )
    return Relaxation(one.option.architecture, one.option.runs_on, changes)


def _given(workload: Workload, driver: str) -> Decimal | None:
    found: object = workload.drivers
    for part in driver.split(".", 2):
        found = found.get(part) if isinstance(found, dict) else getattr(found, part)  # pyright: ignore
    return found if isinstance(found, Decimal) else None


def _relaxed(relaxation: Relaxation) -> str:
    changes = " and ".join(
        f"{change.driver} from {_plain(change.given)} to {_plain(change.needed)}" for change in relaxation.changes
    )
    return f"{changes} ({TITLES[relaxation.architecture]} on {relaxation.runs_on})"


def _plain(number: Decimal | None) -> str:
    return "nothing" if number is None else f"{number.normalize():f}"


def _by_reasons(alternatives: Sequence[Alternative]) -> list[Alternative]:
    return sorted((one for one in alternatives if one.cost), key=lambda one: len(one.reasons))
