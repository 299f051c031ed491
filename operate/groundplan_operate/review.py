"""`groundplan review`: what a change of workloads brings: plan, cost, a trained model and the gate's word on it."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from groundplan.refusal import Refused
from groundplan.workload import read_workload
from groundplan_operate.assembly import synthesise
from groundplan_operate.changes import as_it_was, changed_workloads
from groundplan_operate.options import in_environment, repository

COMMAND = Path(sys.executable).with_name("groundplan")
SUMMARY = "summary.md"


@dataclass(frozen=True)
class Judged:
    """One workload before the gate: its training job and verdict where there are any, and why it was stopped."""

    workload: str
    training_job: str
    verdict: Mapping[str, Any]
    refusal: str


@click.command
@click.option("--since", required=True, metavar="COMMIT", help="from where the change began, such as origin/main")
@in_environment
@click.option("--train/--no-train", "trains", default=True, help="train what changed, or show plan and cost alone")
@click.option(
    "--pages", type=click.Path(file_okay=False, path_type=Path), default=Path(".groundplan/review"), show_default=True
)
def review(since: str, environment_name: str, trains: bool, pages: Path) -> None:
    """Show what the workloads that changed since COMMIT would become, and stop those that the gate stops.

    The summary, in Markdown, and the gate's page of each workload lie in the folder of --pages. A run that was done
    before is not done again: its model is judged.
    """
    root = repository()
    names = changed_workloads(root, since)
    pages.mkdir(parents=True, exist_ok=True)
    lines = [f"## {len(names)} workloads changed: {', '.join(names) or 'none'}", ""]
    judged: list[Judged] = []
    if names:
        with as_it_was(root, since) as before:
            lines += plan_lines(_plans(before, environment_name, names), _plans(root, environment_name, names), names)
            lines += _cost(root, before, environment_name)
        if trains:
            trained = [name for name in names if read_workload(root, name).training]
            judged = [_judge(root, name, environment_name, pages / f"{name}.html") for name in trained]
            lines += gate_lines(judged)
    text = "\n".join(lines) + "\n"
    (pages / SUMMARY).write_text(text, encoding="utf-8")
    click.echo(text)
    if stopped := [one for one in judged if one.refusal]:
        raise Refused("\n".join(f"{one.workload}: {one.refusal}" for one in stopped))


def plan_lines(
    before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]], names: Sequence[str]
) -> Iterator[str]:
    """A table of what each workload's plan was and is."""
    yield from ("| workload | planned before | planned now | a month before | a month now |", "|---|---|---|---|---|")
    for name in names:
        was, now = _planned(before.get(name)), _planned(after.get(name))
        yield f"| {name} | {was[0]} | {now[0]} | {was[1]} | {now[1]} |"
    yield ""


def gate_lines(judged: Sequence[Judged]) -> Iterator[str]:
    """A table of the gate's verdicts, and what each asked and found, as on its page."""
    yield from ("| workload | training job | gate |", "|---|---|---|")
    for one in judged:
        yield f"| {one.workload} | {one.training_job or 'none'} | {_cell(one.refusal) or 'passed'} |"
    yield ""
    for one in judged:
        yield from _found(one)


def _found(one: Judged) -> Iterator[str]:
    """The slices and questions of one verdict; folded, as most readers want to know only what was stopped."""
    rows: Sequence[Mapping[str, Any]] = one.verdict.get("rows", ())
    if not rows:
        return
    against = one.verdict.get("in_service") or "nothing in service"
    yield from (f"<details><summary>{one.workload}: slices, speed, cost</summary>", "")
    yield from (
        f"| {one.verdict['key_metric']} | candidate | against {against} | samples | |",
        "|---|---|---|---|---|",
    )
    for row in rows:
        change, figure = row["against_service"], row["candidate"]
        moved = f"{change['value']:+.4f}" if change else "none"
        said = "; ".join([row["judgement"], *row["reasons"]])
        yield f"| {_cell(row['name'])} | {figure['value']:.4f} | {moved} | {figure['samples']} | {_cell(said)} |"
    for check in one.verdict["checks"]:
        yield f"| {_cell(check['name'])} | | | | {_cell(check['judgement'] + ': ' + check['says'])} |"
    yield from ("", "</details>", "")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "/").replace("<", "&lt;")


def _planned(plan: Mapping[str, Any] | None) -> tuple[str, str]:
    if plan is None:
        return "not there", "none"
    chosen: Mapping[str, Any] | None = plan["choice"]
    if chosen is None:
        return "refused", "none"
    usd = chosen["monthly_cost"]["average"]["usd"]
    return str(chosen["architecture"]), "unknown" if usd is None else f"${usd}"


def _plans(root: Path, environment_name: str, names: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Of the workloads that are there; one that nothing satisfies is planned as refused."""
    found: dict[str, Mapping[str, Any]] = {}
    for name in names:
        if (root / "workloads" / name / "workload.toml").is_file():
            done = _groundplan(root, "plan", name, "-e", environment_name, "--json")
            plans: list[Mapping[str, Any]] = json.loads(done.stdout)["plans"] if done.stdout.strip() else []
            if not plans:
                raise Refused(_last(done))
            found[name] = plans[0]
    return found


def _cost(root: Path, before: Path, environment_name: str) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="groundplan-") as folder:
        places = {"was": before, "now": root}
        for name, place in places.items():
            synthesise(place, environment_name, Path(folder) / name)
        was, now = (str(Path(folder) / name) for name in places)
        done = _groundplan(root, "cost", "-e", environment_name, "--assembly", now, "--diff", was, "--markdown")
    if done.returncode:
        raise Refused(_last(done))
    return [*done.stdout.splitlines(), ""]


def _judge(root: Path, workload: str, environment_name: str, page: Path) -> Judged:
    done = _groundplan(root, "train", workload, "-e", environment_name, "--json")
    told: dict[str, Any] = json.loads(done.stdout) if done.stdout.strip() else {}
    runs = [*told.get("training_jobs", ()), *told.get("refused_claims", ())]
    job = str(runs[0]["training_job_name"]) if runs else ""
    if done.returncode and not told.get("refused_claims"):
        return Judged(workload, job, {}, _last(done))
    candidate = ["--candidate", job, "--html", str(page.resolve()), "--json"]
    judged = _groundplan(root, "verify", workload, "-e", environment_name, *candidate)
    verdict: dict[str, Any] = json.loads(judged.stdout) if judged.stdout.strip() else {}
    return Judged(workload, job, verdict, _last(judged) if judged.returncode else "")


def _groundplan(root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run([str(COMMAND), *arguments], cwd=root, capture_output=True, text=True)
    click.echo(done.stderr, nl=False, err=True)
    return done


def _last(done: "subprocess.CompletedProcess[str]") -> str:
    """The command's own last line, without its name."""
    return done.stderr.strip().rpartition("\n")[2].removeprefix("groundplan: ") or "it said nothing"
