"""An environment: who, where, limits and conventions, read from `environments/<name>.toml`."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from groundplan.checkpoint_age import LOOKED_AT_EVERY_MINUTES, OLDEST_MINUTES
from groundplan.conventions import Conventions, Existing
from groundplan.image import Images
from groundplan.job_limits import Limits
from groundplan.network import ExistingNetwork, Network
from groundplan.organization import Organization
from groundplan.prices import RegionFactor
from groundplan.quantity import PositiveQuantity, Quantity
from groundplan.refusal import Disallowed, Finding, bad
from groundplan.spend.budgets import Budgets
from groundplan.text import AccountId, EmailAddress, EnvironmentName, Prefix, Qualifier, Region, TagValue, matching
from groundplan.toml_file import Values, read_toml

# Of a tracking server: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateMlflowTrackingServer.html
MlflowSize = Literal["Small", "Medium", "Large"]
AccountName = Literal["tooling", "application", "ai", "data"]
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 3653)

# AWS's documentation writes its examples with these ids: three groups of four equal digits, or counting up.
PLACEHOLDER = re.compile(r"(?:([0-9])\1{3}){3}|123456789012|012345678901|210987654321")


class Accounts(Values):
    """The three workload accounts and the tooling account from which they are deployed."""

    tooling: AccountId
    application: AccountId
    ai: AccountId
    data: AccountId
    payer: AccountId | None = Field(
        default=None, description="who pays in the organisation; bills and cost allocation tags are there"
    )
    own_bills: bool = Field(default=False, description="without a payer: a stack for each account's own bill")

    def by_name(self) -> dict[str, str]:
        """Name to 12 digits, in a fixed order."""
        return {"tooling": self.tooling, "application": self.application, "ai": self.ai, "data": self.data}


Reason = Annotated[str, matching(r"[\x20-\x7e\u00a0-\uffff]{10,300}", "allowed: why, in 10 to 300 characters")]


class RegionFactorValues(Values):
    """Prices of another region, times a factor, for what the region's own price file lacks."""

    like: Region
    factor: PositiveQuantity
    reason: Reason


class PriceValues(Values):
    """What prices may be used besides those of a fresh price file."""

    region_factor: RegionFactorValues | None = None
    accept_old: Reason | None = Field(default=None, description="why prices of more than 180 days may be used")

    def factor(self) -> RegionFactor | None:
        """The factor as prices take it."""
        given = self.region_factor
        return given and RegionFactor(given.like, given.factor, given.reason)


class Environment(Values):
    """One environment. Every field is a value of the file; nothing is read from the machine."""

    name: EnvironmentName
    prefix: Prefix = Field(description="first part of every name, so that two platforms can share an account")
    region: Region
    qualifier: Qualifier = Field(description="CDK bootstrap qualifier")
    embedded_aws: bool = Field(description="deploy to the embedded AWS on this machine instead of to AWS")
    architecture: Literal["arm64", "x86_64", "host"] = Field(description="processor of the Lambda functions")
    retain_data: bool = Field(description="buckets, keys and tables outlive their stack, stacks are protected")
    log_retention_days: int
    shared: Annotated[tuple[Literal["ai", "data"], ...], Field(strict=False)] = ()
    alarm_email: EmailAddress | None = None
    owner: TagValue
    cost_centre: TagValue
    images: Images = Images()
    monthly_cost_ceiling_usd: PositiveQuantity | None = Field(
        default=None, description="above it the environment is not synthesised"
    )
    require_known_prices: bool = Field(
        default=False, description="a price that is unknown or extrapolated is refused"
    )
    prices: PriceValues = PriceValues()
    checkpoint_age_minutes: Annotated[int, Field(ge=2 * LOOKED_AT_EVERY_MINUTES, le=14_400)] = Field(
        default=OLDEST_MINUTES, description="the alarm rings when a running job's newest checkpoint is older"
    )
    usage: dict[str, dict[str, Quantity]] = Field(
        default={}, description="assumed use a month, by type of resource or path of one"
    )
    mlflow: MlflowSize | None = Field(
        default=None, description="size of SageMaker's managed MLflow, paid by the hour; left out: none"
    )
    traces: bool = Field(
        default=False, description="the gateway sends spans to X-Ray, in an account that has Transaction Search on"
    )
    budgets: Budgets = Budgets()
    accounts: Accounts
    limits: Limits
    network: Network | None = None
    existing_network: ExistingNetwork | None = None
    existing: Existing = Existing()
    conventions: Conventions = Conventions()
    organization: Organization | None = Field(default=None, description="whose policies bind the accounts")

    @field_validator("shared")
    @classmethod
    def _shared_is_both_or_none(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value and sorted(value) != ["ai", "data"]:
            raise ValueError('allowed: shared = ["ai", "data"], or nothing; application always stands apart')
        return value

    @field_validator("architecture")
    @classmethod
    def _host_is_for_this_machine(cls, value: str, info: ValidationInfo) -> str:
        if value == "host" and not info.data.get("embedded_aws"):
            raise ValueError('allowed in AWS: "arm64" or "x86_64"; "host" is for the embedded AWS')
        return value

    @field_validator("log_retention_days")
    @classmethod
    def _retention_is_one_that_aws_offers(cls, value: int) -> int:
        if value not in RETENTION_DAYS:
            raise Disallowed(value, f"allowed: {', '.join(map(str, RETENTION_DAYS))}")
        return value

    @field_validator("accounts")
    @classmethod
    def _accounts_stand_apart(cls, value: Accounts, info: ValidationInfo) -> Accounts:
        seen: dict[str, str] = {}
        for account, number in value.by_name().items():
            other = seen.setdefault(number, account)
            if other != account and {other, account} != set(info.data.get("shared", ())):
                raise Disallowed(
                    number,
                    f"accounts.{account} equals accounts.{other}; each must be an account of its own, "
                    'but for shared = ["ai", "data"]',
                    field=f"accounts.{account}",
                )
        if value.payer in value.by_name().values():
            allowed = "allowed: the organisation's paying account, which is none of the environment's"
            raise Disallowed(value.payer, allowed, field="accounts.payer")
        if value.payer and info.data.get("embedded_aws"):
            raise Disallowed(value.payer, "the embedded AWS bills nobody; remove it", field="accounts.payer")
        if value.own_bills and (value.payer or info.data.get("embedded_aws")):
            why = "the payer's bill holds all of them" if value.payer else "the embedded AWS bills nobody"
            raise Disallowed(True, f"{why}; remove it", field="accounts.own_bills")
        return value

    @model_validator(mode="after")
    def _one_network(self) -> "Environment":
        if (self.network is None) == (self.existing_network is None):
            given = "both" if self.network else "neither"
            raise Disallowed(
                given, "allowed: one of [network], which is made, and [existing_network]", field="network"
            )
        return self

    @model_validator(mode="after")
    def _keys_are_at_hand(self) -> "Environment":
        for name in ("application", "ai", "data"):
            field, account = f"{name}_key_arn", self.account_ids()[name]
            arn: str | None = getattr(self.existing, field)
            if arn and arn.split(":")[3:5] != [self.region, account]:
                allowed = f"allowed: a key of account {account} in {self.region}, where it is used"
                raise Disallowed(arn, allowed, field=f"existing.{field}")
        return self

    @field_validator("organization")
    @classmethod
    def _organization_surrounds_the_environment(
        cls, value: Organization | None, info: ValidationInfo
    ) -> Organization | None:
        if value is None:
            return value
        accounts: Accounts | None = info.data.get("accounts")
        region: str | None = info.data.get("region")
        if accounts and value.management_account in accounts.by_name().values():
            raise Disallowed(
                value.management_account,
                "no policy binds the management account, so it can be none of [accounts]",
                field="organization.management_account",
            )
        if region and region not in value.regions:
            raise Disallowed(
                value.regions, f"allowed: regions with {region} among them", field="organization.regions"
            )
        if info.data.get("embedded_aws"):
            raise Disallowed(value.id, "the embedded AWS has no organisations; remove [organization]")
        return value

    def account_ids(self) -> dict[str, str]:
        """Account name to its 12 digits, in a fixed order: tooling, application, ai, data."""
        return self.accounts.by_name()

    def exporters(self) -> tuple[str, ...]:
        """The accounts whose bills are exported to the data account: the payer sees all; without it, each its own."""
        own = dict.fromkeys((self.accounts.application, self.accounts.ai, self.accounts.data))
        return (self.accounts.payer,) if self.accounts.payer else tuple(own)

    def own_bills(self) -> dict[str, str]:
        """Account name to its 12 digits, of those for whose own bill there is a stack."""
        if not self.accounts.own_bills:
            return {}
        names = {number: name for name, number in reversed(self.account_ids().items())}
        return {names[number]: number for number in self.exporters()}

    def placeholders(self, source: str) -> list[Finding]:
        """A finding for each account id that only stands in for a real one. None for the embedded AWS."""
        if self.embedded_aws:
            return []
        return [
            Finding(
                source,
                f"accounts.{account}",
                number,
                "this is a placeholder; write the account's own 12 digits",
            )
            for account, number in self.account_ids().items()
            if PLACEHOLDER.fullmatch(number)
        ]


def environment_file(root: Path, name: str) -> Path:
    """The file of the environment called `name`; raises BadInput when the name is not one."""
    known = sorted(path.stem for path in (root / "environments").glob("*.toml"))
    if name not in known:
        raise bad("", "environment", name, f"allowed: {', '.join(known) or 'none; there is no environments/*.toml'}")
    return Path("environments") / f"{name}.toml"


def read_environment(root: Path, name: str) -> Environment:
    """The environment called `name` below `root`; raises BadInput."""
    relative = environment_file(root, name)
    environment = read_toml(root, relative, Environment)
    if environment.name != name:
        raise bad(str(relative), "name", environment.name, f'allowed: "{name}", the name of the file')
    return environment
