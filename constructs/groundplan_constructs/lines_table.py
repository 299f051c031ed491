"""A table over lines of JSON in a bucket: Athena reads it at once, no crawler runs."""

from collections.abc import Mapping
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_glue as glue
from constructs import Construct

from groundplan.table import ARRIVED
from groundplan_constructs.catalogued_table import by_day_of_arrival


@dataclass(frozen=True, kw_only=True)
class LinesTableProps:
    """`location` ends in a slash; `columns` are name to Glue type; `description` says what a row is."""

    database: glue.CfnDatabase
    name: str
    location: str
    columns: Mapping[str, str]
    description: str


class LinesTable(Construct):
    """Partitions by the day of arrival are projected. A line that is no JSON is a row of nothing, not an error.

    https://docs.aws.amazon.com/athena/latest/ug/openx-json-serde.html
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: LinesTableProps) -> None:
        super().__init__(scope, construct_id)
        column = glue.CfnTable.ColumnProperty
        glue.CfnTable(
            self,
            "Resource",
            catalog_id=cdk.Stack.of(self).account,
            database_name=props.database.ref,
            table_input=glue.CfnTable.TableInputProperty(
                name=props.name,
                description=props.description,
                table_type="EXTERNAL_TABLE",
                parameters={
                    "EXTERNAL": "TRUE",
                    "classification": "json",  # Glue's word for the format
                    **by_day_of_arrival(props.location),
                },
                partition_keys=[column(name=ARRIVED, type="date")],
                storage_descriptor=glue.CfnTable.StorageDescriptorProperty(
                    columns=[column(name=name, type=kind) for name, kind in props.columns.items()],
                    location=props.location,
                    input_format="org.apache.hadoop.mapred.TextInputFormat",
                    output_format="org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
                    serde_info=glue.CfnTable.SerdeInfoProperty(
                        serialization_library="org.openx.data.jsonserde.JsonSerDe",
                        parameters={"ignore.malformed.json": "TRUE"},
                    ),
                ),
            ),
        )
