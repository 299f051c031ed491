"""Who talked to whom in a VPC, and what was rejected."""

from dataclasses import dataclass
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from groundplan_constructs.permissions import Permissions


@dataclass(frozen=True, kw_only=True)
class FlowLogProps:
    """`vpc_id` names the VPC; the key must admit log groups (`EncryptionKey.allow_log_groups`)."""

    vpc_id: str
    encryption_key: kms.IKey
    log_retention_days: int


class FlowLog(Construct):
    """All traffic of a VPC into an encrypted log group of its own.

    Source: https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: FlowLogProps) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        self.log_group = logs.LogGroup(
            self, "Logs", encryption_key=props.encryption_key, removal_policy=cdk.RemovalPolicy.DESTROY
        )
        cast(logs.CfnLogGroup, self.log_group.node.default_child).retention_in_days = props.log_retention_days
        role = iam.Role(
            self,
            "Role",
            description="Writes the VPC's flow logs",
            assumed_by=iam.ServicePrincipal(
                "vpc-flow-logs.amazonaws.com",
                conditions={
                    "StringEquals": {"aws:SourceAccount": stack.account},
                    "ArnLike": {
                        "aws:SourceArn": stack.format_arn(service="ec2", resource="vpc-flow-log", resource_name="*")
                    },
                },
            ),
        )
        permissions = Permissions(self, "Permissions", role=role, description="Writes the VPC's flow logs")
        permissions.allow(
            "WriteLogs",
            ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            [self.log_group.log_group_arn],
        )
        log = ec2.CfnFlowLog(
            self,
            "Resource",
            resource_id=props.vpc_id,
            resource_type="VPC",
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_group_name=self.log_group.log_group_name,
            deliver_logs_permission_arn=role.role_arn,
        )
        log.node.add_dependency(permissions)
