"""Keeps what a deployed workload was designed to cost, where run time can read it beside what it does cost."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from groundplan.catalogue import read_catalogue
from groundplan.estimate import Estimate, Usage, estimate, read_stacks
from groundplan.estimate.report import money
from groundplan.focus.design import charges_as_json, planned_charges
from groundplan.planner import Market, plan
from groundplan.planner.report import as_json as plan_as_json
from groundplan.prices import Money, read_prices
from groundplan.workload import Workload, usage_of
from groundplan_operate.accounts import Accounts


def keep_designs(accounts: Accounts, workloads: Sequence[Workload], assembly: Path) -> None:
    """Write plan and estimate of each workload with a stack; what is there already and says the same stays.

    The bucket keeps the versions before: so one can see what the design said when a bill came.
    """
    environment = accounts.environment
    prices = read_prices(accounts.root, environment.region, environment.prices.factor())
    market = Market(prices, read_catalogue(accounts.root))
    found = _estimate(accounts, workloads, assembly)
    totals, charges = found.totals_by("workload"), planned_charges(found)
    s3, bucket = accounts.client("s3", "ai"), accounts.names.artefacts_bucket()
    for workload in workloads:
        if workload.training is None:
            continue
        document = {
            "environment": environment.name,
            "plan": plan_as_json(plan(workload, market)),
            "estimate": money(totals.get(workload.name, Money())),
            "charges": charges_as_json(charges.get(workload.name, {})),
        }
        body, key = json.dumps(document, indent=2).encode(), accounts.names.design(workload.name)
        if _content(s3, bucket, key) != body:
            s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")


def _estimate(accounts: Accounts, workloads: Sequence[Workload], assembly: Path) -> Estimate:
    environment = accounts.environment
    stacks, _ = read_stacks(assembly, region=environment.region)
    usage = Usage(assumed=environment.usage, drivers=usage_of(workloads))
    return estimate(stacks, lambda region: read_prices(accounts.root, region, environment.prices.factor()), usage)


def _content(s3: Any, bucket: str, key: str) -> bytes | None:
    try:
        return bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchKey"):
            raise
        return None
