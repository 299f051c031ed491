"""A model version of one environment, brought with its record and code to another, where it is judged again."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from groundplan.canonical import file_digest
from groundplan.model_package import Package, unfit
from groundplan.refusal import Refused, bad
from groundplan.release import checked_version, read_release
from groundplan.workload import Workload
from groundplan_operate.accounts import Accounts
from groundplan_operate.candidate import Candidate, candidate_of
from groundplan_operate.evaluation import fetch_code
from groundplan_operate.lake import holds, upload
from groundplan_operate.model_registry import ModelRegistry, check_package, fetch_object
from groundplan_operate.registry import Registry


def copy_version(
    source: Accounts, target: Accounts, workload: Workload, version: str | None, show: Callable[[str], None]
) -> tuple[Candidate, str]:
    """The run as it then lies in the target's bucket, below the same keys, and its version.

    Every byte is held against its digest on the way. Raises BadInput where there is nothing to copy, Refused for what
    was not approved there, was altered, or needs an image that the target does not hold.
    """
    here, there = target.environment.name, source.environment.name
    if here == there:
        raise bad("", "--from", there, f"allowed: another environment than {here}")
    package = _package(source, workload, version)
    if why := unfit(package):
        raise Refused(f"{there}: {why}")
    check_package(source, package)
    before = candidate_of(source, package)
    if image := before.record.document.get("image_digest"):
        Registry(target, workload).held(str(image))
    bucket, made = target.names.artefacts_bucket(), before.made
    with tempfile.TemporaryDirectory() as folder:
        model, record, code = (Path(folder) / name for name in ("model", "record", "code"))
        s3, what = source.client("s3", "ai"), f"{package.name} of {there}"
        fetch_object(s3, made.model_data_url, model, sha256=made.model_data_sha256, what=f"{what}: its model")
        fetch_object(s3, before.record_url, record, sha256=before.record_sha256, what=f"{what}: its record")
        fetch_code(source, made, code, with_kit=True)
        files = {made.model_data_url: model, before.record_url: record} | {
            f"{made.code_uri.rstrip('/')}/{path.relative_to(code).as_posix()}": path
            for path in sorted(code.rglob("*"))
            if path.is_file()
        }
        for uri, path in files.items():
            _put(target, bucket, uri.removeprefix("s3://").partition("/")[2], path)
    show(f"{len(files)} objects of {package.name} copied from {there} to {here}, the digests of all as they were")
    record_url = f"s3://{bucket}/{before.record_url.removeprefix('s3://').partition('/')[2]}"
    copied = Candidate(before.job, before.record, record_url, before.record_sha256, package.arn)
    return copied, package.properties.version


def _package(source: Accounts, workload: Workload, version: str | None) -> Package:
    """That version, or what serves there."""
    registry = ModelRegistry(source, workload)
    if version:
        return registry.version(checked_version(version, "--version"))
    release = read_release(source.root, workload.name, source.environment)
    if release is None:
        promote = f"groundplan promote -e {source.environment.name}"
        allowed = f"nothing serves there; name a version with --version, or release one: {promote}"
        raise bad("", "--from", source.environment.name, allowed)
    return registry.read(release.model_package_arn)


def _put(target: Accounts, bucket: str, key: str, path: Path) -> None:
    s3, sha256 = target.client("s3", "ai"), file_digest(path)
    if not holds(s3, bucket, key, path, sha256):
        upload(s3, bucket, key, path, sha256)
