"""A prompt's text with typed places, and how they are filled. Nothing of what is put in stands in any message."""

import string
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from groundplan.refusal import BadInput, Disallowed, Finding
from groundplan.text import FileName
from groundplan.toml_file import Values

Text = Annotated[str, Field(min_length=1, max_length=20_000)]


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


class Template(Values):
    """What a model is told, and what it is asked."""

    system: Text
    template: Text
    variables: dict[FileName, Variable]

    @model_validator(mode="after")
    def _has_a_variable_for_each_place(self) -> "Template":
        places = set(_places(self.template))
        for name in sorted(places ^ set(self.variables)):
            raise Disallowed(name, "allowed: each {name} of the template once, and nothing else", field="variables")
        return self

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


class PassedPrompt(Template):
    """A version that passed its evaluation; `digest` is of all of it, its cases included."""

    version: str
    digest: str


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
