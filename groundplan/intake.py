"""What becomes of a file that lands in the raw zone: where it goes, and what is said about it. Names only, no bytes.

A file lands as `<workload>/<table>/<name>` and its fate is a function of its key and version: the same version told
twice has the same outcome under the same keys.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from groundplan.refusal import bad
from groundplan.table import ARRIVED

METRICS = "Groundplan/Lake"  # CloudWatch namespace
AGE_METRIC = "NewestAcceptedAgeHours"  # by Workload and Table
QUARANTINED_METRIC = "QuarantinedFiles"
UNPLACED = "_unplaced"  # no workload is called so
DECLARATION = "declaration"  # parameter of a table in the catalogue: the Table as JSON


@dataclass(frozen=True)
class Failure:
    """One thing that is wrong with a file.

    `row` counts as a spreadsheet does: the header of a CSV file is row 1; the first row of a Parquet file is 1. Row,
    column and value are None where the whole file, row or column is meant.
    """

    row: int | None
    column: str | None
    value: str | None
    rule: str

    def __str__(self) -> str:
        where = [f"row {self.row}"] if self.row is not None else []
        where += [f"column {self.column}"] if self.column is not None else []
        said = f"{self.value!r}: {self.rule}" if self.value is not None else self.rule
        return ": ".join([", ".join(where), said] if where else [said])


@dataclass(frozen=True)
class RawFile:
    """One version of an object in the raw zone."""

    key: str
    version: str

    @property
    def name(self) -> str:
        """The plain file name."""
        return self.key.rpartition("/")[2]

    @property
    def place(self) -> tuple[str, str] | None:
        """Workload and table; None when the key is not `<workload>/<table>/…`."""
        workload, _, rest = self.key.partition("/")
        table, _, name = rest.partition("/")
        return (workload, table) if workload and table and name else None

    @property
    def identity(self) -> str:
        """Names this version of this object: 32 hex digits."""
        return hashlib.sha256(f"{self.key}\0{self.version}".encode()).hexdigest()[:32]

    def accepted_key(self, arrived: date) -> str:
        """Where its rows lie in the curated zone, and in the features zone."""
        workload, table = self.place or (UNPLACED, UNPLACED)
        return f"{workload}/{table}/{ARRIVED}={arrived.isoformat()}/{self.identity}.parquet"

    def quarantine_prefix(self) -> str:
        """Below this lie the file itself and `report.json` when it is quarantined."""
        place = "/".join(self.place) if self.place else UNPLACED
        return f"{place}/{self.identity}"

    def report_key(self) -> str:
        """The report in the quarantine zone; it is written last."""
        return f"{self.quarantine_prefix()}/report.json"


@dataclass(frozen=True)
class Verdict:
    """The outcome for one raw file: accepted with `rows`, or quarantined with `failures` (the first of `failed`)."""

    file: RawFile
    rows: int
    failed: int = 0
    failures: Sequence[Failure] = ()

    @property
    def accepted(self) -> bool:
        """Whether the file passed."""
        return not self.failed

    def document(self, buckets: Mapping[str, str], arrived: date) -> dict[str, Any]:
        """As it is stored and printed. `buckets`: zone to name."""
        workload, table = self.file.place or (None, None)
        accepted = f"s3://{buckets['curated']}/{self.file.accepted_key(arrived)}"
        return {
            "verdict": "accepted" if self.accepted else "quarantined",
            "workload": workload,
            "table": table,
            "file": f"s3://{buckets['raw']}/{self.file.key}",
            "version": self.file.version,
            "rows": self.rows,
            "stored": accepted if self.accepted else f"s3://{buckets['quarantine']}/{self.file.quarantine_prefix()}/",
            "failed": self.failed,
            "failures": [asdict(failure) for failure in self.failures],
        }


def raw_file_of(event: Mapping[str, Any], *, bucket: str) -> RawFile | None:
    """The file of an S3 event; None for the marker of a folder. Raises BadInput for what is no such event.

    The version is empty where the event does not tell it.
    """
    try:
        found, item = event["detail"]["bucket"]["name"], event["detail"]["object"]
        key, version = item["key"], item.get("version-id", "")
        if not (isinstance(key, str) and key and isinstance(version, str)):
            raise TypeError
    except (KeyError, TypeError, AttributeError):
        allowed = "allowed: an S3 event with bucket.name and object.key"
        raise bad("event", "detail", event.get("detail"), allowed) from None
    if found != bucket:
        raise bad("event", "detail.bucket.name", found, f"allowed: {bucket}")
    return None if key.endswith("/") else RawFile(key, version)


def refused(file: RawFile, rule: str) -> Verdict:
    """The verdict over a file that cannot be read at all."""
    return Verdict(file, rows=0, failed=1, failures=(Failure(None, None, None, rule),))
