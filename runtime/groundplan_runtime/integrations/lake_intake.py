"""Takes one raw file into the lake: its rows into the curated zone, or the file and a report into quarantine."""

import json
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import polars as pl
from botocore.exceptions import ClientError

from groundplan.intake import AGE_METRIC, METRICS, QUARANTINED_METRIC, RawFile, Verdict, refused
from groundplan.table import CREATED_TIME, Table
from groundplan_runtime.integrations.catalogue import Catalogue
from groundplan_runtime.integrations.validation import Validated, validate_file

MIB = 2**20


class LakeIntake:
    """All or nothing: one bad row keeps the whole file out, and what is stored appears in one piece.

    What is written last is the verdict: the rows in the curated zone, or the report. A file whose verdict is there
    already is not looked at again, so that an event may come twice.
    """

    def __init__(
        self, *, s3: Any, cloudwatch: Any, catalogue: Catalogue, buckets: Mapping[str, str], largest_mib: int
    ) -> None:
        self._s3 = s3
        self._cloudwatch = cloudwatch
        self._catalogue = catalogue
        self._buckets = buckets
        self._largest_mib = largest_mib

    def take(self, file: RawFile) -> dict[str, Any]:
        """The verdict's document, or `{"verdict": "known"}` when it was given before."""
        found = self._head("raw", file.key, **({"VersionId": file.version} if file.version else {}))
        if found is None:
            return {"verdict": "gone", "version": file.version}
        file = RawFile(file.key, found["VersionId"])
        arrived: datetime = found["LastModified"].astimezone(UTC)
        if self._head("curated", file.accepted_key(arrived.date())) or self._head("quarantine", file.report_key()):
            return {"verdict": "known", "version": file.version}
        verdict = self._judge(file, found["ContentLength"], arrived)
        document = verdict.document(self._buckets, arrived.date())
        if not verdict.accepted:
            self._quarantine(file, document)
        return document

    def _judge(self, file: RawFile, size_bytes: int, arrived: datetime) -> Verdict:
        """The verdict; when it is acceptance, the rows are stored."""
        if file.place is None:
            return refused(file, "its place must be <workload>/<table>/<file>")
        workload, name = file.place
        table = self._catalogue.find(workload, name)
        if table is None:
            return refused(file, f"no table {name} is deployed for {workload}; its folder tables/ would declare it")
        if size_bytes > self._largest_mib * MIB:
            told = f"{size_bytes / MIB:,.0f} MiB; limit {self._largest_mib:,} MiB"
            return refused(file, f"too large for the validating function ({told}): bring it in several files")
        with tempfile.TemporaryDirectory() as folder:
            return self._validate(file, table, arrived, Path(folder))

    def _validate(self, file: RawFile, table: Table, arrived: datetime, folder: Path) -> Verdict:
        source, output, workspace = folder / "source", folder / "accepted.parquet", folder / "parts"
        workspace.mkdir()
        self._s3.download_file(self._buckets["raw"], file.key, str(source), ExtraArgs={"VersionId": file.version})
        suffix = Path(file.name).suffix.lower()
        validated = validate_file(source, suffix, table, output=output, workspace=workspace)
        if not validated.findings.failed:
            self._accept(file, table, arrived, output, validated)
        findings = validated.findings
        return Verdict(file, validated.rows, findings.failed, tuple(findings.failures))

    def _accept(self, file: RawFile, table: Table, arrived: datetime, output: Path, validated: Validated) -> None:
        key, metadata = file.accepted_key(arrived.date()), {"rows": str(validated.rows)}
        if table.features:
            known = output.with_name("features.parquet")
            created = pl.lit(arrived).cast(pl.Datetime("us", "UTC")).alias(CREATED_TIME)
            pl.scan_parquet(output).with_columns(created).sink_parquet(known)
            self._s3.upload_file(str(known), self._buckets["features"], key)
        self._measure(file, (arrived - (validated.newest or arrived)).total_seconds() / 3600)
        self._s3.upload_file(str(output), self._buckets["curated"], key, ExtraArgs={"Metadata": metadata})

    def _quarantine(self, file: RawFile, document: Mapping[str, Any]) -> None:
        bucket, prefix = self._buckets["quarantine"], file.quarantine_prefix()
        source = {"Bucket": self._buckets["raw"], "Key": file.key, "VersionId": file.version}
        # Within S3, in parts where it is large; tags of the object are left behind.
        self._s3.copy(source, bucket, f"{prefix}/{file.name}", ExtraArgs={"TaggingDirective": "REPLACE"})
        self._publish({"MetricName": QUARANTINED_METRIC, "Value": 1, "Unit": "Count"})
        body = json.dumps(document, indent=2).encode()
        self._s3.put_object(Bucket=bucket, Key=file.report_key(), Body=body, ContentType="application/json")

    def _measure(self, file: RawFile, age_hours: float) -> None:
        workload, table = file.place or ("", "")
        dimensions = [{"Name": "Workload", "Value": workload}, {"Name": "Table", "Value": table}]
        self._publish({"MetricName": AGE_METRIC, "Value": age_hours, "Unit": "None", "Dimensions": dimensions})

    def _publish(self, metric: Mapping[str, Any]) -> None:
        self._cloudwatch.put_metric_data(Namespace=METRICS, MetricData=[metric])

    def _head(self, zone: str, key: str, **more: str) -> Mapping[str, Any] | None:
        try:
            return self._s3.head_object(Bucket=self._buckets[zone], Key=key, **more)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NoSuchVersion"):
                return None
            raise


def connect(*, buckets: Mapping[str, str], database: str, largest_mib: int) -> LakeIntake:
    """An intake on AWS, with the credentials and the region at hand."""
    aws: Any = boto3  # untyped
    return LakeIntake(
        s3=aws.client("s3"),
        cloudwatch=aws.client("cloudwatch"),
        catalogue=Catalogue(aws.client("glue"), database),
        buckets=buckets,
        largest_mib=largest_mib,
    )
