"""Where it is written down what was made from what: a table for questions, a bucket for the events themselves."""

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from constructs import Construct

from groundplan_constructs.acknowledgement import acknowledge
from groundplan_constructs.encrypted_bucket import EncryptedBucket, EncryptedBucketProps


@dataclass(frozen=True, kw_only=True)
class LineageStoreProps:
    """Names, the key, and whether what is stored outlives the stack."""

    table_name: str
    bucket_name: str
    access_logs_bucket: str
    encryption_key: kms.IKey
    retain: bool


class LineageStore(Construct):
    """An on-demand table with point-in-time recovery and its reversed index, and an encrypted event bucket.

    The table's keys are those of `groundplan_runtime.integrations.lineage_table`.
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: LineageStoreProps) -> None:
        super().__init__(scope, construct_id)
        self.table = dynamodb.Table(
            self,
            "Table",
            table_name=props.table_name,
            partition_key=_key("node"),
            sort_key=_key("relation"),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=props.encryption_key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=props.retain,
            removal_policy=cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
            if props.retain
            else cdk.RemovalPolicy.DESTROY,
        )
        self.table.add_global_secondary_index(
            index_name="reversed",
            partition_key=_key("target"),
            sort_key=_key("node"),
            projection_type=dynamodb.ProjectionType.ALL,
        )
        acknowledge(
            self.table,
            "Point-in-time recovery keeps every second of 35 days; the events in the bucket rebuild the rest.",
            "NIST.800.53.R5-DynamoDBInBackupPlan",
        )
        self.events = EncryptedBucket(
            self,
            "Events",
            props=EncryptedBucketProps(
                bucket_name=props.bucket_name,
                encryption_key=props.encryption_key,
                access_logs_bucket=props.access_logs_bucket,
                retain=props.retain,
            ),
        )


def _key(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
