"""One object landed in the raw zone: validate it, and put it into the curated zone or into quarantine."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from groundplan.intake import raw_file_of
from groundplan_runtime.intake_settings import Settings
from groundplan_runtime.integrations.lake_intake import LakeIntake, connect

logger = Logger()


@cache
def _settings() -> Settings:
    # Lazy: importing this module must not need AWS or an environment.
    return Settings.read()


@cache
def _intake() -> LakeIntake:
    settings = _settings()
    return connect(buckets=settings.buckets, database=settings.database, largest_mib=settings.largest_mib)


@logger.inject_lambda_context
def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, object]:  # noqa: ARG001 - the decorator reads it
    """The verdict without its failures. What cannot be judged raises: Lambda tries again, then the queue keeps it."""
    file = raw_file_of(event, bucket=_settings().buckets["raw"])
    if file is None:
        return {"verdict": "folder"}
    document = _intake().take(file)
    # Values stay in the report, which is kept like the data itself; the log names none.
    told = {name: value for name, value in document.items() if name != "failures"}
    logger.info("judged", extra=told)
    return told
