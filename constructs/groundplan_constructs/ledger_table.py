"""A DynamoDB table of short-lived items with the key `id`: budgets that are held, claims, who asked what."""

from dataclasses import dataclass

from aws_cdk import aws_kms as kms
from constructs import Construct

from groundplan_constructs.recoverable_table import RecoverableTableProps, recoverable_table


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
        self.table = recoverable_table(
            self,
            "Table",
            props=RecoverableTableProps(
                table_name=props.table_name,
                partition_key="id",
                encryption_key=props.encryption_key,
                retain=props.retain,
                without_backup="Point-in-time recovery keeps every second of 35 days; a month's budget is older than "
                "nothing else here.",
                expires=props.expires,
            ),
        )
