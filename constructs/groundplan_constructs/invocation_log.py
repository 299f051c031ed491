"""What models were asked and answered, kept for a few days in an encrypted bucket that nobody reads by default."""

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from groundplan_constructs.encrypted_bucket import EncryptedBucket, EncryptedBucketProps
from groundplan_constructs.python_function import PythonFunction, PythonFunctionProps

PREFIX = "invocations"


@dataclass(frozen=True, kw_only=True)
class InvocationLogProps:
    """`kept_days` is how long; `bucket` and `function` say the rest, the function's handler included."""

    bucket: EncryptedBucketProps
    function: PythonFunctionProps
    kept_days: int


class InvocationLog(Construct):
    """The bucket, and the custom resource that turns logging on: CloudFormation has no type for it.

    https://docs.aws.amazon.com/bedrock/latest/userguide/model-invocation-logging.html
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: InvocationLogProps) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        self.bucket = EncryptedBucket(self, "Bucket", props=props.bucket).bucket
        self.bucket.add_lifecycle_rule(
            id="Forget",
            expiration=cdk.Duration.days(props.kept_days),
            noncurrent_version_expiration=cdk.Duration.days(1),
        )
        written = self.bucket.add_to_resource_policy(
            iam.PolicyStatement(
                sid="Invocations",
                actions=["s3:PutObject"],
                principals=[iam.ServicePrincipal("bedrock.amazonaws.com")],
                resources=[
                    self.bucket.arn_for_objects(f"{PREFIX}/AWSLogs/{stack.account}/BedrockModelInvocationLogs/*")
                ],
                conditions={
                    "StringEquals": {"aws:SourceAccount": stack.account},
                    "ArnLike": {"aws:SourceArn": stack.format_arn(service="bedrock", resource="*")},
                },
            )
        )
        self.turn_on = PythonFunction(self, "TurnOn", props=props.function)
        self.turn_on.permissions.allow(
            "TurnOn",
            ["bedrock:PutModelInvocationLoggingConfiguration"],
            ["*"],
            wildcard="The setting is the account's, in a region: AWS knows no resource of it.",
        )
        setting = cdk.CustomResource(
            self,
            "Resource",
            resource_type="Custom::InvocationLogging",
            service_token=self.turn_on.function.function_arn,
            properties={"Bucket": self.bucket.bucket_name},
        )
        if written.policy_dependable:  # Bedrock tries to write when it is turned on
            setting.node.add_dependency(written.policy_dependable)
        setting.node.add_dependency(self.turn_on.permissions)
