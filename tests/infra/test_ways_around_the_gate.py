"""No role sets a model's approval beside the approver's, none of the ai account reads what models are judged on, and
none but an evaluation's writes what they answered.

Every role of production with everything served, as its policies are, and as if it had been given everything.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from proofs.environment import read
from proofs.evaluator import Policies, Policy, allows
from proofs.world import ADMINISTRATOR, Caller, World

APPROVER = "Platform/Approver"
APPROVED = {"sagemaker:ModelApprovalStatus": "Approved"}


@pytest.fixture(scope="module")
def world(served: Any) -> World:
    return read(served.names, served.folder)


def group(world: World, kind: str) -> str:
    names = world.names
    here = f"arn:aws:sagemaker:{names.environment.region}:{names.environment.accounts.ai}"
    return f"{here}:{kind}/{names.model_package_group('digit-reader')}"


def ways(world: World) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Calls that put a model into the registry, or say something of one there, past gate and person."""
    package = f"{group(world, 'model-package')}/1"
    yield "sagemaker:UpdateModelPackage", package, APPROVED
    yield "sagemaker:UpdateModelPackage", package, {}
    yield "sagemaker:CreateModelPackage", package, APPROVED
    yield "sagemaker:CreateModelPackage", package, {}
    yield "sagemaker:DeleteModelPackage", package, {}
    yield "sagemaker:DeleteModelPackageGroup", group(world, "model-package-group"), {}
    yield "sagemaker:PutModelPackageGroupPolicy", group(world, "model-package-group"), {}
    approver = world.names.roles(world.names.environment.accounts.ai, world.names.approver_role())
    yield "sts:AssumeRole", approver, {"sts:RoleSessionName": "one"}


def roles(world: World) -> list[Caller]:
    """The platform's own roles but the approver's; those of training, launching and serving are among them."""
    found = [one for name, one in world.callers.items() if "/" in name and not name.startswith(APPROVER)]
    kinds = ("Training/LaunchRole", "Training/MachineRole", "Workload-digit-reader/Training", "Serving-digit-reader/")
    assert all(any(one.name.startswith(kind) for one in found) for kind in kinds)
    return found


def test_no_role_of_the_platform_speaks_of_models_in_the_registry(world: World) -> None:
    for caller in roles(world):
        for action, resource, context in ways(world):
            request = world.request(caller, action, resource, context)
            assert not world.allows(caller, request), f"{caller.name}: {action}"
            assert not world.identity_allows(caller, request), f"{caller.name}: {action}, by its own policy"


def test_the_boundary_keeps_a_role_that_was_given_everything_from_registering_and_deleting(world: World) -> None:
    for caller in roles(world):
        almighty = replace(caller, administrator=True)
        for action, resource, context in ways(world):
            if action != "sagemaker:UpdateModelPackage":  # the boundary is the approver's, too
                request = world.request(almighty, action, resource, context)
                assert not world.allows(almighty, request), f"{caller.name}: {action}"


def test_the_approver_decides_and_does_nothing_else(world: World) -> None:
    [approver] = [one for name, one in world.callers.items() if name.startswith(APPROVER)]
    for action, resource, context in ways(world):
        request = world.request(approver, action, resource, context)
        meant = action == "sagemaker:UpdateModelPackage" and context == APPROVED
        assert world.allows(approver, request) is meant, (action, context)
        assert world.identity_allows(approver, request) is meant, (action, context)


def test_the_release_guard_holds_an_administrator_of_the_account(world: World) -> None:
    [guard] = [policy for name, policy in world.policies.items() if "ReleaseGuard" in name]
    account = world.names.environment.accounts.ai
    person = Caller("person", f"arn:aws:iam::{account}:role/people/ann", account, administrator=True)
    consent = Policy.read("consent", {"Statement": {"Effect": "Allow", "Action": "*", "Principal": {"AWS": account}}})
    for action, resource, context in ways(world):
        request = world.request(person, action, resource, context)
        guarded = allows(request, Policies(identity=[ADMINISTRATOR, guard], resource=consent))
        # What it registers without a decision waits for the approver, and is refused for want of a verdict.
        assert guarded is (action == "sagemaker:CreateModelPackage" and not context), (action, context)
        assert allows(request, Policies(identity=[ADMINISTRATOR], resource=consent)), "else this shows nothing"


def held_out(world: World) -> tuple[str, dict[str, str]]:
    """The bucket of held-out sets, and what S3 tells the lake's key of its objects."""
    names = world.names
    bucket = f"arn:aws:s3:::{names.lake_bucket('evaluation')}"
    return bucket, {
        "kms:ViaService": f"s3.{names.environment.region}.amazonaws.com",
        "kms:EncryptionContext:aws:s3:arn": bucket,
    }


def asks(world: World) -> list[tuple[str, str, dict[str, str]]]:
    """Ways to the true answers, or to alter what models are judged on."""
    bucket, _ = held_out(world)
    verbs = ("GetObject", "GetObjectVersion", "PutObject", "DeleteObject")
    keys = ("digit-reader/digits/current.json", "digit-reader/digits/d1/samples.jsonl")
    return [
        ("s3:ListBucket", bucket, {"s3:prefix": "digit-reader/"}),
        *((f"s3:{verb}", f"{bucket}/{key}", {}) for verb in verbs for key in keys),
    ]


def of_the_ai_account(world: World) -> list[Caller]:
    found = [one for one in world.callers.values() if one.account == world.names.environment.accounts.ai]
    for kind in ("Training", "Evaluation"):
        assert [one for one in found if one.name.startswith(f"Workload-digit-reader/{kind}")]
    return found


def test_no_role_of_the_ai_account_reads_the_true_answers(world: World) -> None:
    for caller in of_the_ai_account(world):
        almighty = replace(caller, administrator=True, boundary=None)
        for action, resource, context in asks(world):
            request = world.request(caller, action, resource, context)
            assert not world.allows(caller, request), f"{caller.name}: {action}"
            assert not world.allows(almighty, request), f"{caller.name}: {action}, given everything"
    # The same question of a zone that training reads is answered otherwise.
    [training] = [one for name, one in world.callers.items() if name.startswith("Workload-digit-reader/Training")]
    curated = f"arn:aws:s3:::{world.names.lake_bucket('curated')}/digit-reader/digits/train/one.npy"
    assert world.allows(training, world.request(training, "s3:GetObject", curated, {}))


def test_evaluations_alone_read_the_requests_and_only_their_own(world: World) -> None:
    bucket, through = held_out(world)
    [key] = [one.arn for one in world.of_type("AWS::KMS::Key") if one.stack == "DataLake"]
    requests = "digit-reader/digits/d1/requests.jsonl"
    asked = [
        ("s3:GetObject", f"{bucket}/{requests}", {}),
        ("s3:ListBucket", bucket, {"s3:prefix": requests}),
        ("kms:Decrypt", key, through),
    ]
    for caller in of_the_ai_account(world):
        almighty = replace(caller, administrator=True, boundary=None)
        for action, resource, context in asked:
            request = world.request(caller, action, resource, context)
            own = caller.name.startswith("Workload-digit-reader/Evaluation")
            # The key tells S3's objects apart by their bucket alone: any evaluation's role decrypts.
            evaluates = own or (action == "kms:Decrypt" and "/Evaluation" in caller.name)
            assert world.allows(caller, request) is evaluates, f"{caller.name}: {action}"
            assert world.allows(almighty, request) is evaluates, f"{caller.name}: {action}, given everything"


def test_evaluations_alone_write_what_the_gate_judges_by(world: World) -> None:
    """Whatever another role, or an administrator of the account, was given."""
    answers = f"arn:aws:s3:::{world.names.artefacts_bucket()}/workloads/digit-reader/answers/job/output/model/a.jsonl"
    account = world.names.environment.accounts.ai
    person = Caller("person", f"arn:aws:iam::{account}:role/people/ann", account, administrator=True)
    for caller in (*of_the_ai_account(world), person):
        request = world.request(caller, "s3:PutObject", answers, {})
        own = caller.name.startswith("Workload-digit-reader/Evaluation")
        assert world.allows(caller, request) is own, caller.name
        almighty = replace(caller, administrator=True, boundary=None)
        evaluates = caller.name.partition("/")[2].startswith("Evaluation")
        assert world.allows(almighty, request) is evaluates, f"{caller.name}, given everything"
    elsewhere = world.request(person, "s3:PutObject", answers.replace("/answers/", "/output/"), {})
    assert world.allows(person, elsewhere), "else this shows nothing"
