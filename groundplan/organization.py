"""The AWS organisation around an environment: whom its policies bind, and what they let through."""

import ipaddress
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from groundplan.refusal import Disallowed
from groundplan.text import AccountId, Region, matching
from groundplan.toml_file import Values

GLOBAL_INFERENCE = "global"


def _network(value: str) -> str:
    try:
        network = ipaddress.ip_network(value)
    except ValueError:
        raise ValueError("allowed: a network such as 203.0.113.0/24") from None
    if not network.prefixlen:
        raise ValueError("allowed: a network smaller than all addresses; leave networks out to expect every one")
    return value


# Patterns: https://docs.aws.amazon.com/organizations/latest/APIReference/API_AttachPolicy.html
Target = Annotated[
    str,
    matching(
        r"r-[0-9a-z]{4,32}|ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}|[0-9]{12}",
        "allowed: the id of a root (r-…), of an organisational unit (ou-…), or the 12 digits of an account",
    ),
]
Network = Annotated[str, AfterValidator(_network)]


class Organization(Values):
    """Everything that service and resource control policies are made from.

    `targets` are bound by them; the management account never is, AWS exempts it. `trusted_accounts` lie outside the
    organisation and are let through both ways: AWS's own registries of images, a partner. `networks` are those from
    which people reach buckets and keys; none given, every one is expected.
    """

    id: Annotated[str, matching(r"o-[a-z0-9]{10,32}", "allowed: the id of the organisation, o-…")]
    management_account: AccountId
    targets: Annotated[tuple[Target, ...], Field(strict=False, min_length=1)]
    break_glass_role: Annotated[
        str, matching(r"[A-Za-z0-9_+=,.@-]{1,64}", "allowed: the name of an IAM role, without its path")
    ]
    regions: Annotated[tuple[Region, ...], Field(strict=False, min_length=1)]
    inference_regions: Annotated[tuple[Region | Literal["global"], ...], Field(strict=False)] = ()
    networks: Annotated[tuple[Network, ...], Field(strict=False)] = ()
    trusted_accounts: Annotated[tuple[AccountId, ...], Field(strict=False)] = ()

    @field_validator("targets")
    @classmethod
    def _management_account_is_no_target(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if (management := info.data.get("management_account")) in value:
            raise Disallowed(management, "no policy binds the management account; name units or member accounts")
        return value
