"""The groups of a report as CSV, which a spreadsheet opens without running anything that a tag says."""

import csv
from collections.abc import Iterator
from typing import Any, TextIO

from groundplan.focus.queries import DIMENSIONS
from groundplan.focus.report import CAUSES, NOTHING, Report
from groundplan.focus.workloads import plain
from groundplan.json_value import mapping

KEYS = ("grouped_by", *DIMENSIONS, "month", "region", "provider", "billing_currency")
AMOUNTS = ("billed", "effective", "list", *(f"saved_{cause}" for cause in CAUSES))
HEADER = (*KEYS, *AMOUNTS, "rows")
LINE_HEADER: tuple[str, ...] = tuple(
    """
    workload owner month ceiling_usd estimate_usd estimate_usd_at_most actual_usd billed_usd through not_billed_usd
    forecast_usd forecast_of_ceiling why training_runs training_runs_usd training_run_usd thousand_inferences_usd
    million_tokens_usd spot_saving refused_runs refused_usd idle idle_monthly_usd idle_of_unknown_price
    same_day_first same_day_through same_day_usd same_day_billed_usd same_day_error same_day_later_usd
    """.split()
)
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
        writer.writerow((*map(_harmless, row[: len(KEYS)]), *row[len(KEYS) :]))


def write_lines(report: Report, file: TextIO) -> None:
    """A row a workload: what it may, should and did cost, and what the platform saw. What is not known is empty."""
    writer = csv.DictWriter(file, LINE_HEADER, lineterminator="\n")
    writer.writeheader()
    same_day = {one.workload: one.as_json() for one in report.same_day}
    for line in report.workloads:
        whole, seen = line.as_json(), line.observed
        beside = same_day.get(line.workload, {})
        runs, refused = mapping(whole["training_runs"]), mapping(whole["refused_runs"])
        known = [one.monthly_usd for one in (seen.idle if seen else ()) if one.monthly_usd is not None]
        row: dict[str, Any] = {
            **whole,
            **whole["unit_costs"],
            "training_runs": runs.get("runs"),
            "training_runs_usd": runs.get("usd"),
            "spot_saving": mapping(whole["spot"]).get("saving"),
            "refused_runs": refused.get("runs"),
            "refused_usd": refused.get("would_have_cost_usd"),
            "idle": "; ".join(f"{one.name}: {one.why}" for one in (seen.idle if seen else ())),
            "idle_monthly_usd": plain(sum(known, NOTHING)) if seen else None,
            "idle_of_unknown_price": len(seen.idle) - len(known) if seen else None,
            **{f"same_day_{name.removeprefix('same_day_')}": value for name, value in beside.items()},
        }
        texts = {name: _harmless(row[name] or "") for name in ("workload", "owner", "why", "idle")}
        writer.writerow({name: row.get(name) for name in LINE_HEADER} | texts)


def _harmless(text: str) -> str:
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text
