"""What SageMaker's machines need whatever they run: a role, data, an image, a log, and a place in the network.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html
"""

from collections.abc import Sequence
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from groundplan_constructs.permissions import Permissions


@dataclass(frozen=True)
class Placement:
    """Ids of the subnets and security groups in which machines stand, as AWS's VpcConfig takes them."""

    subnet_ids: Sequence[str]
    security_group_ids: Sequence[str]

    def __post_init__(self) -> None:
        if not self.subnet_ids or not self.security_group_ids:
            raise ValueError(f"allowed: at least one subnet and one security group, got {self}")


def sagemaker_of_this_account(scope: Construct) -> iam.ServicePrincipal:
    """SageMaker, when it works for the account of the scope's stack and for no other."""
    stack = cdk.Stack.of(scope)
    return iam.ServicePrincipal(
        "sagemaker.amazonaws.com",
        conditions={
            "StringEquals": {"aws:SourceAccount": stack.account},
            "ArnLike": {"aws:SourceArn": stack.format_arn(service="sagemaker", resource="*")},
        },
    )


def allow_decryption(permissions: Permissions, buckets: Sequence[s3.IBucket], account: str) -> None:
    """Decrypt what is read from buckets of the lake; `account` has their key."""
    stack = cdk.Stack.of(permissions)
    permissions.allow(
        "DecryptData",
        ["kms:Decrypt"],
        [stack.format_arn(service="kms", account=account, resource="key", resource_name="*")],
        conditions={
            "StringEquals": {"kms:ViaService": f"s3.{stack.region}.amazonaws.com"},
            "ArnLike": {
                "kms:EncryptionContext:aws:s3:arn": [
                    arn for bucket in buckets for arn in (bucket.bucket_arn, bucket.arn_for_objects("*"))
                ]
            },
        },
        wildcard="The key's id is known in the data account alone: its policy admits this role, and here S3 as "
        "the caller and the bucket in the encryption context narrow it to the lake's own.",
    )


def allow_encryption(permissions: Permissions, key: kms.IKey) -> None:
    """Use the platform's key for disks and artefacts."""
    # SageMaker passes the key on to the disks of its machines, as a grant.
    permissions.allow(
        "EncryptVolumes",
        ["kms:CreateGrant"],
        [key.key_arn],
        conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
    )
    permissions.allow(
        "EncryptArtefacts",
        ["kms:Decrypt", "kms:GenerateDataKey"],
        [key.key_arn],
        conditions={"StringEquals": {"kms:ViaService": f"s3.{cdk.Stack.of(permissions).region}.amazonaws.com"}},
    )


def allow_listing(permissions: Permissions, sid: str, buckets: Sequence[s3.IBucket], prefix: str) -> None:
    """See which objects of buckets have keys like `prefix`, as SageMaker does before it reads them."""
    permissions.allow(
        sid,
        ["s3:ListBucket"],
        [bucket.bucket_arn for bucket in buckets],
        conditions={"StringLike": {"s3:prefix": prefix}},
    )


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


def allow_telemetry_of_jobs(permissions: Permissions) -> None:
    """What training jobs say and measure."""
    allow_telemetry(
        permissions,
        "/aws/sagemaker/TrainingJobs*",
        "/aws/sagemaker/TrainingJobs",
        reason="SageMaker's one log group for training jobs, and its streams, which it names by job.",
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
