"""`groundplan approve`: a person's word on a registered model version, given with the approver's role."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import boto3
import click
from botocore.exceptions import ClientError

from groundplan.environment import read_environment
from groundplan.model_package import Decision, Package, decision_of
from groundplan.names import APPROVER_TAG
from groundplan.refusal import Refused, bad
from groundplan.release import checked_why
from groundplan_operate.accounts import CONFIG, Accounts
from groundplan_operate.model_registry import ModelRegistry, check_package, find
from groundplan_operate.options import as_json, in_environment, repository

_Session: Any = boto3.Session
SESSION_SECONDS = 900  # the least that STS gives


@click.command
@click.argument("subject", metavar="MODEL_VERSION")
@in_environment
@click.option("--reject", is_flag=True, help="the other word; needs --reason, and is the last one on this version")
@click.option("--reason", metavar="TEXT", help="why; it is kept in the registry")
@as_json
def approve(subject: str, environment_name: str, reject: bool, reason: str | None, as_json: bool) -> None:
    """Approve MODEL_VERSION, such as digit-reader-1.0.0, for release; nothing is released by this.

    It is done in the approver's role, which no other role can stand in for. In `local` nobody approves in earnest,
    and the registry and the pin say so.
    """
    root = repository()
    accounts = Accounts(root, read_environment(root, environment_name))
    if reject and not reason:
        raise bad("", "--reason", "nothing", "--reject needs it: why, in 10 to 300 characters")
    said = checked_why(reason, "--reason") if reason else ""
    package, changed = decide(accounts, subject, "Rejected" if reject else "Approved", said)
    decision = decision_of(package)
    if as_json:
        document = {"name": package.name, "arn": package.arn, "approval": package.approval, "changed": changed}
        click.echo(json.dumps(document | decision.as_json(), indent=2))
        return
    word = f"is {package.approval}" if changed else f"was {package.approval} before, and stays so"
    click.echo(f"{package.name} {word}: {decision.by}, {decision.at}{' (simulated)' if decision.simulated else ''}")
    if package.approval == "Approved":
        click.echo(f"release it: groundplan promote {package.name} -e {environment_name}")


def decide(accounts: Accounts, subject: str, word: str, reason: str) -> tuple[Package, bool]:
    """The package after a decision, and whether this was it. The same decision again changes nothing.

    Raises Refused for a version that was decided otherwise, and for one whose model, record or verdict is not there
    any more or was altered: a person's word is given on what was judged.
    """
    workload, package = find(accounts, subject)
    if package.approval == word:
        return package, False
    if package.approval != "PendingManualApproval":
        by = decision_of(package).by
        raise Refused(f"{package.name} is {package.approval}, by {by}; a decision stands: verify another version")
    if package.status != "Completed":
        raise Refused(f"{package.name}: its package is {package.status}; allowed: Completed")
    check_package(accounts, package)
    client, by = _as_approver(accounts)
    at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    decision = Decision(by=by, at=at, simulated=accounts.environment.embedded_aws, reason=reason or None)
    client.update_model_package(
        ModelPackageArn=package.arn, ModelApprovalStatus=word, ApprovalDescription=decision.text()
    )
    return ModelRegistry(accounts, workload).read(package.arn), True


def _as_approver(accounts: Accounts) -> tuple[Any, str]:
    """A SageMaker client in the approver's role, and who that is; the session carries the person's name.

    Raises Refused for who may not become the approver.
    """
    own = accounts.client("sts", "ai")
    person = str(own.get_caller_identity()["Arn"]).rpartition(":")[2].rpartition("/")[2]
    name = re.sub(r"[^A-Za-z0-9_=,.@-]", "-", person)[:64] or "person"
    number = accounts.environment.accounts.ai
    arn = accounts.names.roles(number, accounts.names.approver_role())
    try:
        given = own.assume_role(RoleArn=arn, RoleSessionName=name, DurationSeconds=SESSION_SECONDS)["Credentials"]
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("AccessDenied", "AccessDeniedException"):
            raise
        who = f"people whose role carries the tag {APPROVER_TAG} = {accounts.names.stem}, and may assume {arn}"
        raise Refused(f"{person} may not approve: allowed are {who} (docs/release.md)") from None
    session = _Session(
        given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], region_name=accounts.environment.region
    )
    client = session.client("sagemaker", endpoint_url=accounts.endpoint_url, config=CONFIG)
    who = session.client("sts", endpoint_url=accounts.endpoint_url, config=CONFIG).get_caller_identity()["Arn"]
    return client, str(who)
