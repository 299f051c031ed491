"""A run that may become a model version, or is one: found, and read back from its record."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from groundplan.evaluation import Made
from groundplan.json_value import mapping, sequence
from groundplan.manifest import Manifest
from groundplan.model_package import Package
from groundplan.refusal import Refused, bad
from groundplan.run_record import RunRecord, read_record
from groundplan.workload import Workload
from groundplan_operate.accounts import Accounts
from groundplan_operate.lineage import ask
from groundplan_operate.model_registry import read_object


@dataclass(frozen=True)
class Candidate:
    """A run that completed, with its record as it is stored.

    `copied_from` is the model package of another environment that it was copied from. What the record names in that
    environment's bucket lies below the same key in this one's.
    """

    job: str
    record: RunRecord
    record_url: str
    record_sha256: str
    copied_from: str | None = None

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

    def here(self, uri: str) -> str:
        """An object of the run, in the bucket that its record lies in."""
        bucket = self.record_url.removeprefix("s3://").partition("/")[0]
        return f"s3://{bucket}/{uri.removeprefix('s3://').partition('/')[2]}"

    @property
    def made(self) -> Made:
        """What is needed to run its model."""
        return Made(
            name=self.job,
            workload=self.text("workload"),
            model_data_url=self.here(self.of_job("artefact")),
            model_data_sha256=self.of_job("artefact_sha256"),
            code_uri=self.here(self._code_uri()),
            code_digest=self.text("code_digest"),
            kit_digest=self.record.document.get("kit_digest") or None,
            environment_digest=self.text("environment_digest"),
            image_digest=self.record.document.get("image_digest") or None,
            frameworks=dict(self.record.document.get("frameworks") or {}),
        )


def find_candidate(accounts: Accounts, workload: Workload, job: str | None) -> Candidate:
    """The newest run that completed, or the one named; raises BadInput where there is none."""
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


def candidate_of(accounts: Accounts, package: Package) -> Candidate:
    """The run that a package is of; raises Refused when its record is not there any more, or not what it was."""
    of = package.properties
    s3, what = accounts.client("s3", "ai"), f"{package.name}: its record"
    record = read_record(read_object(s3, of.record_url, sha256=of.record_sha256, what=what), of.record_url)
    return Candidate(of.training_job_name, record, of.record_url, of.record_sha256, of.copied_from)


def manifest_of(accounts: Accounts, candidate: Candidate) -> Manifest:
    """Of its training set, in the lake of the environment that it was trained in; raises Refused for another."""
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
