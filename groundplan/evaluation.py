"""From a trained model to the request of the job that answers the held-out set with it. Pure.

It is a training job that trains nothing: what bounds trainings bounds it, and one API is permitted and guarded. Its
role alone reads the requests of held-out sets and writes answers, and the true answers never enter it.
"""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from groundplan.canonical import digest
from groundplan.gate import Speed
from groundplan.gate.answer import ANSWERS, SCHEMA, SCRIPT
from groundplan.job_limits import has_local_storage
from groundplan.json_value import mapping, sequence
from groundplan.refusal import Refused
from groundplan.training_request import KIT, LaunchDefaults, channel, job_name
from groundplan.workload import Workload

PREFIX = "answers"  # of what evaluations write, below a workload's own in the artefacts bucket
LONGEST_SECONDS = 3600
BASE = "/opt/ml"
CHANNEL = "evaluation"


@dataclass(frozen=True)
class Made:
    """What is needed of a run to run its model: all of it from its record."""

    name: str
    workload: str
    model_data_url: str
    model_data_sha256: str
    code_uri: str
    code_digest: str
    kit_digest: str | None
    environment_digest: str
    image_digest: str | None
    frameworks: dict[str, str]


@dataclass(frozen=True)
class Question:
    """Where the requests lie and what they are (sha256, and how many); where the script lies that answers them."""

    requests_uri: str
    requests_sha256: str
    requests: int
    script_uri: str


@dataclass(frozen=True)
class Answered:
    """Answers in the order of the requests, None where one failed; the first errors; and how fast it was."""

    answers: Sequence[str | None]
    errors: Sequence[str]
    speed: Speed


def evaluation_request(
    workload: Workload,
    environment: str,
    defaults: LaunchDefaults,
    made: Made,
    question: Question,
    *,
    job_suffix: str,
    max_runtime_seconds: int,
) -> dict[str, Any]:
    """The request of sagemaker:CreateTrainingJob, ready for boto3, in the image that the model was trained in."""
    machine, repository = machine_of(workload), defaults.image.partition("@")[0]
    volume = {} if has_local_storage(machine) else {"VolumeKmsKeyId": defaults.kms_key_arn}
    return {
        "TrainingJobName": f"{job_name(workload, made.model_data_sha256, job_suffix)}-{PREFIX}",
        "RoleArn": defaults.evaluation_role_arn,
        "AlgorithmSpecification": {
            "TrainingImage": f"{repository}@{made.image_digest}" if made.image_digest else repository,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python", f"{BASE}/input/data/{CHANNEL}/{SCRIPT}"],
            "ContainerArguments": [BASE, workload.gate.content_type],
        },
        "InputDataConfig": [
            channel("code", made.code_uri.rstrip("/")),
            _object("model", made.model_data_url),
            _object("requests", question.requests_uri),
            _object(CHANNEL, question.script_uri),
        ],
        # Each file by itself, as it is: CompressionType NONE.
        "OutputDataConfig": {
            "S3OutputPath": f"{defaults.artefacts}/workloads/{workload.name}/{PREFIX}",
            "KmsKeyId": defaults.kms_key_arn,
            "CompressionType": "NONE",
        },
        "ResourceConfig": {
            "InstanceType": machine,
            "InstanceCount": 1,
            "VolumeSizeInGB": workload.trained.volume_gib,
            **volume,
        },
        "VpcConfig": {"Subnets": list(defaults.subnet_ids), "SecurityGroupIds": list(defaults.security_group_ids)},
        "StoppingCondition": {"MaxRuntimeInSeconds": max_runtime_seconds},
        # On demand: somebody waits for it, and nothing of it could be resumed.
        "EnableManagedSpotTraining": False,
        "EnableNetworkIsolation": True,
        "EnableInterContainerTrafficEncryption": False,
        # Without the variables of a run: it is none, and no model comes of it.
        "Environment": {"GROUNDPLAN_EVALUATES": made.name},
        "Tags": [
            {"Key": "workload", "Value": workload.name},
            {"Key": "environment", "Value": environment},
            {"Key": "owner", "Value": workload.owner},
            {"Key": "cost-centre", "Value": workload.cost_centre},
            *({"Key": key, "Value": value} for key, value in defaults.tags.items()),
        ],
    }


def machine_of(workload: Workload) -> str:
    """The instance type on which the workload's models are evaluated."""
    return workload.gate.instance_type or workload.trained.instance_type


def answers_uri(request: Mapping[str, Any]) -> str:
    """Where SageMaker puts the answers that come of a request.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_OutputDataConfig.html
    """
    return f"{request['OutputDataConfig']['S3OutputPath']}/{request['TrainingJobName']}/output/model/{ANSWERS}"


def read_answers(content: bytes, made: Made, question: Question, *, machine: str, source: str) -> Answered:
    """What a job left; raises Refused unless it is whole, and of the very model, code and requests meant."""
    try:
        *lines, last = [json.loads(line) for line in content.splitlines()]
        report = mapping(last)
        code = {name: sha256 for name, sha256 in mapping(report["code"]).items() if name != KIT}
        found = {"model": report["model"], "code": digest(code), "requests": report["requests"]}
        milliseconds, errors = sequence(report["milliseconds"]), [str(one) for one in sequence(report["errors"])]
    except (ValueError, KeyError, RecursionError) as error:
        raise Refused(f"{made.name}: {source} is no file of answers: {type(error).__name__}: {error}") from None
    if report.get("schema") != SCHEMA:
        raise Refused(f"{made.name}: {source} has schema {report.get('schema')!r}; {SCHEMA} is read")
    meant = {"model": made.model_data_sha256, "code": made.code_digest, "requests": question.requests_sha256}
    for what, sha256 in meant.items():
        if found[what] != sha256:
            raise Refused(f"{made.name}: its {what} was altered: {source} is of {found[what]}, not of {sha256}")
    if len(lines) != question.requests or not all(line is None or isinstance(line, str) for line in lines):
        raise Refused(f"{made.name}: {source} has {len(lines)} answers to {question.requests} requests")
    if not all(isinstance(one, int | float) and math.isfinite(one) and one >= 0 for one in milliseconds):
        raise Refused(f"{made.name}: {source} has times that are none")
    return Answered(cast(list[str | None], lines), errors, speed_of(cast(list[float], milliseconds), machine))


def speed_of(milliseconds: Sequence[float], machine: str) -> Speed:
    """Of requests that were answered one after the other."""
    if len(milliseconds) < 2 or not sum(milliseconds):
        return Speed(float("nan"), float("nan"), float("nan"), len(milliseconds), machine)
    hundredths = statistics.quantiles(milliseconds, n=100, method="inclusive")
    rate = 1000 * len(milliseconds) / sum(milliseconds)
    return Speed(round(hundredths[49], 4), round(hundredths[98], 4), round(rate, 2), len(milliseconds), machine)


def _object(name: str, uri: str) -> dict[str, Any]:
    """A member of InputDataConfig: one object, by a prefix that is its whole key."""
    whole = channel(name, uri)
    whole["DataSource"]["S3DataSource"]["S3Uri"] = uri
    return whole
