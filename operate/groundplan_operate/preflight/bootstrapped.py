"""Whether each account is bootstrapped: new enough, for tooling alone, under this environment's policies."""

from collections.abc import Callable, Iterator
from typing import Any

from groundplan.environment import AccountName
from groundplan.execution_policy import boundary_policy, execution_policy
from groundplan_operate.accounts import Accounts
from groundplan_operate.bootstrap import (
    NEEDED_VERSION,
    distinct_accounts,
    parameters_of,
    policy_arn,
    version_of,
    wanted_parameters,
)
from groundplan_operate.preflight.questions import Found, Question, Site


def bootstrapped(site: Site) -> Iterator[Question]:
    """Version, trust, execution policy and boundary of each account."""
    for account in distinct_accounts(site.accounts.environment):
        yield from _questions(site.accounts, account)


def _questions(accounts: Accounts, account: AccountName) -> Iterator[Question]:
    environment, names = accounts.environment, accounts.names
    number = environment.account_ids()[account]

    def ask(check: str, wanted: str, look: Callable[[], Found]) -> Question:
        remedy = f"groundplan deploy -e {environment.name} puts it right, with credentials of the account"
        return Question(check, account, wanted, remedy, look)

    yield ask(
        "bootstrap",
        f"{names.toolkit_stack()}, version {NEEDED_VERSION} or newer",
        lambda: _version(accounts, account),
    )
    yield ask(
        "bootstrap trust",
        wanted_parameters(accounts, account)["TrustedAccounts"] or "no other account",
        lambda: _parameter(accounts, account, "TrustedAccounts", "no other account"),
    )
    yield ask(
        "bootstrap policy",
        names.execution_policy(),
        lambda: _parameter(accounts, account, "CloudFormationExecutionPolicies", "AdministratorAccess"),
    )
    yield ask(
        "execution policy",
        f"{names.execution_policy()}, as this version writes it",
        lambda: _policy(accounts, account, names.execution_policy(), execution_policy(names, number)),
    )
    boundary = names.boundary()
    if environment.conventions.permissions_boundary:
        source = f"environments/{environment.name}.toml"
        remedy = f"make it there, or name another as conventions.permissions_boundary of {source}"
        yield Question(
            "permissions boundary",
            account,
            f"{boundary}, the company's own",
            remedy,
            lambda: _policy(accounts, account, boundary, None),
        )
    else:
        yield ask(
            "permissions boundary",
            f"{boundary}, as this version writes it",
            lambda: _policy(accounts, account, boundary, boundary_policy(environment)),
        )


def _version(accounts: Accounts, account: AccountName) -> Found:
    version = version_of(accounts.client("ssm", account), accounts.environment.qualifier)
    if not version:
        return Found("missing", f"no bootstrap of the qualifier {accounts.environment.qualifier}")
    return Found("ok" if version >= NEEDED_VERSION else "missing", f"version {version}")


def _parameter(accounts: Accounts, account: AccountName, key: str, empty: str) -> Found:
    found = parameters_of(accounts, account).get(key)
    if found is None:
        return Found("missing", f"no stack {accounts.names.toolkit_stack()}")
    wanted = wanted_parameters(accounts, account)[key]
    shown = ", ".join(value.rpartition("/")[2] for value in found.split(",")) or empty
    return Found("ok" if found == wanted else "missing", shown)


def _policy(accounts: Accounts, account: AccountName, name: str, document: dict[str, Any] | None) -> Found:
    """Whether a policy is there and says what it should; None: whatever it says."""
    iam = accounts.client("iam", account)
    arn = policy_arn(accounts, account, name)
    try:
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    except iam.exceptions.NoSuchEntityException:
        return Found("missing", "no such policy")
    if document is None:
        return Found("ok", f"version {version}")
    if iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"] == document:
        return Found("ok", f"version {version}")
    return Found("missing", f"version {version}, which says something else")
