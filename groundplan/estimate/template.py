"""A template and the little of CloudFormation's language that has an answer before deployment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from groundplan.json_value import Json, mapping, sequence


class Unresolved:
    """Stands for a value that an intrinsic function gives at deployment only."""


UNRESOLVED = Unresolved()


@dataclass(frozen=True)
class Stack:
    """A template and where it is deployed; `assets` maps digests to files of the assembly."""

    name: str
    account: str
    region: str
    template: Json
    file: Path
    parameters: Json = field(default_factory=dict[str, Any])
    tags: Json = field(default_factory=dict[str, Any])
    assets: Mapping[str, str] = field(default_factory=dict[str, str])

    @cached_property
    def resources(self) -> dict[str, Json]:
        """Logical id to resource; what is no resource at all is left out."""
        found = mapping(self.template.get("Resources"))
        return {name: one for name, one in found.items() if isinstance(one, dict)}

    def nested_template(self, resource: Json) -> Path | None:
        """The file of a nested stack's template, where CDK wrote it into the assembly; otherwise None."""
        if resource.get("Type") != "AWS::CloudFormation::Stack":
            return None
        asset = mapping(resource.get("Metadata")).get("aws:asset:path")
        url = str(mapping(resource.get("Properties")).get("TemplateURL"))
        found = asset or next((path for digest, path in self.assets.items() if digest in url), None)
        return self.file.parent / found if isinstance(found, str) else None

    def resolve(self, value: Any) -> Any:
        """The value with the intrinsics that have an answer now; UNRESOLVED for one that has none."""
        if isinstance(value, dict):
            one = cast(dict[str, Any], value)
            if len(one) == 1:
                name = next(iter(one))
                if name == "Ref" or name.startswith("Fn::"):
                    return self._intrinsic(name, one[name])
            return {key: self.resolve(inner) for key, inner in one.items()}
        if value and value == sequence(value):
            # What an intrinsic takes out of a list (AWS::NoValue) leaves no gap.
            return [found for inner in sequence(value) if (found := self.resolve(inner)) is not None]
        return value

    def condition(self, name: object) -> bool | None:
        """Whether a condition of the template holds; None when only AWS can tell."""
        conditions = mapping(self.template.get("Conditions"))
        try:
            found = self.resolve(conditions.get(name)) if isinstance(name, str) else None
        except RecursionError:  # conditions that name each other in a circle
            return None
        return found if isinstance(found, bool) else None

    def _intrinsic(self, name: str, given: Any) -> Any:
        match name, given:
            case "Ref", str():
                return self._reference(given)
            case "Fn::Join", [str() as by, parts]:
                return _joined(by, self.resolve(parts))
            case "Fn::Sub", str():
                return self._substitute(given, {})
            case "Fn::Sub", [str() as text, own]:
                return self._substitute(text, mapping(own))
            case "Fn::Select", [index, parts]:
                return _selected(self.resolve(index), self.resolve(parts))
            case "Fn::FindInMap", [outer, first, second, *_]:
                found: Any = self.template.get("Mappings")
                for key in (outer, first, second):
                    found = mapping(found).get(str(self.resolve(key)))
                return UNRESOLVED if found is None else self.resolve(found)
            case "Fn::If", [condition, yes, no]:
                holds = self.condition(condition)
                return UNRESOLVED if holds is None else self.resolve(yes if holds else no)
            case "Fn::Equals", [left, right]:
                one, other = self.resolve(left), self.resolve(right)
                return UNRESOLVED if UNRESOLVED in (one, other) else str(one) == str(other)
            case "Fn::Not", [inner]:
                answer = self._truth(inner)
                return UNRESOLVED if answer is None else not answer
            case "Fn::And" | "Fn::Or", list():
                answers = [self._truth(inner) for inner in sequence(cast(object, given))]
                decisive = name == "Fn::Or"
                if decisive in answers:
                    return decisive
                return UNRESOLVED if None in answers else not decisive
            case _:
                return UNRESOLVED

    def _truth(self, given: Any) -> bool | None:
        named = mapping(given).get("Condition")
        found = self.condition(named) if named else self.resolve(given)
        return found if isinstance(found, bool) else None

    def _reference(self, name: str) -> Any:
        pseudo = {"AWS::Region": self.region, "AWS::AccountId": self.account, "AWS::StackName": self.name}
        if name in pseudo:
            return pseudo[name]
        if name == "AWS::Partition":
            return "aws"
        if name == "AWS::NoValue":
            return None
        if name in self.parameters:
            return self.parameters[name]
        parameter = mapping(mapping(self.template.get("Parameters")).get(name))
        kind, default = str(parameter.get("Type")), parameter.get("Default", UNRESOLVED)
        if kind.startswith("AWS::SSM::"):  # the default is a name, not the value
            return UNRESOLVED
        return str(default).split(",") if "List" in kind and default is not UNRESOLVED else default

    def _substitute(self, text: str, own: Json) -> Any:
        parts: list[Any] = []
        head, *rest = text.split("${")
        parts.append(head)
        for piece in rest:
            name, _, tail = piece.partition("}")
            parts.append(self.resolve(own[name]) if name in own else self._reference(name))
            parts.append(tail)
        return _joined("", parts)


def _joined(by: str, parts: Any) -> Any:
    texts = [part for part in sequence(parts) if part is not None]
    if parts is UNRESOLVED or any(isinstance(part, Unresolved | dict | list) for part in texts):
        return UNRESOLVED
    return by.join(str(part) for part in texts)


def _selected(index: Any, parts: Any) -> Any:
    within = str(index).isdigit() and int(index) < len(sequence(parts))
    return sequence(parts)[int(index)] if within else UNRESOLVED
