"""A file for a table, brought into the raw zone and followed to its verdict."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from groundplan.canonical import file_digest
from groundplan.intake import Failure, RawFile, Verdict
from groundplan.names import INTAKE_ZONES
from groundplan.refusal import Refused, bad
from groundplan.table import Table, read_tables
from groundplan.workload import Workload
from groundplan_operate.accounts import Accounts
from groundplan_operate.lake import bucket_of, head, holds, upload

VERDICT_WITHIN_SECONDS = 900 + 60  # the function's longest run, and its start
LINES_SHOWN = 20
_TO_PEOPLE = Console(stderr=True)


def bring_in(accounts: Accounts, workload: Workload, table_name: str, file: Path) -> Mapping[str, Any]:
    """The document of the verdict. Raises BadInput for what cannot be a file of the table, Refused without a verdict.

    Bytes that were accepted under the same name are not brought in twice: their verdict is told again.
    """
    table = _table(accounts, workload, table_name)
    if not (file.is_file() and file.name.isprintable() and file.suffix.lower() in (".csv", ".parquet")):
        raise bad(str(file), "name", file.name, "allowed: a file with a printable name that ends in .csv or .parquet")
    s3 = accounts.client("s3", "data")
    buckets = {zone: bucket_of(accounts, s3, zone) for zone in INTAKE_ZONES}
    key, sha256 = f"{workload.name}/{table.name}/{file.name}", file_digest(file)
    if found := holds(s3, buckets["raw"], key, file, sha256):
        document = _verdict(s3, buckets, RawFile(key, found["VersionId"]))
        if document and document["verdict"] == "accepted":
            return document
    raw = RawFile(key, upload(s3, buckets["raw"], key, file, sha256))
    deadline, wait_seconds = time.monotonic() + VERDICT_WITHIN_SECONDS, 0.2
    with _TO_PEOPLE.status("waiting for the verdict"):
        while time.monotonic() < deadline:
            if document := _verdict(s3, buckets, raw):
                return document
            time.sleep(wait_seconds)
            wait_seconds = min(wait_seconds * 1.5, 5)
    raise Refused(
        f"{file}: it lies at s3://{buckets['raw']}/{key}, and there is no verdict after {VERDICT_WITHIN_SECONDS} "
        "seconds: see docs/runbooks/lake.md"
    )


def told(document: Mapping[str, Any]) -> list[str]:
    """The verdict in lines for people."""
    if document["verdict"] == "accepted":
        return [f"accepted: {document['rows']:,} rows", f"stored in {document['stored']}"]
    failures = [str(Failure(**failure)) for failure in document["failures"]]
    more = document["failed"] - min(len(failures), LINES_SHOWN)
    return [
        *failures[:LINES_SHOWN],
        *([f"and {more:,} more"] if more else []),
        f"the file and its report lie in {document['stored']}",
    ]


def _table(accounts: Accounts, workload: Workload, name: str) -> Table:
    tables = {table.name: table for table in read_tables(accounts.root, workload)}
    if name not in tables:
        known = ", ".join(tables) or f"none; a file in workloads/{workload.name}/tables/ declares one"
        raise bad("", "table", name, f"allowed: {known}")
    return tables[name]


def _verdict(s3: Any, buckets: Mapping[str, str], raw: RawFile) -> Mapping[str, Any] | None:
    landed: datetime = s3.head_object(Bucket=buckets["raw"], Key=raw.key, VersionId=raw.version)["LastModified"]
    day = landed.astimezone(UTC).date()
    if accepted := head(s3.head_object, Bucket=buckets["curated"], Key=raw.accepted_key(day)):
        return Verdict(raw, rows=int(accepted["Metadata"]["rows"])).document(buckets, day)
    if report := head(s3.get_object, Bucket=buckets["quarantine"], Key=raw.report_key()):
        return json.loads(report["Body"].read())
    return None
