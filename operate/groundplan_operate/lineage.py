"""`groundplan lineage`: what something came from, and what came of it."""

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from pathlib import Path
from typing import Any

import click
from botocore.exceptions import ClientError
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text
from rich.tree import Tree

from groundplan.environment import read_environment
from groundplan.lineage.family import Family, family, money, number, visible
from groundplan.lineage.picture import picture
from groundplan.lineage.records import Run
from groundplan.lineage.rows import Relation
from groundplan.refusal import BadInput, bad
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
@click.option("--html", "page", type=click.Path(dir_okay=False, path_type=Path), help="write a picture of it to FILE")
@as_json
def lineage(subject: str, environment_name: str, page: Path | None, as_json: bool) -> None:
    """Show what SUBJECT came from and what came of it.

    SUBJECT is a workload, a training job, an artefact (s3://…), a model package's ARN, or a node as it is printed,
    for example dataset/<manifest root>. Of a workload, the runs are shown newest first, and the newest in full.
    """
    root = repository()
    accounts = Accounts(root, read_environment(root, environment_name))
    answer = ask(accounts, subject)
    if page:
        _write(page, picture(answer.family, answer.runs, where=f"Environment {environment_name}"))
    if as_json:
        click.echo(json.dumps(answer.as_json(), indent=2))
    elif page:
        click.echo(f"{page}: {len(answer.family.nodes)} nodes")
    else:
        show(answer, Console(highlight=False))


@dataclass(frozen=True)
class Answer:
    """What is known of a subject: of a workload, the family of its newest run.

    `runs` are those of the workload, newest first, or those that the subject is or came from, nearest first.
    """

    subject: str
    family: Family
    runs: Sequence[Mapping[str, Any]]

    def as_json(self) -> dict[str, Any]:
        """As documented."""
        found = self.family
        return {
            "subject": self.subject,
            "runs": list(self.runs),
            "ancestors": [{"node": node, "depth": depth} for node, depth in found.ancestors],
            "descendants": [{"node": node, "depth": depth} for node, depth in found.descendants],
            "steps": [{"node": lower, "came_from": upper} for lower, upper in found.steps],
        }


def ask(accounts: Accounts, subject: str) -> Answer:
    """Raises BadInput when nothing is known of the subject, and where the environment is not deployed.

    Two queries whatever the depth, and one request for what is recorded of a hundred nodes.
    """
    try:
        return _ask(accounts, subject)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        first = f"it does not exist; deploy the environment first: make deploy ENV={accounts.environment.name}"
        raise bad("", "lineage table", accounts.names.lineage_table(), first) from None


def _ask(accounts: Accounts, subject: str) -> Answer:
    table, node = _table(accounts), _node(accounts, subject)
    if node.startswith("workload/"):
        runs = [state.record for state in table.runs_of(node.partition("/")[2])]
        of = f"run/{runs[0]['name']}" if runs else node
        above, below = table.ancestors(of), table.descendants(of)
        states = table.get_many([of, *_named(above, below)])
    else:
        of, above, below = node, table.ancestors(node), table.descendants(node)
        states = table.get_many([node, *_named(above, below)])
        recorded = {state.node: state.record for state in states}
        runs = [recorded[name] for name in (node, *_named(above)) if name.startswith("run/") and name in recorded]
    if not (runs or above or below or states):
        if node == f"run/{subject}" and "/" not in subject:
            return _ask(accounts, f"workload/{subject}")  # a workload whose folder is gone keeps its history
        raise _unknown(accounts, subject)
    return Answer(node, family(of, above, below, states), [run_as_json(run) for run in runs])


def _named(*relations: Sequence[Relation]) -> list[str]:
    """The other ends: the targets of the first, which are ancestors, and the nodes of the second."""
    above, *below = relations
    return [relation.target for relation in above] + [relation.node for each in below for relation in each]


def _unknown(accounts: Accounts, subject: str) -> BadInput:
    known = workload_names(accounts.root)
    if subject in known:
        return bad("", "subject", subject, f"nothing is recorded of it yet; groundplan train {subject} makes a run")
    allowed = f"allowed: {', '.join(known)}, a training job, an artefact, a package or a node"
    return bad("", "subject", subject, f"nothing is recorded of it; {allowed}")


def wait_for_run(accounts: Accounts, job: str) -> bool:
    """Whether the lineage table came to know, within EVENT_WITHIN_SECONDS, that the job ended."""
    table, deadline = _table(accounts), time.monotonic() + EVENT_WITHIN_SECONDS
    while time.monotonic() < deadline:
        state = table.get(f"run/{job}")
        if state and state.status in ENDED:
            return True
        time.sleep(0.2)
    return False


def right_sizing(accounts: Accounts, job: str) -> str:
    """What is advised after a run that is recorded, in one line; nothing for one that is not."""
    state = _table(accounts).get(f"run/{job}")
    return (state and state.record.get("right_sizing")) or ""


def show(answer: Answer, console: Console) -> None:
    """The newest run as a table, and the family as a tree in both directions."""
    found, runs = answer.family, answer.runs
    if runs:
        console.print(_details(runs[0]))
    tree = Tree(_label(found, found.subject, "bold"))
    for title, nearer, others in (
        ("came from", found.above, found.ancestors),
        ("led to", found.below, found.descendants),
    ):
        branch = tree.add(title if others else f"{title}: nothing recorded")
        drawn = {found.subject}
        _grow(branch, found, found.subject, nearer, drawn)
        for node, depth in others:
            if node not in drawn:  # nothing is recorded of the steps in between
                branch.add(_label(found, node).append(f"  {depth} steps away", "dim"))
    console.print(tree)
    if len(runs) > 1:
        table = Table("run", "status", "created", "cost", title="Earlier runs")
        for run in runs[1:]:
            table.add_row(run["name"], run["status"], run["created"], money(run["cost_usd"]))
        console.print(table)


def _grow(branch: Tree, found: Family, node: str, nearer: Callable[[str], Sequence[str]], drawn: set[str]) -> None:
    """Each node once with all that lies behind it; where it comes again, it only points back."""
    for other in nearer(node):
        if other in drawn:
            branch.add(_label(found, other, "dim").append("  (as above)", "dim"))
            continue
        drawn.add(other)
        _grow(branch.add(_label(found, other)), found, other, nearer, drawn)


def _label(found: Family, node: str, style: str = "") -> Text:
    facts = " · ".join(found.facts.get(node, ()))
    return Text(visible(node), style).append(f"  {visible(facts)}" if facts else "", "dim")


def _write(page: Path, content: str) -> None:
    try:
        page.write_text(content, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or "it cannot be written"
        raise bad("", "--html", str(page), f"{reason}; allowed: a file in a folder that is there") from None


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


def run_as_json(record: Mapping[str, Any]) -> dict[str, Any]:
    """A run's record as documented: the artefact under its name, and numbers where the table has texts."""
    nothing: dict[str, Any] = {field.name: None for field in fields(Run)} | {"slices": [], "metrics": {}}
    known = nothing | dict(record)
    metrics: Mapping[str, str] = known["metrics"]
    hardware: Mapping[str, Any] | None = known["hardware"]
    return {
        **{key: value for key, value in known.items() if key not in ("model", "slices")},
        "artefact": known["model"],
        # JSON has no number for infinity and NaN.
        "metrics": {name: _finite(value) for name, value in sorted(metrics.items())},
        "metrics_by_slice": [dict(one) | {"value": _finite(one["value"])} for one in known["slices"]],
        "hardware": hardware and {name: _plain(value) for name, value in hardware.items()},
    }


def _plain(value: Any) -> float | int | None:
    return float(value) if isinstance(value, str) else value


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _details(run: Mapping[str, Any]) -> Table:
    table = Table("what", Column("value", overflow="fold"), title=Text(f"{run['name']}: {run['status']}"))

    def add(name: str, value: object) -> None:
        table.add_row(name, Text(visible(str(value))))

    for name in ("workload", "code_commit", "data_manifest_root", "environment_digest", "image_digest", "artefact"):
        add(name, run[name] or "none")
    add("hyperparameters", ", ".join(f"{k} {v}" for k, v in sorted(run["hyperparameters"].items())))
    add("metrics", ", ".join(f"{name} {number(value)}" for name, value in run["metrics"].items()) or "none")
    for metric, slices in groupby(run["metrics_by_slice"], key=lambda one: str(one["name"])):
        add(f"{metric} by slice", ", ".join(_slice(one) for one in slices))
    add("cost", f"{money(run['cost_usd'])}: {run['cost_basis'] or 'the run has not ended'}")
    if run["right_sizing"]:
        add("right-sizing", run["right_sizing"].removeprefix("right-sizing: "))
    if run["failure_reason"]:
        add("failure_reason", run["failure_reason"])
    if run["forced_reason"]:
        add("forced_reason", run["forced_reason"])
    if run["checkpoints_saved"] is not None:
        step = run["resumed_from_step"]
        add("checkpoints", f"{run['checkpoints_saved']} saved{f', resumed from step {step}' if step else ''}")
    add("interruptions", run["interruptions"])
    return table


def _slice(one: Mapping[str, Any]) -> str:
    return f"{' '.join(f'{name} {value}' for name, value in one['slice'].items())}: {number(one['value'])}"
