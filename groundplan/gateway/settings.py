"""What a gateway is told when it starts: models, features, tenants, endpoints, and whose tokens it takes."""

from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator

from groundplan.gateway.token_cost import TokenPrices
from groundplan.refusal import Disallowed
from groundplan.toml_file import Values

Count = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")]


class Protection(Values):
    """How a slow or failing backend is kept from taking the rest with it."""

    concurrent_calls: Count = 10  # the bulkhead
    failures_until_open: Count = 5
    cool_down_seconds: Seconds = 15.0
    timeout_seconds: Seconds = 20.0  # of one attempt


class GatewayModel(Values):
    """One approved model: `target` is the id of a Bedrock model or inference profile."""

    target: Annotated[str, Field(min_length=1, max_length=2048)]
    guardrail: Annotated[str, Field(min_length=1, max_length=2048)]
    guardrail_version: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,7}$")]  # pinned: never DRAFT
    prices: TokenPrices
    most_output_tokens: Count = 4096
    protection: Protection = Protection()
    fallback: Name | None = None  # another model of this file
    fallback_cached_answer: bool = False


class Prediction(Values):
    """One SageMaker endpoint behind `/predict/<workload>`."""

    endpoint_name: Annotated[str, Field(min_length=1, max_length=63)]
    protection: Protection = Protection()


class Feature(Values):
    """What an application asks for, the workload that pays for it, and what it may reach."""

    workload: Name
    models: tuple[Name, ...] = ()
    predictions: tuple[Name, ...] = ()


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


class GatewaySettings(Values):
    """Everything. `deadline_seconds` lies within API Gateway's 29 seconds:
    https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
    """

    region: Annotated[str, Field(min_length=1)]
    role_arn: str | None = None  # of the ai account; none on one machine
    table: str | None = None  # of budgets and idempotency; none keeps them in memory, for one process alone
    issuer: Issuer
    models: dict[Name, GatewayModel]
    predictions: dict[Name, Prediction] = Field(default_factory=dict[str, Prediction])
    features: dict[Name, Feature]
    tenants: dict[Name, Tenant]
    deadline_seconds: Annotated[float, Field(gt=0, le=28.5)] = 28.0
    largest_body_bytes: Annotated[int, Field(gt=0, le=6_000_000)] = 1_000_000

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        for field, named, known in (
            ("models.fallback", [m.fallback for m in self.models.values() if m.fallback], self.models),
            ("features.models", [m for f in self.features.values() for m in f.models], self.models),
            ("features.predictions", [p for f in self.features.values() for p in f.predictions], self.predictions),
            ("tenants.features", [f for t in self.tenants.values() for f in t.features], self.features),
        ):
            for name in named:
                if name not in known:
                    raise Disallowed(name, f"allowed: {', '.join(sorted(known)) or 'none'}", field=field)
        return self
