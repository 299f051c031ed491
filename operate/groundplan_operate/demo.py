"""`groundplan demo`: walk the golden path on this machine, and show what stands where."""

from collections.abc import Mapping
from typing import Any

import click
from rich.console import Console
from rich.table import Column, Table

from groundplan.claim import Duplicate
from groundplan.focus.report import text_lines
from groundplan.model_package import decision_of
from groundplan.refusal import Refused
from groundplan.release import read_release, release_file
from groundplan.workload import Workload, read_workload
from groundplan_operate.accounts import Accounts
from groundplan_operate.approve import decide
from groundplan_operate.bootstrap import ACCOUNTS
from groundplan_operate.candidate import find_candidate
from groundplan_operate.demo_bill import show_bill
from groundplan_operate.demo_gateway import show_gateway
from groundplan_operate.deploy import alone, deploy_environment
from groundplan_operate.experiments import LoggedRun, logged_run
from groundplan_operate.follow import outcome
from groundplan_operate.held_out import current_held_out
from groundplan_operate.launch import How, claim_as_json
from groundplan_operate.lineage import ask, show
from groundplan_operate.options import repository
from groundplan_operate.promote import release_package
from groundplan_operate.reproduce import reproduced
from groundplan_operate.serve import serve
from groundplan_operate.train import price_book, train_workload
from groundplan_operate.trial import put_made_data
from groundplan_operate.verify import judge_candidate, register

WORKLOAD = "digit-reader"
TOLERANCE = 0.005  # of a metric, where bytes differ
INTERRUPTED = {"embedded-aws:interrupt-after-checkpoints": "2 2"}  # local/README.md


@click.command
def demo() -> None:
    """Deploy `local`, put data into the lake, train a model, release it, ask it, and make it again."""
    root, console = repository(), Console(highlight=False)
    console.rule("The platform: accounts, bootstrap, stacks")
    accounts = deploy_environment(root, "local", show=click.echo)

    console.rule("A real data set goes into the lake")
    workload = read_workload(root, WORKLOAD)
    manifest = put_made_data(accounts, workload)
    click.echo(f"{len(manifest.entries)} files below s3://{manifest.bucket}/{manifest.prefix}")
    click.echo(f"manifest root {manifest.root}")

    console.rule("A model is trained, on spot capacity that is taken away twice")
    job = _train(accounts, workload)
    fingerprint = job["claim"]["fingerprint"]

    console.rule("The same run again")
    _refused(accounts, workload)

    console.rule("What stands where")
    console.print(_stacks(accounts))
    console.print(_model(job))
    if logged := logged_run(accounts, WORKLOAD, fingerprint, job["training_job_name"], within_seconds=30):
        console.print(_in_mlflow(logged))
    console.rule("What was this model made from?")
    show(ask(accounts, job["artefact"]), console)
    _release(accounts, workload, job["training_job_name"], console)

    console.rule("The gateway, the one way to foundation models")
    show_gateway(accounts, console)

    console.rule("Finance reads one line a workload")
    page = accounts.root / ".groundplan" / "cost.html"
    for line in text_lines(show_bill(accounts, page)):
        click.echo(line)
    click.echo(f"the page, of a month that is made up and of the run just done: {page}")
    click.echo("\nAsk again: .venv/bin/groundplan lineage digit-reader -e local --json\nEnd it:    make stop")


def _release(accounts: Accounts, workload: Workload, job: str, console: Console) -> None:
    """The gate, a person's word, the release, an answer of the endpoint, and the same model made again."""
    console.rule("The model before the gate")
    candidate = find_candidate(accounts, workload, job)
    verdict, text = judge_candidate(accounts, workload, candidate, accounts)
    page = accounts.root / ".groundplan" / f"{workload.name}-gate.html"
    page.parent.mkdir(exist_ok=True)
    page.write_text(text, encoding="utf-8")
    if not verdict.passed:
        raise Refused(f"{job} was stopped: {verdict.failures[0]}; {page}")
    package = register(accounts, workload, candidate, verdict, text, None)
    click.echo(f"passed, and registered as {package.name}; the page for the person who decides: {page}")

    console.rule("It is approved, and released")
    package, _ = decide(accounts, package.name, "Approved", "")
    click.echo(f"approved by {decision_of(package).by} (simulated)")
    with alone(accounts.root, accounts.environment.name):
        was = read_release(accounts.root, workload.name, accounts.environment)
        release, changed = release_package(accounts, workload, package)
        serve(accounts, workload, release, was if changed else release, click.echo)
    click.echo(f"{release_file(workload.name, accounts.environment.name)} pins {package.name}")

    console.rule("The endpoint reads a digit")
    sample = current_held_out(accounts, workload).samples[0]
    answer = accounts.client("sagemaker-runtime", "ai").invoke_endpoint(
        EndpointName=accounts.names.endpoint(workload.name),
        ContentType=workload.gate.content_type,
        Accept=workload.gate.content_type,
        Body=sample.request.encode(),
    )
    read = answer["Body"].read().decode().strip()
    click.echo(f"{accounts.names.endpoint(workload.name)} answers {read}; the image shows a {sample.expected}")

    console.rule("The same model, made again from its record")
    made = reproduced(accounts, workload, package, TOLERANCE, click.echo)
    click.echo(f"{made.model_version}, made again by {made.training_job_name}: {made.result}")
    if made.result != "identical bytes":
        raise Refused(f"{made.model_version} was not reproduced: {made.differences[0]}")


def _train(accounts: Accounts, workload: Workload) -> dict[str, Any]:
    """Train, interrupted; or what came of it when the demo was here before."""
    try:
        job = train_workload(accounts, workload, How(tags=INTERRUPTED), show=click.echo)
    except Duplicate as duplicate:
        click.echo(str(duplicate))
        name = duplicate.claim.training_job_name
        described = accounts.client("sagemaker", "ai").describe_training_job(TrainingJobName=name)
        job = {**outcome(described, price_book(accounts)), "claim": claim_as_json(duplicate.claim)}
    if job["status"] != "Completed":
        raise Refused(f"training job {job['training_job_name']}: {job['status']}, {job['failure_reason']}")
    return job


def _refused(accounts: Accounts, workload: Workload) -> None:
    """Nobody pays twice for one result."""
    try:
        train_workload(accounts, workload, How(), show=lambda _: None)
    except Duplicate as duplicate:
        click.echo(f"refused: {duplicate}")
    else:
        raise Refused("the same run was launched twice: the guard does not hold")


def _stacks(accounts: Accounts) -> Table:
    table = Table("account", Column("stack", overflow="fold"), "resources", "status", title="Stacks by account")
    for account in ACCOUNTS:
        client = accounts.client("cloudformation", account)
        stacks: list[dict[str, Any]] = client.describe_stacks()["Stacks"]
        for stack in sorted(stacks, key=lambda stack: str(stack["StackName"])):
            resources = client.describe_stack_resources(StackName=stack["StackName"])["StackResources"]
            table.add_row(account, stack["StackName"], str(len(resources)), stack["StackStatus"])
    return table


def _model(job: Mapping[str, Any]) -> Table:
    table = Table("what", Column("value", overflow="fold"), title="The model")
    table.add_row("training job", job["training_job_name"])
    table.add_row("artefact", job["artefact"])
    table.add_row("accuracy", f"{job['metrics']['accuracy']:.3f}")
    for digit in range(10):
        accuracy = job["metrics"][f"accuracy_digit_{digit}"]
        table.add_row(f"accuracy of digit {digit}", f"{accuracy:.3f} {'█' * round(accuracy * 20)}")
    table.add_row("seconds, billable", f"{job['training_seconds']}, {job['billable_seconds']}")
    table.add_row("interruptions survived", str(job["interruptions"]))
    return table


def _in_mlflow(logged: LoggedRun) -> Table:
    table = Table("what", Column("value", overflow="fold"), title="The run, as MLflow has it")
    table.add_row("page", logged.url)
    table.add_row("status", logged.status)
    for name in ("accuracy", "accuracy/digit/3", "loss", "interruptions", "system/cpu_percent_mean"):
        table.add_row(name, f"{logged.metrics[name]:g}" if name in logged.metrics else "none")
    cost = logged.metrics.get("cost_usd")
    table.add_row("cost_usd", f"{cost:.6f}" if cost is not None else logged.tags["groundplan.cost_usd"])
    return table
