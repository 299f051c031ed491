"""`workloads/<name>/prompts/<prompt>/v<number>.toml`: a template, its typed variables, and what it must pass.

A version is used only once it passed (`groundplan.prompt_evaluation`). Nothing of what is put into a prompt stands in
any message of this module.
"""

import string
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from groundplan.canonical import digest
from groundplan.refusal import BadInput, Disallowed, Finding, bad
from groundplan.text import FileName, WorkloadName, matching
from groundplan.toml_file import Values, read_toml

Text = Annotated[str, Field(min_length=1, max_length=20_000)]
VersionName = Annotated[str, matching(r"v[1-9][0-9]{0,3}", "allowed: v1, v2 and so on")]
CaseName = Annotated[str, Field(min_length=1, max_length=100)]


class Variable(Values):
    """What may stand in a place of the template."""

    type: Literal["text", "integer", "choice"]
    most_characters: Annotated[int, Field(ge=1, le=200_000)] | None = None
    choices: Annotated[tuple[str, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _says_what_its_type_needs(self) -> "Variable":
        if (self.type == "text") != (self.most_characters is not None):
            raise ValueError("allowed: most_characters with type text, and only there")
        if (self.type == "choice") != bool(self.choices):
            raise ValueError("allowed: choices with type choice, and only there")
        return self

    def refusal(self, value: object) -> str:
        """What would be allowed in place of a value; nothing where the value is. The value itself is not told."""
        if self.type == "integer":
            return "" if isinstance(value, int) and not isinstance(value, bool) else "allowed: an integer"
        if not isinstance(value, str):
            return "allowed: text"
        if self.type == "choice":
            return "" if value in self.choices else f"allowed: {', '.join(self.choices)}"
        most = self.most_characters or 0
        return "" if len(value) <= most else f"allowed: at most {most} characters"


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


class Prompt(Values):
    """One version of a prompt."""

    system: Text
    template: Text
    variables: dict[FileName, Variable]
    evaluation: Annotated[tuple[Case, ...], Field(strict=False, min_length=1, max_length=500)]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "Prompt":
        places = set(_places(self.template))
        for name in sorted(places ^ set(self.variables)):
            raise Disallowed(name, "allowed: each {name} of the template once, and nothing else", field="variables")
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

    def refusals(self, inputs: Mapping[str, object]) -> Iterator[tuple[str, str]]:
        """Variable and what is allowed, for each input that is missing, unknown or not of its type."""
        for name in sorted(set(inputs) ^ set(self.variables)):
            yield name, f"allowed: exactly {', '.join(sorted(self.variables))}"
        for name, value in inputs.items():
            if name in self.variables and (allowed := self.variables[name].refusal(value)):
                yield name, allowed

    def filled(self, inputs: Mapping[str, str | int]) -> str:
        """The template with its places filled, once: what is put in is not looked at for places again."""
        if wrong := list(self.refusals(inputs)):
            raise BadInput([Finding("prompt", name, "what was given", allowed) for name, allowed in wrong])
        return self.template.format(**inputs)


def read_prompt(root: Path, workload: str, prompt: str, version: str) -> Prompt:
    """A version, whether it may be used or not; raises BadInput."""
    _known(workload, prompt, version)
    return read_toml(root, prompt_folder(workload, prompt) / f"{version}.toml", Prompt)


def _places(template: str) -> Iterator[str]:
    try:
        for _, name, form, conversion in string.Formatter().parse(template):
            if name is not None:
                if not name.isidentifier() or form or conversion:
                    raise Disallowed(name, "allowed: plain places such as {question}", field="template")
                yield name
    except ValueError as error:
        if isinstance(error, Disallowed):
            raise
        raise Disallowed("a brace", "allowed: {name} for a place, {{ and }} for braces", field="template") from None


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
