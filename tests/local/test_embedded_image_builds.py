"""A build that cannot run is refused, not called a success."""

from typing import Any

import pytest


def test_a_build_is_refused_and_its_project_kept(embedded_aws: Any, account: str, unique: str) -> None:
    codebuild = embedded_aws.client("codebuild", account)
    codebuild.create_project(
        name=unique,
        source={"type": "NO_SOURCE", "buildspec": "version: 0.2"},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={"type": "LINUX_CONTAINER", "image": "none", "computeType": "BUILD_GENERAL1_SMALL"},
        serviceRole=f"arn:aws:iam::{account}:role/Build",
    )
    with pytest.raises(codebuild.exceptions.InvalidInputException, match="no image is built on this machine"):
        codebuild.start_build(projectName=unique)
    assert codebuild.list_builds_for_project(projectName=unique)["ids"] == []
    assert codebuild.batch_get_projects(names=[unique])["projects"][0]["name"] == unique
