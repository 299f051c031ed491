"""A version that one environment approved, brought to another: judged there, approved there, the same bytes."""

import json
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from commands import ROOT, copy_repository, groundplan

from groundplan.environment import read_environment
from groundplan.release import release_file
from groundplan.workload import read_trained_workload
from groundplan_operate.accounts import Accounts
from groundplan_operate.held_out import current_held_out
from groundplan_operate.model_registry import ModelRegistry
from groundplan_operate.train import launch_defaults


@pytest.fixture(scope="module")
def stage(deployed: Any, tmp_path_factory: pytest.TempPathFactory) -> Accounts:
    """A second environment, `stage`; of it stands what a release needs: buckets, registry, approver, held-out set."""
    root = copy_repository(tmp_path_factory.mktemp("repository"))
    shutil.copy(ROOT / release_file("digit-reader", "local"), root / "workloads/digit-reader")
    text = (root / "environments/local.toml").read_text()
    (root / "environments/stage.toml").write_text(text.replace('name = "local"', 'name = "stage"', 1))
    accounts = Accounts(root, read_environment(root, "stage"))
    names, s3 = accounts.names, accounts.client("s3", "ai")
    lake = accounts.client("s3", "data")
    for client, bucket in ((s3, names.artefacts_bucket()), (lake, names.lake_bucket("evaluation"))):
        client.create_bucket(Bucket=bucket)
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    workload = read_trained_workload(root, "digit-reader")
    accounts.client("sagemaker", "ai").create_model_package_group(
        ModelPackageGroupName=names.model_package_group(workload.name)
    )
    parameter = deployed.accounts.names.launch_parameter(workload.name)
    value = _of_stage(deployed.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"])
    accounts.client("ssm", "ai").put_parameter(Name=names.launch_parameter(workload.name), Value=value, Type="String")
    assert launch_defaults(accounts, workload).image
    there = deployed.accounts.names
    for name, source in (
        (names.approver_role(), there.approver_role()),
        (names.evaluation_role(workload.name), there.evaluation_role(workload.name)),
    ):
        role = deployed.client("iam").get_role(RoleName=source)["Role"]
        trust = json.dumps(role["AssumeRolePolicyDocument"])
        accounts.client("iam", "ai").create_role(RoleName=name, AssumeRolePolicyDocument=trust, Tags=role["Tags"])
    source, target = there.lake_bucket("evaluation"), names.lake_bucket("evaluation")
    lake.put_bucket_policy(Bucket=target, Policy=_of_stage(lake.get_bucket_policy(Bucket=source)["Policy"]))
    where, held_out = f"{workload.name}/{workload.data.dataset}", current_held_out(deployed.accounts, workload).sha256
    for key in ("current.json", f"{held_out}/samples.jsonl", f"{held_out}/requests.jsonl"):
        body = lake.get_object(Bucket=source, Key=f"{where}/{key}")["Body"].read()
        lake.put_object(Bucket=target, Key=f"{where}/{key}", Body=body)
    return accounts


def _of_stage(text: str) -> str:
    return text.replace("groundplan-local", "groundplan-stage")


@pytest.fixture
def said(deployed: Any, stage: Accounts) -> Callable[..., str]:
    """`said(status, *arguments)`: what a command said in the repository of `stage`, which must end so."""

    def run(status: int, *arguments: str) -> str:
        done = groundplan(deployed.state, *arguments, at=stage.root)
        assert done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    return run


def object_of(accounts: Accounts, uri: str) -> bytes:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bytes(accounts.client("s3", "ai").get_object(Bucket=bucket, Key=key)["Body"].read())


def test_what_serves_in_one_environment_is_copied_judged_and_approved_in_another(
    deployed: Any, stage: Accounts, said: Callable[..., str]
) -> None:
    workload = read_trained_workload(stage.root, "digit-reader")
    assert "allowed: another environment than stage" in said(
        2, "verify", "digit-reader", "-e", "stage", "--from", "stage"
    )
    assert "not in the registry" in said(
        2, "verify", "digit-reader", "-e", "stage", "--from", "local", "--version", "9.0.0"
    )
    told = said(0, "verify", "digit-reader", "-e", "stage", "--from", "local")
    assert "copied from local to stage" in told
    assert "digit-reader-1.0.0 is registered, PendingManualApproval" in told
    before = ModelRegistry(deployed.accounts, workload).version("1.0.0")
    after = ModelRegistry(stage, workload).version("1.0.0")
    assert after.properties.copied_from == before.arn
    assert after.properties.record_sha256 == before.properties.record_sha256
    assert object_of(stage, after.model_data_url) == object_of(deployed.accounts, before.model_data_url)
    assert stage.names.artefacts_bucket() in after.model_data_url
    # Again, it is the version that it was.
    assert "PendingManualApproval" in said(0, "verify", "digit-reader", "-e", "stage", "--from", "local")
    assert len(ModelRegistry(stage, workload).packages()) == 1
    assert "(simulated)" in said(0, "approve", "digit-reader-1.0.0", "-e", "stage")
    assert f"reproduce it there: {before.arn}" in said(1, "reproduce", "digit-reader-1.0.0", "-e", "stage")


def test_what_was_altered_in_the_other_environment_is_not_copied(
    deployed: Any, stage: Accounts, said: Callable[..., str]
) -> None:
    workload = read_trained_workload(stage.root, "digit-reader")
    package = ModelRegistry(deployed.accounts, workload).version("1.0.0")
    bucket, _, key = package.model_data_url.removeprefix("s3://").partition("/")
    s3 = deployed.client("s3")
    content = object_of(deployed.accounts, package.model_data_url)
    s3.put_object(Bucket=bucket, Key=key, Body=content + b"\0")
    try:
        assert "was altered" in said(1, "verify", "digit-reader", "-e", "stage", "--from", "local")
    finally:
        s3.put_object(Bucket=bucket, Key=key, Body=content)


def test_nothing_serves_there_is_said(said: Callable[..., str], stage: Accounts) -> None:
    pin = stage.root / release_file("digit-reader", "local")
    kept = pin.read_bytes()
    pin.unlink()
    try:
        told = said(2, "verify", "digit-reader", "-e", "stage", "--from", "local")
    finally:
        pin.write_bytes(kept)
    assert "nothing serves there" in told
