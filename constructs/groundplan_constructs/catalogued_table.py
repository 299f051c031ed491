"""A table of the lake in the Glue catalogue: Athena reads it at once, no crawler runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import aws_cdk as cdk
from aws_cdk import aws_glue as glue
from constructs import Construct

from groundplan.intake import DECLARATION
from groundplan.table import ARRIVED, Table

_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"


@dataclass(frozen=True, kw_only=True)
class CataloguedTableProps:
    """Where the table lies. `location` ends in a slash; `added` are columns that the lake adds: name to Glue type."""

    database: str
    name: str
    location: str
    table: Table
    added: Mapping[str, str] = field(default_factory=dict[str, str])


class CataloguedTable(Construct):
    """Columns and classification from the declaration, which stands in a parameter word by word.

    Partitions by the day of arrival are projected, so a new day is there without being registered. Source:
    https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: CataloguedTableProps) -> None:
        super().__init__(scope, construct_id)
        table = props.table
        columns = {name: column.type for name, column in table.columns.items()} | dict(props.added)
        glue.CfnTable(
            self,
            "Resource",
            catalog_id=cdk.Stack.of(self).account,
            database_name=props.database,
            table_input=glue.CfnTable.TableInputProperty(
                name=props.name,
                description=table.description,
                table_type="EXTERNAL_TABLE",
                parameters={
                    "EXTERNAL": "TRUE",
                    "classification": "parquet",  # Glue's word for the format
                    "data-classification": table.classification,
                    DECLARATION: table.model_dump_json(exclude_defaults=True),
                    **by_day_of_arrival(props.location),
                },
                partition_keys=[glue.CfnTable.ColumnProperty(name=ARRIVED, type="date")],
                storage_descriptor=glue.CfnTable.StorageDescriptorProperty(
                    columns=[
                        glue.CfnTable.ColumnProperty(
                            name=name,
                            type=kind,
                            comment=(table.columns[name].description or None) if name in table.columns else None,
                        )
                        for name, kind in columns.items()
                    ],
                    location=props.location,
                    input_format=f"{_PARQUET}.MapredParquetInputFormat",
                    output_format=f"{_PARQUET}.MapredParquetOutputFormat",
                    serde_info=glue.CfnTable.SerdeInfoProperty(
                        serialization_library=f"{_PARQUET}.serde.ParquetHiveSerDe"
                    ),
                ),
            ),
        )


def by_day_of_arrival(location: str) -> Mapping[str, str]:
    """Parameters of a table whose objects lie below the day on which they arrived; `location` ends in a slash."""
    return {
        "projection.enabled": "true",
        f"projection.{ARRIVED}.type": "date",
        f"projection.{ARRIVED}.format": "yyyy-MM-dd",
        f"projection.{ARRIVED}.range": "2026-01-01,NOW",
        "storage.location.template": f"{location}{ARRIVED}=${{{ARRIVED}}}/",
    }
