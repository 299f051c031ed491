"""`groundplan deploy`: start what must run, bootstrap the accounts, deploy every stack."""

import fcntl
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from groundplan.environment import Environment, environment_file, read_environment
from groundplan.job_limits import refuse_outside
from groundplan.refusal import BadInput, Refused
from groundplan.workload import Workload, read_workloads
from groundplan_operate import embedded_aws
from groundplan_operate.accounts import Accounts
from groundplan_operate.bootstrap import bootstrap, distinct_accounts
from groundplan_operate.design import keep_designs
from groundplan_operate.experiments import mlflow_url
from groundplan_operate.options import in_environment, repository
from groundplan_operate.orphans import orphans
from groundplan_operate.pins import refuse_altered_pins
from groundplan_operate.preflight import refuse_what_is_missing
from groundplan_operate.preflight.questions import Site
from groundplan_operate.toolkit import STACKS, run_cdk

DONE = "✅"  # how cdk begins the line of a stack that is as it should be


@click.command
@in_environment
def deploy(environment_name: str) -> None:
    """Deploy an environment; again, it changes nothing and says so."""
    deploy_environment(repository(), environment_name, show=click.echo)


def deploy_environment(root: Path, environment_name: str, *, show: Callable[[str], None]) -> Accounts:
    """The whole road to a deployed environment. Everything a person wrote is read before anything is made."""
    environment = read_environment(root, environment_name)
    source = str(environment_file(root, environment_name))
    workloads = read_workloads(root)
    refuse_outside(environment.limits, source, workloads)
    if placeholders := environment.placeholders(source):
        raise BadInput(placeholders)
    accounts = Accounts(root, environment)
    with alone(root, environment_name):
        return _deploy(accounts, workloads, show)


def _deploy(accounts: Accounts, workloads: Sequence[Workload], show: Callable[[str], None]) -> Accounts:
    root, environment = accounts.root, accounts.environment
    if environment.embedded_aws:
        show(f"1/3  {embedded_aws.start(root)}")
    else:
        show(f"1/3  AWS, region {environment.region}")
        refuse_what_is_missing(Site(accounts, workloads))
    refuse_altered_pins(accounts, workloads)
    show("2/3  bootstrap of the accounts")
    # Quiet: several at once would speak across each other; an error carries CDK's own line.
    each = distinct_accounts(environment)
    with ThreadPoolExecutor(len(each)) as pool:
        for said in pool.map(partial(bootstrap, accounts, show=_quiet), each):
            show(f"     {said}")
    show(f"3/3  cdk deploy, environment {environment.name}")
    keep = partial(keep_designs, accounts, workloads)
    if not environment.embedded_aws:
        # One stack after the other: it asks before it widens permissions.
        run_cdk(accounts, ["deploy", STACKS], afterwards=keep)
        for stack, account in _elsewhere(environment):
            show(f"     {stack} is deployed in account {account} by itself:")
            show(f"     cdk deploy {stack} -c environment={environment.name}")
        show(f"done: {environment.name} is deployed")
        return accounts
    lines = run_cdk(
        accounts,
        ["deploy", STACKS, "--concurrency", "4", "--progress", "events", "--require-approval", "never"],
        show=lambda line: show(f"     {line}") if _tells_a_stack(line) else None,
        afterwards=keep,
    )
    for stack, account in orphans(accounts):
        show(f"     {stack} stands although its workload's folder, or its pin, is gone; groundplan destroy takes it")
        show(f"     down, or aws cloudformation delete-stack --stack-name {stack}, in the {account} account")
    if url := mlflow_url(accounts):
        show(f"     MLflow: {url}")
    finished = [line for line in lines if line.startswith(DONE)]
    unchanged = [line for line in finished if "(no changes)" in line]
    changed = len(finished) - len(unchanged)
    if changed:
        show(f"done: {changed} stacks changed, {len(unchanged)} are as they were")
    else:
        show(f"done: nothing changed, all {len(unchanged)} stacks are as they should be")
    return accounts


@contextmanager
def alone(root: Path, environment_name: str) -> Generator[None]:
    """Two deployments of one environment would meet in CloudFormation; the second is refused, and says so."""
    folder = embedded_aws.state(root)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / f"deploy-{environment_name}.lock").open("w")
    except OSError as error:
        raise Refused(f"{folder} cannot be written: {error.strerror}; the deployment keeps its state there") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"another deployment of {environment_name} is under way here; wait for its end") from None
        yield


def _elsewhere(environment: Environment) -> Iterator[tuple[str, str]]:
    """Stacks that nobody reaches from the tooling account, and their accounts."""
    if environment.organization:
        yield "Governance", environment.organization.management_account
    if environment.accounts.payer:
        yield "Billing", environment.accounts.payer
    for account, number in environment.own_bills().items():
        yield f"Bill-{account}", number


def _quiet(_line: str) -> None:
    pass


def _tells_a_stack(line: str) -> bool:
    return line.startswith((DONE, "❌")) or "deploying..." in line
