"""What AWS would refuse is refused before the call, in the words of the house."""

from pathlib import Path
from typing import Any

import pytest

from groundplan.refusal import BadInput
from groundplan.training_request import Inputs, LaunchDefaults, build_request
from groundplan.workload import read_workload, read_workloads
from groundplan_runtime.integrations.training_request_check import refuse_invalid

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

CHANNEL = {"ChannelName": "code", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/c/"}}}


def request(workload: str = "digit-reader", **changes: Any) -> dict[str, Any]:
    """The platform's request with members put in other places: `A__B=value` sets the member B of A, None removes."""
    made = build_request(read_workload(ROOT, workload), "local", DEFAULTS, INPUTS, job_suffix="20261121")
    for path, value in changes.items():
        *above, last = path.split("__")
        place: Any = made
        for name in above:
            place = place[name]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return made


@pytest.mark.parametrize("name", [one.name for one in read_workloads(ROOT) if one.training])
def test_what_the_platform_builds_is_what_aws_takes(name: str) -> None:
    refuse_invalid(request(name))


def test_on_demand_without_waiting_and_without_checkpoints_is_taken() -> None:
    refuse_invalid(
        request(EnableManagedSpotTraining=False, StoppingCondition__MaxWaitTimeInSeconds=None, CheckpointConfig=None)
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"StoppingCondition__MaxWaitTimeInSeconds": 1799}, "at least MaxRuntimeInSeconds, 1800"),
        ({"StoppingCondition__MaxWaitTimeInSeconds": None}, "at least MaxRuntimeInSeconds, 1800"),
        ({"EnableManagedSpotTraining": False}, "MaxWaitTimeInSeconds: 3600 .* EnableManagedSpotTraining alone"),
        ({"StoppingCondition": {}}, "MaxRuntimeInSeconds: None"),
        ({"CheckpointConfig": None}, "an interruption loses the whole run"),
        (
            {"TrainingJobName": "one-job", "CheckpointConfig__S3Uri": "s3://b/one-job/checkpoints"},
            "without the name of this job",
        ),
        ({"ResourceConfig__KeepAlivePeriodInSeconds": 600}, "spot keeps no warm pool"),
        ({"ResourceConfig__InstanceType": "ml.inf2.xlarge"}, "InstanceType: 'ml.inf2.xlarge'"),
        ({"ResourceConfig__InstanceType": "ml.g5.xlarge"}, "VolumeKmsKeyId: .* encrypts the disk that lies in it"),
        ({"TrainingJobName": "-digits"}, "TrainingJobName: '-digits' .* what fits"),
        ({"TrainingJobName": "d" * 64}, "TrainingJobName: .* at most 63 characters"),
        ({"HyperParameters__epochs": 60}, "HyperParameters.epochs: 60 .* allowed: string"),
        ({"HyperParameters__epochs": "6" * 2501}, "HyperParameters.epochs: .* at most 2500 characters"),
        ({"HyperParameters": {str(n): "1" for n in range(101)}}, "HyperParameters: .* at most 100"),
        ({"Environment__WHY": "w" * 513}, "Environment.WHY: .* at most 512 characters"),
        ({"ResourceConfig__InstanceCount": True}, "InstanceCount: True .* allowed: integer"),
        ({"Tags": [{"Key": f"k{n}", "Value": ""} for n in range(51)]}, "Tags: .* at most 50"),
        ({"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}, "Tags: 'a' .* each name once"),
        ({"InputDataConfig": [CHANNEL, CHANNEL]}, "InputDataConfig: 'code' .* each name once"),
        ({"Tags": [{"Key": "AWS:mine", "Value": "1"}]}, "do not begin with aws:"),
        ({"Tags": [{"Key": "a", "Value": "why?"}]}, r"Tags\[0\].Value: 'why\?' .* what fits"),
        ({"EnableSpot": True}, "EnableSpot: True"),
        ({"RoleArn": None}, "RoleArn: 'nothing' .* requires"),
    ],
)
def test_what_aws_would_refuse_is_refused_before_the_call(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said) as refused:
        refuse_invalid(request(**changes))
    assert all(finding.source == "CreateTrainingJob" for finding in refused.value.findings)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(BadInput) as refused:
        refuse_invalid(request(CheckpointConfig=None, TrainingJobName="-", HyperParameters__epochs=1))
    assert len(refused.value.findings) == 3
