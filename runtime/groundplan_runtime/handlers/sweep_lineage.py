"""Every few minutes: find what no event told, and write it down."""

from datetime import UTC, datetime
from functools import cache

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from groundplan_runtime.integrations.lineage_recorder import connect
from groundplan_runtime.integrations.lineage_sweep import LineageSweep
from groundplan_runtime.lineage_settings import Settings

logger = Logger()


@cache
def _sweep() -> LineageSweep:
    # Lazy: importing this module must not need AWS or an environment.
    settings = Settings.read()
    return LineageSweep(connect(table=settings.lineage_table, bucket=settings.event_bucket))


@logger.inject_lambda_context
def handler(event: object, context: LambdaContext) -> dict[str, int]:  # noqa: ARG001 - the schedule says nothing
    """`{"checked": n, "recorded": m}`; raises SweepIncomplete that names what could not be recorded."""
    return _sweep().run(datetime.now(UTC))
