"""What jobs may ask for: refused where it is written, and denied where someone asks AWS for it all the same."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from groundplan.environment import read_environment
from groundplan.execution_policy import boundary_policy
from groundplan.job_limits import Limits, has_local_storage, job_denials, refuse_outside
from groundplan.refusal import BadInput
from groundplan.training_request import LaunchDefaults
from groundplan.workload import Gate, read_workload

ROOT = Path(__file__).parents[2]
LIMITS = Limits(instance_types=("ml.m5.large", "ml.g5.xlarge"), max_runtime_seconds=1800)
MOST_CHARACTERS = 6144  # of a managed policy, without white space


def limits(**changes: Any) -> Limits:
    return Limits(**{**LIMITS.model_dump(), **changes})


def test_a_workload_within_the_limits_passes() -> None:
    refuse_outside(LIMITS, "environments/dev.toml", [read_workload(ROOT, "digit-reader")])


@dataclass(frozen=True)
class Outside:
    changes: dict[str, Any]
    telling: tuple[str, ...]


@pytest.mark.parametrize(
    "outside",
    [
        Outside({"instance_types": ("ml.g5.xlarge",)}, ("training.instance_type", "ml.m5.large", "ml.g5.xlarge")),
        Outside({"max_runtime_seconds": 1799}, ("training.max_runtime_seconds", "1800", "at most 1799")),
    ],
)
def test_a_workload_outside_the_limits_is_refused_by_file_and_field(outside: Outside) -> None:
    with pytest.raises(BadInput) as error:
        refuse_outside(limits(**outside.changes), "environments/dev.toml", [read_workload(ROOT, "digit-reader")])
    said = str(error.value)
    assert said.startswith("workloads/digit-reader/workload.toml: ")
    assert "environments/dev.toml" in said
    for part in outside.telling:
        assert part in said


def test_the_machine_on_which_models_are_judged_is_an_admitted_one_that_runs_jobs() -> None:
    workload = read_workload(ROOT, "digit-reader")
    gate = workload.gate.model_copy(update={"instance_type": "ml.c5.9xlarge"})
    with pytest.raises(BadInput, match=r"gate\.instance_type: 'ml\.c5\.9xlarge'"):
        refuse_outside(LIMITS, "environments/dev.toml", [workload.model_copy(update={"gate": gate})])
    with pytest.raises(ValueError, match="AWS trains on no Inferentia"):
        Gate.model_validate({"instance_type": "ml.inf2.xlarge"})


def test_every_kind_of_job_is_denied_outside_the_network_unencrypted_too_big_or_too_long() -> None:
    denied = {statement["Sid"]: statement["Action"] for statement in job_denials(LIMITS)}
    for job in ("Training", "HyperParameterTuning", "Processing"):
        action = f"sagemaker:Create{job}Job"
        for sid in ("OutsideTheNetwork", "WithoutOutputKey", "JobsWithoutVolumeKey", "OtherInstances", "TooLong"):
            assert action in denied[sid], (job, sid)
    assert "sagemaker:CreateModel" in denied["OutsideTheNetwork"], "a transform job runs where its model stands"
    for sid in ("WithoutOutputKey", "JobsWithoutVolumeKey", "OtherInstances"):
        assert "sagemaker:CreateTransformJob" in denied[sid]
    for sid in ("OutsideTheNetwork", "WithoutVolumeKey", "OtherInstances", "OnTheInternet", "WithRoot"):
        assert "sagemaker:CreateNotebookInstance" in denied[sid]


def test_machines_with_disks_of_their_own_need_no_key_for_them() -> None:
    for name in ("ml.g5.xlarge", "ml.p5.48xlarge", "ml.trn1.2xlarge", "ml.c5d.xlarge", "ml.m6gd.large"):
        assert has_local_storage(name), name
    for name in ("ml.m5.large", "ml.c5.2xlarge", "ml.t3.medium", "ml.p3.2xlarge", "ml.r6i.large"):
        assert not has_local_storage(name), name
    [volumes] = [entry for entry in job_denials(LIMITS) if entry["Sid"] == "JobsWithoutVolumeKey"]
    assert volumes["Condition"]["ForAnyValue:StringNotEquals"] == {"sagemaker:InstanceTypes": ["ml.g5.xlarge"]}


def test_the_policies_fit_also_with_as_many_instance_types_as_may_be() -> None:
    field = Limits.model_fields["instance_types"]
    [most] = [entry.max_length for entry in field.metadata if hasattr(entry, "max_length")]
    widest = limits(instance_types=tuple(f"ml.p6-b200.{size:02}xlarge" for size in range(most)))
    guard = job_denials(
        widest,
        subnet_ids=[f"subnet-{index:017}" for index in range(6)],
        security_group_ids=[f"sg-{index:017}" for index in range(5)],
        key_arn=f"arn:aws:kms:ap-southeast-1:{'1' * 12}:key/mrk-{'0' * 32}",
    )
    environment = read_environment(ROOT, "local").model_copy(update={"limits": widest})
    for document in (boundary_policy(environment), {"Version": "2012-10-17", "Statement": guard}):
        assert len(json.dumps(document, separators=(",", ":"))) <= MOST_CHARACTERS


def test_launch_defaults_of_an_older_deployment_say_what_to_do() -> None:
    with pytest.raises(BadInput, match="deploy the workload's stack again"):
        LaunchDefaults.from_json("/x", {"role_arn": "r", "image": "i", "artefacts": "a", "kms_key_arn": "k"})
