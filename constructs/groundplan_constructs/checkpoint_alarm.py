"""Rings when a running job's newest checkpoint is too old: an interruption would now lose that much work."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from groundplan.checkpoint_age import AGE_METRIC, LOOKED_AT_EVERY_MINUTES, METRICS


class CheckpointAlarm(Construct):
    """An alarm over the oldest of the running jobs' newest checkpoints; nothing running is nothing wrong."""

    def __init__(
        self, scope: Construct, construct_id: str, *, environment: str, minutes: int, alarm_topic: sns.ITopic
    ) -> None:
        super().__init__(scope, construct_id)
        self.alarm = cloudwatch.Alarm(
            self,
            "Resource",
            alarm_description=f"A job left no checkpoint for {minutes} minutes; see docs/runbooks/checkpoints.md",
            metric=cloudwatch.Metric(
                namespace=METRICS,
                metric_name=AGE_METRIC,
                dimensions_map={"Environment": environment},
                statistic="Maximum",
                # Twice as long as between two looks: each period has one, so the alarm does not come and go.
                period=cdk.Duration.minutes(2 * LOOKED_AT_EVERY_MINUTES),
            ),
            threshold=minutes,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        self.alarm.add_alarm_action(actions.SnsAction(alarm_topic))
