"""Which foundation models the workloads' plans invoke."""

from collections.abc import Iterator, Sequence

from groundplan.planner.choice import plan
from groundplan.planner.market import Market
from groundplan.workload import Workload


def invoked(workloads: Sequence[Workload], market: Market, region: str) -> Iterator[tuple[Workload, Sequence[str]]]:
    """Each workload whose plan is a foundation model, with the ids of that and of its fallbacks."""
    if market.catalogue is None:
        return
    for workload in workloads:
        chosen = plan(workload, market).chosen if workload.model.foundation else None
        if chosen and chosen.option.model:
            yield workload, market.catalogue.fallbacks(chosen.option.runs_on, region)
