"""Where S3 writes down who touched the buckets of an account."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from groundplan_constructs.acknowledgement import acknowledge
from groundplan_constructs.encrypted_bucket import NOT_REPLICATED, ONE_REGION


class AccessLogBucket(Construct):
    """A bucket for server access logs of this account's buckets, under S3's own key, kept for a year.

    S3 delivers access logs only to buckets encrypted with its own key or one that its service may use; the former
    needs no further trust. Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerLogs.html
    """

    def __init__(self, scope: Construct, construct_id: str, *, bucket_name: str, retain: bool) -> None:
        super().__init__(scope, construct_id)
        self.bucket = s3.Bucket(
            self,
            "Resource",
            bucket_name=bucket_name,
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=True,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="KeepAYear",
                    expiration=cdk.Duration.days(365),
                    noncurrent_version_expiration=cdk.Duration.days(30),
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(7),
                )
            ],
            removal_policy=cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if retain else cdk.RemovalPolicy.DESTROY,
        )
        # One statement for every bucket of the account: the buckets may live in other stacks.
        self.bucket.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AccessLogs",
                actions=["s3:PutObject"],
                principals=[iam.ServicePrincipal("logging.s3.amazonaws.com")],
                resources=[self.bucket.arn_for_objects("*")],
                conditions={"StringEquals": {"aws:SourceAccount": cdk.Stack.of(self).account}},
            )
        )
        acknowledge(
            self.bucket,
            "It holds the access logs of the others; its own would feed themselves.",
            "AwsSolutions-S1",
            "CKV_AWS_18",
        )
        acknowledge(
            self.bucket,
            "S3 delivers access logs under its own key without further trust; a customer key would need its service.",
            "NIST.800.53.R5-S3DefaultEncryptionKMS",
            "PCI.DSS.321-S3DefaultEncryptionKMS",
        )
        acknowledge(self.bucket, ONE_REGION, *NOT_REPLICATED)
