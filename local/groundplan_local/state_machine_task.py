"""Step Functions' `sagemaker:createTrainingJob`, with `.sync` and without."""

import json
import time
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from groundplan_local.connections import connect
from groundplan_local.joints import account_and_region, joint

STEP_FUNCTIONS = "ministack.services.stepfunctions"
LOOK_SECONDS = 0.2


def install() -> None:
    """Add the task, and SageMaker to the services that state machines may call."""
    joint(STEP_FUNCTIONS, "_SERVICE_DISPATCH")["arn:aws:states:::sagemaker:createTrainingJob"] = create_training_job
    joint(STEP_FUNCTIONS, "_AWS_SDK_SERVICE_MAP")["sagemaker"] = {"target_prefix": "SageMaker", "protocol": "json"}


def create_training_job(resource: str, request: dict[str, Any]) -> dict[str, Any]:
    """Start a job and, with `.sync`, wait for its end; the task fails as the job fails."""
    failure = joint(STEP_FUNCTIONS, "_ExecutionError")
    sagemaker = connect("sagemaker", *account_and_region())
    try:
        made = sagemaker.create_training_job(**request)
    except ClientError as error:
        told: dict[str, Any] = error.response
        raise failure(f"SageMaker.{told['Error']['Code']}", told["Error"]["Message"]) from None
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


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)
