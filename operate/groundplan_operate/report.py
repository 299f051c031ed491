"""`groundplan report`: what was billed, by whom and for what, and why it was less than the list price."""

import json
from pathlib import Path

import click

from groundplan.focus.queries import DIMENSIONS
from groundplan.focus.report import text_lines
from groundplan.refusal import BadInput, bad
from groundplan_operate.options import as_json
from groundplan_runtime.integrations.bill import Bill, Limits

FILE = click.Path(path_type=Path)


@click.command
@click.option(
    "--focus", "first", type=FILE, metavar="FILE...", help="FOCUS exports, CSV or Parquet, or folders of them"
)
@click.argument("more", type=FILE, nargs=-1, metavar="")
@click.option(
    "--by", "by", multiple=True, metavar="NAMES", help=f"group by these instead, such as {','.join(DIMENSIONS[:2])}"
)
@click.option("--every-row", is_flag=True, help="count rows that equal another in every column, too")
@click.option("--threads", type=click.IntRange(min=1), help="at most so many")
@click.option("--memory-mib", type=click.IntRange(min=64), help="at most so much in memory, the rest on disk")
@as_json
def report(
    first: Path | None,
    more: tuple[Path, ...],
    by: tuple[str, ...],
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
    for note in found.notes:
        click.echo(f"groundplan: {note}", err=True)
    click.echo(json.dumps(found.as_json(), indent=2) if as_json else "\n".join(text_lines(found)))
    if findings:
        raise BadInput(findings)


def _dimensions(names: str) -> list[str]:
    allowed = (*DIMENSIONS, "month", "region")
    given = [name.strip() for name in names.split(",")]
    for name in given:
        if name not in allowed or given.count(name) > 1:
            raise bad("", "--by", names, f"allowed: each once, with commas between: {', '.join(allowed)}")
    return given
