"""What the gateway metered, from the lines in the lake: each request once, whatever was delivered twice."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import duckdb
from botocore.exceptions import ClientError

from groundplan.gateway.meter_table import COLUMNS, REQUESTS, MeteredSum, since, sums

_KINDS = {"string": "VARCHAR"}


class S3(Protocol):
    """What is used of boto3's S3 client."""

    def list_objects_v2(self, **request: Any) -> Mapping[str, Any]: ...
    def download_file(self, bucket: str, key: str, target: str, /) -> object: ...


@dataclass(frozen=True)
class MeterLake:
    """The meter's bucket in the data account."""

    s3: S3
    bucket: str

    def month(self, month: str) -> list[MeteredSum]:
        """Sums of a month (2026-11) by tenant, feature, workload and model; none where there is no such bucket."""
        with tempfile.TemporaryDirectory(prefix="groundplan-meter-") as folder:
            try:
                files = list(self._fetch(since(month), Path(folder)))
            except ClientError as error:
                if error.response["Error"]["Code"] != "NoSuchBucket":
                    raise
                return []
            return [one for one in summed(files, Path(folder)) if one.month == month]

    def _fetch(self, first: str, folder: Path) -> Iterator[Path]:
        more: dict[str, str] = {"StartAfter": first}
        while True:
            page = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=f"{REQUESTS}/", **more)
            for entry in page.get("Contents") or ():
                target = folder / entry["Key"]
                target.parent.mkdir(parents=True, exist_ok=True)
                self.s3.download_file(self.bucket, entry["Key"], str(target))
                yield target
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}


def summed(files: Sequence[Path], folder: Path) -> list[MeteredSum]:
    """Sums of the lines in files; what does not fit into memory is kept in `folder` for the while.

    Objects that follow each other without a newline are read, too.
    """
    if not files:
        return []
    settings: dict[str, Any] = {"temp_directory": str(folder / "spilled"), "autoinstall_known_extensions": False}
    columns = ", ".join(f"'{name}': '{_KINDS.get(kind, kind.upper())}'" for name, kind in COLUMNS.items())
    source = f"read_json(?, format = 'unstructured', columns = {{{columns}}})"
    with duckdb.connect(":memory:", config=settings) as database:
        rows = database.execute(sums(source), [[str(file) for file in files]]).fetchall()
    # Sums of whole numbers are wider in DuckDB than a machine's.
    return [MeteredSum(*row[:5], *map(int, row[5:-1]), usd=Decimal(row[-1])) for row in rows]
