"""Images are built in AWS by a project that reads its own context and packages, and pushes its own image."""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from groundplan_constructs.image_build import SCRIPT

STACK = "Workload-digit-reader"
HOST = "777788889999.dkr.ecr.us-east-1.amazonaws.com"
TOKEN = "a-word-that-nobody-may-read"  # noqa: S105
PUSHES = {"ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart"}


def statements(assembly: Any) -> dict[str, Any]:
    policies = assembly.resources("AWS::IAM::ManagedPolicy")
    [policy] = [found for stack, logical_id, found in policies if stack == STACK and "ImageBuild" in logical_id]
    return {s["Sid"]: s for s in policy["Properties"]["PolicyDocument"]["Statement"]}


def actions(statement: Mapping[str, Any]) -> set[str]:
    found = statement["Action"]
    return {found} if isinstance(found, str) else set(found)


def project(assembly: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The properties of digit-reader's project, and the resources of its stack."""
    [found] = [found for stack, _, found in assembly.resources("AWS::CodeBuild::Project") if stack == STACK]
    return found["Properties"], assembly.templates[STACK]["Resources"]


def test_a_build_pushes_into_its_own_repository_and_no_other(assembly: Any) -> None:
    by_sid = statements(assembly)
    assert [sid for sid, statement in by_sid.items() if actions(statement) & PUSHES] == ["PushImage"]
    [repository] = [name for stack, name, _ in assembly.resources("AWS::ECR::Repository") if stack == STACK]
    assert by_sid["PushImage"]["Resource"] == {"Fn::GetAtt": [repository, "Arn"]}


def test_a_build_reads_one_object_one_base_image_and_one_package_repository(assembly: Any) -> None:
    by_sid, ai = statements(assembly), assembly.environment.accounts.ai
    key = assembly.names.image_context("digit-reader")
    assert by_sid["ReadContext"]["Resource"] == f"arn:aws:s3:::{assembly.names.artefacts_bucket()}/{key}"
    assert by_sid["PullBase"]["Resource"] == f"arn:aws:ecr:us-east-1:{ai}:repository/python"
    assert by_sid["ReadPackages"]["Resource"] == f"arn:aws:codeartifact:us-east-1:{ai}:repository/company/python"
    assert by_sid["SignInToPackages"]["Resource"] == f"arn:aws:codeartifact:us-east-1:{ai}:domain/company"
    assert by_sid["CarryToken"]["Condition"] == {"StringEquals": {"sts:AWSServiceName": "codeartifact.amazonaws.com"}}
    wide = [sid for sid, statement in by_sid.items() if "*" in json.dumps(statement["Resource"])]
    assert wide == ["SignInToRegistry", "CarryToken"]
    verbs = {action.split(":")[1] for statement in by_sid.values() for action in actions(statement)}
    assert not [verb for verb in verbs if verb.startswith("Delete") or verb == "PutObject"]


def test_only_codebuild_for_this_one_project_gets_the_role(assembly: Any) -> None:
    properties, resources = project(assembly)
    role = resources[properties["ServiceRole"]["Fn::GetAtt"][0]]["Properties"]
    [trust] = role["AssumeRolePolicyDocument"]["Statement"]
    ai, name = assembly.environment.accounts.ai, assembly.names.image_build("digit-reader")
    assert properties["Name"] == name
    assert trust["Principal"] == {"Service": "codebuild.amazonaws.com"}
    assert trust["Condition"]["StringEquals"] == {
        "aws:SourceAccount": ai,
        "aws:SourceArn": f"arn:aws:codebuild:us-east-1:{ai}:project/{name}",
    }
    assert "Policies" not in role


def test_a_build_is_encrypted_logged_kept_as_long_as_all_logs_ended_in_time_and_started_by_nobody(
    assembly: Any,
) -> None:
    properties, resources = project(assembly)
    assert "Key" in json.dumps(properties["EncryptionKey"])
    logs = properties["LogsConfig"]["CloudWatchLogs"]
    group = resources[logs["GroupName"]["Ref"]]["Properties"]
    assert logs["Status"] == "ENABLED"
    assert group["RetentionInDays"] == assembly.environment.log_retention_days
    assert "Key" in json.dumps(group["KmsKeyId"])
    assert properties["TimeoutInMinutes"] <= 60
    assert not properties.get("Triggers", {}).get("Webhook")
    assert properties["Source"]["Type"] == "S3"
    assert properties["Artifacts"] == {"Type": "NO_ARTIFACTS"}


def test_the_base_image_is_pinned_by_digest_in_the_environments_own_registry(assembly: Any) -> None:
    properties, _ = project(assembly)
    variables = {entry["Name"]: entry for entry in properties["Environment"]["EnvironmentVariables"]}
    base = json.dumps(variables["BASE_IMAGE"]["Value"])
    assert assembly.environment.images.source.base in base
    assert f"{assembly.environment.accounts.ai}.dkr.ecr.{assembly.environment.region}." in base
    assert {entry["Type"] for entry in variables.values()} == {"PLAINTEXT"}
    assert not [name for name in variables if re.search("TOKEN|SECRET|PASSWORD", name)]


FAKE = """#!/bin/sh
printf '%s\\n' "$(basename "$0") $*" >> "$CALLS"
case "$*" in
  "$FAILS"*) exit 7;;
  *get-repository-endpoint*) printf 'https://company-777788889999.d.example/pypi/python/';;
  *get-authorization-token*) printf "$TOKEN";;
  *get-login-password*) printf 'password';;
  login*) cat > "$CALLS.password";;
  buildx*) for word in "$@"; do case $word in *,src=*) cat "${word##*,src=}" > "$CALLS.pip"; esac; done;;
esac
"""


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """`run(fails)`: the build's script with stand-ins for `aws` and `docker`; status, their calls and the printed."""
    for name in ("aws", "docker"):
        (tmp_path / name).write_text(FAKE)
        (tmp_path / name).chmod(0o755)
    variables = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "CALLS": str(tmp_path / "calls"),
        "TMPDIR": str(tmp_path),
        "TOKEN": TOKEN,
        "BASE_IMAGE": f"{HOST}/python@sha256:{'b' * 64}",
        "REPOSITORY_URI": f"{HOST}/groundplan-dev/digit-reader",
        "IMAGE_TAG": "lock-1",
        "PACKAGE_ACCOUNT": "777788889999",
        "PACKAGE_DOMAIN": "company",
        "PACKAGE_REPOSITORY": "python",
    }

    def run(fails: str = "nothing") -> tuple[int, list[str], str]:
        done = subprocess.run(
            ["bash", "-c", SCRIPT],  # noqa: S607
            env={**variables, "FAILS": fails},
            capture_output=True,
            text=True,
        )
        return done.returncode, (tmp_path / "calls").read_text().splitlines(), done.stdout + done.stderr

    return run


def test_the_script_signs_in_builds_from_the_mirror_and_pushes(run: Any, tmp_path: Path) -> None:
    status, calls, printed = run()
    assert status == 0, printed
    assert sorted(calls[:2]) == ["aws ecr get-login-password", f"docker login --username AWS --password-stdin {HOST}"]
    assert "--domain company --domain-owner 777788889999" in calls[2]
    build, push = calls[-2:]
    image = f"{HOST}/groundplan-dev/digit-reader:lock-1"
    assert build.startswith("docker buildx build --provenance=false --sbom=false --output type=docker")
    assert f"--tag {image} ." in build
    assert "--build-arg BASE_IMAGE " in build
    assert push == f"docker push {image}"
    assert (tmp_path / "calls.password").read_text() == "password"
    configuration = (tmp_path / "calls.pip").read_text()
    index = f"https://aws:{TOKEN}@company-777788889999.d.example/pypi/python/simple/"
    assert configuration == f"[global]\nindex-url = {index}\n"


def test_the_token_of_the_packages_is_in_no_argument_and_no_log(run: Any, tmp_path: Path) -> None:
    _, calls, printed = run()
    assert TOKEN not in "".join(calls) + printed
    [secret] = [path for path in tmp_path.glob("tmp.*") if TOKEN in path.read_text()]
    assert secret.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("fails", ["ecr", "login", "codeartifact get-repo", "codeartifact get-auth", "buildx"])
def test_nothing_is_pushed_when_a_step_fails(run: Any, fails: str) -> None:
    status, calls, _ = run(fails)
    assert status == 7
    assert not [call for call in calls if call.startswith("docker push")]


def test_a_push_that_fails_fails_the_build(run: Any) -> None:
    assert run("push")[0] == 7


def test_the_projects_script_is_the_one_tested_here(assembly: Any) -> None:
    properties, _ = project(assembly)
    lines = [line.strip() for line in properties["Source"]["BuildSpec"].splitlines()]
    for line in SCRIPT.splitlines():
        assert line.strip() in lines
