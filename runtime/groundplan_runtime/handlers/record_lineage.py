"""One state change of SageMaker: read what is true now, and write it down."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from groundplan.lineage.events import foreign, subject_of
from groundplan_runtime.integrations.lineage_recorder import LineageRecorder, connect
from groundplan_runtime.lineage_settings import Settings

logger = Logger()


@cache
def _recorder() -> LineageRecorder:
    # Lazy: importing this module must not need AWS or an environment.
    return connect(Settings.read())


@logger.inject_lambda_context
def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, object]:
    """`{"recorded": 0 or 1}`, with `ignored` and the reason for an event of another account, region or source.

    The event is only a trigger. What cannot be understood or recorded raises: Lambda tries again, then the
    dead-letter queue keeps it.
    """
    _, _, _, region, account, *_ = context.invoked_function_arn.split(":")
    if reason := foreign(event, account=account, region=region):
        logger.warning("ignored a foreign event", reason=reason)
        return {"recorded": 0, "ignored": reason}
    subject = subject_of(event)
    return {"recorded": _recorder().record(subject.kind, subject.name, at=subject.time)}
