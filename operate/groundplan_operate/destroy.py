"""`groundplan destroy`: take an environment's stacks down, with what they hold."""

from collections.abc import Callable
from typing import Any

import click
from botocore.exceptions import ClientError

from groundplan.environment import AccountName, read_environment
from groundplan.names import ZONES
from groundplan.refusal import Refused
from groundplan.workload import workload_names
from groundplan_operate.accounts import Accounts
from groundplan_operate.options import in_environment, repository
from groundplan_operate.orphans import delete, orphans
from groundplan_operate.toolkit import STACKS, run_cdk

ATTEMPTS = 3


@click.command
@in_environment
@click.option("--yes", is_flag=True, help="do not ask")
def destroy(environment_name: str, yes: bool) -> None:
    """Empty the buckets and destroy every stack; what is already gone is passed over."""
    root = repository()
    accounts = Accounts(root, read_environment(root, environment_name))
    environment = accounts.environment
    if environment.retain_data:
        raise Refused(
            f"environments/{environment.name}.toml says retain_data = true: its stacks are protected and its data "
            "outlives them. To take it down, set retain_data = false, deploy, and destroy then"
        )
    if not yes and not environment.embedded_aws:
        click.confirm(f"Delete every stack of {environment.name} with all its data and models?", abort=True)
    for name in workload_names(root):
        _delete_packages(accounts.client("sagemaker", "ai"), accounts.names.model_package_group(name), click.echo)
    for attempt in range(1, ATTEMPTS + 1):
        for bucket, account in buckets(accounts):
            _empty(accounts.client("s3", account), bucket, click.echo)
        try:
            run_cdk(accounts, ["destroy", STACKS, "--force"], show=_tell)
            break
        except Refused:
            # Access logs and last events may have come into a bucket after it was emptied.
            if attempt == ATTEMPTS:
                raise
    for stack, account in orphans(accounts):
        delete(accounts, stack, account)
        click.echo(f"{stack}: deleted; its workload's folder was gone already")
    click.echo(f"done: {environment.name} is gone; the accounts stay bootstrapped")


def _tell(line: str) -> None:
    """Stacks and errors, without the line for each resource."""
    if "destroying..." in line or line.startswith("❌") or "destroyed" in line:
        click.echo(line.strip())


def _delete_packages(sagemaker: Any, group: str, show: Callable[[str], None]) -> None:
    """CloudFormation deletes only empty groups."""
    try:
        for page in sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group):
            for package in page["ModelPackageSummaryList"]:
                sagemaker.delete_model_package(ModelPackageName=package["ModelPackageArn"])
                show(f"{package['ModelPackageArn']}: deleted")
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("ValidationException", "ResourceNotFound"):
            raise


def buckets(accounts: Accounts) -> list[tuple[str, AccountName]]:
    """Every bucket that the environment made, with its account, in the order in which they can be emptied."""
    names = accounts.names
    lake: list[tuple[str, AccountName]] = [(names.lake_bucket(zone), "data") for zone in ZONES]
    # The buckets for access logs come last: emptying the others is logged there.
    logs: list[tuple[str, AccountName]] = [(names.lake_logs_bucket(), "data"), (names.artefacts_logs_bucket(), "ai")]
    existing = accounts.environment.existing
    theirs = (existing.data_log_bucket, existing.ai_log_bucket)  # the company's, which stay as they are
    return [
        *lake,
        (names.costs_bucket(), "data"),
        (names.meter_bucket(), "data"),
        (names.artefacts_bucket(), "ai"),
        (names.events_bucket(), "ai"),
        (names.invocations_bucket(), "ai"),
        *((bucket, account) for bucket, account in logs if bucket not in theirs),
    ]


def _empty(s3: Any, bucket: str, show: Callable[[str], None]) -> None:
    """Every version of every object; CloudFormation deletes only empty buckets."""
    deleted = 0
    try:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            objects = [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in found]
            if objects:
                answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
                if errors := answer.get("Errors"):
                    raise Refused(f"s3://{bucket}/{errors[0]['Key']}: {errors[0]['Message']}")
                deleted += len(objects)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchBucket":
            show(f"s3://{bucket}: already gone")
            return
        raise
    show(f"s3://{bucket}: {deleted} object versions deleted")
