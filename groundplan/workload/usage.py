"""What follows from workloads' drivers for an estimate: how much they will use in a month."""

from collections.abc import Iterable
from decimal import Decimal

from groundplan.workload.workload import Workload


def usage_of(workloads: Iterable[Workload]) -> dict[str, dict[str, Decimal]]:
    """Workload to `requests` and, with a foundation model, `input_tokens` and `output_tokens` a month."""
    return {workload.name: _usage(workload) for workload in workloads}


def _usage(workload: Workload) -> dict[str, Decimal]:
    requests, foundation = workload.drivers.requests_per_month, workload.model.foundation
    if foundation is None:
        return {"requests": requests}
    tokens = {"input_tokens": foundation.input_tokens, "output_tokens": foundation.output_tokens}
    return {"requests": requests, **{name: requests * count for name, count in tokens.items()}}
