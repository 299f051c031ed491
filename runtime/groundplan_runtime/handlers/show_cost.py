"""The cost report on a dashboard: CloudWatch asks for a widget, and gets the page that was made last."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError

from groundplan.spend.focus_table import REPORT, WIDGET
from groundplan_runtime.integrations.client_config import CONFIG
from groundplan_runtime.report_settings import costs_bucket

logger = Logger()
# What CloudWatch shows of a widget that is being chosen:
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/add_custom_widget_dashboard_about.html
DESCRIPTION = "### What it cost\nCeiling, estimate, actual and forecast of each workload, as of the newest bill."
NONE_YET = "<p>There is no cost report yet: it is made every day, of the newest bills.</p>"


@cache
def _s3() -> Any:
    # Lazy: importing this module must not need AWS or an environment.
    api: Any = boto3
    return api.client("s3", config=CONFIG)


@logger.inject_lambda_context
def handler(event: Mapping[str, Any], context: LambdaContext) -> str:  # noqa: ARG001 - what the widget says suffices
    """HTML; to `{"describe": true}` Markdown. What the widget's viewer sent along is not looked at."""
    return DESCRIPTION if event.get("describe") else widget(_s3(), costs_bucket())


def widget(s3: Any, bucket: str) -> str:
    """The fragment that was kept last."""
    try:
        return s3.get_object(Bucket=bucket, Key=f"{REPORT}/{WIDGET}")["Body"].read().decode()
    except ClientError as error:
        # Who may not list is refused an object that is not there.
        if error.response["Error"]["Code"] not in ("404", "NoSuchKey", "403", "AccessDenied"):
            raise
        logger.warning("no report", error=str(error))
        return NONE_YET
