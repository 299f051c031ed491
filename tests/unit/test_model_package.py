"""A registered model version: what is said of it, what cannot be altered unseen, and what may be released."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from groundplan.approval import release_denials
from groundplan.environment import Environment, read_environment
from groundplan.gate import HeldOut, Sample, Speed, Verdict, judge
from groundplan.model_package import (
    SCHEMA,
    Decision,
    Package,
    Properties,
    contradictions,
    decision_of,
    next_version,
    pin,
    read_package,
    register_request,
    unfit,
)
from groundplan.names import Names
from groundplan.planner import Market
from groundplan.prices import read_prices
from groundplan.refusal import BadInput, Refused
from groundplan.release import Release
from groundplan.workload import Workload, read_workload

ROOT = Path(__file__).parents[2]
LOCAL: Environment = read_environment(ROOT, "local")
NAMES = Names(LOCAL)
WORKLOAD: Workload = read_workload(ROOT, "digit-reader")
FOLDER = f"s3://{NAMES.artefacts_bucket()}/workloads/digit-reader"
PROPERTIES = Properties(
    format=SCHEMA,
    version="1.2.0",
    workload="digit-reader",
    training_job_name="digit-reader-one",
    fingerprint="1" * 64,
    code_digest="2" * 64,
    environment_digest="3" * 64,
    data_manifest_root="4" * 64,
    model_data_sha256="5" * 64,
    record_url=f"{FOLDER}/output/one/record.json",
    record_sha256="6" * 64,
    verdict_url=f"{FOLDER}/verdicts/one/verdict.json",
    verdict_sha256="7" * 64,
    held_out_sha256="8" * 64,
    card_url=f"{FOLDER}/output/one/card-1.2.0.json",
    card_sha256="9" * 64,
)
DECISION = Decision(
    by="arn:aws:sts::222222222222:assumed-role/approver/ann", at="2026-11-21T09:00:00Z", simulated=True
)


def verdict(wrong: int = 0) -> Verdict:
    samples = [
        Sample(request=str(at), expected=str(at % 10), row=str(at), slices={"digit": str(at % 10)}, baseline="0")
        for at in range(400)
    ]
    held_out = HeldOut(samples, "8" * 64)
    answers = ["x" if at < wrong else sample.expected for at, sample in enumerate(samples)]
    speed = Speed(1, 2, 500, 400, "this machine")
    market = Market(read_prices(ROOT, "us-east-1"))
    return judge(WORKLOAD, market, held_out, answers, speed, candidate="one", reported={"accuracy": 1.0})


@pytest.fixture(scope="module")
def request_() -> dict[str, Any]:
    url = f"{FOLDER}/output/one/output/model.tar.gz"
    return register_request(WORKLOAD, NAMES, PROPERTIES, image="image", model_data_url=url, verdict=verdict())


def described(request: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    group = NAMES.model_package_group("digit-reader")
    return {
        **request,
        "ModelPackageArn": f"arn:aws:sagemaker:us-east-1:{LOCAL.accounts.ai}:model-package/{group}/3",
        "ModelPackageStatus": "Completed",
    } | changes


def approved(request: Mapping[str, Any], **changes: Any) -> Package:
    given = {"ModelApprovalStatus": "Approved", "ApprovalDescription": DECISION.text()} | changes
    return read_package(described(request, **given))


def released(package: Package) -> Release:
    of = decision_of(package)
    return pin(package, approved_by=of.by, approved_at=of.at, simulated=of.simulated)


def test_the_request_is_one_that_sagemaker_takes(request_: dict[str, Any]) -> None:
    model = ServiceModel(Loader().load_service_model("sagemaker", "service-2"))
    shape = model.operation_model("CreateModelPackage").input_shape
    report = ParamValidator().validate(request_, shape)
    assert not report.has_errors(), report.generate_report()
    assert max(map(len, request_["CustomerMetadataProperties"].values())) <= 256
    assert len(request_["ModelPackageDescription"]) <= 1024
    assert len(request_["ModelCard"]["ModelCardContent"]) <= 100_000


def test_what_is_registered_waits_for_a_person(request_: dict[str, Any]) -> None:
    assert request_["ModelApprovalStatus"] == "PendingManualApproval"
    assert "digit-reader-1.2.0" in unfit(read_package(described(request_)))


def test_what_was_stopped_is_not_registered() -> None:
    with pytest.raises(Refused, match="stopped at the gate"):
        register_request(WORKLOAD, NAMES, PROPERTIES, image="i", model_data_url="s3://b/k", verdict=verdict(100))


def test_the_card_says_use_data_metrics_by_slice_limits_and_owner(request_: dict[str, Any]) -> None:
    card = json.loads(request_["ModelCard"]["ModelCardContent"])
    [metrics] = card["evaluation_details"][0]["metric_groups"]
    assert {"overall.accuracy", "digit_8.accuracy"} <= {one["name"] for one in metrics["metric_data"]}
    assert card["model_overview"]["model_creator"] == "vision-team"
    assert "scanned forms" in card["intended_uses"]["factors_affecting_model_efficiency"]
    assert "0.95" in card["additional_information"]["caveats_and_recommendations"]


@pytest.mark.parametrize("field", sorted(PROPERTIES.texts()))
def test_no_property_can_be_altered_unseen(request_: dict[str, Any], field: str) -> None:
    texts = {**request_["CustomerMetadataProperties"], field: "0" * 64}
    with pytest.raises(BadInput):
        read_package(described(request_, CustomerMetadataProperties=texts))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ModelPackageDescription": "a model"}, "not registered by groundplan verify"),
        ({"ModelPackageDescription": None}, "not registered by groundplan verify"),
        ({"CustomerMetadataProperties": {"format": "groundplan.model/0"}}, "groundplan.model/1"),
        ({"CustomerMetadataProperties": None}, "groundplan.model/1"),
        ({"InferenceSpecification": {"Containers": []}}, "exactly one"),
        (
            {"InferenceSpecification": {"Containers": [{"ModelDataUrl": "s3://b/k", "ImageDigest": "sha256:x"}]}},
            "ImageDigest",
        ),
    ],
)
def test_what_came_another_way_is_refused(request_: dict[str, Any], change: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_package(described(request_, **change))
    assert said in str(refused.value)


@pytest.mark.parametrize("approval", ["PendingManualApproval", "Rejected"])
def test_what_is_not_approved_is_not_released(request_: dict[str, Any], approval: str) -> None:
    assert approval in unfit(read_package(described(request_, ModelApprovalStatus=approval)))


@pytest.mark.parametrize("status", ["Failed", "InProgress", "Pending", "Deleting"])
def test_what_failed_is_not_released(request_: dict[str, Any], status: str) -> None:
    assert status in unfit(approved(request_, ModelPackageStatus=status))


@pytest.mark.parametrize("said", ["", "looks good", '{"by": "me"}', '{"by": "me", "at": "now", "simulated": false}'])
def test_an_approval_without_a_person_is_none(request_: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match="nobody knows by whom"):
        decision_of(approved(request_, ApprovalDescription=said))


def test_a_pin_is_what_the_registry_says(request_: dict[str, Any]) -> None:
    package = approved(request_)
    assert contradictions(released(package), package, "release.local.toml") == []


@pytest.mark.parametrize(
    "field",
    """version model_package_arn model_data_url model_data_sha256 image_digest environment_digest code_digest
    fingerprint record_url record_sha256 approved_by approved_at""".split(),
)
def test_a_pin_that_says_otherwise_is_refused_field_by_field(request_: dict[str, Any], field: str) -> None:
    package = approved(request_)
    spoilt = released(package).model_copy(update={field: "another"})
    [found] = contradictions(spoilt, package, "release.local.toml")
    assert found.field == field


def test_a_pin_edited_to_something_unapproved_is_refused(request_: dict[str, Any]) -> None:
    pending = read_package(described(request_))
    [found] = contradictions(released(approved(request_)), pending, "release.local.toml")
    assert "PendingManualApproval" in str(found)


def test_versions_count_up() -> None:
    assert next_version([]) == "1.0.0"
    assert next_version(["1.9.0", "1.10.2"]) == "1.11.0"


def test_everybody_else_is_refused_every_way_to_set_the_status() -> None:
    statements = {statement["Sid"]: statement for statement in release_denials(NAMES)}
    assert statements["OnlyTheApproverDecides"]["Condition"] == {
        "ArnNotEquals": {"aws:PrincipalArn": NAMES.roles(LOCAL.accounts.ai, NAMES.approver_role())}
    }
    assert statements["NothingIsRegisteredAsDecided"]["Action"] == ["sagemaker:CreateModelPackage"]
