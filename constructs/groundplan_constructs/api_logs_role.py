"""How API Gateway may write logs in this account and region: one setting for all APIs of the account."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from constructs import Construct

from groundplan_constructs.permissions import Permissions

# What AWS asks of the role: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
_ACTIONS: Sequence[str] = (
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:DescribeLogStreams",
    "logs:FilterLogEvents",
    "logs:GetLogEvents",
    "logs:PutLogEvents",
)


class ApiLogsRole(Construct):
    """A setting of the account: whoever makes another one for it, overwrites this."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        role = iam.Role(
            self,
            "Role",
            description="API Gateway writes access logs",
            # Without a source: AWS documents none that API Gateway would bring along.
            assumed_by=iam.ServicePrincipal("apigateway.amazonaws.com"),
        )
        permissions = Permissions(self, "Permissions", role=role, description="API Gateway writes access logs")
        groups = stack.format_arn(
            service="logs", resource="log-group", resource_name="*", arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME
        )
        permissions.allow(
            "WriteLogs",
            list(_ACTIONS),
            [groups],
            wildcard="API Gateway takes a role for all groups of its APIs.",
        )
        permissions.allow("FindLogs", ["logs:DescribeLogGroups"], ["*"], wildcard="Groups are listed, not named.")
        self.setting = apigateway.CfnAccount(self, "Resource", cloud_watch_role_arn=role.role_arn)
        self.setting.node.add_dependency(permissions)
