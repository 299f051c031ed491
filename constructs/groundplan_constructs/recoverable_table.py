"""A DynamoDB table that pays by use, is encrypted with a key of ours and can be brought back to any second."""

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from constructs import Construct

from groundplan_constructs.acknowledgement import acknowledge


@dataclass(frozen=True, kw_only=True)
class RecoverableTableProps:
    """Keys are names of attributes that hold texts; `expires` says, in epoch seconds, when an item may go.

    `without_backup` is why no backup plan has it beside point-in-time recovery.
    """

    table_name: str
    partition_key: str
    encryption_key: kms.IKey
    retain: bool
    without_backup: str
    sort_key: str | None = None
    expires: str | None = None


def recoverable_table(scope: Construct, construct_id: str, *, props: RecoverableTableProps) -> dynamodb.Table:
    """The table, directly in the scope: what already stands keeps its logical id."""
    table = dynamodb.Table(
        scope,
        construct_id,
        table_name=props.table_name,
        partition_key=text_key(props.partition_key),
        sort_key=text_key(props.sort_key) if props.sort_key else None,
        billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
        encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
        encryption_key=props.encryption_key,
        time_to_live_attribute=props.expires,
        point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
            point_in_time_recovery_enabled=True
        ),
        deletion_protection=props.retain,
        removal_policy=cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if props.retain else cdk.RemovalPolicy.DESTROY,
    )
    acknowledge(table, props.without_backup, "NIST.800.53.R5-DynamoDBInBackupPlan")
    return table


def text_key(name: str) -> dynamodb.Attribute:
    """A key's attribute that holds texts."""
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
