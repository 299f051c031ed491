"""The state machine that runs one transform job, as Amazon States Language."""

from typing import Any

from groundplan.planner.market import TRANSFORM
from groundplan.serving.design import Fleet

LONGEST_NAME = 63
_UUID = 36
MOST_REQUEST_MB = 6
LOOK_SECONDS = 60
# Throttled, or the quota's machines are busy: later it may work. A job that fails is not run again: it would fail.
_LATER = ["SageMaker.ThrottlingException", "SageMaker.ResourceLimitExceededException"]


def transform_states(
    *,
    name: str,
    model: str,
    fleet: Fleet,
    key_arn: str,
    volume_key: str | None,
    requests: str | None,
    answers: str,
    partition: str,
) -> dict[str, Any]:
    """One job, looked at until it has ended: waiting for its event would need rights on EventBridge's rules.

    `requests` is a prefix; None: the object of the S3 event that starts the execution.

    Raises ValueError for a machine on which no transform job runs.
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html
    """
    if fleet.instance_type not in TRANSFORM:
        raise ValueError(
            f"a transform job does not run on '{fleet.instance_type}'; allowed: {' '.join(sorted(TRANSFORM))}"
        )
    whose = name[: LONGEST_NAME - _UUID - 1].rstrip("-")
    arrived = "States.Format('s3://{}/{}', $.detail.bucket.name, $.detail.object.key)"
    where = {"S3Uri": requests} if requests else {"S3Uri.$": arrived}
    request = {
        "TransformJobName.$": "$.job.name",
        "ModelName": model,
        "BatchStrategy": "MultiRecord",
        "MaxPayloadInMB": MOST_REQUEST_MB,
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", **where}},
            "ContentType": "application/jsonlines",
            "SplitType": "Line",
        },
        "TransformOutput": {"S3OutputPath": answers, "KmsKeyId": key_arn, "AssembleWith": "Line"},
        "TransformResources": {
            "InstanceType": fleet.instance_type,
            "InstanceCount": fleet.most,
            **({"VolumeKmsKeyId": volume_key} if volume_key else {}),
        },
        "ModelClientConfig": {"InvocationsMaxRetries": 3, "InvocationsTimeoutInSeconds": 600},
    }
    later = [{"ErrorEquals": _LATER, "IntervalSeconds": 60, "MaxAttempts": 5, "BackoffRate": 2}]
    ended = [
        {"Variable": "$.found.TransformJobStatus", "StringEquals": status, "Next": state}
        for status, state in (("Completed", "Done"), ("Failed", "Failed"), ("Stopped", "Failed"))
    ]
    return {
        "Comment": f"One transform job of {name}",
        "StartAt": "Name",
        "States": {
            "Name": {
                "Type": "Pass",
                "Parameters": {"name.$": f"States.Format('{whose}-{{}}', States.UUID())"},
                "ResultPath": "$.job",
                "Next": "Transform",
            },
            "Transform": {
                "Type": "Task",
                "Resource": f"arn:{partition}:states:::sagemaker:createTransformJob",
                "Parameters": request,
                "ResultPath": "$.made",
                "Retry": later,
                "Next": "Wait",
            },
            "Wait": {"Type": "Wait", "Seconds": LOOK_SECONDS, "Next": "Look"},
            "Look": {
                "Type": "Task",
                "Resource": f"arn:{partition}:states:::aws-sdk:sagemaker:describeTransformJob",
                "Parameters": {"TransformJobName.$": "$.job.name"},
                "ResultPath": "$.found",
                "Retry": later,
                "Next": "Ended",
            },
            "Ended": {"Type": "Choice", "Choices": ended, "Default": "Wait"},
            "Done": {"Type": "Succeed"},
            "Failed": {"Type": "Fail", "Error": "TransformJobFailed", "CausePath": "$.found.TransformJobArn"},
        },
    }
