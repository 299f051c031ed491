"""The bucket of this platform: private, versioned, encrypted with its own key, its readers written down."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from groundplan_constructs.acknowledgement import acknowledge

NOT_REPLICATED = ("NIST.800.53.R5-S3BucketReplicationEnabled", "PCI.DSS.321-S3BucketReplicationEnabled")
ONE_REGION = "Data stays in the environment's one region, versioned; a copy elsewhere is the data owner's decision."


@dataclass(frozen=True, kw_only=True)
class EncryptedBucketProps:
    """What differs between buckets; everything else is platform policy.

    `access_logs_bucket` is a name: the log bucket may belong to another stack of the account, and admits all its
    buckets by itself.
    """

    bucket_name: str
    encryption_key: kms.IKey
    access_logs_bucket: str
    retain: bool
    tells_events: bool = False  # every change becomes an event of EventBridge
    lifecycle_rules: Sequence[s3.LifecycleRule] = field(default_factory=tuple[s3.LifecycleRule, ...])


class EncryptedBucket(Construct):
    """A bucket with KMS encryption (bucket keys), versions, access logs, TLS 1.2 and no public access."""

    def __init__(self, scope: Construct, construct_id: str, *, props: EncryptedBucketProps) -> None:
        super().__init__(scope, construct_id)
        self.bucket = s3.Bucket(
            self,
            "Resource",
            bucket_name=props.bucket_name,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=props.encryption_key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=True,
            server_access_logs_bucket=s3.Bucket.from_bucket_name(self, "AccessLogs", props.access_logs_bucket),
            server_access_logs_prefix=f"{props.bucket_name}/",
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="TidyUp",
                    noncurrent_version_expiration=cdk.Duration.days(90),
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(7),
                ),
                *props.lifecycle_rules,
            ],
            removal_policy=cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
            if props.retain
            else cdk.RemovalPolicy.DESTROY,
        )
        if props.tells_events:
            # The L2's own switch brings a custom resource.
            cast(
                s3.CfnBucket, self.bucket.node.default_child
            ).notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
                event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(event_bridge_enabled=True)
            )
        acknowledge(
            self.bucket,
            "AccessLogBucket admits every bucket of its account by itself.",
            "Annotation::@aws-cdk/aws-s3:accessLogsPolicyNotAdded",
        )
        acknowledge(self.bucket, ONE_REGION, *NOT_REPLICATED)
