"""Looks how old the newest checkpoint of each running job is, and tells CloudWatch of the oldest."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Protocol

import boto3
from aws_lambda_powertools import Logger

from groundplan.checkpoint_age import AGE_METRIC, METRICS, age_minutes, newest_checkpoint
from groundplan.json_value import mapping
from groundplan_runtime.integrations.client_config import CONFIG
from groundplan_runtime.integrations.listed_objects import Lists, listed
from groundplan_runtime.integrations.sagemaker import NotKnown, SageMaker
from groundplan_runtime.lineage_settings import Settings

logger = Logger()


class CloudWatch(Protocol):
    """What is used of boto3's CloudWatch client."""

    def put_metric_data(self, **request: Any) -> object: ...


class CheckpointWatch:
    """`bucket` is the one of the artefacts, `environment` the dimension under which the age is told."""

    def __init__(
        self, sagemaker: SageMaker, s3: Lists, cloudwatch: CloudWatch, *, bucket: str, environment: str
    ) -> None:
        self._sagemaker, self._s3, self._cloudwatch = sagemaker, s3, cloudwatch
        self._bucket, self._environment = bucket, environment

    def look(self, now: datetime) -> dict[str, float]:
        """Job to the minutes of age; of jobs that train now, and keep checkpoints in the artefacts bucket.

        One that waits for capacity, loads its data or uploads has nothing to write. Nothing is published when no job
        trains. Raises what boto3 raises.
        """
        ages = dict(self._ages(now))
        for job, age in ages.items():
            logger.info("newest checkpoint", job=job, age_minutes=round(age))
        if ages:
            self._cloudwatch.put_metric_data(
                Namespace=METRICS,
                MetricData=[
                    {
                        "MetricName": AGE_METRIC,
                        "Dimensions": [{"Name": "Environment", "Value": self._environment}],
                        "Value": max(ages.values()),
                        "Unit": "None",
                    }
                ],
            )
        return ages

    def _ages(self, now: datetime) -> Iterator[tuple[str, float]]:
        for name in self._sagemaker.running_jobs():
            try:
                described = self._sagemaker.describe("run", name)
            except NotKnown:
                continue  # deleted since it was listed
            starts = [
                step["StartTime"]
                for step in described.get("SecondaryStatusTransitions") or ()
                if step["Status"] == "Training"
            ]
            place = str(mapping(described.get("CheckpointConfig")).get("S3Uri") or "")
            if described.get("SecondaryStatus") != "Training" or not starts or not place:
                continue
            bucket, _, prefix = place.removeprefix("s3://").partition("/")
            if bucket != self._bucket or not prefix.startswith("workloads/"):
                logger.info("checkpoints that are not looked at lie elsewhere", job=name, place=place)
                continue
            yield name, age_minutes(now, max(starts), newest_checkpoint(self._objects(f"{prefix.rstrip('/')}/")))

    def _objects(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        for page in listed(self._s3, self._bucket, prefix):
            yield from ((entry["Key"], entry["LastModified"]) for entry in page)


def connect(settings: Settings) -> CheckpointWatch:
    """A watch with boto3's clients of the function's own account and region."""
    api: Any = boto3
    return CheckpointWatch(
        SageMaker(api.client("sagemaker", config=CONFIG)),
        api.client("s3", config=CONFIG),
        api.client("cloudwatch", config=CONFIG),
        bucket=settings.artefacts_bucket,
        environment=settings.environment,
    )
