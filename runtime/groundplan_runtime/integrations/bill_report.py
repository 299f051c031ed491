"""The cost report as files: a page, and beside it the groups as CSV and Parquet and everything as JSON."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from groundplan.focus.page import page
from groundplan.focus.report import Report
from groundplan.focus.sheet import write_csv
from groundplan.focus.workloads import workload_lines
from groundplan_runtime.integrations.bill import Bill, Limits
from groundplan_runtime.integrations.bill_sheet import write_parquet

PAGE = "cost.html"


def write_report(files: Sequence[Path], folder: Path, *, limits: Limits | None = None) -> Report:
    """Read bills and write `cost.html`, `cost.csv`, `cost.parquet` and `cost.json` into a folder.

    Files that cannot be read are named in the report, with the reason; the others are counted.
    """
    with Bill(files, limits=limits) as bill:
        found = bill.report()
        found = replace(found, workloads=workload_lines(bill.charged(), {}, {}))
    write_page(found, folder / PAGE)
    (folder / PAGE).with_suffix(".json").write_text(json.dumps(found.as_json(), indent=2), encoding="utf-8")
    return found


def write_page(found: Report, file: Path) -> None:
    """The page, and the groups as CSV and Parquet beside it. Raises OSError."""
    written = f"{datetime.now(UTC):%d %B %Y, %H:%M} UTC"
    file.write_text(page(found, title="What it cost", written=written), encoding="utf-8")
    with file.with_suffix(".csv").open("w", newline="", encoding="utf-8") as sheet:
        write_csv(found, sheet)
    write_parquet(found, file.with_suffix(".parquet"))
