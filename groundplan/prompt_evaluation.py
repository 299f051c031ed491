"""Whether a version of a prompt may be used: the record of its evaluation, and which versions are used where.

`groundplan prompt check` writes `workloads/<name>/prompts/<prompt>/v<number>.evaluation.<environment>.json`: the
digest of exactly that version, the model, and how every case ended. It holds no text of them.
`workloads/<name>/prompts.<environment>.toml` says which versions are used; without it, none is.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, ValidationError

from groundplan.environment import Environment
from groundplan.prompt_template import PassedPrompt, Template
from groundplan.prompts import CaseName, Prompt, VersionName, prompt_folder, read_prompt
from groundplan.refusal import BadInput, Finding, bad
from groundplan.text import WorkloadName
from groundplan.toml_file import Values, read_toml

SCHEMA = "groundplan.prompt-evaluation/1"


class Result(Values):
    """How one case ended; `unmet` names expectations by their place in the file."""

    name: CaseName
    passed: bool
    unmet: Annotated[tuple[str, ...], Field(strict=False)] = ()


class Evaluation(Values):
    """The record of a version's evaluation."""

    model_config = ConfigDict(populate_by_name=True)

    schema_name: Literal["groundplan.prompt-evaluation/1"] = Field(default=SCHEMA, alias="schema")
    prompt_digest: str
    model: str
    on: date
    simulated: bool = Field(description="answered by the canned model of the embedded AWS, which proves nothing")
    results: Annotated[tuple[Result, ...], Field(strict=False)]

    @property
    def failed(self) -> tuple[Result, ...]:
        """The cases that did not pass."""
        return tuple(result for result in self.results if not result.passed)

    def document(self) -> str:
        """The record as a file."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), indent=2) + "\n"


class _Used(Values):
    """`prompts.<environment>.toml`."""

    prompts: dict[WorkloadName, VersionName]


def evaluation_file(workload: str, prompt: str, version: str, environment: Environment) -> Path:
    """Where the record of a version lies, below the repository."""
    return prompt_folder(workload, prompt) / f"{version}.evaluation.{environment.name}.json"


def used_file(workload: str, environment: Environment) -> Path:
    """Where it stands which versions are used, below the repository."""
    return Path("workloads") / workload / f"prompts.{environment.name}.toml"


def used_prompts(root: Path, environment: Environment, workload: str, model: str) -> Mapping[str, PassedPrompt]:
    """Prompt to the version that is used of it; raises BadInput for one that has not passed with this model."""
    file = used_file(workload, environment)
    if not (root / file).exists():
        return {}
    used = read_toml(root, file, _Used).prompts
    return {
        name: _passed(usable_prompt(root, environment, workload, name, version, model), version)
        for name, version in used.items()
    }


def usable_prompt(
    root: Path, environment: Environment, workload: str, prompt: str, version: str, model: str
) -> Prompt:
    """A version that passed its evaluation with this model; raises BadInput."""
    found = read_prompt(root, workload, prompt, version)
    file = evaluation_file(workload, prompt, version, environment)
    again = f"groundplan prompt check {workload} {prompt} {version} -e {environment.name}"
    try:
        record = Evaluation.model_validate_json((root / file).read_bytes())
    except FileNotFoundError:
        raise bad(str(file), "", "no record", f"evaluate this version before it is used: {again}") from None
    except (ValidationError, OSError):
        raise bad(str(file), "", "a file that is no record", f"evaluate this version anew: {again}") from None
    if wrong := list(_lacks(found, record, model, simulated=environment.embedded_aws)):
        raise BadInput([Finding(str(file), field, value, allowed) for field, value, allowed in wrong])
    return found


def _passed(prompt: Prompt, version: str) -> PassedPrompt:
    text = {name: getattr(prompt, name) for name in Template.model_fields}
    return PassedPrompt(**text, version=version, digest=prompt.digest)


def _lacks(prompt: Prompt, record: Evaluation, model: str, *, simulated: bool) -> Iterator[tuple[str, object, str]]:
    if record.prompt_digest != prompt.digest:
        yield "prompt_digest", record.prompt_digest[:12], "the version was changed after it was evaluated"
    if record.model != model:
        yield "model", record.model, f"allowed: {model}, with which it is to be used; evaluate it with that"
    if record.simulated and not simulated:
        yield "simulated", True, "a canned model proves nothing; evaluate it with the model itself"
    passed = {result.name for result in record.results if result.passed}
    for case in prompt.evaluation:
        if case.name not in passed:
            yield "results", case.name, "every case must have passed; mend the prompt as a new version"
