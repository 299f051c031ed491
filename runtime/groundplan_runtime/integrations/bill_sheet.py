"""The groups of a report as Parquet: dates and exact decimals, and texts as they are."""

import csv
import tempfile
from pathlib import Path

import duckdb

from groundplan.focus.queries import MONEY
from groundplan.focus.report import Report
from groundplan.focus.sheet import AMOUNTS, HEADER, cells
from groundplan_runtime.integrations.bill_export import text


def write_parquet(report: Report, path: Path) -> None:
    """Write the groups; what stood there is replaced."""
    kinds = dict.fromkeys(HEADER, "VARCHAR") | {"day": "DATE", "month": "DATE", "rows": "BIGINT"}
    kinds |= dict.fromkeys(AMOUNTS, MONEY)
    columns = ", ".join(f"{text(name)}: {text(kinds[name])}" for name in HEADER)
    with tempfile.TemporaryDirectory() as folder:
        beside, draft = Path(folder, "groups.csv"), Path(folder, "groups.parquet")
        with beside.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(cells(report))
        options = f"header=false, auto_detect=false, delim=',', quote='\"', escape='\"', columns={{{columns}}}"
        read = f"SELECT * FROM read_csv('{beside}', {options}, nullstr='', allow_quoted_nulls=true)"
        with duckdb.connect() as database:
            database.execute("SET enable_progress_bar = false")
            database.execute(f"COPY ({read}) TO '{draft}' (FORMAT parquet, COMPRESSION zstd)")
        path.write_bytes(draft.read_bytes())
