"""`groundplan diff`: what a deployment would change, and above all what it would lose."""

import re
from collections.abc import Iterable

import click

from groundplan.environment import read_environment
from groundplan.stateful import STATEFUL
from groundplan_operate.accounts import Accounts
from groundplan_operate.options import in_environment, repository
from groundplan_operate.toolkit import STACKS, run_cdk

# As cdk diff writes it: [~] AWS::DynamoDB::Table Store/Table StoreTable0CCFA19B replace
_CHANGE = re.compile(r"\[[-~]\] (?P<type>\S+) (?P<path>\S+) \S+ (?P<fate>destroy|replace|may be replaced)\b")
_NOISE = ("start: ", "success: ", "Hold on while")


@click.command
@in_environment
def diff(environment_name: str) -> None:
    """Show what a deployment would change; a stack that is not there yet is shown whole.

    Whatever holds data and would be replaced or destroyed is named once more at the end.
    """
    root = repository()
    accounts = Accounts(root, read_environment(root, environment_name))
    lines = run_cdk(
        accounts,
        ["diff", STACKS],
        show=lambda line: None if line.startswith(_NOISE) else click.echo(line),
    )
    for line in warnings(losses(lines)):
        click.secho(line, fg="white", bg="red", bold=True)


def losses(lines: Iterable[str]) -> list[str]:
    """`<fate>: <stack>/<path> (<type>)` of everything stateful that would be replaced or destroyed."""
    found: list[str] = []
    stack = ""
    for line in lines:
        if line.startswith("Stack "):
            stack = line.split()[1]
        elif (change := _CHANGE.match(line)) and change["type"] in STATEFUL:
            found.append(f"{change['fate']}: {stack}/{change['path']} ({change['type']})")
    return found


def warnings(lost: list[str]) -> list[str]:
    """What nobody can miss; nothing when nothing is lost."""
    if not lost:
        return []
    head = f"DATA WOULD BE LOST: {len(lost)} resources that hold data would be replaced or destroyed"
    return ["", head, *(f"    {one}" for one in lost), "docs/upgrades.md says how such a change is made", ""]
