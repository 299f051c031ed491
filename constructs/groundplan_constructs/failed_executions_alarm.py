"""Rings when an execution of a state machine failed."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct


class FailedExecutionsAlarm(Construct):
    """An alarm over failed executions; none is nothing wrong. One that a person aborts is not one of them.

    Metrics: https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, machine_arn: str, runbook: str, alarm_topic: sns.ITopic
    ) -> None:
        super().__init__(scope, construct_id)
        self.alarm = cloudwatch.Alarm(
            self,
            "Resource",
            alarm_description=f"An execution failed; its error says why, see {runbook}",
            metric=cloudwatch.Metric(
                namespace="AWS/States",
                metric_name="ExecutionsFailed",
                dimensions_map={"StateMachineArn": machine_arn},
                statistic="Sum",
                period=cdk.Duration.minutes(5),
            ),
            threshold=1,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        self.alarm.add_alarm_action(actions.SnsAction(alarm_topic))
