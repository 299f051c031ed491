"""`workloads/<name>/prompts/<prompt>/v<number>.toml`: a template, its typed variables, and what it must pass.

A version is used only once it passed (`groundplan.prompt_evaluation`).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from groundplan.canonical import digest
from groundplan.prompt_template import Template
from groundplan.refusal import Disallowed, bad
from groundplan.text import WorkloadName, matching
from groundplan.toml_file import Values, read_toml

VersionName = Annotated[str, matching(r"v[1-9][0-9]{0,3}", "allowed: v1, v2 and so on")]
CaseName = Annotated[str, Field(min_length=1, max_length=100)]


class Case(Values):
    """One case of the evaluation: inputs, and what the answer must hold and must not, in letters of either case."""

    name: CaseName
    inputs: dict[str, str | int]
    must_hold: Annotated[tuple[str, ...], Field(strict=False)] = ()
    must_not_hold: Annotated[tuple[str, ...], Field(strict=False)] = ()
    adversarial: bool = Field(default=False, description="an attack on the prompt")

    @model_validator(mode="after")
    def _expects_something(self) -> "Case":
        if not (self.must_hold or self.must_not_hold):
            raise ValueError("allowed: must_hold, must_not_hold, or both: a case that expects nothing always passes")
        return self

    def unmet(self, answer: str) -> Iterator[str]:
        """The expectations that an answer does not meet, by their place in the file: their text is not told."""
        said = answer.casefold()
        for expected, wanted in ((self.must_hold, True), (self.must_not_hold, False)):
            for place, text in enumerate(expected):
                if (text.casefold() in said) != wanted:
                    yield f"{'must_hold' if wanted else 'must_not_hold'}.{place}"


class Prompt(Template):
    """One version of a prompt."""

    evaluation: Annotated[tuple[Case, ...], Field(strict=False, min_length=1, max_length=500)]

    @model_validator(mode="after")
    def _has_an_evaluation_of_its_own(self) -> "Prompt":
        names = [case.name for case in self.evaluation]
        for place, case in enumerate(self.evaluation):
            if names.count(case.name) > 1:
                raise Disallowed(case.name, "allowed: each name once", field=f"evaluation.{place}.name")
            for variable, allowed in self.refusals(case.inputs):
                raise Disallowed(variable, allowed, field=f"evaluation.{place}.inputs")
        if not any(case.adversarial for case in self.evaluation):
            raise Disallowed("nothing", "at least one case with adversarial = true", field="evaluation")
        return self

    @property
    def digest(self) -> str:
        """64 hex digits that change with anything of the version."""
        return digest(self.model_dump(mode="json"))


def read_prompt(root: Path, workload: str, prompt: str, version: str) -> Prompt:
    """A version, whether it may be used or not; raises BadInput."""
    _known(workload, prompt, version)
    return read_toml(root, prompt_folder(workload, prompt) / f"{version}.toml", Prompt)


class _Place(Values):
    """Where a version lies: names that are no paths."""

    workload: WorkloadName
    prompt: WorkloadName
    version: VersionName


def _known(workload: str, prompt: str, version: str) -> None:
    try:
        _Place(workload=workload, prompt=prompt, version=version)
    except ValidationError as error:
        [entry, *_] = error.errors(include_url=False)
        raise bad("", str(entry["loc"][0]), entry["input"], str(entry["msg"])) from None


def prompt_folder(workload: str, prompt: str) -> Path:
    """Where a prompt's versions lie, below the repository."""
    return Path("workloads") / workload / "prompts" / prompt
