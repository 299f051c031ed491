"""Where it is written down what was made from what: a table for questions, a bucket for the events themselves."""

from dataclasses import dataclass

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from constructs import Construct

from groundplan_constructs.encrypted_bucket import EncryptedBucket, EncryptedBucketProps
from groundplan_constructs.recoverable_table import RecoverableTableProps, recoverable_table, text_key


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
        self.table = recoverable_table(
            self,
            "Table",
            props=RecoverableTableProps(
                table_name=props.table_name,
                partition_key="node",
                sort_key="relation",
                encryption_key=props.encryption_key,
                retain=props.retain,
                without_backup="Point-in-time recovery keeps every second of 35 days; the events in the bucket "
                "rebuild the rest.",
            ),
        )
        self.table.add_global_secondary_index(
            index_name="reversed",
            partition_key=text_key("target"),
            sort_key=text_key("node"),
            projection_type=dynamodb.ProjectionType.ALL,
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
