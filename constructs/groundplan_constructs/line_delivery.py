"""Lines of log groups, delivered to a bucket of another account by Amazon Data Firehose."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesisfirehose as firehose
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from groundplan.table import ARRIVED
from groundplan_constructs.permissions import Permissions

# What AWS asks of the role: https://docs.aws.amazon.com/firehose/latest/dev/controlling-access.html#using-iam-s3
ON_OBJECTS = ("s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject")
ON_BUCKET = ("s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads")
ON_KEY = ("kms:Decrypt", "kms:GenerateDataKey")
COLLECTS_SECONDS, COLLECTS_MIB = 300, 64  # whatever comes first: fewer objects, and the newest lines are minutes old
_Stream = firehose.CfnDeliveryStream


@dataclass(frozen=True)
class DeliveredTo:
    """The bucket, by name, its `account`, and the prefixes of lines and of what could not be delivered as lines."""

    bucket_name: str
    account: str
    lines: str
    failed: str


@dataclass(frozen=True, kw_only=True)
class LineDeliveryProps:
    """`name` is the stream's and its role's, which the bucket's policy knows."""

    name: str
    to: DeliveredTo
    encryption_key: kms.IKey
    log_retention_days: int


class LineDelivery(Construct):
    """Takes what subscriptions of log groups send (`LogSubscription`), and nothing else.

    Lines become objects of lines, compressed, below the day on which they arrived, each at least once. What cannot be
    delivered is tried again for a day. Objects are encrypted with the bucket's own key: Firehose names none.
    https://docs.aws.amazon.com/firehose/latest/dev/writing-with-cloudwatch-logs.html
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: LineDeliveryProps) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        errors = logs.LogGroup(
            self, "Errors", encryption_key=props.encryption_key, removal_policy=cdk.RemovalPolicy.DESTROY
        )
        cast(logs.CfnLogGroup, errors.node.default_child).retention_in_days = props.log_retention_days
        told = logs.CfnLogStream(self, "Delivery", log_group_name=errors.log_group_name, log_stream_name="delivery")
        writer = iam.Role(
            self,
            "Writer",
            role_name=props.name,
            description="Firehose writes lines of a log into another account's bucket",
            # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CreateFirehoseStream.html
            assumed_by=iam.ServicePrincipal(
                "firehose.amazonaws.com", conditions={"StringEquals": {"sts:ExternalId": stack.account}}
            ),
        )
        permissions = Permissions(self, "Writes", role=writer, description="Lines of a log into a bucket")
        self._let_write(permissions, props.to, errors)
        destination = _Stream.ExtendedS3DestinationConfigurationProperty(
            bucket_arn=f"arn:{stack.partition}:s3:::{props.to.bucket_name}",
            role_arn=writer.role_arn,
            prefix=f"{props.to.lines}/{ARRIVED}=!{{timestamp:yyyy-MM-dd}}/",
            error_output_prefix=f"{props.to.failed}/!{{firehose:error-output-type}}/!{{timestamp:yyyy-MM-dd}}/",
            buffering_hints=_Stream.BufferingHintsProperty(
                interval_in_seconds=COLLECTS_SECONDS, size_in_m_bs=COLLECTS_MIB
            ),
            compression_format="GZIP",
            processing_configuration=_Stream.ProcessingConfigurationProperty(enabled=True, processors=_unpack()),
            cloud_watch_logging_options=_Stream.CloudWatchLoggingOptionsProperty(
                enabled=True, log_group_name=errors.log_group_name, log_stream_name=told.ref
            ),
        )
        self.stream = _Stream(
            self,
            "Resource",
            delivery_stream_name=props.name,
            delivery_stream_type="DirectPut",
            delivery_stream_encryption_configuration_input=_Stream.DeliveryStreamEncryptionConfigurationInputProperty(
                key_type="CUSTOMER_MANAGED_CMK", key_arn=props.encryption_key.key_arn
            ),
            extended_s3_destination_configuration=destination,
        )
        self.stream.node.add_dependency(permissions)

    def _let_write(self, permissions: Permissions, to: DeliveredTo, errors: logs.LogGroup) -> None:
        stack = cdk.Stack.of(self)
        bucket = f"arn:{stack.partition}:s3:::{to.bucket_name}"
        objects = [f"{bucket}/{prefix}/*" for prefix in (to.lines, to.failed)]
        permissions.allow("WriteLines", list(ON_OBJECTS), objects, wildcard="The objects below its own two prefixes.")
        permissions.allow("FindBucket", list(ON_BUCKET), [bucket])
        permissions.allow(
            "UseBucketsKey",
            list(ON_KEY),
            [stack.format_arn(service="kms", account=to.account, resource="key", resource_name="*")],
            conditions={
                "StringEquals": {"kms:ViaService": f"s3.{stack.region}.amazonaws.com"},
                "ArnLike": {"kms:EncryptionContext:aws:s3:arn": [bucket, *objects]},
            },
            wildcard="The key's id is known in the bucket's account alone: its policy admits this role, and here S3 "
            "as the caller and the bucket in the encryption context narrow it.",
        )
        permissions.allow("TellErrors", ["logs:PutLogEvents"], [errors.log_group_arn])


def _unpack() -> Sequence[_Stream.ProcessorProperty]:
    """CloudWatch Logs sends many lines in one compressed record; a newline is put after each."""
    parameter = _Stream.ProcessorParameterProperty
    return [
        _Stream.ProcessorProperty(
            type="Decompression",
            parameters=[parameter(parameter_name="CompressionFormat", parameter_value="GZIP")],
        ),
        _Stream.ProcessorProperty(
            type="CloudWatchLogProcessing",
            parameters=[parameter(parameter_name="DataMessageExtraction", parameter_value="true")],
        ),
        _Stream.ProcessorProperty(type="AppendDelimiterToRecord"),
    ]
