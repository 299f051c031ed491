"""`groundplan lineage`: what something came from, and what came of it."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import click
from botocore.exceptions import ClientError
from rich.console import Console
from rich.control import strip_control_codes
from rich.table import Column, Table
from rich.tree import Tree

from groundplan.environment import read_environment
from groundplan.refusal import bad
from groundplan.workload import workload_names
from groundplan_operate.accounts import Accounts
from groundplan_operate.options import as_json, in_environment, repository
from groundplan_runtime.integrations.lineage_table import LineageTable

KINDS = ("workload", "run", "model", "dataset", "code", "environment", "package", "endpoint")
EVENT_WITHIN_SECONDS = 15
ENDED = ("Completed", "Failed", "Stopped")


@click.command
@click.argument("subject")
@in_environment
@as_json
def lineage(subject: str, environment_name: str, as_json: bool) -> None:
    """Show what SUBJECT came from and what came of it.

    SUBJECT is a workload, a training job, an artefact (s3://…), a model package's ARN, or a node as it is printed,
    for example dataset/<manifest root>. Of a workload, the runs are shown newest first, and the newest in full.
    """
    root = repository()
    accounts = Accounts(root, read_environment(root, environment_name))
    try:
        answer = ask(accounts, subject)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        first = f"it does not exist; deploy the environment first: make deploy ENV={environment_name}"
        raise bad("", "lineage table", accounts.names.lineage_table(), first) from None
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    else:
        show(answer, Console(highlight=False))


def ask(accounts: Accounts, subject: str) -> dict[str, Any]:
    """`{"subject": node, "runs": […], "ancestors": […], "descendants": […]}`; raises BadInput when it is unknown.

    `runs` are those of the workload, newest first, or those that the subject is or came from. `ancestors` and
    `descendants` are `{"node", "depth"}`, nearest first.
    """
    table = _table(accounts)
    node = _node(accounts, subject)
    if node.startswith("workload/"):
        runs = [dict(state.record) for state in table.runs_of(node.partition("/")[2])]
        of = f"run/{runs[0]['name']}" if runs else node
        above, below = table.ancestors(of), table.descendants(of)
    else:
        above, below = table.ancestors(node), table.descendants(node)
        named = [node, *(relation.target for relation in above)]
        states = [table.get(name) for name in named if name.startswith("run/")]
        runs = [dict(state.record) for state in states if state]
    if not (runs or above or below) and node == f"run/{subject}" and "/" not in subject:
        return ask(accounts, f"workload/{subject}")  # a workload whose folder is gone keeps its history
    if not (runs or above or below) and subject in workload_names(accounts.root):
        raise bad("", "subject", subject, f"nothing is recorded of it yet; groundplan train {subject} makes a run")
    if not (runs or above or below):
        allowed = (
            f"allowed: {', '.join(workload_names(accounts.root))}, a training job, an artefact, a package or a node"
        )
        raise bad("", "subject", subject, f"nothing is recorded of it; {allowed}")
    return {
        "subject": node,
        "runs": [_run(run) for run in runs],
        "ancestors": [{"node": relation.target, "depth": relation.depth} for relation in above],
        "descendants": [{"node": relation.node, "depth": relation.depth} for relation in below],
    }


def wait_for_run(accounts: Accounts, job: str) -> bool:
    """Whether the lineage table came to know, within EVENT_WITHIN_SECONDS, that the job ended."""
    table, deadline = _table(accounts), time.monotonic() + EVENT_WITHIN_SECONDS
    while time.monotonic() < deadline:
        state = table.get(f"run/{job}")
        if state and state.status in ENDED:
            return True
        time.sleep(0.2)
    return False


def show(answer: Mapping[str, Any], console: Console) -> None:
    """The answer as a tree and, for the newest run, a table."""
    runs: Sequence[Mapping[str, Any]] = answer["runs"]
    if runs:
        console.print(_details(runs[0]))
    tree = Tree(f"[b]{answer['subject']}[/b]")
    for title, relations in (("came from", answer["ancestors"]), ("led to", answer["descendants"])):
        branch = tree.add(title if relations else f"{title}: nothing recorded")
        for relation in relations:
            branch.add(f"{'· ' * (relation['depth'] - 1)}{relation['node']}")
    console.print(tree)
    if len(runs) > 1:
        older = Table("run", "status", "created", title="Earlier runs")
        for run in runs[1:]:
            older.add_row(run["name"], run["status"], run["created"])
        console.print(older)


def _node(accounts: Accounts, subject: str) -> str:
    if subject in workload_names(accounts.root):
        return f"workload/{subject}"
    if subject.startswith("s3://"):
        return f"model/{subject}"
    if subject.startswith("arn:"):
        return f"package/{subject}"
    return subject if subject.partition("/")[0] in KINDS else f"run/{subject}"


def _table(accounts: Accounts) -> LineageTable:
    dynamodb = accounts.session("ai").resource("dynamodb", endpoint_url=accounts.endpoint_url)
    return LineageTable(dynamodb.Table(accounts.names.lineage_table()))


def _run(record: Mapping[str, Any]) -> dict[str, Any]:
    """A run's record as documented: the artefact under its name, metrics as numbers."""
    metrics: Mapping[str, str] = record["metrics"]
    return {
        **{key: value for key, value in record.items() if key != "model"},
        "artefact": record["model"],
        # JSON has no number for infinity and NaN.
        "metrics": {name: _finite(float(value)) for name, value in sorted(metrics.items())},
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.4g}"


def _details(run: Mapping[str, Any]) -> Table:
    table = Table("what", Column("value", overflow="fold"), title=f"{run['name']}: {run['status']}")
    for name in ("workload", "code_commit", "data_manifest_root", "environment_digest", "image_digest", "artefact"):
        table.add_row(name, run[name] or "none")
    table.add_row("hyperparameters", ", ".join(f"{k} {v}" for k, v in sorted(run["hyperparameters"].items())))
    table.add_row(
        "metrics", ", ".join(f"{name} {_number(value)}" for name, value in run["metrics"].items()) or "none"
    )
    if run["failure_reason"]:
        table.add_row("failure_reason", strip_control_codes(run["failure_reason"]))
    table.add_row("interruptions", str(run["interruptions"]))
    return table
