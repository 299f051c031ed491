"""`groundplan resume`: what the stopper stopped, brought back; without a name, what there is to bring back."""

import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click
from botocore.exceptions import ClientError

from groundplan.claim import Launch
from groundplan.environment import read_environment
from groundplan.json_value import mapping
from groundplan.refusal import Refused, bad
from groundplan.run_record import REQUEST
from groundplan.spend import Rules
from groundplan_operate.accounts import Accounts
from groundplan_operate.launch import run_claims
from groundplan_operate.options import as_json, in_environment, repository
from groundplan_operate.train import price_book
from groundplan_runtime.integrations.spend_acts import KeptAct, SpendActs
from groundplan_runtime.integrations.spend_stopper import Stopper
from groundplan_runtime.integrations.spend_things import SpendThings

STOPPED = ("done", "acting", "failed")


@click.command
@click.argument("subject", metavar="[training/JOB | endpoint/NAME | notebook/NAME]", required=False)
@in_environment
@as_json
def resume(subject: str | None, environment_name: str, as_json: bool) -> None:
    """Bring back what the stopper stopped; without a name show what is stopped.

    A training job goes on as a new one, from the checkpoint of the one that was stopped. What was brought back is
    left alone for [budgets] cool_down_minutes.
    """
    root = repository()
    accounts = Accounts(root, read_environment(root, environment_name))
    table = accounts.session("ai").resource("dynamodb", endpoint_url=accounts.endpoint_url)
    acts = SpendActs(table.Table(accounts.names.lineage_table()), accounts.names.stem)
    show: Callable[[str], None] = (lambda _: None) if as_json else click.echo
    found = [kept for kept in acts.all() if kept.act.status in STOPPED] if not subject else []
    runs_as = _bring_back(accounts, acts, subject, show) if subject else None
    if subject:
        found = [max(acts.of(subject), key=lambda kept: kept.act.at)]
    if as_json:
        click.echo(json.dumps({"acts": [_document(kept, runs_as) for kept in found]}, indent=2))
    elif not subject:
        for kept in found:
            click.echo(f"{kept.act.subject}  {kept.workload}  {kept.act.status} {kept.act.at:%Y-%m-%d %H:%M} UTC")
            click.echo(f"  {kept.reason}")
        click.echo(f"{len(found)} stopped" if found else "nothing is stopped")


def _bring_back(accounts: Accounts, acts: SpendActs, subject: str, show: Callable[[str], None]) -> str:
    """The name under which it runs again. Raises BadInput for what never was stopped, Refused for what runs."""
    kept = max(acts.of(subject), key=lambda one: one.act.at, default=None)
    if kept is None:
        stopped = sorted({one.act.subject for one in acts.all() if one.act.status == "done"})
        raise bad("", "subject", subject, f"allowed: what was stopped: {', '.join(stopped) or 'nothing was'}")
    if kept.act.status != "done":
        raise Refused(f"{subject}: it is {kept.act.status}, not stopped")
    by, now = _who(accounts), datetime.now(UTC)
    kind, _, name = subject.partition("/")
    if kind != "training":
        sagemaker = accounts.client("sagemaker", "ai")
        rules = Rules(environment=accounts.environment.name, production=accounts.environment.budgets.production)
        stopper = Stopper(
            things=SpendThings(sagemaker, accounts.client("s3", "ai")),
            acts=acts,
            teller=_Nobody(),
            rules=rules,
            mode="on",
        )
        if not stopper.resume(kept, by, now):
            raise Refused(f"{subject}: somebody else was faster")
        show(f"{subject} runs again")
        return name
    again = _train_again(accounts, name, now)
    acts.resumed(kept.act, by, now)
    show(f"training/{again} goes on from the checkpoint of {name}")
    return again


def _train_again(accounts: Accounts, name: str, now: datetime) -> str:
    """A job with the request and the checkpoints of the one that was stopped, under the claim of its run."""
    sagemaker = accounts.client("sagemaker", "ai")
    described = sagemaker.describe_training_job(TrainingJobName=name)
    if described["TrainingJobStatus"] == "Stopping":
        raise Refused(f"{name} is still being stopped: it saves; try again in two minutes")
    request: dict[str, Any] = {key: described[key] for key in REQUEST if described.get(key)}
    provenance = mapping(request.get("Environment"))
    fingerprint, workload = (str(provenance.get(f"GROUNDPLAN_{key}") or "") for key in ("FINGERPRINT", "WORKLOAD"))
    suffix = f"{now:%Y%m%d%H%M%S%f}"[:-3]
    request["TrainingJobName"] = f"{workload or 'run'}-{fingerprint[:12] or 'again'}-{suffix}"
    request["Tags"] = [
        tag
        for tag in sagemaker.list_tags(ResourceArn=described["TrainingJobArn"])["Tags"]
        if tag["Key"][:4] != "aws:"
    ]
    if not fingerprint:  # not launched by `groundplan train`: nobody claims it
        sagemaker.create_training_job(**request)
        return str(request["TrainingJobName"])
    claims = run_claims(accounts, price_book(accounts))
    present = claims.get(fingerprint)
    if present and present.training_job_name != name:
        raise Refused(f"{name}: {present.training_job_name} has taken this run up since")
    limits = mapping(request.get("StoppingCondition"))
    wish = Launch(
        fingerprint=fingerprint,
        workload=workload,
        environment=accounts.environment.name,
        launch_id=f"{now:%Y%m%d%H%M%S}-{secrets.token_hex(4)}",
        training_job_name=str(request["TrainingJobName"]),
        seconds=int(str(limits.get("MaxWaitTimeInSeconds") or limits.get("MaxRuntimeInSeconds"))),
        forced_reason=f"goes on from {name}, which was stopped",  # also where the run was done before
    )
    claim, held = claims.take(wish, now)
    try:
        sagemaker.create_training_job(**request | {"TrainingJobName": claim.training_job_name})
    except ClientError as error:
        claims.release(claim, held, str(error))
        raise
    claims.launched(claim, wish, now)
    return claim.training_job_name


class _Nobody:
    def tell(self, alarm: object) -> None:
        """Whoever brings something back knows it."""


def _who(accounts: Accounts) -> str:
    """The session's own name, as STS has it."""
    return str(accounts.client("sts", "ai").get_caller_identity()["Arn"]).rpartition("/")[2]


def _document(kept: KeptAct, runs_as: str | None) -> dict[str, Any]:
    act = kept.act
    return {
        "subject": act.subject,
        "workload": kept.workload,
        "status": act.status,
        "cause": act.cause,
        "reason": kept.reason,
        "failure": kept.failure,
        "stopped_at": act.at.isoformat(),
        "resumed_at": act.resumed_at.isoformat() if act.resumed_at else None,
        "resumed_by": act.resumed_by,
        "runs_as": runs_as,
    }
