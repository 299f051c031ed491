"""What a deployed environment knows of its own costs: what was designed, ran and was metered."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from botocore.exceptions import ClientError

from groundplan.focus.kept_design import kept_design
from groundplan.focus.metered_sum import MeteredSum
from groundplan.focus.use import Use
from groundplan.focus.workloads import Designed
from groundplan.refusal import bad
from groundplan.workload import Workload
from groundplan_operate.accounts import Accounts
from groundplan_operate.train import price_book
from groundplan_runtime.integrations.metered import MeterLake
from groundplan_runtime.integrations.platform_use import Platform


def platform_use(accounts: Accounts, workloads: Sequence[Workload], now: datetime) -> Use:
    """This month's runs and endpoints; raises BadInput where the environment is not deployed."""
    dynamodb = accounts.session("ai").resource("dynamodb", endpoint_url=accounts.endpoint_url)
    name = accounts.names.lineage_table()
    platform = Platform(
        table=dynamodb.Table(name),
        sagemaker=accounts.client("sagemaker", "ai"),
        cloudwatch=accounts.client("cloudwatch", "ai"),
        prices=price_book(accounts),
    )
    try:
        return platform.use({one.name: accounts.names.endpoint(one.name) for one in workloads}, now)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        first = f"it does not exist; deploy the environment first: make deploy ENV={accounts.environment.name}"
        raise bad("", "lineage table", name, first) from None


def metered(accounts: Accounts, now: datetime) -> list[MeteredSum]:
    """What the gateway metered this month, from the lines in the lake."""
    return MeterLake(accounts.client("s3", "data"), accounts.names.meter_bucket()).month(f"{now:%Y-%m}")


def kept_designs(accounts: Accounts, workloads: Sequence[Workload]) -> dict[str, Designed]:
    """What each deployed workload was designed to cost when it was deployed."""
    s3, bucket = accounts.client("s3", "ai"), accounts.names.artefacts_bucket()
    found: dict[str, Designed] = {}
    for workload in workloads:
        now = Designed(workload.owner, workload.drivers.monthly_cost_ceiling_usd)
        try:
            body = s3.get_object(Bucket=bucket, Key=accounts.names.design(workload.name))["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("404", "NoSuchKey", "NoSuchBucket"):
                raise
            found[workload.name] = now
            continue
        # Who answers for it and what it may cost is what its file says now.
        kept = kept_design(json.loads(body))
        found[workload.name] = replace(kept, owner=now.owner, ceiling_usd=now.ceiling_usd)
    return found
