"""The cost report as files: a page, beside it groups as CSV and Parquet, a line a workload, and all of it as JSON."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from groundplan.focus.known import Known, beside, same_day_view
from groundplan.focus.page import fragment, page
from groundplan.focus.report import Report
from groundplan.focus.sheet import write_csv, write_lines
from groundplan.focus.workloads import Charged
from groundplan.spend.focus_table import WIDGET
from groundplan_runtime.integrations.bill import Bill, Limits
from groundplan_runtime.integrations.bill_sheet import write_parquet

PAGE, TITLE = "cost.html", "What it cost"


def write_report(
    files: Sequence[Path],
    folder: Path,
    known: Known | None = None,
    notes: Sequence[str] = (),
    *,
    limits: Limits | None = None,
) -> tuple[Report, list[Charged]]:
    """Read bills and write the page `cost.html`, what stands beside it, `cost.json` and the widget into a folder.

    Files that cannot be read are named in the report, with the reason; the others are counted. Without a file it is
    the same-day view. Beside the report what each workload was charged by the bill.
    """
    known, charged = known or Known(), list[Charged]()
    if files:
        with Bill(files, limits=limits) as bill:
            found, charged = bill.report(), bill.charged()
        found = beside(found, charged, known)
    else:
        found = same_day_view(known)
    found = replace(found, notes=[*notes, *found.notes])
    write_page(found, folder / PAGE)
    (folder / PAGE).with_suffix(".json").write_text(json.dumps(found.as_json(), indent=2), encoding="utf-8")
    (folder / WIDGET).write_text(fragment(found, title=TITLE, written=_now()), encoding="utf-8")
    return found, charged


def write_page(found: Report, file: Path) -> None:
    """The page, and beside it the groups as CSV and Parquet and the lines of workloads as CSV. Raises OSError."""
    file.write_text(page(found, title=TITLE, written=_now()), encoding="utf-8")
    with file.with_suffix(".csv").open("w", newline="", encoding="utf-8") as sheet:
        write_csv(found, sheet)
    with file.with_name(f"{file.stem}-workloads.csv").open("w", newline="", encoding="utf-8") as sheet:
        write_lines(found, sheet)
    write_parquet(found, file.with_suffix(".parquet"))


def _now() -> str:
    return f"{datetime.now(UTC):%d %B %Y, %H:%M} UTC"
