"""`groundplan release`: deploy what the pins that changed since a commit say, as CI does once they are merged."""

from pathlib import Path

import click

from groundplan.environment import read_environment
from groundplan.refusal import Refused
from groundplan.release import read_release, release_file
from groundplan.workload import read_trained_workload, workload_names
from groundplan_operate.accounts import Accounts
from groundplan_operate.changes import changed_files
from groundplan_operate.deploy import alone
from groundplan_operate.options import in_environment, repository
from groundplan_operate.pins import refuse_altered_pins
from groundplan_operate.serve import serve


@click.command
@click.option("--since", required=True, metavar="COMMIT", help="the commit before the merge")
@in_environment
def release(since: str, environment_name: str) -> None:
    """Deploy the serving stacks of the workloads whose pin was changed since COMMIT.

    A pin that the registry contradicts, unapproved or altered, is refused before anything is deployed. It asks
    nothing: who merged the pin has answered. A pin that is gone takes nothing down: groundplan destroy does that.
    """
    root = repository()
    accounts = Accounts(root, read_environment(root, environment_name))
    workloads = [read_trained_workload(root, name) for name in pinned_since(root, since, environment_name)]
    if not workloads:
        click.echo(f"no pin of {environment_name} was changed since {since}: nothing is deployed")
        return
    with alone(root, environment_name):
        refuse_altered_pins(accounts, workloads)
        for workload in workloads:
            pin = read_release(root, workload.name, accounts.environment)
            if pin is None:
                raise Refused(f"{release_file(workload.name, environment_name)} is not there any more")
            serve(accounts, workload, pin, pin, click.echo, asks=False)
            click.echo(f"{workload.name}: {pin.version} serves in {environment_name}")


def pinned_since(root: Path, since: str, environment_name: str) -> list[str]:
    """The workloads whose pin of the environment was changed and is there."""
    files = set(changed_files(root, since))
    pins = {name: release_file(name, environment_name) for name in workload_names(root)}
    return [name for name, file in pins.items() if file.as_posix() in files and (root / file).is_file()]
