"""`groundplan verify`: put a trained model before the gate, and register what passes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from botocore.exceptions import ClientError

from groundplan.canonical import canonical_json
from groundplan.environment import read_environment
from groundplan.gate import Changed, Verdict, judge, leaks, page
from groundplan.json_value import mapping, sequence
from groundplan.manifest import Manifest
from groundplan.model_package import SCHEMA, Package, Properties, model_name, next_version, register_request
from groundplan.planner import Market
from groundplan.prices import check_age, read_prices, today
from groundplan.refusal import BadInput, Refused, bad
from groundplan.release import checked_version, read_release
from groundplan.run_record import RunRecord, read_record
from groundplan.workload import Workload, read_trained_workload
from groundplan_operate.accounts import Accounts
from groundplan_operate.evaluation import Answered, Made, answer_requests
from groundplan_operate.held_out import current_held_out, training_lines
from groundplan_operate.lineage import ask
from groundplan_operate.model_registry import ModelRegistry, check_package, read_object
from groundplan_operate.options import as_json, in_environment, repository
from groundplan_operate.pins import in_registry
from groundplan_operate.train import launch_defaults


@dataclass(frozen=True)
class Candidate:
    """A run that completed, with its record as it is stored."""

    job: str
    record: RunRecord
    record_url: str
    record_sha256: str

    def text(self, name: str) -> str:
        """A field of the record; raises Refused where it is missing, as then nothing can be proven."""
        value = self.record.document.get(name)
        if not isinstance(value, str) or not value:
            raise Refused(f"{self.job}: its record, {self.record_url}, has no {name}")
        return value

    def of_job(self, name: str) -> str:
        """The same of the record's `job`."""
        job = mapping(self.record.document.get("job"))
        value = job.get(name)
        if not isinstance(value, str) or not value:
            why = job.get("artefact_sha256_reason") or "it is missing"
            raise Refused(f"{self.job}: its record, {self.record_url}, has no job.{name}: {why}")
        return value

    def _code_uri(self) -> str:
        request = mapping(self.record.document.get("request"))
        for channel in map(mapping, sequence(request.get("InputDataConfig"))):
            if channel.get("ChannelName") == "code":
                return str(mapping(mapping(channel.get("DataSource")).get("S3DataSource")).get("S3Uri") or "")
        raise Refused(f"{self.job}: its record, {self.record_url}, has no request with a channel code")

    @property
    def made(self) -> Made:
        """What is needed to run its model."""
        return Made(
            name=self.job,
            workload=self.text("workload"),
            model_data_url=self.of_job("artefact"),
            model_data_sha256=self.of_job("artefact_sha256"),
            code_uri=self._code_uri(),
            code_digest=self.text("code_digest"),
            kit_digest=self.record.document.get("kit_digest") or None,
            environment_digest=self.text("environment_digest"),
            frameworks=dict(self.record.document.get("frameworks") or {}),
        )


@click.command
@click.argument("workload_name", metavar="WORKLOAD")
@in_environment
@click.option("--candidate", metavar="JOB", help="the training job; the newest that completed when left out")
@click.option("--version", metavar="VERSION", help="such as 2.0.0; the next minor version when left out")
@click.option("--html", "html", type=click.Path(dir_okay=False, path_type=Path), help="write the page there, too")
@as_json
def verify(
    workload_name: str,
    environment_name: str,
    candidate: str | None,
    version: str | None,
    html: Path | None,
    as_json: bool,
) -> None:
    """Judge a trained model of WORKLOAD on the held-out set, and register it when it passes.

    It is asked as an endpoint asks it. It must keep every floor, lose nothing against the version in service beyond
    what [gate] tolerates, beat the simple rule, and fit the drivers and the ceiling with the speed that is measured.
    What passes waits in the registry for a person.
    """
    root = repository()
    workload = read_trained_workload(root, workload_name)
    accounts = Accounts(root, read_environment(root, environment_name))
    verdict, text, found = judge_candidate(accounts, workload, candidate)
    if html:
        html.write_text(text, encoding="utf-8")
    package = register(accounts, workload, found, verdict, text, version) if verdict.passed else None
    if not verdict.passed:
        _keep(accounts, workload, found.job, verdict, text)
    if as_json:
        click.echo(json.dumps(verdict.as_json() | {"model_package": package and _as_json(package)}, indent=2))
    else:
        _show(verdict, package)
    if not verdict.passed:
        raise Refused(f"{found.job} was stopped: {verdict.failures[0]}")


def judge_candidate(accounts: Accounts, workload: Workload, job: str | None) -> tuple[Verdict, str, Candidate]:
    """The verdict, its page, and the run that was judged."""
    book = read_prices(accounts.root, accounts.environment.region, accounts.environment.prices.factor())
    if warning := check_age(book, today(), accepted=accounts.environment.prices.accept_old or ""):
        click.echo(f"groundplan: {warning}", err=True)
    candidate = _candidate(accounts, workload, job)
    held_out = current_held_out(accounts, workload)
    manifest = manifest_of(accounts, candidate)
    if found := leaks(held_out, manifest, training_lines(accounts, manifest)):
        raise BadInput(found)
    requests = [sample.request for sample in held_out.samples]
    content_type = workload.gate.content_type
    answered = answer_requests(accounts, candidate.made, requests, content_type)
    serving = _in_service(accounts, workload)
    before: Answered | None = None
    if serving:
        before = answer_requests(accounts, serving[1].made, requests, content_type)
    verdict = judge(
        workload,
        Market(book),
        held_out,
        answered.answers,
        answered.speed,
        candidate=candidate.job,
        reported=candidate.record.last_metrics(),
        in_service=(serving[0].name, before.answers) if serving and before else None,
    )
    for line in answered.errors:
        click.echo(f"{candidate.job}: {line}", err=True)
    changes = _changes(candidate, serving[1] if serving else None)
    lineage = f"groundplan lineage {candidate.job} -e {accounts.environment.name}"
    now = datetime.now(UTC)
    return verdict, page(verdict, changes, lineage=lineage, written=f"{now:%Y-%m-%d %H:%M} UTC"), candidate


def _candidate(accounts: Accounts, workload: Workload, job: str | None) -> Candidate:
    runs = ask(accounts, workload.name).runs
    completed = [run for run in runs if run["status"] == "Completed"]
    named = [run for run in completed if run["name"] == job] if job else completed
    if not named:
        known = ", ".join(str(run["name"]) for run in completed[:5])
        allowed = f"allowed: a training job that completed: {known}" if known else f"groundplan train {workload.name}"
        raise bad("", "candidate", job or "nothing", allowed)
    return _recorded(accounts, named[0])


def _recorded(accounts: Accounts, run: Mapping[str, Any]) -> Candidate:
    url, sha256 = run.get("record_uri"), run.get("record_sha256")
    if not url or not sha256:
        raise Refused(f"{run['name']}: it has no record, and a model without one is not released; train it again")
    content = read_object(accounts.client("s3", "ai"), url, sha256=sha256, what=f"{run['name']}: its record")
    return Candidate(str(run["name"]), read_record(content, url), url, sha256)


def _in_service(accounts: Accounts, workload: Workload) -> tuple[Package, Candidate] | None:
    release = in_registry(accounts, workload, read_release(accounts.root, workload.name, accounts.environment))
    if release is None:
        return None
    package = ModelRegistry(accounts, workload).read(release.model_package_arn)
    check_package(accounts, package)
    of = package.properties
    s3 = accounts.client("s3", "ai")
    content = read_object(s3, of.record_url, sha256=of.record_sha256, what=f"{package.name}: its record")
    record = read_record(content, of.record_url)
    return package, Candidate(of.training_job_name, record, of.record_url, of.record_sha256)


def manifest_of(accounts: Accounts, candidate: Candidate) -> Manifest:
    uri, root = candidate.text("data_manifest"), candidate.text("data_manifest_root")
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    try:
        body = accounts.client("s3", "data").get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchKey", "NoSuchBucket"):
            raise
        raise Refused(f"{candidate.job}: its training set's manifest, {uri}, is not there any more") from None
    manifest = Manifest.from_json(json.loads(body))
    if manifest.root != root:
        raise Refused(f"{candidate.job}: its training set's manifest was altered: root {manifest.root}, not {root}")
    return manifest


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
    )
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
