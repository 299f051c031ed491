"""The request of CreateTrainingJob: valid for AWS, pure, and fingerprinted by what decides the result."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.validate import ParamValidator

from groundplan.refusal import BadInput
from groundplan.regions import REGIONS
from groundplan.training_request import Inputs, LaunchDefaults, build_request, fingerprint
from groundplan.workload import EarlyStopping, Workload, read_workload

ROOT = Path(__file__).parents[2]
DEFAULTS = LaunchDefaults(
    role_arn="arn:aws:iam::222222222222:role/groundplan-local-digit-reader-training",
    image="222222222222.dkr.ecr.us-east-1.amazonaws.com/groundplan-local/digit-reader",
    artefacts="s3://artefacts",
    kms_key_arn="arn:aws:kms:us-east-1:222222222222:key/1",
    subnet_ids=("subnet-1", "subnet-2"),
    security_group_ids=("sg-1",),
    tags={"business-unit": "research"},
)
INPUTS = Inputs(
    code_uri="s3://artefacts/workloads/digit-reader/code/c0de",
    code_digest="c" * 64,
    code_commit="0" * 40,
    data_uri="s3://curated/digit-reader/digits/da7a",
    data_manifest_uri="s3://curated/digit-reader/digits/da7a/manifest.json",
    data_manifest_root="d" * 64,
    environment_digest="e" * 64,
    kit_digest="f" * 64,
)


@pytest.fixture
def workload() -> Workload:
    return read_workload(ROOT, "digit-reader")


def request(workload: Workload, **changes: Any) -> dict[str, Any]:
    return build_request(workload, "local", DEFAULTS, INPUTS, **{"job_suffix": "20261120120000", **changes})


def test_the_request_is_one_that_boto3_sends(workload: Workload) -> None:
    client: Any = boto3.client("sagemaker", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    shape = client.meta.service_model.operation_model("CreateTrainingJob").input_shape
    report = ParamValidator().validate(request(workload), shape)
    assert not report.has_errors(), report.generate_report()
    assert len(request(workload)["TrainingJobName"]) <= 63


def test_the_same_input_gives_the_same_request(workload: Workload) -> None:
    assert request(workload) == request(workload)


def test_spot_is_the_default_and_waits_at_least_as_long_as_it_runs(workload: Workload) -> None:
    spot = request(workload)
    assert spot["EnableManagedSpotTraining"] is True
    stopping = spot["StoppingCondition"]
    assert stopping["MaxWaitTimeInSeconds"] >= stopping["MaxRuntimeInSeconds"]


def test_on_demand_names_no_waiting_time_which_aws_would_refuse(workload: Workload) -> None:
    assert request(workload, spot=False)["StoppingCondition"] == {"MaxRuntimeInSeconds": 1800}


def test_a_relaunch_finds_the_checkpoints_of_the_first_launch(workload: Workload) -> None:
    first, again = request(workload), request(workload, job_suffix="20261120130000")
    assert first["TrainingJobName"] != again["TrainingJobName"]
    assert first["CheckpointConfig"] == again["CheckpointConfig"]
    assert fingerprint(workload, DEFAULTS, INPUTS) in first["CheckpointConfig"]["S3Uri"]


@pytest.mark.parametrize(
    "change",
    [
        {"code_digest": "f" * 64},
        {"data_manifest_root": "f" * 64},
        {"environment_digest": "f" * 64},
    ],
)
def test_what_decides_the_result_changes_the_fingerprint(workload: Workload, change: dict[str, str]) -> None:
    assert fingerprint(workload, DEFAULTS, replace(INPUTS, **change)) != fingerprint(workload, DEFAULTS, INPUTS)


def test_the_image_a_hyper_parameter_and_the_seed_change_the_fingerprint(workload: Workload) -> None:
    pinned = replace(DEFAULTS, image=f"{DEFAULTS.image}@sha256:{'1' * 64}")
    reseeded = workload.model_copy(update={"training": workload.trained.model_copy(update={"seed": 8})})
    longer = workload.model_copy(
        update={"training": workload.trained.model_copy(update={"hyperparameters": {"epochs": 61}})}
    )
    variants = [(workload, pinned), (reseeded, DEFAULTS), (longer, DEFAULTS), (workload, DEFAULTS)]
    assert len({fingerprint(one, defaults, INPUTS) for one, defaults in variants}) == len(variants)


@pytest.mark.parametrize(
    "change",
    [{"code_commit": "1" * 40}, {"code_uri": "s3://elsewhere"}, {"data_uri": "s3://elsewhere"}],
)
def test_names_and_places_do_not_change_the_fingerprint(workload: Workload, change: dict[str, str]) -> None:
    moved = replace(INPUTS, **change)
    assert fingerprint(workload, DEFAULTS, moved) == fingerprint(workload, DEFAULTS, INPUTS)


def test_the_image_digest_is_there_when_an_image_is_pinned_and_never_made_up(workload: Workload) -> None:
    assert "GROUNDPLAN_IMAGE_DIGEST" not in request(workload)["Environment"]
    pinned = replace(DEFAULTS, image=f"{DEFAULTS.image}@sha256:{'1' * 64}")
    environment = build_request(workload, "dev", pinned, INPUTS, job_suffix="1")["Environment"]
    assert environment["GROUNDPLAN_IMAGE_DIGEST"] == f"sha256:{'1' * 64}"


def test_the_job_is_stopped_when_the_ceiling_says_so_and_its_script_knows_when(workload: Workload) -> None:
    bounded = request(workload, max_runtime_seconds=900)
    assert bounded["StoppingCondition"] == {"MaxRuntimeInSeconds": 900, "MaxWaitTimeInSeconds": 3600}
    assert bounded["Environment"]["GROUNDPLAN_MAX_RUNTIME_SECONDS"] == "900"
    assert request(workload, max_runtime_seconds=90000)["StoppingCondition"]["MaxRuntimeInSeconds"] == 1800


def test_early_stopping_is_told_to_the_script_and_is_part_of_the_run(workload: Workload) -> None:
    stops = EarlyStopping(metric="loss", patience=3, mode="min")
    early = workload.model_copy(update={"training": workload.trained.model_copy(update={"early_stopping": stops})})
    told = json.loads(request(early)["Environment"]["GROUNDPLAN_EARLY_STOPPING"])
    assert told == {"metric": "loss", "patience": 3, "mode": "min"}
    assert fingerprint(early, DEFAULTS, INPUTS) != fingerprint(workload, DEFAULTS, INPUTS)
    assert "GROUNDPLAN_EARLY_STOPPING" not in request(workload)["Environment"]


def test_launch_defaults_of_another_form_are_refused_in_a_line() -> None:
    with pytest.raises(BadInput, match="deploy the workload's stack again"):
        LaunchDefaults.from_json("/groundplan/dev/x", {"role_arn": "x"})


def test_the_regions_are_those_that_botocore_knows_for_sagemaker() -> None:
    assert frozenset(boto3.Session().get_available_regions("sagemaker")) == REGIONS
