"""What a gateway is told when it starts: models, features, tenants, endpoints, and whose tokens it takes."""

from collections.abc import Collection
from decimal import Decimal
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import Field, model_validator

from groundplan.gateway.token_cost import TokenPrices
from groundplan.prompt_template import PassedPrompt
from groundplan.refusal import Disallowed
from groundplan.toml_file import Values

Count = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")]

ModelT = TypeVar("ModelT", bound="ModelRules")


class Protection(Values):
    """How a slow or failing backend is kept from taking the rest with it."""

    concurrent_calls: Count = 10  # the bulkhead
    failures_until_open: Count = 5
    cool_down_seconds: Seconds = 15.0
    timeout_seconds: Seconds = 20.0  # of one attempt


class ModelRules(Values):
    """One approved model: `target` is the id of a Bedrock model or inference profile."""

    target: Annotated[str, Field(min_length=1, max_length=2048)]
    prices: TokenPrices
    most_output_tokens: Count = 4096
    protection: Protection = Protection()
    fallback: Name | None = None  # another model of this file
    fallback_cached_answer: bool = False


class GatewayModel(ModelRules):
    """The same, under one version of one guardrail."""

    guardrail: Annotated[str, Field(min_length=1, max_length=2048)]
    guardrail_version: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,7}$")]  # pinned: never DRAFT


class Prediction(Values):
    """One SageMaker endpoint behind `/predict/<workload>`."""

    endpoint_name: Annotated[str, Field(min_length=1, max_length=63)]
    protection: Protection = Protection()


class Feature(Values):
    """What an application asks for, the workload that pays for it, and what it may reach.

    `profiles` is model to the inference profile by which the workload's cost is known; it is invoked instead of the
    model's own target.
    """

    workload: Name
    models: tuple[Name, ...] = ()
    profiles: dict[Name, str] = Field(default_factory=dict[str, str])
    predictions: tuple[Name, ...] = ()
    prompts: dict[Name, PassedPrompt] = Field(default_factory=dict[str, PassedPrompt])  # of the workload


class Tenant(Values):
    """Who calls, and how much."""

    features: tuple[Name, ...]
    requests_per_minute: Count
    dollars_per_month: Annotated[Decimal, Field(gt=0)]


class Issuer(Values):
    """Whose tokens are taken. A group `<group_prefix><feature>` opens that feature."""

    issuer: Annotated[str, Field(min_length=1)]
    audience: Annotated[str, Field(min_length=1)]
    keys_url: Annotated[str, Field(min_length=1)]  # JWKS
    tenant_claim: str = "custom:tenant"
    groups_claim: str = "cognito:groups"
    group_prefix: str = "feature/"
    leeway_seconds: Annotated[int, Field(ge=0, le=120)] = 30


class _Rules(Values, Generic[ModelT]):
    models: dict[Name, ModelT]
    predictions: dict[Name, Prediction] = Field(default_factory=dict[str, Prediction])
    features: dict[Name, Feature]
    tenants: dict[Name, Tenant]
    # Within API Gateway's 29 seconds: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
    deadline_seconds: Annotated[float, Field(gt=0, le=28.5)] = 28.0
    largest_body_bytes: Annotated[int, Field(gt=0, le=6_000_000)] = 1_000_000

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        named: tuple[tuple[str, list[str], Collection[str]], ...] = (
            ("models.fallback", [m.fallback for m in self.models.values() if m.fallback], self.models),
            ("features.models", [m for f in self.features.values() for m in f.models], self.models),
            ("features.profiles", [m for f in self.features.values() for m in f.profiles], self.models),
            ("features.predictions", [p for f in self.features.values() for p in f.predictions], self.predictions),
            ("tenants.features", [f for t in self.tenants.values() for f in t.features], self.features),
        )
        for field, names, known in named:
            for name in names:
                if name not in known:
                    raise Disallowed(name, f"allowed: {', '.join(sorted(known)) or 'none'}", field=field)
        return self


class Rules(_Rules[ModelRules]):
    """What is decided before anything is deployed, from the catalogue, the workloads and the budgets."""


class Place(Values):
    """Where a gateway stands: what only its deployment knows."""

    name: Name = "gateway"  # a dimension of its metrics: two may share an account
    region: Annotated[str, Field(min_length=1)]
    role_arn: str | None = None  # of the ai account; none on one machine
    table: str | None = None  # of budgets and idempotency; none keeps them in memory, for one process alone
    issuer: Issuer
    traces_url: Annotated[str, Field(pattern=r"^https?://")] | None = None  # OTLP over HTTP; none records no spans


class DeployedPlace(Place):
    """The same in AWS: `rules` is the path of the file of rules, `told_by` the parameter that holds `Told`."""

    rules: Annotated[str, Field(min_length=1)]
    told_by: Annotated[str, Field(pattern=r"^/")]


class ToldGuardrail(Values):
    """The guardrail and its pinned version."""

    identifier: str
    version: str


class Told(Values):
    """What the ai account tells the gateway. `profiles` is `<workload>/<model>` to ARN."""

    guardrail: ToldGuardrail
    profiles: dict[str, str]


class GatewaySettings(_Rules[GatewayModel], Place):
    """Everything."""


def settings_of(rules: Rules, place: Place, told: Told) -> GatewaySettings:
    """Rules at a place, under the guardrail and through the profiles that the ai account tells of."""
    guarded: dict[str, Any] = {"guardrail": told.guardrail.identifier, "guardrail_version": told.guardrail.version}
    features = {
        name: feature.model_copy(
            update={
                "profiles": {
                    model: told.profiles[key]
                    for model in feature.models
                    if (key := f"{feature.workload}/{model}") in told.profiles
                }
            }
        )
        for name, feature in rules.features.items()
    }
    values: dict[str, Any] = {**dict(rules), **{name: getattr(place, name) for name in Place.model_fields}}
    values["features"] = features
    values["models"] = {name: GatewayModel(**dict(model), **guarded) for name, model in rules.models.items()}
    return GatewaySettings(**values)
