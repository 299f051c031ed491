"""`groundplan cost`: what an environment, or any synthesised CDK app, will cost a month."""

import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import click
from rich.console import Console

from groundplan.estimate import Estimate, Usage, estimate, read_stacks
from groundplan.estimate.assembly import DEFAULT_REGION
from groundplan.estimate.difference import (
    difference,
    difference_as_json,
    difference_lines,
    difference_markdown,
)
from groundplan.estimate.report import as_json as estimate_as_json
from groundplan.estimate.report import markdown_lines, text_lines
from groundplan.prices import PriceBook, RegionFactor, check_age, read_prices, today
from groundplan.refusal import BadInput, Finding, bad
from groundplan_operate.options import repository


@dataclass(frozen=True)
class Basis:
    """What an estimate is made with beside the templates."""

    root: Path | None
    usage: Usage
    factor: RegionFactor | None = None
    accepted: str = ""

    def book(self, region: str) -> PriceBook:
        """A region's prices; warns of old ones, and raises Refused for those too old."""
        book = read_prices(self.root, region, self.factor)
        if warning := check_age(book, today(), accepted=self.accepted):
            click.echo(f"groundplan: {warning}", err=True)
        return book


@click.command
@click.option("-e", "--environment", "environment_name", help="environments/<name>.toml; it is synthesised")
@click.option("--assembly", type=click.Path(path_type=Path), help="the folder that cdk synth wrote, of any CDK app")
@click.option("--diff", "before", type=click.Path(path_type=Path), help="another assembly, and what changes from it")
@click.option("--region", default=DEFAULT_REGION, show_default=True, help="where stacks are that name no region")
@click.option("--accept-old", metavar="REASON", help="why prices of more than 180 days may be used")
@click.option("--format", "style", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="the same as --format json")
@click.option("--markdown", "as_markdown", is_flag=True, help="the same as --format markdown")
def cost(
    environment_name: str | None,
    assembly: Path | None,
    before: Path | None,
    region: str,
    accept_old: str | None,
    style: str,
    as_json: bool,
    as_markdown: bool,
) -> None:
    """Estimate what an app costs a month before it is deployed, resource by resource.

    With -e the environment is synthesised, and its assumptions about usage are counted with; with --assembly the
    folder is read as it is. Unknown prices are named and never counted as nothing.
    """
    style = "json" if as_json else "markdown" if as_markdown else style
    basis = Basis(_root(), Usage()) if environment_name is None and assembly else _basis(environment_name or "local")
    basis = replace(basis, accepted=accept_old or basis.accepted)
    findings: list[Finding] = []
    if assembly:
        found = _estimate(assembly, basis, region, findings)
    else:
        found = _synthesised(environment_name or "local", basis, findings)
    for assumption in found.unused(basis.usage):
        click.echo(f"groundplan: usage of {assumption} is assumed, and no resource has a use for it", err=True)
    if before:
        _print_difference(style, _estimate(before, basis, region, findings), found)
    else:
        _print(style, json.dumps(estimate_as_json(found), indent=2), text_lines(found), markdown_lines(found))
    if findings:
        raise BadInput(findings)


def _root() -> Path | None:
    """This repository, or None outside one: then the prices that ship with the package are used."""
    try:
        return repository()
    except BadInput:
        return None


def _basis(environment_name: str) -> Basis:
    # Lazy: models of files take longer to import than an estimate takes.
    from groundplan.environment import read_environment
    from groundplan.workload import read_workloads, usage_of

    root = repository()
    environment = read_environment(root, environment_name)
    accepted = environment.prices.accept_old or ""
    usage = Usage(assumed=environment.usage, drivers=usage_of(read_workloads(root)))
    return Basis(root, usage, environment.prices.factor(), accepted)


def _synthesised(environment_name: str, basis: Basis, findings: list[Finding]) -> Estimate:
    from groundplan_operate.assembly import synthesise

    waiting = Console(stderr=True).status(f"synthesising {environment_name}")
    with tempfile.TemporaryDirectory(prefix="groundplan-") as folder, waiting:
        synthesise(repository(), environment_name, Path(folder))
        return _estimate(Path(folder), basis, DEFAULT_REGION, findings)


def _estimate(folder: Path, basis: Basis, region: str, findings: list[Finding]) -> Estimate:
    if not region.replace("-", "").isalnum():
        raise bad("", "--region", region, "allowed: the name of an AWS region")
    stacks, wrong = read_stacks(folder, region=region)
    findings += wrong
    return estimate(stacks, cache(basis.book), basis.usage)


def _print_difference(style: str, before: Estimate, after: Estimate) -> None:
    found = difference(before, after)
    _print(
        style,
        json.dumps(difference_as_json(found), indent=2),
        difference_lines(found),
        difference_markdown(found),
    )


def _print(style: str, as_json: str, text: Iterable[str], markdown: Iterable[str]) -> None:
    click.echo(as_json if style == "json" else "\n".join(markdown if style == "markdown" else text))
