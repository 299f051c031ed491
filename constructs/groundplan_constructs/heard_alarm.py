"""An alarm with a name that people know, which says what is wrong and where to read on, and is heard on a topic."""

from typing import Any

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct


def heard_alarm(
    scope: Construct, construct_id: str, *, of: str, says: str, runbook: str, topic: sns.ITopic, **rings: Any
) -> cloudwatch.Alarm:
    """`<of>-<construct id>`; `rings` is when, in the words of `cloudwatch.Alarm`: above the threshold unless said."""
    alarm = cloudwatch.Alarm(
        scope,
        construct_id,
        alarm_name=f"{of}-{construct_id.lower()}",
        alarm_description=f"{of}: {says}; see {runbook}",
        **{"comparison_operator": cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD, **rings},
    )
    alarm.add_alarm_action(actions.SnsAction(topic))
    return alarm
