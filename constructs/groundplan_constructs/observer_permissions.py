"""What the observer may do: read runs, claims, endpoints and their metrics, and write one object beside the bills."""

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from groundplan_constructs.permissions import Permissions


@dataclass(frozen=True, kw_only=True)
class ObserverPermissionsProps:
    """`endpoint_prefix` begins the names of what is looked at; `key` is that of the one object, which is written in
    `bucket` of the account `bucket_account`."""

    role: iam.IRole
    table_name: str
    table_key: kms.IKey
    endpoint_prefix: str
    bucket: s3.IBucket
    bucket_account: str
    key: str


class ObserverPermissions(Construct):
    """One policy. It changes nothing of what it looks at."""

    def __init__(self, scope: Construct, construct_id: str, *, props: ObserverPermissionsProps) -> None:
        super().__init__(scope, construct_id)
        self._props, self._stack = props, cdk.Stack.of(self)
        self.permissions = Permissions(self, "Resource", role=props.role, description="Looks, and writes it down")
        self._allow_looking()
        self._allow_writing()

    def _allow_looking(self) -> None:
        allow, stack, props = self.permissions.allow, self._stack, self._props
        table = stack.format_arn(service="dynamodb", resource="table", resource_name=props.table_name)
        for sid, action, rows in (("Runs", "Query", "workload/*"), ("Claims", "GetItem", "claim/*")):
            allow(
                sid,
                [f"dynamodb:{action}"],
                [table],
                # ForAllValues alone is met by a request that names no key.
                conditions={
                    "ForAllValues:StringLike": {"dynamodb:LeadingKeys": [rows]},
                    "Null": {"dynamodb:LeadingKeys": "false"},
                },
            )
        via = {"StringEquals": {"kms:ViaService": f"dynamodb.{stack.region}.amazonaws.com"}}
        allow("TablesKey", ["kms:Decrypt", "kms:DescribeKey"], [props.table_key.key_arn], conditions=via)
        for action, kind, name in (
            ("DescribeEndpoint", "endpoint", f"{props.endpoint_prefix}*"),
            ("DescribeEndpointConfig", "endpoint-config", "*"),
        ):
            allow(
                action,
                [f"sagemaker:{action}"],
                [stack.format_arn(service="sagemaker", resource=kind, resource_name=name)],
                wildcard="Endpoints have the environment's names; their configurations are named by CloudFormation.",
            )
        allow(
            "Measures",
            ["cloudwatch:GetMetricStatistics", "cloudwatch:ListMetrics"],
            ["*"],
            wildcard="CloudWatch has no resource for metrics, and no condition for reading them.",
        )

    def _allow_writing(self) -> None:
        allow, stack, props = self.permissions.allow, self._stack, self._props
        written = props.bucket.arn_for_objects(props.key)
        allow("WriteDown", ["s3:PutObject"], [written])
        allow(
            "BucketsKey",
            ["kms:GenerateDataKey"],
            [stack.format_arn(service="kms", account=props.bucket_account, resource="key", resource_name="*")],
            conditions={
                "StringEquals": {
                    "kms:ViaService": f"s3.{stack.region}.amazonaws.com",
                    "kms:EncryptionContext:aws:s3:arn": [props.bucket.bucket_arn, written],
                }
            },
            wildcard="The key's id is known in the data account alone: its policy admits this role, and here S3 as "
            "the caller and the bucket in the encryption context narrow it to that bucket's own.",
        )
