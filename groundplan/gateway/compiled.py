"""The gateway's rules from what is written down anyway: catalogue, workloads, plans, prices and budgets."""

import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from groundplan.catalogue import Catalogue
from groundplan.environment import Environment
from groundplan.gateway.settings import Feature, ModelRules, Prediction, Rules, Tenant
from groundplan.gateway.token_cost import TokenPrices
from groundplan.prices import Price, PriceBook
from groundplan.prompt_template import PassedPrompt
from groundplan.refusal import Refused, bad
from groundplan.workload import Workload

Uses = Sequence[tuple[Workload, Sequence[str]]]
Endpoints = Sequence[tuple[Workload, str]]
_MILLION = 1_000_000


Prompts = Mapping[str, Mapping[str, PassedPrompt]]


def compiled(
    environment: Environment,
    catalogue: Catalogue,
    uses: Uses,
    prices: PriceBook,
    prompts: Prompts | None = None,
    endpoints: Endpoints = (),
) -> Rules:
    """`uses` is workload to the ids that its plan invokes: the chosen one, then its fallbacks. `prompts` is workload
    to the prompts that passed their evaluation, `endpoints` workload to the endpoint that answers for it.

    Models are named by the catalogue's keys. A tenant may spend its budget of the environment, or, where it has none,
    what its workloads may cost; and may ask as often as its workloads are asked at their peak.
    """
    models: dict[str, ModelRules] = {}
    features: dict[str, Feature] = {}
    for workload, targets in uses:
        keys = [_key(catalogue, target) for target in targets]
        for key, target in zip(keys, targets, strict=True):
            models[key] = _model(catalogue, key, target, prices)
        passed = dict((prompts or {}).get(workload.name, {}))
        _add(features, workload, Feature(workload=workload.name, models=tuple(keys), prompts=passed))
    for workload, _ in endpoints:
        _add(features, workload, Feature(workload=workload.name, predictions=(workload.name,)))
    known = {key: _without_unused_fallback(model, models) for key, model in models.items()}
    workloads = [workload for workload, _ in (*uses, *endpoints)]
    return Rules(
        models=known,
        predictions={workload.name: Prediction(endpoint_name=name) for workload, name in endpoints},
        features=features,
        tenants=dict(_tenants(environment, workloads, features)),
    )


def _add(features: dict[str, Feature], workload: Workload, made: Feature) -> None:
    for feature in workload.metering.features or (workload.name,):
        if other := features.get(feature):
            where, allowed = f"workloads/{workload.name}/workload.toml", f"{other.workload} has it; allowed: another"
            raise bad(where, "metering.features", feature, allowed)
        features[feature] = made


def _key(catalogue: Catalogue, target: str) -> str:
    known = catalogue.find(target)
    if known is None:
        raise bad("catalogue.toml", "models", target, "an approved model: the plan names no other")
    return known[0]


def _model(catalogue: Catalogue, key: str, target: str, book: PriceBook) -> ModelRules:
    sold = book.model(catalogue.price_key(target))

    def price(*tiers: str) -> Decimal:
        for tier in tiers:
            if sold and isinstance(found := sold.price(tier), Price):
                return (found.amount * _MILLION).normalize()
        raise Refused(f"{target} has no price for {tiers[-1]} tokens here: the gateway cannot meter it")

    return ModelRules(
        target=target,
        prices=TokenPrices(
            input=price("input"),
            output=price("output"),
            cache_read=price("cache-read", "input"),
            cache_write=price("cache-write", "input"),
        ),
        fallback=catalogue.models[key].fallback,
    )


def _without_unused_fallback(model: ModelRules, models: Mapping[str, ModelRules]) -> ModelRules:
    return model if model.fallback in models else model.model_copy(update={"fallback": None})


def _tenants(
    environment: Environment, workloads: Sequence[Workload], features: Mapping[str, Feature]
) -> Iterator[tuple[str, Tenant]]:
    for name in sorted({tenant for workload in workloads for tenant in workload.metering.tenants}):
        theirs = [workload for workload in workloads if name in workload.metering.tenants]
        names = {workload.name for workload in theirs}
        own = sum((workload.drivers.monthly_cost_ceiling_usd for workload in theirs), Decimal(0))
        peak = sum((workload.drivers.peak_requests_per_second for workload in theirs), Decimal(0))
        yield (
            name,
            Tenant(
                features=tuple(key for key, feature in features.items() if feature.workload in names),
                requests_per_minute=max(1, math.ceil(peak * 60)),
                dollars_per_month=environment.budgets.tenants.get(name, own),
            ),
        )
