"""From a workload and what it is run on to the request of CreateTrainingJob. Pure: same input, same request."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from groundplan.canonical import digest
from groundplan.claim import Claim
from groundplan.job_limits import has_local_storage
from groundplan.refusal import bad
from groundplan.workload import Workload

CODE = "/opt/ml/input/data/code"
KIT = "groundplan_training.pyz"  # beside the code: the job's first process, which starts the script


@dataclass(frozen=True)
class LaunchDefaults:
    """What the platform decided for a workload's jobs; the Workload stack stores it in SSM as JSON."""

    role_arn: str
    image: str
    artefacts: str
    kms_key_arn: str
    subnet_ids: Sequence[str]
    security_group_ids: Sequence[str]
    tags: Mapping[str, str]
    evaluation_role_arn: str = ""  # of the jobs that answer held-out sets

    @property
    def image_digest(self) -> str | None:
        """`sha256:…` of the image; None where no image runs."""
        return self.image.partition("@")[2] or None

    @classmethod
    def from_json(cls, source: str, document: Mapping[str, Any]) -> "LaunchDefaults":
        """Raises BadInput when the parameter is not what the stack writes."""
        try:
            return cls(**document)
        except TypeError as error:
            raise bad(source, "", str(error), "deploy the workload's stack again: it writes this parameter") from None


@dataclass(frozen=True)
class Inputs:
    """What a run is made from. Digests are sha256 as 64 hex digits; URIs are `s3://…` prefixes without a slash."""

    code_uri: str
    code_digest: str
    code_commit: str
    data_uri: str
    data_manifest_uri: str
    data_manifest_root: str
    environment_digest: str
    kit_digest: str
    prepare_uri: str = ""  # the code that validates and preprocesses; its last part is the digest of what lies there
    preprocesses: bool = False


def fingerprint(workload: Workload, defaults: LaunchDefaults, inputs: Inputs) -> str:
    """sha256 of everything that decides a run's result; names, tags, places and times are left out."""
    training = workload.trained
    return digest(
        {
            "workload": workload.name,
            "code": inputs.code_digest,
            "kit": inputs.kit_digest,
            "image": defaults.image_digest,
            "environment": inputs.environment_digest,
            "data": inputs.data_manifest_root,
            "entry_point": training.script,
            "hyperparameters": _hyperparameters(workload),
            "instance_type": training.instance_type,
            "instance_count": training.instance_count,
            **({"early_stopping": stops.model_dump()} if (stops := training.early_stopping) else {}),
        }
    )


def job_name(workload: Workload, run: str, suffix: str) -> str:
    """What a training job is called: the workload's name, the beginning of the fingerprint, and when."""
    return f"{workload.name}-{run[:12]}-{suffix}"


def build_request(
    workload: Workload,
    environment: str,
    defaults: LaunchDefaults,
    inputs: Inputs,
    *,
    job_suffix: str,
    spot: bool = True,
    claim: Claim | None = None,
    max_runtime_seconds: int | None = None,
) -> dict[str, Any]:
    """The request of sagemaker:CreateTrainingJob, ready for boto3.

    Spot capacity unless said otherwise. Checkpoints lie under the fingerprint, so that a relaunch of the same
    run goes on where the last one stopped. `job_suffix` makes the job's name unique; it is not part of the run.
    A `claim` says otherwise what the job is called, where its checkpoints lie, and why it is forced.
    `max_runtime_seconds` is how long it may run where that is less than the workload's own limit
    (`groundplan.run_time`); the script is told, so that it saves a checkpoint before SageMaker stops it.
    """
    training = workload.trained
    run = fingerprint(workload, defaults, inputs)
    base = f"{defaults.artefacts}/workloads/{workload.name}"
    seconds = min(training.max_runtime_seconds, max_runtime_seconds or training.max_runtime_seconds)
    stopping = {"MaxRuntimeInSeconds": seconds}
    provenance = {
        "GROUNDPLAN_WORKLOAD": workload.name,
        "GROUNDPLAN_ENVIRONMENT": environment,
        "GROUNDPLAN_FINGERPRINT": run,
        "GROUNDPLAN_CODE_COMMIT": inputs.code_commit,
        "GROUNDPLAN_CODE_DIGEST": inputs.code_digest,
        "GROUNDPLAN_KIT_DIGEST": inputs.kit_digest,
        "GROUNDPLAN_DATA_MANIFEST": inputs.data_manifest_uri,
        "GROUNDPLAN_DATA_MANIFEST_ROOT": inputs.data_manifest_root,
        "GROUNDPLAN_ENVIRONMENT_DIGEST": inputs.environment_digest,
        "GROUNDPLAN_MAX_RUNTIME_SECONDS": str(seconds),
    }
    if defaults.image_digest:
        provenance["GROUNDPLAN_IMAGE_DIGEST"] = defaults.image_digest
    if training.early_stopping:
        provenance["GROUNDPLAN_EARLY_STOPPING"] = json.dumps(training.early_stopping.model_dump())
    if claim and claim.forced_reason:
        provenance["GROUNDPLAN_FORCED_REASON"] = claim.forced_reason
    return {
        "TrainingJobName": claim.training_job_name if claim else job_name(workload, run, job_suffix),
        "RoleArn": defaults.role_arn,
        "AlgorithmSpecification": {
            "TrainingImage": defaults.image,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python", f"{CODE}/{KIT}", training.script],
            "MetricDefinitions": [{"Name": name, "Regex": regex} for name, regex in training.metrics.items()],
        },
        "HyperParameters": _hyperparameters(workload),
        "InputDataConfig": [
            channel("code", inputs.code_uri),
            *(channel(name, f"{inputs.data_uri}/{name}") for name in workload.data.channels),
        ],
        "OutputDataConfig": {"S3OutputPath": f"{base}/output", "KmsKeyId": defaults.kms_key_arn},
        "ResourceConfig": {
            "InstanceType": training.instance_type,
            "InstanceCount": training.instance_count,
            "VolumeSizeInGB": training.volume_gib,
            **({} if has_local_storage(training.instance_type) else {"VolumeKmsKeyId": defaults.kms_key_arn}),
        },
        "VpcConfig": {"Subnets": list(defaults.subnet_ids), "SecurityGroupIds": list(defaults.security_group_ids)},
        "StoppingCondition": stopping | ({"MaxWaitTimeInSeconds": training.max_wait_seconds} if spot else {}),
        "EnableManagedSpotTraining": spot,
        "CheckpointConfig": {"S3Uri": f"{base}/checkpoints/{claim.checkpoints if claim else run}"},
        # SageMaker carries data, models and checkpoints; the container itself reaches nothing and nobody.
        "EnableNetworkIsolation": True,
        "EnableInterContainerTrafficEncryption": training.instance_count > 1,
        "Environment": provenance,
        "Tags": [
            {"Key": "workload", "Value": workload.name},
            {"Key": "environment", "Value": environment},
            {"Key": "owner", "Value": workload.owner},
            {"Key": "cost-centre", "Value": workload.cost_centre},
            *({"Key": key, "Value": value} for key, value in defaults.tags.items()),
        ],
    }


def _hyperparameters(workload: Workload) -> dict[str, str]:
    """As SageMaker takes them: every value a string. The seed is one of them."""
    given: dict[str, Any] = {**workload.trained.hyperparameters, "seed": workload.trained.seed}
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in given.items()}


def channel(name: str, uri: str) -> dict[str, Any]:
    """One member of InputDataConfig: everything below a prefix."""
    source = {"S3DataType": "S3Prefix", "S3Uri": f"{uri}/", "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}
