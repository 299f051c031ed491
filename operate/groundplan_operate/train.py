"""`groundplan train`: launch a workload's training job with the platform's defaults, and follow it."""

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError

from groundplan import prepare_data
from groundplan.canonical import digest, file_digest, tree_digest
from groundplan.claim import Duplicate, checked_reason
from groundplan.environment import read_environment
from groundplan.image import LOCK
from groundplan.preparation import SCRIPT as PREPARE
from groundplan.preparation import code_of
from groundplan.prepare_data import PREPROCESS
from groundplan.prices import PriceBook, check_age, read_prices, today
from groundplan.refusal import BadInput, Refused, bad
from groundplan.release import is_release_file
from groundplan.run_time import run_time
from groundplan.training_request import KIT, Inputs, LaunchDefaults
from groundplan.workload import Workload, read_trained_workload
from groundplan_operate.accounts import Accounts
from groundplan_operate.experiments import LoggedRun, logged_run
from groundplan_operate.follow import RUNNING, follow, outcome
from groundplan_operate.ingest import current_dataset
from groundplan_operate.kit import training_kit
from groundplan_operate.launch import How, claim_as_json, launch, run_claims
from groundplan_operate.lineage import right_sizing, wait_for_run
from groundplan_operate.options import as_json, in_environment, repository
from groundplan_operate.registry import Registry
from groundplan_operate.state_machine import EVALUATION_SECONDS, launch_by_state_machine, wait_for_execution
from groundplan_operate.trial import make_ready
from groundplan_runtime.integrations.claimed_run import WantedRun

MLFLOW_SECONDS = 30  # until a run that has ended is in MLflow


@click.command
@click.argument("workload_name", metavar="WORKLOAD")
@in_environment
@click.option("--on-demand", is_flag=True, help="on-demand capacity instead of spot")
@click.option("--force", is_flag=True, help="do a run again that was done or is under way; needs --reason")
@click.option("--reason", metavar="TEXT", help="why; it is kept with the run")
@click.option("--follow/--no-follow", "follows", default=True, help="wait for the job's end, or leave it running")
@click.option("--state-machine", is_flag=True, help="the platform's state machine launches it, by its own role")
@as_json
def train(
    workload_name: str,
    environment_name: str,
    on_demand: bool,
    force: bool,
    reason: str | None,
    follows: bool,
    state_machine: bool,
    as_json: bool,
) -> None:
    """Launch the training job of WORKLOAD and follow it to its end. Ctrl-C stops following, not the job.

    A run is done once: the same code, data, software, parameters and machines again are refused, with what came of
    them. A run that failed goes on from its checkpoints.
    """
    forced_reason = checked_reason(reason, forced=force)
    root = repository()
    accounts = Accounts(root, read_environment(root, environment_name))
    show: Callable[[str], None] = (lambda _: None) if as_json else click.echo
    workload = read_trained_workload(root, workload_name)
    make_ready(accounts, workload, show)
    if not state_machine and (root / "workloads" / workload.name / PREPROCESS).is_file():
        show(f"{workload.name} has a {PREPROCESS}: launched by the state machine, which runs it first")
        state_machine = True
    launches = launch_by_state_machine if state_machine else launch
    how = How(spot=not on_demand, forced_reason=forced_reason, follows=follows, launches=launches)
    try:
        job = train_workload(accounts, workload, how, show=show)
    except Duplicate as duplicate:
        if as_json:
            claim = claim_as_json(duplicate.claim)
            click.echo(json.dumps({"training_jobs": [], "refused_claims": [claim]}, indent=2))
        raise
    stopped = _evaluate(accounts, workload, job, show) if state_machine and follows else ""
    if as_json:
        click.echo(json.dumps({"training_jobs": [job]}, indent=2))
    if stopped:
        raise Refused(stopped)
    if job["status"] not in ("Completed", *RUNNING):
        raise Refused(
            f"training job {job['training_job_name']}: {job['status']}; {job['failure_reason'] or 'no reason'}"
        )


def _evaluate(accounts: Accounts, workload: Workload, job: dict[str, Any], show: Callable[[str], None]) -> str:
    """Put it before the gate, where this machine is the one that evaluates: the execution waits for it. Why it stops.

    Adds `model_version` to the job: null where it was stopped or is not judged yet.
    """
    from groundplan_operate.candidate import find_candidate
    from groundplan_operate.verify import judge_and_register  # it imports this module

    name, environment = str(job["training_job_name"]), accounts.environment
    job["model_version"] = None
    if job["status"] != "Completed":
        return ""
    if not environment.embedded_aws:
        show(f"the execution waits for the gate: groundplan verify {workload.name} -e {environment.name}")
        return ""
    if not wait_for_execution(accounts, workload.name, name):
        show(f"the execution does not wait for the gate after {EVALUATION_SECONDS} s, and is not told")
    try:
        found = find_candidate(accounts, workload, name)
        verdict, _, package = judge_and_register(accounts, workload, found, accounts)
    except (BadInput, Refused) as error:
        return f"{name} is not judged: {error}"
    if package is None:
        return f"{name} was stopped: {verdict.failures[0]}"
    job["model_version"] = package.name
    show(f"passed the gate; registered as {package.name}, which waits for: groundplan approve {package.name}")
    return ""


def train_workload(
    accounts: Accounts, workload: Workload, how: How, *, show: Callable[[str], None]
) -> dict[str, Any]:
    """Launch and follow; what came of it, with the keys of `--json`. Raises Duplicate for a run that was done."""
    defaults = launch_defaults(accounts, workload)
    if defaults.image_digest:
        Registry(accounts, workload).usable(defaults.image_digest)
    book = price_book(accounts)
    wanted = WantedRun(
        workload=workload,
        environment=accounts.environment.name,
        defaults=replace(defaults, tags={**defaults.tags, **how.tags}),
        inputs=gather_inputs(accounts, workload, defaults),
        run_time=run_time(workload, book, require_known_prices=accounts.environment.require_known_prices),
        spot=how.spot,
        forced_reason=how.forced_reason,
    )
    show(wanted.run_time.arithmetic)
    claims = run_claims(accounts, book)
    name = how.launches(accounts, claims, wanted)
    show(f"training job {name}")
    try:
        if how.follows:
            job = outcome(follow(accounts, workload, book, name, show), book)
            recorded = wait_for_run(accounts, name)
            if not recorded:
                # The job is done all the same; its event is late or lost, and the sweep looks for such.
                click.echo(f"{name} is not in the lineage yet; the sweep records it within 15 minutes", err=True)
            elif advice := right_sizing(accounts, name):
                show(advice)
        else:
            show(f"  not followed; see what came of it: groundplan lineage {name} -e {accounts.environment.name}")
            job, recorded = (
                outcome(accounts.client("sagemaker", "ai").describe_training_job(TrainingJobName=name), book),
                False,
            )
        claim = claims.get(wanted.fingerprint)
        # MLflow is told by the record: without one there is nothing to wait for.
        logged = _in_mlflow(accounts, wanted, name) if recorded else None
    except (BotoCoreError, ClientError, KeyboardInterrupt) as error:
        again = f"groundplan lineage {name} -e {accounts.environment.name}"
        why = str(error) or "interrupted"
        raise Refused(f"no longer followed, but the job goes on; see how it ends with {again} ({why})") from error
    if logged:
        show(f"run in MLflow: {logged.url}")
    return {**job, "claim": claim and claim_as_json(claim), "mlflow_url": logged and logged.url}


def _in_mlflow(accounts: Accounts, wanted: WantedRun, name: str) -> LoggedRun | None:
    """The run in MLflow, where the environment has one. It is told of a run by an event, which may be late."""
    return logged_run(accounts, wanted.workload.name, wanted.fingerprint, name, within_seconds=MLFLOW_SECONDS)


def price_book(accounts: Accounts) -> PriceBook:
    """The prices of the environment's region; says when they are old, and raises Refused when they are too old."""
    environment = accounts.environment
    book = read_prices(accounts.root, environment.region, environment.prices.factor())
    if warning := check_age(book, today(), accepted=environment.prices.accept_old or ""):
        click.echo(f"groundplan: {warning}", err=True)
    return book


def launch_defaults(accounts: Accounts, workload: Workload) -> LaunchDefaults:
    """What the Workload stack stored; raises BadInput when the stack is not there, Refused without an image."""
    name = accounts.names.launch_parameter(workload.name)
    ssm = accounts.client("ssm", "ai")
    try:
        value = ssm.get_parameter(Name=name)["Parameter"]["Value"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise
        environment = accounts.environment.name
        raise bad(
            name, "", "no such parameter", f"deploy the workload first: make deploy ENV={environment}"
        ) from None
    try:
        defaults = LaunchDefaults.from_json(name, json.loads(value))
    except json.JSONDecodeError:
        raise bad(name, "", value, "allowed: JSON, which the workload's stack writes: deploy it again") from None
    if accounts.environment.embedded_aws:
        # Whatever is pinned, no image runs on this machine, and the record must not say that one did.
        return replace(defaults, image=defaults.image.partition("@")[0])
    if not defaults.image_digest:
        raise Refused(f"{workload.name} has no image; {Registry(accounts, workload).how}")
    return defaults


def gather_inputs(accounts: Accounts, workload: Workload, defaults: LaunchDefaults) -> Inputs:
    """What the run is made from; uploads the workload's code under its digest."""
    manifest = current_dataset(accounts, workload)
    folder = accounts.root / "workloads" / workload.name
    # A pin says what was made of the code: with it, each release would make another run of the same code.
    files = {name: sha256 for name, sha256 in tree_digest(folder).items() if not is_release_file(name)}
    code_digest = digest(files)
    kit = training_kit()
    kit_digest = sha256(kit).hexdigest()
    for name in (KIT, PREPARE):
        if name in files:
            raise bad(str(folder), "file", name, "allowed: any other name; the platform's own is put there")
    # One channel holds both, so its prefix is named by both.
    place = f"workloads/{workload.name}/code/{digest({**files, KIT: kit_digest})}"
    bucket, s3 = accounts.names.artefacts_bucket(), accounts.client("s3", "ai")
    for name in files:
        s3.put_object(Bucket=bucket, Key=f"{place}/{name}", Body=(folder / name).read_bytes())
    s3.put_object(Bucket=bucket, Key=f"{place}/{KIT}", Body=kit)
    prepares = code_of(folder, files)
    prepare_place = _put_preparation(s3, bucket, folder, prepares, kit)
    return Inputs(
        code_uri=f"{defaults.artefacts}/{place}",
        code_digest=code_digest,
        code_commit=code_commit(accounts.root, folder),
        data_uri=f"s3://{manifest.bucket}/{manifest.prefix}",
        data_manifest_uri=f"s3://{manifest.bucket}/{manifest.prefix}/manifest.json",
        data_manifest_root=manifest.root,
        environment_digest=file_digest(_lock(accounts, folder)),
        kit_digest=kit_digest,
        prepare_uri=f"{defaults.artefacts}/{prepare_place}",
        preprocesses=bool(prepares),
    )


def _put_preparation(s3: Any, bucket: str, folder: Path, files: Mapping[str, str], kit: bytes) -> str:
    """Upload what validates and preprocesses: these files of the workload and nothing else of it. The prefix."""
    script = Path(str(prepare_data.__file__)).read_bytes()
    contents = {**{name: (folder / name).read_bytes() for name in files}, PREPARE: script, KIT: kit}
    place = f"workloads/{folder.name}/code/{digest({name: sha256(it).hexdigest() for name, it in contents.items()})}"
    for name, content in contents.items():
        s3.put_object(Bucket=bucket, Key=f"{place}/{name}", Body=content)
    return place


def _lock(accounts: Accounts, folder: Path) -> Path:
    """The lock of the software that runs the script: the image's, or on this machine that of this Python."""
    return (accounts.root if accounts.environment.embedded_aws else folder) / LOCK


def code_commit(root: Path, folder: Path) -> str:
    """git's commit of the repository, with `-dirty` when the folder differs from it; `unknown` outside git."""
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return f"{commit}-dirty" if _git(root, "status", "--porcelain", "--", str(folder)) else commit
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)  # noqa: S607
    return done.stdout.strip()
