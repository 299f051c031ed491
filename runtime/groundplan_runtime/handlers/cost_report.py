"""Every day: tell how old the newest bill is, and make the report of this month's and the last one's."""

import importlib
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from groundplan_runtime.integrations.cost_exports import CostExports
from groundplan_runtime.integrations.lineage_recorder import CONFIG
from groundplan_runtime.report_settings import Settings

logger = Logger()
READER = "groundplan_runtime.integrations.bill_report"
Reader = Callable[[Sequence[Path], Path], object]  # files of bills; the folder where the report goes


@cache
def _exports() -> CostExports:
    # Lazy: importing this module must not need AWS or an environment.
    settings, api = Settings.read(), _boto3()
    return CostExports(
        s3=api.client("s3", config=CONFIG),
        cloudwatch=api.client("cloudwatch", config=CONFIG),
        bucket=settings.bucket,
        accounts=settings.exporters,
        export_name=settings.export_name,
        environment=settings.environment,
    )


def _boto3() -> Any:
    return boto3


@logger.inject_lambda_context
def handler(event: object, context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 - the schedule says nothing
    """`{"ages": {account: hours}, "files": n, "report": [key]}`. The age is told whatever becomes of the report."""
    return make_report(_exports(), _reader(), datetime.now(UTC))


def make_report(exports: CostExports, reader: Reader | None, now: datetime) -> dict[str, Any]:
    """One day's work. Without a bill there is no report: what is not there is not zero."""
    ages = exports.tell_age(now)
    with tempfile.TemporaryDirectory() as place:
        bills, made = Path(place, "bills"), Path(place, "report")
        made.mkdir()
        files = exports.fetch(now, bills)
        if not files or reader is None:
            logger.warning("no report", files=len(files), reader=reader is not None, ages=ages)
            return {"ages": ages, "files": len(files), "report": []}
        reader(files, made)
        return {"ages": ages, "files": len(files), "report": exports.keep(made)}


def _reader() -> Reader | None:
    """What reads bills, where the function's package has it; a package without it still watches that bills come."""
    try:
        found: Any = importlib.import_module(READER)
    except ModuleNotFoundError as error:
        if error.name != READER:
            raise
        return None
    return found.write_report
