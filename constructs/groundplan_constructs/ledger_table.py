"""A DynamoDB table of short-lived items with the key `id`: budgets that are held, claims, who asked what."""

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from constructs import Construct

from groundplan_constructs.acknowledgement import acknowledge


@dataclass(frozen=True, kw_only=True)
class LedgerTableProps:
    """`expires` is the attribute that says, in epoch seconds, when an item may go."""

    table_name: str
    encryption_key: kms.IKey
    expires: str
    retain: bool


class LedgerTable(Construct):
    """On demand, with point-in-time recovery, under the key."""

    def __init__(self, scope: Construct, construct_id: str, *, props: LedgerTableProps) -> None:
        super().__init__(scope, construct_id)
        self.table = dynamodb.Table(
            self,
            "Table",
            table_name=props.table_name,
            partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=props.encryption_key,
            time_to_live_attribute=props.expires,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=props.retain,
            removal_policy=cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
            if props.retain
            else cdk.RemovalPolicy.DESTROY,
        )
        acknowledge(
            self.table,
            "Point-in-time recovery keeps every second of 35 days; a month's budget is older than nothing else here.",
            "NIST.800.53.R5-DynamoDBInBackupPlan",
        )
