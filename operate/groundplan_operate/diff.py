"""`groundplan diff`: what a deployment would change."""

import click

from groundplan.environment import read_environment
from groundplan_operate.accounts import Accounts
from groundplan_operate.options import in_environment, repository
from groundplan_operate.toolkit import run_cdk


@click.command
@in_environment
def diff(environment_name: str) -> None:
    """Show what a deployment would change; a stack that is not there yet is shown whole."""
    root = repository()
    run_cdk(Accounts(root, read_environment(root, environment_name)), ["diff", "--all"])
