"""Whether AWS lets the accounts have what environment and workloads ask for. A new account's quotas may be 0."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from botocore.exceptions import ClientError

from groundplan.environment import AccountName
from groundplan.functions import LEFT_UNRESERVED, reserved
from groundplan_operate.accounts import Accounts
from groundplan_operate.bootstrap import distinct_accounts
from groundplan_operate.destroy import buckets
from groundplan_operate.preflight.questions import Found, Question, Site, Status

ENDPOINTS = ("vpc", "L-29B6F2EB")  # interface endpoints of one VPC
FUNCTIONS = ("lambda", "L-B99A9384")  # concurrent executions
USES: tuple[tuple[str, Status], ...] = (("spot training", "missing"), ("training", "warning"))
BUCKETS = ("s3", "L-DC2B2D3D")  # general purpose buckets of an account


def instances(site: Site) -> Iterator[Question]:
    """Instances of each type that a workload trains on, as many as its largest job takes at once."""
    accounts = site.accounts
    needed: dict[str, int] = {}
    for workload in site.workloads:
        training = workload.training
        if training is None:
            continue
        needed[training.instance_type] = max(needed.get(training.instance_type, 0), training.instance_count)

    @cache  # of what was found; an error is asked for anew
    def listed() -> dict[str, dict[str, Any]]:
        client = accounts.client("service-quotas", "ai")
        # Quotas never changed stand only in the second list, and the first says what holds.
        pages = [
            *client.get_paginator("list_aws_default_service_quotas").paginate(ServiceCode="sagemaker"),
            *client.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker"),
        ]
        return {str(quota["QuotaName"]): quota for page in pages for quota in page["Quotas"]}

    for kind, count in sorted(needed.items()):
        # Spot is what `groundplan train` asks for; without it only --on-demand is left.
        for usage, lacking in USES:
            name = f"{kind} for {usage} job usage"
            yield Question(
                f"quota: {name}",
                "ai",
                f"{count} or more" + (", for train --on-demand" if lacking == "warning" else ""),
                "",
                lambda name=name, count=count, lacking=lacking: _instances(
                    accounts, listed().get(name), count, lacking
                ),
            )


def _instances(accounts: Accounts, quota: dict[str, Any] | None, count: int, lacking: Status) -> Found:
    if quota is None:
        return Found("unknown", "Service Quotas lists none of this name")
    remedy = increase(accounts, "ai", "sagemaker", quota["QuotaCode"], count)
    return Found("ok" if quota["Value"] >= count else lacking, f"{quota['Value']:g}", remedy)


def function_concurrency(site: Site) -> Iterator[Question]:
    """Functions reserve their concurrency, and AWS wants some of the account's left unreserved."""
    ids = site.accounts.environment.account_ids()
    kept = reserved(site.accounts.environment)
    for account in distinct_accounts(site.accounts.environment):
        here = sum(runs for name, runs in kept.items() if ids[name] == ids[account])
        if not here:
            continue
        yield Question(
            "quota: concurrent functions",
            account,
            f"{LEFT_UNRESERVED} left beside the {here} that functions reserve here",
            increase(site.accounts, account, *FUNCTIONS, LEFT_UNRESERVED + here),
            lambda account=account, here=here: _concurrency(site.accounts, account, here),
        )


def _concurrency(accounts: Accounts, account: AccountName, reserved: int) -> Found:
    client = accounts.client("lambda", account)
    limit = client.get_account_settings()["AccountLimit"]
    free = limit["UnreservedConcurrentExecutions"] + _own_reservations(client, accounts.names.stem)
    status = "ok" if free >= LEFT_UNRESERVED + reserved else "missing"
    return Found(status, f"{free} of {limit['ConcurrentExecutions']} not reserved by others")


def _own_reservations(client: Any, stem: str) -> int:
    own = [
        function["FunctionName"]
        for page in client.get_paginator("list_functions").paginate()
        for function in page["Functions"]
        if function["FunctionName"].startswith(f"{stem}-")
    ]
    answers = [client.get_function_concurrency(FunctionName=name) for name in own]
    return sum(found.get("ReservedConcurrentExecutions", 0) for found in answers)


def bucket_count(site: Site) -> Iterator[Question]:
    """Room for the environment's buckets beside those that an account has already."""
    accounts = site.accounts
    ids = accounts.environment.account_ids()
    for account in distinct_accounts(accounts.environment):
        own = {bucket for bucket, name in buckets(accounts) if ids[name] == ids[account]}
        if not own:
            continue
        yield Question(
            "quota: buckets",
            account,
            f"room for {len(own)}",
            "ask AWS for more in the console of Service Quotas, or delete some",
            lambda account=account, own=own: _buckets(accounts, account, own),
        )


def _buckets(accounts: Accounts, account: AccountName, own: set[str]) -> Found:
    quota = _quota(accounts.client("service-quotas", account), *BUCKETS)
    others = {bucket["Name"] for bucket in accounts.client("s3", account).list_buckets()["Buckets"]} - own
    remedy = increase(accounts, account, *BUCKETS, len(others) + len(own))
    status = "ok" if len(others) + len(own) <= quota else "missing"
    return Found(status, f"{quota:g}, of which others take {len(others)}", remedy)


def interface_endpoints(site: Site) -> Iterator[Question]:
    """As many as the environment's own network has."""
    accounts, network = site.accounts, site.accounts.environment.network
    count = len(network.interface_endpoints) if network else 0
    if count:
        yield Question(
            "quota: interface endpoints of a VPC",
            "ai",
            f"{count} or more",
            increase(accounts, "ai", *ENDPOINTS, count),
            lambda: _endpoints(accounts.client("service-quotas", "ai"), count),
        )


def _endpoints(client: Any, count: int) -> Found:
    quota = _quota(client, *ENDPOINTS)
    return Found("ok" if quota >= count else "missing", f"{quota:g}")


def _quota(client: Any, service: str, code: str) -> float:
    try:
        return float(client.get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]["Value"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchResourceException":
            raise
    # Never changed, so that only AWS's default is known.
    return float(client.get_aws_default_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]["Value"])


def increase(accounts: Accounts, account: AccountName, service: str, code: str, value: int) -> str:
    """How to ask AWS for more."""
    return (
        f"in the {account} account: aws service-quotas request-service-quota-increase --service-code {service} "
        f"--quota-code {code} --desired-value {value} --region {accounts.environment.region}"
    )
