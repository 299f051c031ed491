"""What CloudFormation may do in an account: enough for the stacks, and no way out of it."""

import fnmatch
import json
from pathlib import Path
from typing import Any

import pytest

from groundplan.environment import read_environment
from groundplan.execution_policy import BOUND_IAM_ACTIONS, boundary_policy, execution_policy
from groundplan.job_limits import job_denials
from groundplan.names import Names

ROOT = Path(__file__).parents[2]
ACCOUNT = "777788889999"
MOST_CHARACTERS = 6144  # of a managed policy, without white space


@pytest.fixture
def names() -> Names:
    return Names(read_environment(ROOT, "dev"))


def allows(statement: dict[str, Any]) -> bool:
    return statement["Effect"] == "Allow"


@pytest.fixture
def statements(names: Names) -> dict[str, Any]:
    return {statement["Sid"]: statement for statement in execution_policy(names, ACCOUNT)["Statement"]}


def test_neither_policy_nor_boundary_is_within_its_own_reach(names: Names, statements: dict[str, Any]) -> None:
    for name in (names.execution_policy(), names.boundary()):
        arn = f"arn:aws:iam::{ACCOUNT}:policy/{name}"
        for sid in ("OwnRoles", "BoundRoles", "PassRoles"):
            resources = statements[sid]["Resource"]
            for pattern in [resources] if isinstance(resources, str) else resources:
                assert not fnmatch.fnmatch(arn, pattern), sid


def test_a_role_is_made_and_given_permissions_only_inside_the_boundary(
    names: Names, statements: dict[str, Any]
) -> None:
    boundary = f"arn:aws:iam::{ACCOUNT}:policy/{names.boundary()}"
    assert statements["BoundRoles"]["Condition"] == {"StringEquals": {"iam:PermissionsBoundary": boundary}}
    for sid, statement in statements.items():
        for action in statement["Action"]:
            free = action in {f"iam:{bound}" for bound in BOUND_IAM_ACTIONS} or action in ("iam:*", "*")
            assert not free or sid == "BoundRoles", f"{sid}: {action}"
        assert "iam:DeleteRolePermissionsBoundary" not in statement["Action"]
        assert "iam:PutRolePolicy" not in statement["Action"]


def test_the_boundary_holds_no_iam_but_roles_for_jobs_and_the_policy_that_denies(
    names: Names,
) -> None:
    [statement, job_roles, spending, models] = [
        entry for entry in boundary_policy(names.environment)["Statement"] if allows(entry)
    ]
    assert job_roles["Action"] == ["iam:PassRole"]
    assert job_roles["Resource"].endswith(":role/*-training")
    assert job_roles["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    # AWS Budgets attaches by a role of ours, and what it attaches can only deny.
    assert spending["Action"] == ["iam:AttachRolePolicy", "iam:DetachRolePolicy"]
    assert spending["Condition"]["ArnLike"]["iam:PolicyARN"].endswith(":policy/groundplan-dev-deny-spending")
    # The gateway alone gets to the models, and only in the name of a tenant.
    assert models["Action"] == ["sts:AssumeRole", "sts:TagSession"]
    assert models["Resource"].endswith(":role/groundplan-dev-gateway-models")
    assert models["Condition"]["ArnEquals"]["aws:PrincipalArn"].endswith(":role/groundplan-dev-gateway")
    # A package token in the hands of a build makes nobody else of it.
    harmless = "sts:GetServiceBearerToken"
    actions = set(statement["Action"]) - {harmless}
    assert not [action for action in actions if action.startswith(("iam:", "sts:")) or "*" in action]


def test_the_boundary_denies_what_it_admits_and_no_more(names: Names) -> None:
    [at_most, *others] = boundary_policy(names.environment)["Statement"]
    denied = {statement["Sid"]: set(statement["Action"]) for statement in others if not allows(statement)}
    wanted = {statement["Sid"]: set(statement["Action"]) for statement in job_denials(names.environment.limits)}
    admitted = set(at_most["Action"])
    assert {"sagemaker:CreateTrainingJob", "sagemaker:CreateTransformJob"} <= admitted
    assert denied == {sid: actions & admitted for sid, actions in wanted.items() if actions & admitted}


def test_stack_outputs_can_be_read_and_commands_on_machines_cannot_be_sent(statements: dict[str, Any]) -> None:
    assert statements["ReadOutputs"]["Action"] == ["cloudformation:DescribeStacks"]
    assert "ssm:*" not in json.dumps(statements)
    assert statements["Functions"]["Resource"].endswith(":function:groundplan-dev-*")


def test_both_fit_into_a_managed_policy(names: Names) -> None:
    for document in (execution_policy(names, ACCOUNT), boundary_policy(names.environment)):
        assert len(json.dumps(document, separators=(",", ":"))) <= MOST_CHARACTERS
