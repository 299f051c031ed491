"""Every few minutes: look after running jobs' checkpoints, find what no event told, and write it down."""

from datetime import UTC, datetime
from functools import cache

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from groundplan_runtime.integrations.checkpoint_watch import CheckpointWatch
from groundplan_runtime.integrations.checkpoint_watch import connect as connect_watch
from groundplan_runtime.integrations.lineage_recorder import connect
from groundplan_runtime.integrations.lineage_sweep import LineageSweep
from groundplan_runtime.lineage_settings import Settings

logger = Logger()


@cache
def _sweep() -> LineageSweep:
    # Lazy: importing this module must not need AWS or an environment.
    return LineageSweep(connect(Settings.read()))


@cache
def _watch() -> CheckpointWatch:
    return connect_watch(Settings.read())


@logger.inject_lambda_context
def handler(event: object, context: LambdaContext) -> dict[str, int]:  # noqa: ARG001 - the schedule says nothing
    """`{"checked": n, "recorded": m, "training": k}`; raises SweepIncomplete that names what was not recorded.

    Checkpoints come first: they are quickly looked at, and neither half's failure keeps the other from its work.
    """
    now, ages = datetime.now(UTC), dict[str, float]()
    try:
        ages = _watch().look(now)
    finally:
        swept = _sweep().run(now)
    return {**swept, "training": len(ages)}
