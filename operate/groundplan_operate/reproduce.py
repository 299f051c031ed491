"""`groundplan reproduce`: make a registered model again from its record, and say whether it is the same."""

import hashlib
import json
import math
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from botocore.exceptions import ClientError

from groundplan.environment import read_environment
from groundplan.json_value import mapping
from groundplan.manifest import Manifest
from groundplan.model_package import Package
from groundplan.prices import read_prices
from groundplan.refusal import Refused, bad
from groundplan.run_record import RunRecord
from groundplan.workload import Workload
from groundplan_operate.accounts import Accounts
from groundplan_operate.candidate import Candidate, candidate_of, manifest_of
from groundplan_operate.evaluation import fetch_code, same_software
from groundplan_operate.follow import follow
from groundplan_operate.lineage import ask, wait_for_run
from groundplan_operate.model_registry import check_package, fetch_object, find
from groundplan_operate.options import as_json, in_environment, repository

CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class Reproduction:
    """What came of it. `result` is `identical bytes`, `metrics within tolerance` or `different`."""

    model_version: str
    training_job_name: str
    result: str
    differences: tuple[str, ...]


@click.command
@click.argument("subject", metavar="MODEL_VERSION")
@in_environment
@click.option("--tolerance", type=click.FloatRange(0, 1), default=0.005, show_default=True, help="of each metric")
@as_json
def reproduce(subject: str, environment_name: str, tolerance: float, as_json: bool) -> None:
    """Run the training of MODEL_VERSION, such as digit-reader-1.0.0, again from its record, and compare.

    First every digest is verified: record, code, each object of the data, image or software. What is missing or was
    altered is named, and nothing is run. Then the same request is made under another name and with checkpoints of
    its own, and the models are compared file by file; where a byte differs, the metrics.
    """
    if math.isnan(tolerance):  # which lies in every range
        raise bad("", "--tolerance", "nan", "allowed: a number from 0 to 1")
    root = repository()
    accounts = Accounts(root, read_environment(root, environment_name))
    show: Callable[[str], None] = (lambda _: None) if as_json else click.echo
    workload, package = find(accounts, subject)
    found = reproduced(accounts, workload, package, tolerance, show)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2))
    else:
        click.echo(f"{found.model_version}, made again by {found.training_job_name}: {found.result}")
        for line in found.differences:
            click.echo(f"  {line}")
    if found.result == "different":
        raise Refused(f"{found.model_version} was not reproduced: {found.differences[0]}")


def reproduced(
    accounts: Accounts, workload: Workload, package: Package, tolerance: float, show: Callable[[str], None]
) -> Reproduction:
    """Verify, run, compare. Raises Refused for a piece that is missing or altered, and for a run that fails."""
    if origin := package.properties.copied_from:
        raise Refused(f"{package.name}: it was trained in another environment; reproduce it there: {origin}")
    before = candidate_of(accounts, package)
    check_package(accounts, package)  # what is compared with at the end is there, too
    _verify(accounts, package, before, show)
    name = _launch(accounts, workload, before)
    show(f"training job {name}")
    book = read_prices(accounts.root, accounts.environment.region, accounts.environment.prices.factor())
    job = follow(accounts, workload, book, name, show)
    if job["TrainingJobStatus"] != "Completed":
        raise Refused(f"{name}: {job['TrainingJobStatus']}; {job.get('FailureReason') or 'no reason'}")
    if not wait_for_run(accounts, name):
        raise Refused(f"{name} is done, but not in the lineage yet, and its record is not there to compare")
    run: Mapping[str, Any] = ask(accounts, name).runs[0]
    with tempfile.TemporaryDirectory() as folder:
        differences = _compare_files(accounts, package, run, Path(folder))
    if not differences:
        return Reproduction(package.name, name, "identical bytes", ())
    apart = _compare_metrics(before.record, run["metrics"], tolerance)
    result = "different" if apart else "metrics within tolerance"
    return Reproduction(package.name, name, result, (*apart, *differences))


def _verify(accounts: Accounts, package: Package, before: Candidate, show: Callable[[str], None]) -> None:
    """Every digest of the record, against what is there now."""
    made, s3 = before.made, accounts.client("s3", "data")
    with tempfile.TemporaryDirectory() as folder:
        fetch_code(accounts, made, Path(folder) / "code")
    show(f"code {made.code_digest[:12]}: as it was")
    manifest = manifest_of(accounts, before)
    for entry in manifest.entries:
        _same_object(s3, manifest, entry.key, entry.version, entry.sha256, package.name)
    show(f"data {manifest.root[:12]}: {len(manifest.entries)} objects as they were")
    if accounts.environment.embedded_aws:
        same_software(accounts, made)
        show(f"software {made.environment_digest[:12]}: as it was")
    elif not before.record.document.get("image_digest"):
        raise Refused(f"{package.name}: its record has no image_digest, and nothing says on what it was trained")
    if not before.record.document.get("request"):
        raise Refused(f"{package.name}: its record has no request; it was written by an older platform")


def _same_object(s3: Any, manifest: Manifest, key: str, version: str, sha256: str, name: str) -> None:
    place = f"{manifest.prefix}/{key}"
    try:
        body = s3.get_object(Bucket=manifest.bucket, Key=place, VersionId=version)["Body"]
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchKey", "NoSuchBucket", "NoSuchVersion"):
            raise
        where = f"s3://{manifest.bucket}/{place}, version {version}"
        raise Refused(f"{name}: of its data {where} is not there any more") from None
    made_of = hashlib.sha256()
    for chunk in body.iter_chunks(CHUNK_BYTES):
        made_of.update(chunk)
    if made_of.hexdigest() != sha256:
        raise Refused(f"{name}: of its data s3://{manifest.bucket}/{place} was altered: {made_of.hexdigest()}")


def _launch(accounts: Accounts, workload: Workload, before: Candidate) -> str:
    """The request of the record, under another name and with checkpoints of its own: it begins at the beginning."""
    request = dict(mapping(before.record.document.get("request")))
    suffix = f"{datetime.now(UTC):%Y%m%d%H%M%S%f}"[:-3]
    name = f"{workload.name}-{before.text('fingerprint')[:12]}-{suffix}"
    folder = str(mapping(request.get("CheckpointConfig")).get("S3Uri") or "").rstrip("/")
    if not folder:
        raise Refused(f"{before.job}: its request, in {before.record_url}, has no CheckpointConfig")
    request |= {
        "TrainingJobName": name,
        "CheckpointConfig": {"S3Uri": f"{folder}-again-{suffix}"},
        "Environment": {
            **mapping(request.get("Environment")),
            "GROUNDPLAN_FORCED_REASON": f"reproduction of {before.job}",
        },
        "Tags": [
            {"Key": "workload", "Value": workload.name},
            {"Key": "environment", "Value": accounts.environment.name},
            {"Key": "owner", "Value": workload.owner},
            {"Key": "cost-centre", "Value": workload.cost_centre},
            *({"Key": key, "Value": value} for key, value in accounts.environment.conventions.tags.items()),
        ],
    }
    accounts.client("sagemaker", "ai").create_training_job(**request)
    return name


def _compare_files(accounts: Accounts, package: Package, run: Mapping[str, Any], folder: Path) -> list[str]:
    s3, of = accounts.client("s3", "ai"), package.properties
    what, again = f"{package.name}: its model", f"{run['name']}: its model"
    if not run.get("artefact_sha256"):
        raise Refused(f"{again} has no sha256 in the lineage, and cannot be compared")
    fetch_object(s3, package.model_data_url, folder / "before", sha256=of.model_data_sha256, what=what)
    fetch_object(s3, str(run["artefact"]), folder / "after", sha256=str(run["artefact_sha256"]), what=again)
    before, after = _contents(folder / "before"), _contents(folder / "after")
    return [
        f"{name}: {_short(before.get(name))} before, {_short(after.get(name))} now"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def _contents(archive: Path) -> dict[str, str]:
    """Name to sha256 of the files of a model archive: its own bytes hold the times of packing."""
    found: dict[str, str] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            file = tar.extractfile(member)
            if file is not None:
                found[member.name] = hashlib.file_digest(file, "sha256").hexdigest()  # pyright: ignore
    return found


def _compare_metrics(before: RunRecord, after: Mapping[str, float | None], tolerance: float) -> list[str]:
    apart: list[str] = []
    for name, was in sorted(before.last_metrics().items()):
        now = after.get(name)
        if now is None or not abs(now - was) <= tolerance:  # NaN is near nothing
            shown = "not there" if now is None else f"{now:.6g}"
            apart.append(f"metric {name}: {was:.6g} before, {shown} now, beyond {tolerance}")
    return apart if before.last_metrics() else ["its record holds no metric, and a byte differs"]


def _short(sha256: str | None) -> str:
    return f"sha256 {sha256[:12]}…" if sha256 else "not there"
