"""FOCUS exports as a table that Athena reads, and the workgroup in which it does, with a limit on what is read."""

from collections.abc import Sequence
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_athena as athena
from aws_cdk import aws_glue as glue
from aws_cdk import aws_kms as kms
from constructs import Construct

from groundplan.spend.focus_table import COLUMNS, EXPORTS, PARTITION, TABLE_NAME

_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"


@dataclass(frozen=True, kw_only=True)
class FocusTableProps:
    """`accounts` are those that export into the bucket; `scan_limit_gib` is what one query may read."""

    database: str
    bucket_name: str
    export_name: str
    accounts: Sequence[str]
    workgroup: str
    encryption_key: kms.IKey
    scan_limit_gib: int = 10

    def __post_init__(self) -> None:
        if not self.accounts:
            raise ValueError("accounts must name who exports, got none")


class FocusTable(Construct):
    """Partitions by account and month are projected, so a new month is there without being registered."""

    def __init__(self, scope: Construct, construct_id: str, *, props: FocusTableProps) -> None:
        super().__init__(scope, construct_id)
        self.database = glue.CfnDatabase(
            self,
            "Database",
            catalog_id=cdk.Stack.of(self).account,
            database_input=glue.CfnDatabase.DatabaseInputProperty(
                name=props.database, description="What everything costs, as AWS bills it"
            ),
        )
        place = f"s3://{props.bucket_name}/{EXPORTS}/"
        table = glue.CfnTable(
            self,
            "Resource",
            catalog_id=cdk.Stack.of(self).account,
            database_name=props.database,
            table_input=glue.CfnTable.TableInputProperty(
                name=TABLE_NAME,
                description="FOCUS 1.2 as AWS Data Exports writes it",
                table_type="EXTERNAL_TABLE",
                parameters={
                    "EXTERNAL": "TRUE",
                    "classification": "parquet",  # Glue's word for the format
                    "projection.enabled": "true",
                    "projection.account.type": "enum",
                    "projection.account.values": ",".join(props.accounts),
                    f"projection.{PARTITION}.type": "date",
                    f"projection.{PARTITION}.format": "yyyy-MM",
                    f"projection.{PARTITION}.interval": "1",
                    f"projection.{PARTITION}.interval.unit": "MONTHS",
                    f"projection.{PARTITION}.range": "2026-01,NOW",
                    "storage.location.template": (
                        f"{place}${{account}}/{props.export_name}/data/{PARTITION.upper()}=${{{PARTITION}}}/"
                    ),
                },
                partition_keys=[
                    glue.CfnTable.ColumnProperty(name=name, type="string") for name in ("account", PARTITION)
                ],
                storage_descriptor=glue.CfnTable.StorageDescriptorProperty(
                    columns=[
                        glue.CfnTable.ColumnProperty(name=name.lower(), type=kind) for name, kind in COLUMNS.items()
                    ],
                    location=place,
                    input_format=f"{_PARQUET}.MapredParquetInputFormat",
                    output_format=f"{_PARQUET}.MapredParquetOutputFormat",
                    serde_info=glue.CfnTable.SerdeInfoProperty(
                        serialization_library=f"{_PARQUET}.serde.ParquetHiveSerDe"
                    ),
                ),
            ),
        )
        table.add_resource_dependency(self.database)
        athena.CfnWorkGroup(
            self,
            "Workgroup",
            name=props.workgroup,
            description="Questions about cost",
            work_group_configuration=athena.CfnWorkGroup.WorkGroupConfigurationProperty(
                bytes_scanned_cutoff_per_query=props.scan_limit_gib * 1024**3,
                enforce_work_group_configuration=True,
                publish_cloud_watch_metrics_enabled=True,
                result_configuration=athena.CfnWorkGroup.ResultConfigurationProperty(
                    output_location=f"s3://{props.bucket_name}/answers/",
                    encryption_configuration=athena.CfnWorkGroup.EncryptionConfigurationProperty(
                        encryption_option="SSE_KMS", kms_key=props.encryption_key.key_arn
                    ),
                ),
            ),
        )
