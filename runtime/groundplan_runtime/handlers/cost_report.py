"""Every day: tell how old the newest bill is, make the report of this month's and the last one's, and tell people.

People are told of each ceiling that is passed and of days that cost unusually much, once.
"""

import importlib
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError

from groundplan.focus.known import Known
from groundplan.focus.metered_sum import MeteredSum
from groundplan.focus.report import Report
from groundplan.focus.workloads import Charged
from groundplan.refusal import Refused
from groundplan_runtime.integrations.client_config import CONFIG
from groundplan_runtime.integrations.cost_exports import CostExports
from groundplan_runtime.integrations.spend_people import People
from groundplan_runtime.integrations.spend_topic import Topic
from groundplan_runtime.integrations.told_alarms import ToldAlarms
from groundplan_runtime.report_settings import Settings

logger = Logger()
READER = "groundplan_runtime.integrations.bill_report"
METER = "groundplan_runtime.integrations.metered"


class Reader(Protocol):
    """Of files of bills makes a report in a folder."""

    def __call__(
        self, files: Sequence[Path], folder: Path, known: Known, notes: Sequence[str], /
    ) -> tuple[Report, Sequence[Charged]]: ...


class Meter(Protocol):
    """What the gateway metered in a month."""

    def month(self, month: str) -> Sequence[MeteredSum]: ...


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
        environment=settings.alarms.stem,
    )


@cache
def _people() -> People:
    settings, api = Settings.read(), _boto3()
    return People(
        settings.watch,
        ToldAlarms(api.client("s3", config=CONFIG), settings.bucket),
        Topic(api.client("sns", config=CONFIG), settings.alarms.alarm_topic),
    )


def _boto3() -> Any:
    return boto3


@logger.inject_lambda_context
def handler(event: object, context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 - the schedule says nothing
    """`{"ages": {account: hours}, "files": n, "report": [key], "told": [key]}`.

    The age is told whatever becomes of the report, and the report is kept whatever becomes of the telling.
    """
    return make_report(_exports(), _reader(), _people(), datetime.now(UTC), _meter())


def make_report(
    exports: CostExports, reader: Reader | None, people: People, now: datetime, meter: Meter | None = None
) -> dict[str, Any]:
    """One day's work. Without a bill it is the same-day view; without that, too, there is no report: what is not
    there is not zero."""
    ages = exports.tell_age(now)
    use, looked = exports.platform_use(now)
    with tempfile.TemporaryDirectory() as place:
        bills, made = Path(place, "bills"), Path(place, "report")
        made.mkdir()
        files = exports.fetch(now, bills)
        if reader is None or not (files or use):
            logger.warning("no report", files=len(files), reader=reader is not None, ages=ages, use=looked)
            return {"ages": ages, "files": len(files), "report": [], "told": []}
        designed, why_not = exports.designed()
        metered, unread = _metered(meter, now)
        notes = [*exports.unseen(ages), *filter(None, [why_not, unread]), looked]
        report, charged = reader(files, made, Known(designed, use, metered), notes)
        kept = exports.keep(made)
    told = people.tell(report, charged, designed, now)
    return {"ages": ages, "files": len(files), "report": kept, "told": told}


def _metered(meter: Meter | None, now: datetime) -> tuple[Sequence[MeteredSum], str]:
    """This month's, and why there is nothing where it cannot be read: the bill is reported all the same."""
    try:
        return (meter.month(f"{now:%Y-%m}") if meter else ()), ""
    except (ClientError, OSError, Refused) as error:
        logger.exception("the meter cannot be read")
        return (), f"what the gateway metered is not in this report: {error}"


def _reader() -> Reader | None:
    """What reads bills, where the function's package has it; a package without it still watches that bills come."""
    found = _of_package(READER)
    return found and found.write_report


def _meter() -> Meter | None:
    bucket, found = Settings.read().meter_bucket, _of_package(METER)
    return found.MeterLake(_boto3().client("s3", config=CONFIG), bucket) if found and bucket else None


def _of_package(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        return None
