"""`groundplan prompt`: ask a version of a prompt all that it must pass, and keep the record that it is used by."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import track
from rich.table import Column, Table

from groundplan.catalogue import read_catalogue
from groundplan.environment import Environment, read_environment
from groundplan.planner import Market
from groundplan.planner.invoked import invoked
from groundplan.prices import read_prices, today
from groundplan.prompt_evaluation import Evaluation, Result, evaluation_file, used_file
from groundplan.prompts import Case, Prompt, read_prompt
from groundplan.refusal import Refused, bad
from groundplan.workload import Workload, read_workload
from groundplan_operate.accounts import Accounts
from groundplan_operate.foundation_models import told
from groundplan_operate.options import as_json, in_environment, repository

AT_ONCE = 4
_TO_PEOPLE = Console(stderr=True)


@click.group
def prompt() -> None:
    """Evaluate prompts."""


@prompt.command
@click.argument("workload_name", metavar="WORKLOAD")
@click.argument("prompt_name", metavar="PROMPT")
@click.argument("version")
@in_environment
@as_json
def check(workload_name: str, prompt_name: str, version: str, environment_name: str, as_json: bool) -> None:
    """Ask VERSION (v1, v2...) of a prompt every case of its evaluation, of the model that the plan has chosen.

    The record lies beside the version. One that did not pass, or was changed since, is used nowhere: the deployment
    is refused. Ends with 1 when a case fails.
    """
    root = repository()
    environment = read_environment(root, environment_name)
    workload = read_workload(root, workload_name)
    asked = read_prompt(root, workload_name, prompt_name, version)
    record = evaluate(Accounts(root, environment), workload, asked)
    file = evaluation_file(workload_name, prompt_name, version, environment)
    (root / file).write_text(record.document(), encoding="utf-8")
    cases = [_as_json(case, result) for case, result in zip(asked.evaluation, record.results, strict=True)]
    if as_json:
        document = json.loads(record.document())
        del document["results"]
        name = {"workload": workload_name, "prompt": prompt_name, "version": version}
        click.echo(json.dumps({"evaluations": [name | document | {"record": str(file), "cases": cases}]}, indent=2))
    else:
        Console(highlight=False).print(_table(cases, f"{prompt_name} {version}, asked of {record.model}"))
    if record.failed:
        raise Refused(
            f"{workload_name}/{prompt_name}/{version}: {len(record.failed)} of {len(cases)} cases failed; it is not "
            "used: write the next version beside it"
        )
    if not as_json:
        click.echo(f"every case passed; {file} says so")
        click.echo(
            f'to use it: {prompt_name} = "{version}" under [prompts] of {used_file(workload_name, environment)}'
        )


def evaluate(accounts: Accounts, workload: Workload, asked: Prompt) -> Evaluation:
    """Every case, asked of the workload's model under the deployed guardrail."""
    key, model = _model(accounts.root, accounts.environment, workload)
    known, runtime = told(accounts), accounts.client("bedrock-runtime", "ai")
    profile = known.profiles.get(f"{workload.name}/{key}")
    if profile is None:
        deploy = f"make deploy ENV={accounts.environment.name}"
        raise Refused(f"{workload.name} has no inference profile of {model} yet: {deploy}")
    foundation = workload.model.foundation
    request: dict[str, Any] = {
        "modelId": profile,
        "system": [{"text": asked.system}],
        "guardrailConfig": {
            "guardrailIdentifier": known.guardrail.identifier,
            "guardrailVersion": known.guardrail.version,
        },
        "inferenceConfig": {"temperature": 0.0, "maxTokens": foundation.output_tokens if foundation else 1},
    }

    def answer(case: Case) -> Result:
        message = {"role": "user", "content": [{"text": asked.filled(case.inputs)}]}
        return judged(case, runtime.converse(**request, messages=[message]))

    with ThreadPoolExecutor(AT_ONCE) as threads:
        results = tuple(_followed(threads.map(answer, asked.evaluation), len(asked.evaluation)))
    simulated = accounts.environment.embedded_aws
    return Evaluation(prompt_digest=asked.digest, model=model, on=today(), simulated=simulated, results=results)


def judged(case: Case, answer: Mapping[str, Any]) -> Result:
    """Converse's answer beside what is expected. One that was cut says too little to pass."""
    content: list[dict[str, Any]] = answer["output"]["message"]["content"]
    text = "".join(block.get("text", "") for block in content)
    unmet = tuple(case.unmet(text))
    if answer["stopReason"] == "max_tokens":
        unmet += ("the answer was cut",)
    return Result(name=case.name, passed=not unmet, unmet=unmet)


def _followed(results: Iterator[Result], count: int) -> Iterator[Result]:
    hidden = not _TO_PEOPLE.is_terminal
    yield from track(results, "asking", total=count, transient=True, console=_TO_PEOPLE, disable=hidden)


def _model(root: Path, environment: Environment, workload: Workload) -> tuple[str, str]:
    """Key and id of the model that the workload's plan invokes."""
    catalogue = read_catalogue(root)
    market = Market(read_prices(root, environment.region, environment.prices.factor()), catalogue)
    for _, targets in invoked([workload], market, environment.region):
        if catalogue and (known := catalogue.find(targets[0])):
            return known[0], targets[0]
    file = f"workloads/{workload.name}/workload.toml"
    raise bad(file, "model", "a plan without a foundation model", "a workload whose plan invokes one")


def _as_json(case: Case, result: Result) -> dict[str, object]:
    return {
        "name": case.name,
        "adversarial": case.adversarial,
        "passed": result.passed,
        "unmet": list(result.unmet),
    }


def _table(cases: list[dict[str, Any]], title: str) -> Table:
    table = Table(Column("case", overflow="fold"), "adversarial", "passed", Column("unmet", overflow="fold"))
    table.title = title
    for case in cases:
        words = ["yes" if case[key] else "no" for key in ("adversarial", "passed")]
        table.add_row(case["name"], *words, ", ".join(case["unmet"]))
    return table
