"""A customer-managed KMS key that says which AWS services may use it, each for this account's sake only."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct


class EncryptionKey(Construct):
    """A rotating key with an alias.

    Principals of its own account reach it through their IAM policies. Services get in by `allow_service`. With
    `existing_arn` it is a key of the company, whose policy is the company's; docs/adoption.md says what that admits.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, alias: str, retain: bool, existing_arn: str | None = None
    ) -> None:
        super().__init__(scope, construct_id)
        if existing_arn:
            self.key = kms.Key.from_key_arn(self, "Resource", existing_arn)
            return
        self.key = kms.Key(
            self,
            "Resource",
            alias=alias,
            enable_key_rotation=True,
            removal_policy=cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if retain else cdk.RemovalPolicy.DESTROY,
        )

    def allow_log_groups(self) -> None:
        """CloudWatch Logs may encrypt this account's log groups, and nothing else, with the key.

        Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
        """
        stack = cdk.Stack.of(self)
        groups = stack.format_arn(service="logs", resource="log-group", resource_name="*", arn_format=_COLON)
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="LogGroups",
                actions=["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
                principals=[iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")],
                resources=["*"],  # in a key's policy: this key
                conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
            )
        )

    def allow_service(self, sid: str, service: str) -> None:
        """The service may encrypt and decrypt on behalf of resources of this account."""
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                sid=sid,
                actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                principals=[iam.ServicePrincipal(service)],
                resources=["*"],  # in a key's policy: this key
                conditions={"StringEquals": {"aws:SourceAccount": cdk.Stack.of(self).account}},
            )
        )


_COLON = cdk.ArnFormat.COLON_RESOURCE_NAME
