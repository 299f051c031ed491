"""The export of a bill into the data account's bucket.

A bucket of another account is delivered to only where its owner is named:
https://docs.aws.amazon.com/cur/latest/userguide/dataexports-s3-bucket.html
"""

from dataclasses import dataclass

from aws_cdk import aws_bcmdataexports as exports
from constructs import Construct

from groundplan.spend.focus_table import EXPORTS, QUERY, TABLE


@dataclass(frozen=True, kw_only=True)
class FocusExportProps:
    """What is written where: below `exports/<account>/<export_name>/` of the bucket."""

    export_name: str
    account: str
    bucket_name: str
    bucket_owner: str
    bucket_region: str


class FocusExport(exports.CfnExport):
    """FOCUS 1.2 in Parquet, each delivery in the place of the last. Stands in us-east-1, where Data Exports is."""

    def __init__(self, scope: Construct, construct_id: str, *, props: FocusExportProps) -> None:
        super().__init__(
            scope,
            construct_id,
            export=exports.CfnExport.ExportProperty(
                name=props.export_name,
                description="FOCUS 1.2",
                data_query=exports.CfnExport.DataQueryProperty(
                    query_statement=QUERY, table_configurations={TABLE: {}}
                ),
                destination_configurations=exports.CfnExport.DestinationConfigurationsProperty(
                    s3_destination=exports.CfnExport.S3DestinationProperty(
                        s3_bucket=props.bucket_name,
                        s3_bucket_owner=props.bucket_owner,
                        s3_prefix=f"{EXPORTS}/{props.account}",
                        s3_region=props.bucket_region,
                        s3_output_configurations=exports.CfnExport.S3OutputConfigurationsProperty(
                            compression="PARQUET",
                            format="PARQUET",
                            output_type="CUSTOM",
                            overwrite="OVERWRITE_REPORT",
                        ),
                    )
                ),
                refresh_cadence=exports.CfnExport.RefreshCadenceProperty(frequency="SYNCHRONOUS"),
            ),
        )
