"""Keeps what a deployed workload was designed to cost, where run time can read it beside what it does cost."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from groundplan.catalogue import read_catalogue
from groundplan.estimate import Estimate, Usage, estimate, read_stacks
from groundplan.estimate.report import money
from groundplan.focus.design import designs
from groundplan.focus.kept_design import design_as_json, designs_as_json
from groundplan.planner import Market, plan
from groundplan.planner.report import as_json as plan_as_json
from groundplan.prices import Money, read_prices
from groundplan.spend.focus_table import DESIGNS
from groundplan.workload import Workload, usage_of
from groundplan_operate.accounts import Accounts


def keep_designs(accounts: Accounts, workloads: Sequence[Workload], assembly: Path) -> None:
    """Write plan and estimate of each workload with a stack; what is there already and says the same stays.

    Ceilings and estimates of all of them stand also beside the bills, for the function that makes the daily report:
    nothing of the data account reads the ai account. The buckets keep the versions before: so one can see what the
    design said when a bill came.
    """
    environment, names = accounts.environment, accounts.names
    prices = read_prices(accounts.root, environment.region, environment.prices.factor())
    market = Market(prices, read_catalogue(accounts.root))
    found = _estimate(accounts, workloads, assembly)
    designed, totals = designs(workloads, found), found.totals_by("workload")
    s3 = accounts.client("s3", "ai")
    for workload in workloads:
        if workload.training is None:
            continue
        document = {
            "environment": environment.name,
            "plan": plan_as_json(plan(workload, market)),
            **design_as_json(designed[workload.name]),
            "estimate": money(totals.get(workload.name, Money())),
        }
        _keep(s3, names.artefacts_bucket(), names.design(workload.name), document)
    known = {workload.name: designed[workload.name] for workload in workloads}
    bills = accounts.client("s3", "data")
    _keep(bills, names.costs_bucket(), DESIGNS, designs_as_json(environment.name, known))


def _keep(s3: Any, bucket: str, key: str, document: Mapping[str, Any]) -> None:
    body = json.dumps(document, indent=2).encode()
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
