"""`groundplan verify`: put a trained model before the gate, and register what passes."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click
from botocore.exceptions import ClientError

from groundplan.canonical import canonical_json
from groundplan.catalogue import read_catalogue
from groundplan.environment import read_environment
from groundplan.gate import Changed, Verdict, judge, leaks, page
from groundplan.model_package import (
    SCHEMA,
    Package,
    Properties,
    card_content,
    model_name,
    next_version,
    register_request,
)
from groundplan.planner import Market
from groundplan.prices import check_age, read_prices, today
from groundplan.refusal import BadInput, Refused, bad
from groundplan.release import checked_version, read_release
from groundplan.workload import Workload, read_trained_workload
from groundplan_operate.accounts import Accounts
from groundplan_operate.candidate import Candidate, candidate_of, find_candidate, manifest_of
from groundplan_operate.copy_version import copy_version
from groundplan_operate.evaluation import answer_requests
from groundplan_operate.held_out import current_held_out, training_rows
from groundplan_operate.model_registry import ModelRegistry, check_package
from groundplan_operate.options import as_json, in_environment, repository
from groundplan_operate.pins import in_registry
from groundplan_operate.train import launch_defaults
from groundplan_runtime.integrations.waiting_executions import WaitingExecutions, evaluation_key, tell


@click.command
@click.argument("workload_name", metavar="WORKLOAD")
@in_environment
@click.option("--candidate", metavar="JOB", help="the training job; the newest that completed when left out")
@click.option("--from", "origin", metavar="ENVIRONMENT", help="copy a version that was approved there")
@click.option(
    "--version",
    metavar="VERSION",
    help="such as 2.0.0; left out: the next minor one, or, with --from, what serves there",
)
@click.option("--html", "html", type=click.Path(dir_okay=False, path_type=Path), help="write the page there, too")
@as_json
def verify(
    workload_name: str,
    environment_name: str,
    candidate: str | None,
    origin: str | None,
    version: str | None,
    html: Path | None,
    as_json: bool,
) -> None:
    """Judge a trained model of WORKLOAD on the held-out set, and register it when it passes.

    It is asked as an endpoint asks it. It must keep every floor, lose nothing against the version in service beyond
    what [gate] tolerates, beat the simple rule, and fit the drivers and the ceiling with the speed that is measured.
    What passes waits in the registry for a person. With --from, the model and its record are copied from another
    environment, where that version was approved, and judged here like any other; it keeps its version.
    """
    root = repository()
    workload = read_trained_workload(root, workload_name)
    accounts = Accounts(root, read_environment(root, environment_name))
    # What cannot be used is said before models are asked, which takes minutes.
    if version:
        checked_version(version, "--version")
    if html and not html.absolute().parent.is_dir():
        raise bad("", "--html", str(html), "allowed: a file in a folder that is there")
    lake = accounts
    if origin:
        if candidate:
            raise bad("", "--candidate", candidate, "--from copies a version: name it with --version")
        lake = Accounts(root, read_environment(root, origin))
        found, version = copy_version(lake, accounts, workload, version, partial(click.echo, err=as_json))
    else:
        found = find_candidate(accounts, workload, candidate)
    verdict, text, package = judge_and_register(accounts, workload, found, lake, version)
    if html:
        _write(html, text)
    if as_json:
        click.echo(json.dumps(verdict.as_json() | {"model_package": package and _as_json(package)}, indent=2))
    else:
        _show(verdict, package)
    if not verdict.passed:
        raise Refused(f"{found.job} was stopped: {verdict.failures[0]}")


def judge_and_register(
    accounts: Accounts, workload: Workload, found: Candidate, lake: Accounts, version: str | None = None
) -> tuple[Verdict, str, Package | None]:
    """The verdict, its page, and the version that it is now; None when it was stopped.

    The execution of the training state machine that made the run, if it waits, is told.
    """
    verdict, text = judge_candidate(accounts, workload, found, lake)
    package = register(accounts, workload, found, verdict, text, version) if verdict.passed else None
    if package is None:
        _keep(accounts, workload, found.job, verdict, text)
    waiting = WaitingExecutions(accounts.client("s3", "ai"), accounts.names.artefacts_bucket())
    if token := waiting.get(evaluation_key(workload.name, found.job)):
        registered = {"model_package_arn": package.arn, "model_version": package.name} if package else None
        failure = "" if package else verdict.failures[0]
        tell(accounts.client("stepfunctions", "ai"), token, output=registered, failure=failure)
    return verdict, text, package


def judge_candidate(
    accounts: Accounts, workload: Workload, candidate: Candidate, lake: Accounts
) -> tuple[Verdict, str]:
    """The verdict and its page. `lake` is of the environment that it was trained in."""
    book = read_prices(accounts.root, accounts.environment.region, accounts.environment.prices.factor())
    if warning := check_age(book, today(), accepted=accounts.environment.prices.accept_old or ""):
        click.echo(f"groundplan: {warning}", err=True)
    held_out = current_held_out(accounts, workload)
    manifest = manifest_of(lake, candidate)
    if found := leaks(held_out, manifest, training_rows(lake, manifest)):
        raise BadInput(found)
    serving = _in_service(accounts, workload)
    models = [candidate.made, *([serving[1].made] if serving else [])]
    show = partial(click.echo, err=True)
    defaults = launch_defaults(accounts, workload)
    answered, *others = answer_requests(accounts, workload, defaults, models, held_out, show)
    verdict = judge(
        workload,
        Market(book, read_catalogue(accounts.root)),
        held_out,
        answered.answers,
        answered.speed,
        candidate=candidate.job,
        reported=candidate.record.last_metrics(),
        in_service=(serving[0].name, others[0].answers) if serving else None,
    )
    for line in answered.errors:
        click.echo(f"{candidate.job}: {line}", err=True)
    changes = _changes(candidate, serving[1] if serving else None)
    lineage = f"groundplan lineage {candidate.job} -e {accounts.environment.name}"
    now = datetime.now(UTC)
    return verdict, page(verdict, changes, lineage=lineage, written=f"{now:%Y-%m-%d %H:%M} UTC")


def _in_service(accounts: Accounts, workload: Workload) -> tuple[Package, Candidate] | None:
    release = in_registry(accounts, workload, read_release(accounts.root, workload.name, accounts.environment))
    if release is None:
        return None
    package = ModelRegistry(accounts, workload).read(release.model_package_arn)
    check_package(accounts, package)
    return package, candidate_of(accounts, package)


def _changes(candidate: Candidate, serving: Candidate | None) -> list[Changed]:
    fields = {
        "code, commit": "code_commit",
        "code, sha256": "code_digest",
        "training data, root": "data_manifest_root",
        "software, sha256": "environment_digest",
        "image": "image_digest",
    }
    changes = [
        Changed(what, _shown(serving, field) if serving else None, _shown(candidate, field))
        for what, field in fields.items()
    ]
    before, now = _hyperparameters(serving), _hyperparameters(candidate)
    return changes + [
        Changed(name, before.get(name, "none") if serving else None, now.get(name, "none"))
        for name in sorted({*before, *now})
    ]


def _shown(of: Candidate, field: str) -> str:
    return str(of.record.document.get(field) or "none")


def _hyperparameters(of: Candidate | None) -> Mapping[str, str]:
    return dict(of.record.document.get("hyperparameters") or {}) if of else {}


def register(
    accounts: Accounts, workload: Workload, candidate: Candidate, verdict: Verdict, text: str, version: str | None
) -> Package:
    """Register what passed. The same run again, against the same version in service, is the version that it was.

    A version is given out once.
    """
    registry, made = ModelRegistry(accounts, workload), candidate.made
    same = [
        one
        for one in registry.packages()
        if one.properties.training_job_name == candidate.job
        and verdict.in_service in (one.properties.judged_against, one.name)
    ]
    if same:
        if version and version != same[0].properties.version:
            raise bad("", "--version", version, f"{candidate.job} is registered as {same[0].name}, and stays that")
        return same[0]
    taken = registry.versions()
    chosen = checked_version(version, "--version") if version else next_version(taken)
    if chosen in taken:
        raise bad("", "--version", chosen, f"it is taken; allowed: {next_version(taken)}, or another that is not")
    verdict_url, verdict_sha256 = _keep(accounts, workload, candidate.job, verdict, text)
    _claim(accounts, workload, chosen, candidate.job)
    properties = Properties(
        format=SCHEMA,
        version=chosen,
        workload=workload.name,
        training_job_name=candidate.job,
        fingerprint=candidate.text("fingerprint"),
        code_digest=made.code_digest,
        environment_digest=made.environment_digest,
        image_digest=candidate.record.document.get("image_digest"),
        data_manifest_root=candidate.text("data_manifest_root"),
        model_data_sha256=made.model_data_sha256,
        record_url=candidate.record_url,
        record_sha256=candidate.record_sha256,
        verdict_url=verdict_url,
        verdict_sha256=verdict_sha256,
        held_out_sha256=verdict.held_out_sha256,
        judged_against=verdict.in_service,
        copied_from=candidate.copied_from,
    )
    card_url, card_sha256 = _keep_card(accounts, card_content(workload, properties, verdict), properties)
    properties = properties.model_copy(update={"card_url": card_url, "card_sha256": card_sha256})
    image = launch_defaults(accounts, workload).image
    request = register_request(
        workload, accounts.names, properties, image=image, model_data_url=made.model_data_url, verdict=verdict
    )
    return registry.create(request)


def _claim(accounts: Accounts, workload: Workload, version: str, job: str) -> None:
    """Of two registrations of one version at once, S3 lets one write this object."""
    s3, bucket = accounts.client("s3", "ai"), accounts.names.artefacts_bucket()
    key, body = f"workloads/{workload.name}/versions/{version}.json", canonical_json({"training_job_name": job})
    try:
        s3.put_object(Bucket=bucket, Key=key, Body=body, IfNoneMatch="*", ContentType="application/json")
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("PreconditionFailed", "412", "ConditionalRequestConflict"):
            raise
        held = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        if held != body:  # the same job again goes on where it was cut off
            name = model_name(workload.name, version)
            raise Refused(f"{name} is being registered by another: {held.decode(errors='replace')}") from None


def _keep(accounts: Accounts, workload: Workload, job: str, verdict: Verdict, text: str) -> tuple[str, str]:
    """Store the verdict and its page; the verdict's URI and sha256."""
    s3, bucket = accounts.client("s3", "ai"), accounts.names.artefacts_bucket()
    content = canonical_json(verdict.as_json())
    sha256 = hashlib.sha256(content).hexdigest()
    folder = f"workloads/{workload.name}/verdicts/{job}/{sha256[:16]}"
    s3.put_object(Bucket=bucket, Key=f"{folder}/verdict.json", Body=content, ContentType="application/json")
    s3.put_object(
        Bucket=bucket, Key=f"{folder}/page.html", Body=text.encode(), ContentType="text/html; charset=utf-8"
    )
    return f"s3://{bucket}/{folder}/verdict.json", sha256


def _keep_card(accounts: Accounts, content: str, of: Properties) -> tuple[str, str]:
    """Store the model card beside the record of the run; its URI and sha256."""
    url = f"{of.record_url.rpartition('/')[0]}/card-{of.version}.json"
    bucket, _, key = url.removeprefix("s3://").partition("/")
    s3 = accounts.client("s3", "ai")
    s3.put_object(Bucket=bucket, Key=key, Body=content.encode(), ContentType="application/json")
    return url, hashlib.sha256(content.encode()).hexdigest()


def _write(html: Path, text: str) -> None:
    try:
        html.write_text(text, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or "it cannot be written"
        raise bad("", "--html", str(html), f"{reason}; allowed: a file that can be written") from None


def _as_json(package: Package) -> dict[str, Any]:
    return {"name": package.name, "arn": package.arn, "approval": package.approval}


def _show(verdict: Verdict, package: Package | None) -> None:
    for row in verdict.rows:
        moved = f"{row.against_service.value:+.3f}" if row.against_service else "      "
        figure = f"{row.candidate.value:.3f} ({row.candidate.low:.3f} to {row.candidate.high:.3f})"
        line = f"  {row.name:14} {figure} {moved} of {row.candidate.samples:5,}  {row.judgement}"
        click.echo("  ".join([line, *row.reasons]))
    for check in verdict.checks:
        click.echo(f"  {check.name:14} {check.judgement}  {check.says}")
    if package:
        click.echo(f"{package.name} is registered, {package.approval}: {package.arn}")
        if package.approval != "Approved":
            click.echo(f"a person decides: groundplan approve {package.name}")
