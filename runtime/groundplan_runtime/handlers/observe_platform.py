"""Every day, before the cost report: write down beside the bills what the platform saw of its month."""

import json
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from groundplan.focus.use import use_as_json
from groundplan.prices import read_prices
from groundplan.spend.focus_table import USE
from groundplan_runtime.integrations.client_config import CONFIG
from groundplan_runtime.integrations.platform_use import Platform
from groundplan_runtime.spend_settings import ObserverSettings

logger = Logger()


@cache
def _settings() -> ObserverSettings:
    return ObserverSettings.read()


@cache
def _s3() -> Any:
    return _boto3().client("s3", config=CONFIG)


@cache
def _platform() -> Platform:
    # Lazy: importing this module must not need AWS or an environment.
    api = _boto3()
    return Platform(
        table=api.resource("dynamodb", config=CONFIG).Table(_settings().lineage_table),
        sagemaker=api.client("sagemaker", config=CONFIG),
        cloudwatch=api.client("cloudwatch", config=CONFIG),
        prices=read_prices(None, api.session.Session().region_name),
    )


def _boto3() -> Any:
    return boto3


@logger.inject_lambda_context
def handler(event: object, context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 - the schedule says nothing
    """`{"at": time, "workloads": n, "runs": n, "idle": n}`."""
    return observe(_platform(), _s3(), _settings(), datetime.now(UTC))


def observe(platform: Platform, s3: Any, settings: ObserverSettings, now: datetime) -> dict[str, Any]:
    """One look, all of it or nothing: what fails half-way leaves the look before it, whose age the report tells."""
    use = platform.use(settings.endpoints, now)
    body = json.dumps(use_as_json(use)).encode()
    s3.put_object(Bucket=settings.costs_bucket, Key=USE, Body=body, ContentType="application/json")
    seen = use.observed.values()
    return {
        "at": now.isoformat(),
        "workloads": len(seen),
        "runs": sum(len(one.runs) for one in seen),
        "idle": sum(len(one.idle) for one in seen),
    }
