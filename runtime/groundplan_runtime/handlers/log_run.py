"""A run's record was written beside its model: log it to MLflow, which the job itself could not reach."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from groundplan.tracking import record_key
from groundplan_runtime.integrations.run_log import RunLog, connect
from groundplan_runtime.tracking_settings import Settings

logger = Logger()


@cache
def _settings() -> Settings:
    # Lazy: importing this module must not need AWS or an environment.
    return Settings.read()


@cache
def _log() -> RunLog:
    return connect(bucket=_settings().artefacts_bucket, mlflow_arn=_settings().mlflow_arn)


@logger.inject_lambda_context
def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, object]:  # noqa: ARG001 - the decorator reads it
    """`{"run_id": …}`. What cannot be logged raises: Lambda tries again, then the dead-letter queue keeps it."""
    place = record_key(event, bucket=_settings().artefacts_bucket)
    run_id = _log().log(place)
    logger.info("logged", record=place.key, run_id=run_id)
    return {"run_id": run_id}
