"""What is metered of a request, and sums of it that duplicates do not change."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from decimal import Context, Decimal, Inexact, localcontext
from typing import Any, Literal

from groundplan.gateway.token_cost import Usage

SCHEMA = "groundplan.meter/1"
NOTHING = Usage()
NOBODY = "-"  # where a request was refused before this was known
# The code of a line that another request wrote, at the most that this one can have cost.
PROCESS_DIED = "process_died"
Guarded = Literal["none", "masked", "blocked"]
TurnedAway = Literal["no", "breaker", "bulkhead"]


@dataclass(frozen=True, kw_only=True)
class Metered:
    """One request, answered or refused. It holds no text of a prompt nor of an answer.

    `prompt` is name and version of one of the workload's. `model` was asked for, `served_by` answered (a fallback, or
    `cache`). `estimated` says that the answer was cut before the model had counted its tokens. `turned_away` says
    what kept the request from a model, also where a fallback answered it.
    """

    request_id: str
    time: str
    operation: str
    status: int
    code: str = ""
    tenant: str = NOBODY
    feature: str = NOBODY
    workload: str = NOBODY
    model: str = NOBODY
    prompt: str = NOBODY
    served_by: str = NOBODY
    usage: Usage = NOTHING
    estimated: bool = False
    usd: Decimal = Decimal(0)
    attempts: int = 0
    guardrail: Guarded = "none"
    finish_reason: str = ""
    turned_away: TurnedAway = "no"
    streamed: bool = False
    latency_ms: float = 0.0
    backend_ms: float = 0.0
    trace_id: str = ""

    def event(self) -> dict[str, object]:
        """The event of the meter's stream, as JSON has it; dollars are text, so that no reader rounds them."""
        flat: dict[str, object] = {"schema": SCHEMA, **vars(self), "usd": format(self.usd, "f")}
        del flat["usage"]
        return flat | {f"{name}_tokens": count for name, count in vars(self.usage).items()}


def read_event(event: Mapping[str, Any]) -> Metered:
    """What `Metered.event` gave, also where a line says more; raises KeyError for another's event."""
    said = {one.name: event[one.name] for one in fields(Metered) if one.name not in ("usage", "usd")}
    usage = Usage(**{one.name: event[f"{one.name}_tokens"] for one in fields(Usage)})
    return Metered(**said, usage=usage, usd=Decimal(event["usd"]))


@dataclass(frozen=True)
class Sum:
    """Requests, tokens and dollars of a group."""

    requests: int = 0
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    interventions: int = 0
    usd: Decimal = Decimal(0)


Group = tuple[str, str, str, str]  # tenant, feature, workload, model


def totals(records: Iterable[Metered]) -> Mapping[Group, Sum]:
    """Sums by tenant, feature, workload and model; a request counts once however often it was delivered.

    In whatever order: a request's own line is taken before one that was written for it because it seemed dead.
    """
    seen: set[str] = set()
    counts: dict[Group, list[int]] = {}
    dollars: dict[Group, Decimal] = {}
    with localcontext(Context(prec=50, traps=[Inexact])):  # a sum that would be rounded is an error
        for record in _own_lines_first(records):
            if record.request_id in seen:
                continue
            seen.add(record.request_id)
            group = (record.tenant, record.feature, record.workload, record.model)
            count = counts.setdefault(group, [0] * 6)
            used = record.usage
            count[0] += 1
            count[1] += used.input
            count[2] += used.output
            count[3] += used.cache_read
            count[4] += used.cache_write
            count[5] += record.guardrail != "none"
            dollars[group] = dollars.get(group, Decimal(0)) + record.usd
    return {group: _sum(count, dollars[group]) for group, count in counts.items()}


def _own_lines_first(records: Iterable[Metered]) -> Iterator[Metered]:
    written_by_others: list[Metered] = []
    for record in records:
        if record.code == PROCESS_DIED:
            written_by_others.append(record)
        else:
            yield record
    yield from written_by_others


def _sum(count: list[int], usd: Decimal) -> Sum:
    requests, read, written, cache_read, cache_write, interventions = count
    return Sum(requests, read, written, cache_read, cache_write, interventions, usd)
