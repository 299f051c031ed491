"""`groundplan report`: what was billed, by whom and for what, and why it was less than the list price."""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from groundplan.environment import read_environment
from groundplan.estimate import Usage, estimate, read_stacks
from groundplan.focus.design import designs
from groundplan.focus.known import Known, beside, same_day_view
from groundplan.focus.queries import DIMENSIONS
from groundplan.focus.report import Report, text_lines
from groundplan.prices import read_prices
from groundplan.refusal import BadInput, Finding, bad
from groundplan.workload import Workload, read_workloads, usage_of
from groundplan_operate.options import as_json, repository
from groundplan_runtime.integrations.bill import Bill, Limits
from groundplan_runtime.integrations.bill_report import write_page
from groundplan_runtime.integrations.bill_table import BillTable, Catalogued
from groundplan_runtime.integrations.cost_exports import months as _newest_months

if TYPE_CHECKING:
    from groundplan_operate.accounts import Accounts

MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])", re.ASCII)
FILE = click.Path(path_type=Path)


@click.command
@click.option("--focus", "first", type=FILE, metavar="FILE...", help="FOCUS exports in CSV or Parquet, or folders")
@click.argument("more", type=FILE, nargs=-1, metavar="")
@click.option("-e", "--environment", "environment_name", help="what this deployed environment knows, too, or alone")
@click.option("--assembly", type=FILE, help="the folder that cdk synth wrote; its estimate stands beside the bill")
@click.option("--by", "by", multiple=True, metavar="NAMES", help="group by these instead, such as workload,tenant")
@click.option("--html", "page_file", type=FILE, metavar="FILE", help="write a page, and CSV and Parquet beside it")
@click.option(
    "--athena", "in_athena", is_flag=True, help="ask the table of the exports in the data account; needs -e"
)
@click.option("--month", "months", multiple=True, metavar="YYYY-MM", help="of --athena; this one and the last")
@click.option("--every-row", is_flag=True, help="count rows that equal another in every column, too")
@click.option("--threads", type=click.IntRange(min=1), help="at most so many")
@click.option("--memory-mib", type=click.IntRange(min=64), help="at most so much in memory, the rest on disk")
@as_json
def report(
    first: Path | None,
    more: tuple[Path, ...],
    environment_name: str | None,
    assembly: Path | None,
    by: tuple[str, ...],
    page_file: Path | None,
    in_athena: bool,
    months: tuple[str, ...],
    every_row: bool,
    threads: int | None,
    memory_mib: int | None,
    as_json: bool,
) -> None:
    """Say what was billed: by workload, tenant, feature, account, service and day.

    Files that cannot be read are named with row and column, and the others are reported; the status is then 2.
    Currencies are never added up, and no charge is counted twice. With -e alone it is the same-day view: what
    machines were used this month, at the prices of the price files. With -e and --athena nothing is fetched: Athena
    reads the exports where they are, within its workgroup's limit.
    """
    if in_athena and (first or every_row or not environment_name):
        raise bad("", "--athena", "with --focus or --every-row, or without -e", "allowed: -e ENV, --month and --by")
    if months and not in_athena:
        raise bad("", "--month", ", ".join(months), "allowed: with --athena; a file has its own months")
    if first is None and environment_name is None:
        raise bad("", "--focus", "nothing", "allowed: FOCUS exports in CSV or Parquet, or -e for the same-day view")
    wanted = [_dimensions(one) for one in by]
    known = _of_environment(environment_name) if environment_name else _designed(assembly)
    findings: Sequence[Finding] = ()
    if in_athena and environment_name:
        found, findings = _table_beside(environment_name, known, wanted, months)
    elif first is None:
        found = same_day_view(known)
    else:
        limits = Limits(threads, memory_mib)
        found, findings = bill_beside([first, *more], known, wanted, limits, rows_once=not every_row)
    _print(found, page_file, as_json=as_json)
    if findings:
        raise BadInput(findings)


def bill_beside(
    files: Sequence[Path],
    known: Known,
    wanted: Sequence[Sequence[str]] = (),
    limits: Limits | None = None,
    *,
    rows_once: bool = True,
) -> tuple[Report, Sequence[Finding]]:
    """The report of exports beside what is known, and what was not read; `wanted` are groups instead of lines."""
    with Bill(files, limits=limits, rows_once=rows_once) as bill:
        found, findings = bill.report(*wanted), bill.findings
        return (found if wanted else beside(found, bill.charged(), known)), findings


def _table_beside(
    environment_name: str, known: Known, wanted: Sequence[Sequence[str]], given: Sequence[str]
) -> tuple[Report, Sequence[Finding]]:
    """As `bill_beside`, of the table in the data account."""
    from groundplan_operate.accounts import Accounts  # lazy: files are read without AWS

    for month in given:
        if not MONTH.fullmatch(month):
            raise bad("", "--month", month, "allowed: a year and a month such as 2026-11")
    root = repository()
    accounts = Accounts(root, read_environment(root, environment_name))
    place = Catalogued(
        athena=accounts.client("athena", "data"),
        s3=accounts.client("s3", "data"),
        workgroup=accounts.names.costs_workgroup(),
        database=accounts.names.costs_database(),
        months=given or _newest_months(datetime.now(UTC)),
    )
    with BillTable(place) as table:
        found = table.report(*wanted)
        return (found if wanted else beside(found, table.charged(), known)), table.findings


def _print(found: Report, page_file: Path | None, *, as_json: bool) -> None:
    for note in found.notes:
        click.echo(f"groundplan: {note}", err=True)
    if page_file:
        write_report(page_file, found)
    click.echo(json.dumps(found.as_json(), indent=2) if as_json else "\n".join(text_lines(found)))


def write_report(file: Path, found: Report) -> None:
    """The page, and the groups as CSV and Parquet beside it."""
    try:
        write_page(found, file)
    except OSError as error:
        reason = error.strerror or "it cannot be written"
        raise bad("", "--html", str(file), f"{reason}; allowed: a file in a folder that is there") from None


def _of_environment(environment_name: str) -> Known:
    from groundplan_operate.accounts import Accounts  # lazy: files are read without AWS

    root = repository()
    return deployed(Accounts(root, read_environment(root, environment_name)), read_workloads(root))


def deployed(accounts: "Accounts", workloads: Sequence[Workload]) -> Known:
    """What a deployed environment knows beside its bill."""
    from groundplan_operate.platform_cost import kept_designs, metered, platform_use

    now = datetime.now(UTC)
    return Known(kept_designs(accounts, workloads), platform_use(accounts, workloads, now), metered(accounts, now))


def _designed(assembly: Path | None) -> Known:
    """Ceilings of this repository's workloads, where this is one, and the estimate of an assembly."""
    root: Path | None = None
    workloads: Sequence[Workload] = ()
    with suppress(BadInput):
        root = repository()
    if root:
        workloads = read_workloads(root)
    if not assembly:
        return Known(designs(workloads, None))
    stacks, wrong = read_stacks(assembly)
    if wrong:
        raise BadInput(wrong)
    found = estimate(stacks, partial(read_prices, root), Usage(drivers=usage_of(workloads)))
    return Known(designs(workloads, found))


def _dimensions(names: str) -> list[str]:
    allowed = (*DIMENSIONS, "month", "region")
    given = [name.strip() for name in names.split(",")]
    for name in given:
        if name not in allowed or given.count(name) > 1:
            raise bad("", "--by", names, f"allowed: each once, with commas between: {', '.join(allowed)}")
    return given
