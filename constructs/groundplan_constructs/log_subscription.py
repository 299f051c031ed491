"""Which lines of a log group go to a stream of Amazon Data Firehose."""

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesisfirehose as firehose
from aws_cdk import aws_logs as logs
from constructs import Construct

from groundplan_constructs.permissions import Permissions


@dataclass(frozen=True, kw_only=True)
class LogSubscriptionProps:
    """`pattern` says which lines are handed over:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
    """

    name: str
    log_group: logs.ILogGroup
    pattern: str
    stream: firehose.CfnDeliveryStream


class LogSubscription(Construct):
    """CloudWatch Logs hands lines over in the name of a role that may put them into this stream and no other.

    Whoever writes a line waits for nothing: the log group has it already.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html#FirehoseExample
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: LogSubscriptionProps) -> None:
        super().__init__(scope, construct_id)
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/Subscriptions-confused-deputy.html
        stack = cdk.Stack.of(self)
        source = {
            "StringEquals": {"aws:SourceAccount": stack.account},
            "ArnLike": {"aws:SourceArn": stack.format_arn(service="logs", resource="*")},
        }
        role = iam.Role(
            self,
            "Role",
            description="CloudWatch Logs hands lines to Firehose",
            assumed_by=iam.ServicePrincipal("logs.amazonaws.com", conditions=source),
        )
        permissions = Permissions(self, "Permissions", role=role, description="Hands lines to one stream")
        permissions.allow("PutLines", ["firehose:PutRecord", "firehose:PutRecordBatch"], [props.stream.attr_arn])
        subscription = logs.CfnSubscriptionFilter(
            self,
            "Resource",
            filter_name=props.name,
            log_group_name=props.log_group.log_group_name,
            filter_pattern=props.pattern,
            destination_arn=props.stream.attr_arn,
            role_arn=role.role_arn,
        )
        subscription.node.add_dependency(permissions)  # Logs tries it when it is subscribed
