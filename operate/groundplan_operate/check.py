"""`groundplan check`: what the accounts of an environment lack, before something fails for want of it."""

import json
from collections import Counter
from dataclasses import asdict

import click
from rich.console import Console
from rich.progress import track

from groundplan.environment import environment_file, read_environment
from groundplan.job_limits import refuse_outside
from groundplan.refusal import BadInput, Refused
from groundplan.workload import read_workloads
from groundplan_operate.accounts import Accounts
from groundplan_operate.options import as_json, in_environment, repository
from groundplan_operate.preflight import answers, questions
from groundplan_operate.preflight.questions import Answer, Site

COLOURS = {"ok": "green", "missing": "red", "warning": "yellow", "unknown": "yellow"}
_TO_PEOPLE = Console(stderr=True)


@click.command
@in_environment
@as_json
def check(environment_name: str, as_json: bool) -> None:
    """Look at the accounts of an environment: credentials, bootstrap, quotas, region, cost tags. Changes nothing.

    Ends with 1 when something is missing. What could not be found out is unknown, and never passes for ok.
    """
    root = repository()
    environment = read_environment(root, environment_name)
    source = str(environment_file(root, environment_name))
    if placeholders := environment.placeholders(source):
        raise BadInput(placeholders)
    workloads = read_workloads(root)
    refuse_outside(environment.limits, source, workloads)
    accounts = Accounts(root, environment)
    _ = accounts.endpoint_url  # when the embedded AWS does not run, that is all there is to say
    asked = questions(Site(accounts, workloads))
    given = list(
        track(
            answers(asked),
            "looking",
            total=len(asked),
            transient=True,
            console=_TO_PEOPLE,
            disable=not _TO_PEOPLE.is_terminal,
        )
    )
    counted = Counter(one.status for one in given)
    if as_json:
        click.echo(json.dumps({"checks": [asdict(one) for one in given]}, indent=2))
    else:
        _show(given)
        click.echo(", ".join(f"{counted[status]} {status}" for status in COLOURS if counted[status]))
    if counted["missing"]:
        raise Refused(f"{environment.name}: {counted['missing']} of {len(given)} checks found something missing")


def _show(given: list[Answer]) -> None:
    """Columns, and below what is not there what would be: whole lines, so that a command can be copied."""
    status, account, name = (max(map(len, column)) for column in _columns(given))
    for one in given:
        cells = f"{one.account:{account}}  {one.check:{name}}  {one.found}"
        click.echo(f"{click.style(f'{one.status:{status}}', fg=COLOURS[one.status])}  {cells}")
        for line in (f"wanted: {one.wanted}", one.remedy) if one.status != "ok" else ():
            if line:
                click.echo(f"{'':{status}}  {line}")


def _columns(given: list[Answer]) -> tuple[list[str], list[str], list[str]]:
    return [one.status for one in given], [one.account for one in given], [one.check for one in given]
