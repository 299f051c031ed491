"""`groundplan rollback`: pin the version before, and remember why."""

from functools import partial

import click

from groundplan.environment import read_environment
from groundplan.model_package import decision_of, pin, unfit
from groundplan.refusal import Refused, bad
from groundplan.release import Release, checked_why, read_release, release_file, write_release
from groundplan.workload import Workload, read_trained_workload
from groundplan_operate.accounts import Accounts
from groundplan_operate.deploy import alone
from groundplan_operate.model_registry import ModelRegistry, check_package
from groundplan_operate.options import as_json, in_environment, repository
from groundplan_operate.promote import told
from groundplan_operate.serve import serve


@click.command
@click.argument("workload_name", metavar="WORKLOAD")
@in_environment
@click.option(
    "--reason", metavar="TEXT", required=True, help="why; the version that goes is not released by accident"
)
@as_json
def rollback(workload_name: str, environment_name: str, reason: str, as_json: bool) -> None:
    """Release the version of WORKLOAD that served before the one that serves now.

    The one that goes is remembered with the reason; promote refuses it from then on, unless it is told --again.
    """
    root = repository()
    accounts = Accounts(root, read_environment(root, environment_name))
    workload = read_trained_workload(root, workload_name)
    said = checked_why(reason, "--reason")
    with alone(root, environment_name):
        was = read_release(root, workload.name, accounts.environment)
        release = roll_back(accounts, workload, said)
        serve(accounts, workload, release, was, partial(click.echo, err=as_json))
    told(accounts, workload, release, changed=True, as_json=as_json)


def roll_back(accounts: Accounts, workload: Workload, reason: str) -> Release:
    """The pin of the version before; raises BadInput where nothing is pinned, Refused where nothing was before."""
    now = read_release(accounts.root, workload.name, accounts.environment)
    file = release_file(workload.name, accounts.environment.name)
    if now is None:
        raise bad(str(file), "", "nothing", "nothing is released: there is nothing to roll back")
    if now.previous is None:
        raise Refused(f"{file}: nothing served before {now.version}; promote another version, or take the stack down")
    package = ModelRegistry(accounts, workload).version(now.previous)
    if why := unfit(package):
        raise Refused(why)
    check_package(accounts, package)
    decision = decision_of(package)
    release = pin(
        package,
        approved_by=decision.by,
        approved_at=decision.at,
        simulated=decision.simulated,
        withdrawn={**now.withdrawn, now.version: reason},
        reason=reason,
        serial=now.serial + 1,
    )
    write_release(accounts.root, workload.name, accounts.environment, release, now)
    return release
