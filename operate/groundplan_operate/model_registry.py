"""The registry of models as the commands use it: found by name, read whole, held against what lies in S3."""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from groundplan.model_package import Package, model_name, read_package
from groundplan.refusal import BadInput, Finding, Refused, bad
from groundplan.workload import Workload, read_trained_workload, workload_names
from groundplan_operate.accounts import Accounts

CHUNK_BYTES = 2**20
_UNKNOWN = ("ValidationException", "ResourceNotFound", "ResourceNotFoundException")
_BACK = "the bucket keeps its earlier versions: bring that one back"
_GONE = ("404", "NoSuchKey", "NoSuchBucket", "NoSuchVersion")


class ModelRegistry:
    """The packages of one workload's group."""

    def __init__(self, accounts: Accounts, workload: Workload) -> None:
        self._accounts, self._workload = accounts, workload
        self._group = accounts.names.model_package_group(workload.name)

    def packages(self) -> list[Package]:
        """Every model version, newest first. Raises BadInput for one that is not whole."""
        return [self.read(arn) for arn in self._arns()]

    def versions(self) -> list[str]:
        """The versions that are taken, newest first; of packages that are not whole, too."""
        client, found = self._client(), list[str]()
        for arn in self._arns():
            texts: Mapping[str, str] = client.describe_model_package(ModelPackageName=arn).get(
                "CustomerMetadataProperties", {}
            )
            found += [texts["version"]] if re.fullmatch(r"\d+\.\d+\.\d+", texts.get("version", "")) else []
        return found

    def read(self, arn: str) -> Package:
        """One package; raises BadInput for one that is not there, not whole, or of another workload."""
        try:
            described = self._client().describe_model_package(ModelPackageName=arn)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _UNKNOWN:
                raise
            raise bad("", "model package", arn, "it is not in the registry") from None
        package = read_package(described)
        if package.properties.workload != self._workload.name:
            raise bad(arn, "workload", package.properties.workload, f"allowed: {self._workload.name}")
        return package

    def made_at(self, arn: str) -> datetime | None:
        """When a package was registered, whole or not; None when there is none."""
        try:
            made: datetime = self._client().describe_model_package(ModelPackageName=arn)["CreationTime"]
        except ClientError as error:
            if error.response["Error"]["Code"] not in _UNKNOWN:
                raise
            return None
        return made

    def version(self, version: str) -> Package:
        """The package of a version; raises BadInput when there is none, or more than one that claims it."""
        found = [one for one in self.packages() if one.properties.version == version]
        name = model_name(self._workload.name, version)
        if not found:
            raise bad("", "model version", name, "it is not in the registry; groundplan verify registers one")
        if len(found) > 1:
            raise bad("", "model version", name, f"{len(found)} packages claim it: {', '.join(p.arn for p in found)}")
        return found[0]

    def create(self, request: Mapping[str, Any]) -> Package:
        """Register; the package as the registry then has it."""
        return self.read(self._client().create_model_package(**request)["ModelPackageArn"])

    def _arns(self) -> list[str]:
        pages = self._client().get_paginator("list_model_packages")
        asked = {"ModelPackageGroupName": self._group, "SortBy": "CreationTime", "SortOrder": "Descending"}
        try:
            return [
                str(one["ModelPackageArn"])
                for page in pages.paginate(**asked)
                for one in page["ModelPackageSummaryList"]
            ]
        except ClientError as error:
            if error.response["Error"]["Code"] not in _UNKNOWN:
                raise
            deploy = f"make deploy ENV={self._accounts.environment.name}"
            raise bad("", "model package group", self._group, f"it does not exist; {deploy} makes it") from None

    def _client(self) -> Any:
        return self._accounts.client("sagemaker", "ai")


def find(accounts: Accounts, subject: str) -> tuple[Workload, Package]:
    """The workload and the package that a person named: `<workload>-<version>`, or a package's ARN."""
    if subject.startswith("arn:"):
        stem = accounts.names.model_package_group("")
        group = subject.partition(":model-package/")[2].partition("/")[0]
        name, version = group.removeprefix(stem), ""
    else:
        name, _, version = subject.rpartition("-")
    if name not in workload_names(accounts.root) or not (version or subject.startswith("arn:")):
        allowed = "allowed: <workload>-<version>, such as digit-reader-1.0.0, or the ARN of a model package"
        raise bad("", "model version", subject, allowed)
    workload = read_trained_workload(accounts.root, name)
    registry = ModelRegistry(accounts, workload)
    return workload, registry.version(version) if version else registry.read(subject)


def read_object(s3: Any, uri: str, *, sha256: str, what: str) -> bytes:
    """An object's bytes; raises Refused when it vanished or when a byte of it changed."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    try:
        content: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] not in _GONE:
            raise
        raise Refused(f"{what}: {uri} is not there any more; {_BACK}") from None
    _same(hashlib.sha256(content).hexdigest(), sha256, uri, what)
    return content


def fetch_object(s3: Any, uri: str, target: Path, *, sha256: str, what: str) -> None:
    """The same into a file, for what may be large."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    made_of = hashlib.sha256()
    try:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"]
    except ClientError as error:
        if error.response["Error"]["Code"] not in _GONE:
            raise
        raise Refused(f"{what}: {uri} is not there any more; {_BACK}") from None
    with target.open("wb") as file:
        for chunk in body.iter_chunks(CHUNK_BYTES):
            made_of.update(chunk)
            file.write(chunk)
    _same(made_of.hexdigest(), sha256, uri, what)


def check_package(accounts: Accounts, package: Package) -> None:
    """Raises Refused or BadInput when what a package names is not there any more, or is not what was registered."""
    s3, of = accounts.client("s3", "ai"), package.properties
    bucket, folder = accounts.names.artefacts_bucket(), f"workloads/{of.workload}/"
    places = (
        ("ModelDataUrl", package.model_data_url),
        ("record_url", of.record_url),
        ("verdict_url", of.verdict_url),
        *((("card_url", of.card_url),) if of.card_url else ()),
    )
    if foreign := [
        Finding(package.arn, field, uri, f"allowed: what lies below s3://{bucket}/{folder}")
        for field, uri in places
        if not uri.startswith(f"s3://{bucket}/{folder}") or ".." in uri.split("/")
    ]:
        raise BadInput(foreign)
    read_object(s3, of.record_url, sha256=of.record_sha256, what=f"{package.name}: its record")
    verdict = read_object(s3, of.verdict_url, sha256=of.verdict_sha256, what=f"{package.name}: its verdict")
    if json.loads(verdict).get("passed") is not True:
        raise Refused(f"{package.name}: it was stopped at the gate; {of.verdict_url}")
    if of.card_url:
        read_object(s3, of.card_url, sha256=of.card_sha256 or "none", what=f"{package.name}: its card")
    _hashed(s3, package.model_data_url, of.model_data_sha256, f"{package.name}: its model")


def _hashed(s3: Any, uri: str, sha256: str, what: str) -> None:
    fetch_object(s3, uri, Path("/dev/null"), sha256=sha256, what=what)


def _same(found: str, sha256: str, uri: str, what: str) -> None:
    if found != sha256:
        raise Refused(f"{what}: {uri} was altered: it has sha256 {found}, and {sha256} was registered; {_BACK}")
