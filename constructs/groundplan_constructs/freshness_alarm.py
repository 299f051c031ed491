"""Rings when a table has had nothing new for too long."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from groundplan.intake import AGE_METRIC, METRICS


class FreshnessAlarm(Construct):
    """An alarm over the age of what is accepted, hour by hour; an hour in which nothing is accepted counts as old.

    It rings when none of the last `hours` hours brought data younger than `hours`.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, workload: str, table: str, hours: int, alarm_topic: sns.ITopic
    ) -> None:
        super().__init__(scope, construct_id)
        cloudwatch.Alarm(
            self,
            "Resource",
            alarm_description=f"{workload}/{table}: nothing new within {hours} hours; see docs/runbooks/lake.md",
            metric=cloudwatch.Metric(
                namespace=METRICS,
                metric_name=AGE_METRIC,
                dimensions_map={"Workload": workload, "Table": table},
                statistic="Minimum",
                period=cdk.Duration.hours(1),
            ),
            threshold=hours,
            evaluation_periods=hours,
            datapoints_to_alarm=hours,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
        ).add_alarm_action(actions.SnsAction(alarm_topic))
