"""Deploys the serving stack of a workload after its pin was written, and puts the pin back when that fails."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from groundplan.catalogue import read_catalogue
from groundplan.planner import Market, plan
from groundplan.prices import read_prices
from groundplan.refusal import Refused
from groundplan.release import Release, release_file, write_release
from groundplan.serving.design import design
from groundplan.workload import Workload
from groundplan_operate.accounts import Accounts
from groundplan_operate.toolkit import run_cdk

SENT_BACK = "UPDATE_ROLLBACK_COMPLETE"
LONGEST_REASON = 300


def serve(
    accounts: Accounts,
    workload: Workload,
    release: Release,
    was: Release | None,
    show: Callable[[str], None],
    *,
    asks: bool = True,
) -> None:
    """Deploy what `release`, which is pinned, says; the caller is `alone`, and was before the pin was written.

    When that fails, `was` is pinned again before Refused is raised: the pin says what serves. A version that
    CloudFormation sent back, on an alarm of its endpoint for one, is remembered as withdrawn. In AWS it asks before
    permissions are widened, unless it `asks` nobody.
    """
    prices = read_prices(accounts.root, accounts.environment.region, accounts.environment.prices.factor())
    market = Market(prices, read_catalogue(accounts.root))
    decided = plan(workload, market).chosen
    if decided and not design(decided):
        show(f"{workload.name}: its plan has no endpoint; nothing is deployed")
        return
    before = _stack(accounts, workload)
    show(f"cdk deploy Serving-{workload.name}, environment {accounts.environment.name}")
    try:
        _deploy(accounts, workload, show, asks=asks)
    except (Refused, KeyboardInterrupt) as error:
        why = " ".join(str(error).split()) or "it was interrupted"
        after = _stack(accounts, workload)
        sent_back = after.get("StackStatus") == SENT_BACK and after != before
        if sent_back:
            why = _first_failure(accounts, workload) or why
        _put_back(accounts, workload, release, was, why if sent_back else "")
        file = release_file(workload.name, accounts.environment.name)
        now = f"pins {was.version}" if was else "is gone again, as nothing was released before"
        raise Refused(f"{workload.name}-{_new(release, was)} does not serve, and {file} {now}: {why}") from None
    if was and was != release and _nobody_asked(accounts, workload):
        show(f"nobody asked while {workload.name}-{_new(release, was)} was deployed: no alarm has judged it")


def _nobody_asked(accounts: Accounts, workload: Workload) -> bool:
    """Whether the alarm on errors knows nothing, which is no verdict. One that cannot be seen says nothing either."""
    name = f"{accounts.names.endpoint(workload.name)}-failing"
    try:
        found = accounts.client("cloudwatch", "ai").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    except ClientError:
        return False
    return any(one["StateValue"] == "INSUFFICIENT_DATA" for one in found)


def _deploy(accounts: Accounts, workload: Workload, show: Callable[[str], None], *, asks: bool) -> None:
    arguments = ["deploy", f"Serving-{workload.name}", "--exclusively"]
    if not accounts.environment.embedded_aws and asks:
        run_cdk(accounts, arguments)  # it asks before it widens permissions
        return
    run_cdk(
        accounts,
        [*arguments, "--progress", "events", "--require-approval", "never"],
        show=lambda line: show(f"     {line}") if line.startswith(("✅", "❌")) or "deploying..." in line else None,
    )


def _put_back(accounts: Accounts, workload: Workload, release: Release, was: Release | None, sent_back: str) -> None:
    if was == release:  # it was pinned before, and not served
        return
    if was is None:
        (accounts.root / release_file(workload.name, accounts.environment.name)).unlink(missing_ok=True)
        return
    document = was.model_dump(exclude_none=True)
    if sent_back and (failed := _new(release, was)) != was.version:
        said = f"its deployment was sent back: {sent_back}".encode("ascii", "ignore").decode()
        document["withdrawn"] = {**was.withdrawn, failed: said[:LONGEST_REASON]}
        if was.previous == failed:
            del document["previous"]
        if was.candidate and was.candidate.version == failed:
            del document["candidate"]
    write_release(accounts.root, workload.name, accounts.environment, Release.model_validate(document), release)


def _new(release: Release, was: Release | None) -> str:
    """The version that a release brings: the one that is to serve, or that is to be in its shadow."""
    if release.candidate and was and was.version == release.version:
        return release.candidate.version
    return release.version


def _first_failure(accounts: Accounts, workload: Workload) -> str:
    """What failed first in the stack's last deployment, which is the cause of all else; nothing if nobody says."""
    name, found = accounts.names.stack(f"Serving-{workload.name}"), ""
    pages = accounts.client("cloudformation", "ai").get_paginator("describe_stack_events").paginate(StackName=name)
    for event in (one for page in pages for one in page["StackEvents"]):  # the newest first
        status, reason = str(event["ResourceStatus"]), str(event.get("ResourceStatusReason", ""))
        if status.endswith("_FAILED") and reason:
            found = f"{event['ResourceType']}: {' '.join(reason.split())}"
        if status == "UPDATE_IN_PROGRESS" and event["PhysicalResourceId"] == event["StackId"]:
            break
    return found


def _stack(accounts: Accounts, workload: Workload) -> dict[str, Any]:
    """The serving stack as CloudFormation describes it; nothing when there is none."""
    name = accounts.names.stack(f"Serving-{workload.name}")
    try:
        return dict(accounts.client("cloudformation", "ai").describe_stacks(StackName=name)["Stacks"][0])
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        return {}
