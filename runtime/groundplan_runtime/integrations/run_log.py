"""From the record in S3 to the run in MLflow."""

import json
import os
from typing import Any

import boto3

from groundplan.refusal import bad
from groundplan.tracking import RecordKey, tracked_run
from groundplan_runtime.integrations.client_config import CONFIG
from groundplan_runtime.integrations.mlflow import Mlflow


class RunLog:
    """Reads from `bucket` with boto3's client of S3, writes to MLflow."""

    def __init__(self, s3: Any, bucket: str, mlflow: Mlflow) -> None:
        self._s3, self._bucket, self._mlflow = s3, bucket, mlflow

    def log(self, place: RecordKey) -> str:
        """Log the run of a record, in the version that an event told of; its id in MLflow. BadInput for no record."""
        of_version = {"VersionId": place.version} if place.version else {}
        body: bytes = self._s3.get_object(Bucket=self._bucket, Key=place.key, **of_version)["Body"].read()
        try:
            record: Any = json.loads(body)
        except ValueError as error:
            raise bad(f"s3://{self._bucket}/{place.key}", "", str(error), "a run's record is JSON") from None
        return self._mlflow.log(tracked_run(record, place.workload))


def connect(*, bucket: str, mlflow_arn: str) -> RunLog:
    """With the credentials and region of the function."""
    api: Any = boto3
    # On the embedded AWS, as for every other client here, one address answers for all services.
    mlflow = Mlflow(mlflow_arn, api.Session().get_credentials(), os.environ.get("AWS_ENDPOINT_URL"))
    return RunLog(api.client("s3", config=CONFIG), bucket, mlflow)
