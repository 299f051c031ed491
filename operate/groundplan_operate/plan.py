"""`groundplan plan`: from each workload's drivers to its architecture, its cost and the reasons."""

import json
from pathlib import Path

import click

from groundplan.catalogue import read_catalogue
from groundplan.environment import read_environment
from groundplan.planner import Market
from groundplan.planner import plan as decide
from groundplan.planner.candidates import unfounded
from groundplan.planner.choice import Plan
from groundplan.planner.report import as_json as plan_as_json
from groundplan.planner.report import text_lines
from groundplan.prices import check_age, read_prices, today
from groundplan.refusal import BadInput, Finding, Refused
from groundplan.workload import read_workload, workload_names
from groundplan_operate.options import as_json, in_environment, repository


@click.command
@click.argument("workload_name", metavar="[WORKLOAD]", required=False)
@in_environment
@as_json
def plan(workload_name: str | None, environment_name: str, as_json: bool) -> None:
    """Decide how WORKLOAD, or each one, is served: the cheapest architecture that meets every driver, and why.

    Prices are those of the environment's region. A workload that nothing satisfies is refused, with the driver to
    relax and by how much; the others are planned all the same.
    """
    root = repository()
    market = _market(root, environment_name)
    names = [workload_name] if workload_name is not None else workload_names(root)
    plans: list[Plan] = []
    findings: list[Finding] = []
    for name in names:
        try:
            workload = read_workload(root, name)
            if wrong := unfounded(workload, market, f"workloads/{name}/workload.toml"):
                raise BadInput(wrong)
            plans.append(decide(workload, market))
        except BadInput as error:
            findings += error.findings
    if as_json:
        click.echo(json.dumps({"plans": [plan_as_json(one) for one in plans]}, indent=2))
    elif plans:
        click.echo("\n\n".join("\n".join(text_lines(one)) for one in plans))
    refused = [one.refusal for one in plans if one.refusal]
    if findings:
        for line in refused:
            click.echo(f"groundplan: {line}", err=True)
        raise BadInput(findings)
    if refused:
        raise Refused("\n".join(refused))


def _market(root: Path, environment_name: str) -> Market:
    environment = read_environment(root, environment_name)
    book = read_prices(root, environment.region, environment.prices.factor())
    if warning := check_age(book, today(), accepted=environment.prices.accept_old or ""):
        click.echo(f"groundplan: {warning}", err=True)
    return Market(book, read_catalogue(root))
