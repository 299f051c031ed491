"""The groups of a report as CSV, which a spreadsheet opens without running anything that a tag says."""

import csv
from collections.abc import Iterator
from typing import TextIO

from groundplan.focus.queries import DIMENSIONS
from groundplan.focus.report import CAUSES, NOTHING, Report
from groundplan.focus.workloads import plain

KEYS = ("grouped_by", *DIMENSIONS, "month", "region", "provider", "billing_currency")
AMOUNTS = ("billed", "effective", "list", *(f"saved_{cause}" for cause in CAUSES))
HEADER = (*KEYS, *AMOUNTS, "rows")
# What makes a spreadsheet take a text for a formula: https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # and these in full width


def cells(report: Report) -> Iterator[tuple[str, ...]]:
    """Each group's cells, as they are."""
    for group in report.groups:
        named = {name: "" if value is None else str(value) for name, value in group.key.items()}
        whose = {"grouped_by": group.by, "provider": group.provider or "", "billing_currency": group.currency}
        sums = group.sums
        amounts = (sums.billed, sums.effective, sums.list, *(sums.savings.get(cause, NOTHING) for cause in CAUSES))
        yield (*((named | whose).get(name, "") for name in KEYS), *map(plain, amounts), str(sums.rows))


def write_csv(report: Report, file: TextIO) -> None:
    """The groups with a header. A text that would be a formula has an apostrophe before it; amounts are numbers."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(HEADER)
    for row in cells(report):
        texts = (f"'{text}" if text.lstrip().startswith(_FORMULA) else text for text in row[: len(KEYS)])
        writer.writerow((*texts, *row[len(KEYS) :]))
