"""What the gateway metered, from the lines in the lake: each request once, whatever was delivered twice."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import duckdb
from botocore.exceptions import ClientError

from groundplan.focus.metered_sum import MeteredSum
from groundplan.gateway.meter_table import COLUMNS, REQUESTS, since, sums
from groundplan.refusal import Refused
from groundplan_runtime.integrations.listed_objects import Lists, listed

_SHAPE = {name: "VARCHAR" if kind == "string" else kind.upper() for name, kind in COLUMNS.items()}
_OBJECTS = f"read_json(?, format = 'unstructured', columns = {_SHAPE})"
# The same, five times as slowly, where something else is among them. A line is one text: no character of JSON is this
# separator, and only where it begins has a line this key.
_TEXTS = """SELECT unnest(string_split(replace(line, '{"_aws":', chr(10) || '{"_aws":'), chr(10))) AS text, filename
    FROM read_csv(?, auto_detect = false, header = false, columns = {'line': 'VARCHAR'}, delim = chr(1), quote = '',
        escape = '', filename = true)"""
_LINES = f"""(SELECT unnest(json_transform(
        CASE WHEN json_valid(text) THEN text ELSE error(filename) END, '{json.dumps(_SHAPE)}'))
    FROM ({_TEXTS}) AS texts WHERE trim(text) <> '' AND NOT starts_with(text, 'CWL CONTROL MESSAGE'))"""


class S3(Lists, Protocol):
    """What is used of boto3's S3 client."""

    def download_file(self, bucket: str, key: str, target: str, /) -> object: ...


@dataclass(frozen=True)
class MeterLake:
    """The meter's bucket in the data account."""

    s3: S3
    bucket: str

    def month(self, month: str) -> list[MeteredSum]:
        """Sums of a month (2026-11) by tenant, feature, workload and model; none where there is no such bucket.

        Raises Refused where an object is not what Firehose writes: a sum of the others would be too small.
        """
        with tempfile.TemporaryDirectory(prefix="groundplan-meter-") as folder:
            try:
                files = list(self._fetch(since(month), Path(folder)))
            except ClientError as error:
                if error.response["Error"]["Code"] != "NoSuchBucket":
                    raise
                return []
            try:
                return [one for one in summed(files, Path(folder)) if one.month == month]
            except duckdb.Error as error:
                why = str(error).partition("\n")[0].replace(f"{folder}/", "")
                raise Refused(f"s3://{self.bucket} holds what is no line of the meter: {why}") from None

    def _fetch(self, first: str, folder: Path) -> Iterator[Path]:
        for page in listed(self.s3, self.bucket, f"{REQUESTS}/", StartAfter=first):
            for entry in page:
                target = folder / entry["Key"]
                target.parent.mkdir(parents=True, exist_ok=True)
                self.s3.download_file(self.bucket, entry["Key"], str(target))
                yield target


def summed(files: Sequence[Path], folder: Path) -> list[MeteredSum]:
    """Sums of the lines in files; what does not fit into memory is kept in `folder` for the while.

    Lines that follow each other without a newline are read, too, and what CloudWatch Logs says to see whether anybody
    listens is no line. Raises duckdb.Error for anything else.
    """
    if not files:
        return []
    settings: dict[str, Any] = {"temp_directory": str(folder / "spilled"), "autoinstall_known_extensions": False}
    with duckdb.connect(":memory:", config=settings) as database:
        database.execute("SET enable_progress_bar = false")  # it would be drawn into what is printed
        names = [str(file) for file in files]
        try:
            rows = database.execute(sums(_OBJECTS), [names]).fetchall()
        except duckdb.InvalidInputException:
            rows = database.execute(sums(_LINES), [names]).fetchall()
    # Sums of whole numbers are wider in DuckDB than a machine's.
    return [MeteredSum(*row[:5], *map(int, row[5:-1]), usd=Decimal(row[-1])) for row in rows]
