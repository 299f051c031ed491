"""Which execution of the training state machine waits for the gate's word on which training job."""

import json
from typing import Any

from botocore.exceptions import ClientError

from groundplan.canonical import canonical_json

_OVER = ("TaskTimedOut", "TaskDoesNotExist", "InvalidToken")


def evaluation_key(workload: str, training_job: str) -> str:
    """In the artefacts bucket; no job may write there."""
    return f"workloads/{workload}/evaluations/{training_job}.json"


class WaitingExecutions:
    """`s3` is boto3's client."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3, self._bucket = s3, bucket

    def put(self, key: str, task_token: str) -> None:
        """Say that an execution waits."""
        body = canonical_json({"task_token": task_token})
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="application/json")

    def get(self, key: str) -> str | None:
        """The token of the execution that waits, or waited; None when none ever did."""
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("NoSuchKey", "NoSuchBucket"):
                raise
            return None
        return str(json.loads(answer["Body"].read())["task_token"])


def tell(states: Any, task_token: str, *, output: dict[str, Any] | None = None, failure: str = "") -> bool:
    """Tell the execution, with boto3's client of Step Functions; whether it still waited.

    https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#connect-wait-token
    """
    try:
        if failure:
            states.send_task_failure(taskToken=task_token, error="StoppedAtTheGate", cause=failure)
        else:
            states.send_task_success(taskToken=task_token, output=json.dumps(output))
    except ClientError as error:
        if error.response["Error"]["Code"] not in _OVER:
            raise
        return False
    return True
