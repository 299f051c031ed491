"""Stops what costs too much, and what nobody needs out of hours; looks again for what had to wait."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from groundplan.spend import notice_of
from groundplan_runtime.integrations.spend_stopper import Stopper, connect
from groundplan_runtime.spend_settings import StopperSettings

logger = Logger()


@cache
def _stopper() -> Stopper:
    # Lazy: importing this module must not need AWS or an environment.
    return connect(StopperSettings.read())


@logger.inject_lambda_context
def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 - the decorator reads it
    """Letters of AWS Budgets by SNS; `{"look": true}`, `{"out_of_hours": "begin"}` and `"end"` by the clock.

    `{"stopped": [subject], "waiting": [subject]}`. Raises StopIncomplete that names what could not be stopped.
    """
    now, stopper = datetime.now(UTC), _stopper()
    if event.get("look"):
        return stopper.look(now)
    if hours := event.get("out_of_hours"):
        return stopper.close_for_the_night(now) if hours == "begin" else stopper.open_in_the_morning(now)
    results = [_letter(record["Sns"]["Message"], stopper, now) for record in event["Records"]]
    return {name: [it for result in results for it in result[name]] for name in ("stopped", "waiting")}


def _letter(text: str, stopper: Stopper, now: datetime) -> dict[str, Any]:
    settings = StopperSettings.read()
    nothing: dict[str, Any] = {"stopped": [], "waiting": []}
    notice = notice_of(text)
    subject = notice and notice.subject(settings.alarms.stem)
    if notice is None or subject is None:
        logger.warning("a letter that orders nothing", letter=text)
        return nothing
    reached = notice.amount_usd * 100 >= settings.stop_at_percent * notice.limit_usd
    if notice.basis != "actual" or not reached or subject.kind == "tenant":
        logger.info("nothing is stopped for this", budget=notice.budget, basis=notice.basis, percent=notice.percent)
        return nothing
    return stopper.over(notice, subject, now)
