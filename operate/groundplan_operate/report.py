"""`groundplan report`: what was billed, by whom and for what, and why it was less than the list price."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from groundplan.estimate import Usage, estimate, read_stacks
from groundplan.focus.design import designs
from groundplan.focus.page import page
from groundplan.focus.queries import DIMENSIONS
from groundplan.focus.report import Report, text_lines
from groundplan.focus.sheet import write_csv
from groundplan.focus.workloads import Designed, workload_lines
from groundplan.prices import read_prices
from groundplan.refusal import BadInput, bad
from groundplan.workload import Workload, read_workloads, usage_of
from groundplan_operate.options import as_json, repository
from groundplan_runtime.integrations.bill import Bill, Limits
from groundplan_runtime.integrations.bill_sheet import write_parquet

FILE = click.Path(path_type=Path)


@click.command
@click.option(
    "--focus", "first", type=FILE, metavar="FILE...", help="FOCUS exports, CSV or Parquet, or folders of them"
)
@click.argument("more", type=FILE, nargs=-1, metavar="")
@click.option(
    "--assembly", type=FILE, help="the folder that cdk synth wrote; workloads are compared with its estimate"
)
@click.option(
    "--by", "by", multiple=True, metavar="NAMES", help=f"group by these instead, such as {','.join(DIMENSIONS[:2])}"
)
@click.option("--html", "page_file", type=FILE, metavar="FILE", help="write a page, and CSV and Parquet beside it")
@click.option("--every-row", is_flag=True, help="count rows that equal another in every column, too")
@click.option("--threads", type=click.IntRange(min=1), help="at most so many")
@click.option("--memory-mib", type=click.IntRange(min=64), help="at most so much in memory, the rest on disk")
@as_json
def report(
    first: Path | None,
    more: tuple[Path, ...],
    assembly: Path | None,
    by: tuple[str, ...],
    page_file: Path | None,
    every_row: bool,
    threads: int | None,
    memory_mib: int | None,
    as_json: bool,
) -> None:
    """Say what was billed: by workload, tenant, feature, account, service and day.

    Files that cannot be read are named with row and column, and the others are reported; the status is then 2.
    Currencies are never added up, and no charge is counted twice.
    """
    if first is None:
        raise bad("", "--focus", "nothing", "allowed: one or more FOCUS exports, CSV or Parquet")
    wanted = [_dimensions(one) for one in by]
    with Bill([first, *more], limits=Limits(threads, memory_mib), rows_once=not every_row) as bill:
        found = bill.report(*wanted)
        findings = bill.findings
        if not wanted:
            found = replace(found, workloads=workload_lines(bill.charged(), _designed(assembly), {}))
    for note in found.notes:
        click.echo(f"groundplan: {note}", err=True)
    if page_file:
        _write(page_file, found)
    click.echo(json.dumps(found.as_json(), indent=2) if as_json else "\n".join(text_lines(found)))
    if findings:
        raise BadInput(findings)


def _write(file: Path, found: Report) -> None:
    """The page, and the groups as CSV and Parquet beside it."""
    when = datetime.now(UTC)
    try:
        file.write_text(page(found, title="What it cost", written=f"{when:%d %B %Y, %H:%M} UTC"), encoding="utf-8")
        with file.with_suffix(".csv").open("w", newline="", encoding="utf-8") as sheet:
            write_csv(found, sheet)
        write_parquet(found, file.with_suffix(".parquet"))
    except OSError as error:
        reason = error.strerror or "it cannot be written"
        raise bad("", "--html", str(file), f"{reason}; allowed: a file in a folder that is there") from None


def _designed(assembly: Path | None) -> Mapping[str, Designed]:
    """Ceilings of this repository's workloads, where this is one, and the estimate of an assembly."""
    root: Path | None = None
    workloads: Sequence[Workload] = ()
    with suppress(BadInput):
        root = repository()
    if root:
        workloads = read_workloads(root)
    if not assembly:
        return designs(workloads, None)
    stacks, wrong = read_stacks(assembly)
    if wrong:
        raise BadInput(wrong)
    return designs(workloads, estimate(stacks, partial(read_prices, root), Usage(drivers=usage_of(workloads))))


def _dimensions(names: str) -> list[str]:
    allowed = (*DIMENSIONS, "month", "region")
    given = [name.strip() for name in names.split(",")]
    for name in given:
        if name not in allowed or given.count(name) > 1:
            raise bad("", "--by", names, f"allowed: each once, with commas between: {', '.join(allowed)}")
    return given
