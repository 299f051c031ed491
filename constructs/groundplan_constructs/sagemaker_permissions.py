"""What SageMaker's machines need whatever they run: an image, a log, and their place in the network.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html
"""

from collections.abc import Sequence
from dataclasses import dataclass

import aws_cdk as cdk

from groundplan_constructs.permissions import Permissions


@dataclass(frozen=True)
class Placement:
    """Ids of the subnets and security groups in which machines stand, as AWS's VpcConfig takes them."""

    subnet_ids: Sequence[str]
    security_group_ids: Sequence[str]

    def __post_init__(self) -> None:
        if not self.subnet_ids or not self.security_group_ids:
            raise ValueError(f"allowed: at least one subnet and one security group, got {self}")


def allow_image(permissions: Permissions, repository_arn: str) -> None:
    """Pull the images of one repository."""
    permissions.allow(
        "PullImage",
        ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
        [repository_arn],
    )
    permissions.allow(
        "SignInToRegistry",
        ["ecr:GetAuthorizationToken"],
        ["*"],
        wildcard="IAM offers no resource for this action; the token opens only what PullImage names.",
    )


def allow_telemetry(permissions: Permissions, group: str, namespace: str, *, reason: str) -> None:
    """Write to log groups whose name fits `group`, and publish metrics of one namespace."""
    groups = cdk.Stack.of(permissions).format_arn(
        service="logs",
        resource="log-group",
        resource_name=group,
        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
    )
    permissions.allow(
        "WriteLogs",
        ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
        [groups],
        wildcard=reason,
    )
    permissions.allow(
        "PublishMetrics",
        ["cloudwatch:PutMetricData"],
        ["*"],
        conditions={"StringEquals": {"cloudwatch:namespace": namespace}},
        wildcard="IAM offers no resource for this action; the condition names the one namespace.",
    )


def allow_network(permissions: Permissions, placement: Placement) -> None:
    """Join the subnets and groups, and leave them again."""
    stack = cdk.Stack.of(permissions)

    def arns(resource: str, names: Sequence[str]) -> list[str]:
        return [stack.format_arn(service="ec2", resource=resource, resource_name=name) for name in names]

    subnets, interfaces = arns("subnet", placement.subnet_ids), arns("network-interface", ["*"])
    interfaces_of_jobs = "Network interfaces are made for a job and have no name before; the subnets are the jobs'."
    permissions.allow(
        "JoinNetwork",
        ["ec2:CreateNetworkInterface"],
        [*subnets, *arns("security-group", placement.security_group_ids), *interfaces],
        wildcard=interfaces_of_jobs,
    )
    permissions.allow(
        "LendAndLeave",
        [
            "ec2:CreateNetworkInterfacePermission",
            "ec2:DeleteNetworkInterface",
            "ec2:DeleteNetworkInterfacePermission",
        ],
        interfaces,
        conditions={"ArnEquals": {"ec2:Subnet": subnets}},
        wildcard=interfaces_of_jobs,
    )
    permissions.allow(
        "SeeNetwork",
        [f"ec2:Describe{what}" for what in ("DhcpOptions", "NetworkInterfaces", "SecurityGroups", "Subnets", "Vpcs")],
        ["*"],
        wildcard="IAM offers no resource for these; they show the network and change nothing.",
    )
