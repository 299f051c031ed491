"""Makes an account ready for `cdk deploy`: the execution policy, then the real `cdk bootstrap`."""

import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from groundplan.environment import AccountName, Environment, environment_file
from groundplan.execution_policy import boundary_policy, execution_policy
from groundplan.refusal import Refused, bad
from groundplan_operate.accounts import CONFIG, Accounts
from groundplan_operate.toolkit import run_cdk

ACCOUNTS: tuple[AccountName, ...] = ("tooling", "application", "ai", "data")
NEEDED_VERSION = 8  # of the bootstrap template; the highest that the assemblies of this CDK release ask for
MOST_VERSIONS = 5  # of a managed policy, IAM's quota


def distinct_accounts(environment: Environment) -> list[AccountName]:
    """One name for each account number: accounts may be shared, and each is bootstrapped once."""
    names = {number: account for account, number in reversed(environment.account_ids().items())}
    return [account for account in ACCOUNTS if account in names.values()]


def bootstrap(accounts: Accounts, account: AccountName, *, show: Callable[[str], None]) -> str:
    """Bootstrap one account when it is not; one line that says what was done.

    The account trusts the tooling account alone, and CloudFormation deploys under the environment's own execution
    policy. Raises Refused, and says what to do, when no credentials of the account are at hand.
    """
    environment, names = accounts.environment, accounts.names
    number = environment.account_ids()[account]
    where = f"{account} {number}"
    if not accounts.has_credentials(account):
        version = _version_seen_from_tooling(accounts, account)
        if version >= NEEDED_VERSION:
            return (
                f"{where}: bootstrapped (version {version}); its policies were not checked, for want of credentials"
            )
        raise Refused(
            f"account {where} is not bootstrapped, and there are no credentials of it here: make a profile named "
            f"{names.profile(account)} and run this again"
        )
    policy = _put_policy(accounts, account, names.execution_policy(), execution_policy(names, number))
    if environment.conventions.permissions_boundary:
        _require_policy(accounts, account, names.boundary())
    else:
        _put_policy(accounts, account, names.boundary(), boundary_policy(environment))
    version = version_of(accounts.client("ssm", account), environment.qualifier)
    wanted = wanted_parameters(accounts, account)
    trusted = wanted["TrustedAccounts"]
    if version >= NEEDED_VERSION and wanted.items() <= parameters_of(accounts, account).items():
        return f"{where}: bootstrapped (version {version})"
    run_cdk(
        accounts,
        [
            "bootstrap",
            f"aws://{number}/{environment.region}",
            "--qualifier",
            environment.qualifier,
            "--toolkit-stack-name",
            names.toolkit_stack(),
            "--cloudformation-execution-policies",
            policy,
            *(["--trust", trusted] if trusted else []),
        ],
        account=account,
        show=show,
        with_app=False,
    )
    return f"{where}: bootstrapped now" + (", trusting tooling alone" if trusted else "")


def policy_arn(accounts: Accounts, account: AccountName, name: str) -> str:
    """ARN of a managed policy of an account."""
    return f"arn:aws:iam::{accounts.environment.account_ids()[account]}:policy/{name}"


def wanted_parameters(accounts: Accounts, account: AccountName) -> dict[str, str]:
    """Those of the bootstrap stack that say who may deploy, and as what."""
    return {
        "TrustedAccounts": "" if account == "tooling" else accounts.environment.accounts.tooling,
        "CloudFormationExecutionPolicies": policy_arn(accounts, account, accounts.names.execution_policy()),
    }


def version_of(ssm: Any, qualifier: str) -> int:
    """The version of the bootstrap template in an account; 0 without one."""
    try:
        return int(ssm.get_parameter(Name=f"/cdk-bootstrap/{qualifier}/version")["Parameter"]["Value"])
    except ClientError as error:
        if error.response["Error"]["Code"] == "ParameterNotFound":
            return 0
        raise


def parameters_of(accounts: Accounts, account: AccountName) -> dict[str, str]:
    """The parameters of the bootstrap stack; none when there is no such stack."""
    try:
        found = accounts.client("cloudformation", account).describe_stacks(StackName=accounts.names.toolkit_stack())
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            return {}
        raise
    parameters: list[dict[str, str]] = found["Stacks"][0].get("Parameters", [])
    return {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in parameters}


def _version_seen_from_tooling(accounts: Accounts, account: AccountName) -> int:
    """Through the lookup role, which exists once the account is bootstrapped; 0 when it cannot be assumed."""
    environment = accounts.environment
    number, qualifier = environment.account_ids()[account], environment.qualifier
    role = f"arn:aws:iam::{number}:role/cdk-{qualifier}-lookup-role-{number}-{environment.region}"
    try:
        session = accounts.session("tooling")
        sts = session.client("sts", config=CONFIG)
        keys = sts.assume_role(RoleArn=role, RoleSessionName="groundplan")["Credentials"]
    except ClientError:
        return 0
    ssm = session.client(
        "ssm",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
        config=CONFIG,
    )
    return version_of(ssm, qualifier)


def _require_policy(accounts: Accounts, account: AccountName, name: str) -> None:
    iam, number = accounts.client("iam", account), accounts.environment.account_ids()[account]
    try:
        iam.get_policy(PolicyArn=f"arn:aws:iam::{number}:policy/{name}")
    except iam.exceptions.NoSuchEntityException:
        source = str(environment_file(accounts.root, accounts.environment.name))
        allowed = (
            f"there is no such policy in account {account} {number}; allowed: a managed policy that stands there"
        )
        raise bad(source, "conventions.permissions_boundary", name, allowed) from None


def _put_policy(accounts: Accounts, account: AccountName, name: str, document: dict[str, Any]) -> str:
    """Make the managed policy, or a new version of it when it says something else; its ARN."""
    arn = policy_arn(accounts, account, name)
    iam = accounts.client("iam", account)
    try:
        versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    except iam.exceptions.NoSuchEntityException:
        iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(document))
        return arn
    default = next(version["VersionId"] for version in versions if version["IsDefaultVersion"])
    if iam.get_policy_version(PolicyArn=arn, VersionId=default)["PolicyVersion"]["Document"] == document:
        return arn
    if len(versions) >= MOST_VERSIONS:
        oldest = min((v for v in versions if not v["IsDefaultVersion"]), key=lambda version: version["CreateDate"])
        iam.delete_policy_version(PolicyArn=arn, VersionId=oldest["VersionId"])
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(document), SetAsDefault=True)
    return arn
