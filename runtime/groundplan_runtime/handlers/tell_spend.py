"""A letter of AWS Budgets, in plain words: which ceiling, how fast, whose, and where to read more."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError

from groundplan.spend import Alarm, alarm, notice_of
from groundplan_runtime.integrations.client_config import CONFIG
from groundplan_runtime.integrations.spend_topic import Topic
from groundplan_runtime.spend_settings import AlarmSettings

logger = Logger()
UNREAD = "A budget of AWS says, in words that Groundplan does not know"


@cache
def _client(service: str) -> Any:
    # Lazy: importing this module must not need AWS or an environment.
    api: Any = boto3
    return api.client(service, config=CONFIG)


@logger.inject_lambda_context
def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, int]:
    """`{"told": n}`. What cannot be read is passed on as it came; what cannot be told raises, and is kept."""
    settings = AlarmSettings.read()
    topic = Topic(_client("sns"), settings.alarm_topic)
    _, partition, _, _, account, *_ = context.invoked_function_arn.split(":")
    budgets = f"arn:{partition}:budgets::{account}:budget"
    for record in event["Records"]:
        topic.tell(_alarm(record["Sns"], settings, budgets))
    return {"told": len(event["Records"])}


def _alarm(letter: Mapping[str, str], settings: AlarmSettings, budgets: str) -> Alarm:
    text, day = letter["Message"], datetime.fromisoformat(letter["Timestamp"]).date()
    notice = notice_of(text)
    subject = notice and notice.subject(settings.stem)
    if notice is None or subject is None:
        logger.warning("passed on as it came", letter=text)
        return Alarm(UNREAD, f"{UNREAD}:\n{text}")
    owner = _owner(f"{budgets}/{notice.budget}") or settings.owner
    return alarm(notice.crossing(subject, day), environment=settings.environment, owner=owner, page=settings.page)


def _owner(budget: str) -> str | None:
    """Whose budget it is, by its tag; None where AWS does not say: an alarm never fails for want of a name."""
    try:
        tags = _client("budgets").list_tags_for_resource(ResourceARN=budget)["ResourceTags"]
    except ClientError as error:
        logger.warning("the owner is not known", budget=budget, error=str(error))
        return None
    return next((tag["Value"] for tag in tags if tag["Key"] == "owner"), None)
