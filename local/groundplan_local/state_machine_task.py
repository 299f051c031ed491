"""Step Functions' `sagemaker:createTrainingJob`, with `.sync` and without, and `sagemaker:createTransformJob`."""

import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from groundplan_local.connections import connect
from groundplan_local.joints import account_and_region, joint

STEP_FUNCTIONS = "ministack.services.stepfunctions"
LOOK_SECONDS = 0.2


def install() -> None:
    """Add the tasks, and SageMaker to the services that state machines may call."""
    joint(STEP_FUNCTIONS, "_SERVICE_DISPATCH")["arn:aws:states:::sagemaker:createTrainingJob"] = create_training_job
    joint(STEP_FUNCTIONS, "_SERVICE_DISPATCH")["arn:aws:states:::sagemaker:createTransformJob"] = create_transform_job
    joint(STEP_FUNCTIONS, "_AWS_SDK_SERVICE_MAP")["sagemaker"] = {"target_prefix": "SageMaker", "protocol": "json"}


def create_training_job(resource: str, request: dict[str, Any]) -> dict[str, Any]:
    """Start a job and, with `.sync`, wait for its end; the task fails as the job fails."""
    failure = joint(STEP_FUNCTIONS, "_ExecutionError")
    sagemaker = connect("sagemaker", *account_and_region())
    made = _made(sagemaker.create_training_job, request)
    if not resource.endswith(".sync"):
        return {"TrainingJobArn": made["TrainingJobArn"]}
    while True:
        job = sagemaker.describe_training_job(TrainingJobName=request["TrainingJobName"])
        if job["TrainingJobStatus"] not in ("InProgress", "Stopping"):
            break
        time.sleep(LOOK_SECONDS)
    described = {key: value for key, value in job.items() if key != "ResponseMetadata"}
    text = json.dumps(described, default=_milliseconds)
    if job["TrainingJobStatus"] != "Completed":
        raise failure("States.TaskFailed", text)
    return json.loads(text)


def create_transform_job(resource: str, request: dict[str, Any]) -> dict[str, Any]:
    """Start a job, and go on: whoever wants its end looks for it."""
    if resource.endswith(".sync"):
        raise joint(STEP_FUNCTIONS, "_ExecutionError")("NotEmulated", "createTransformJob.sync is not emulated")
    made = _made(connect("sagemaker", *account_and_region()).create_transform_job, request)
    return {"TransformJobArn": made["TransformJobArn"]}


def _made(create: Callable[..., dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
    try:
        return create(**request)
    except ClientError as error:
        told: dict[str, Any] = error.response
        code, message = told["Error"]["Code"], told["Error"]["Message"]
        raise joint(STEP_FUNCTIONS, "_ExecutionError")(f"SageMaker.{code}", message) from None


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)
