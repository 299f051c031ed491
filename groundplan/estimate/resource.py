"""One resource of a template: its properties, and what is known of its use."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any

from groundplan.estimate.template import UNRESOLVED, Stack
from groundplan.estimate.usage import Usage
from groundplan.json_value import Json, mapping, sequence

LARGEST = 10**12  # a larger number is a slip of the pen, whatever it counts


class NotLiteral(Exception):  # noqa: N818 - it names what was found
    """A property that is only known once AWS has deployed, or that is not what it should be."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True)
class Resource:
    """A resource as the families see it: properties resolved where they can be, and what is known of its use."""

    stack: Stack
    logical_id: str
    type: str
    raw: Json
    usage_known: Usage

    @cached_property
    def properties(self) -> object:
        """Every property, resolved; empty when there is none or they are no object, UNRESOLVED for an intrinsic."""
        return self.stack.resolve(mapping(self.raw.get("Properties")))

    @cached_property
    def path(self) -> str:
        """Stack and construct path, or stack and logical id where no path was kept."""
        found = mapping(self.raw.get("Metadata")).get("aws:cdk:path")
        return found if isinstance(found, str) else f"{self.stack.name}/{self.logical_id}"

    @cached_property
    def workload(self) -> str:
        """The resource's own tag `workload`, or its stack's, or nothing."""
        return _tag(mapping(self.properties).get("Tags"), "workload") or str(self.stack.tags.get("workload", ""))

    def value(self, name: str, default: Any = None) -> Any:
        """The property at a dotted path (`A.0.B`); raises NotLiteral when it is an intrinsic without an answer."""
        found: Any = self.properties
        for part in name.split("."):
            if found is UNRESOLVED:
                raise NotLiteral(name)
            found = dict(enumerate(sequence(found))).get(int(part)) if part.isdigit() else mapping(found).get(part)
        if found is UNRESOLVED:
            raise NotLiteral(name)
        return default if found is None else found

    def number(self, name: str, default: Decimal | int | None = None) -> Decimal:
        """A property as a finite number that is not negative; raises NotLiteral when it is no such."""
        found = self.value(name, default)
        try:
            number = Decimal(str(found))
        except InvalidOperation:
            raise NotLiteral(name) from None
        if not number.is_finite() or not 0 <= number <= LARGEST or isinstance(found, bool):
            raise NotLiteral(name)
        return number

    def text(self, name: str, default: str | None = None) -> str:
        """A property as text; raises NotLiteral when it is none."""
        found = self.value(name, default)
        if not isinstance(found, str):
            raise NotLiteral(name)
        return found

    def list(self, name: str) -> Sequence[Any]:
        """A property as a list, empty when it is left out; raises NotLiteral when it is something else."""
        found = self.value(name, [])
        if found != sequence(found):
            raise NotLiteral(name)
        return sequence(found)

    def usage(self, name: str) -> Decimal | None:
        """How much of something it uses in a month, as assumed or as its workload's drivers say; None if neither."""
        return self.usage_known.of(self.type, self.path, self.workload, name)

    def target(self, name: str) -> "Resource | None":
        """The resource of the same template that a property refers to; raises NotLiteral when there is none."""
        given: Any = self.raw.get("Properties")
        for part in name.split("."):
            given = mapping(given).get(part)
        if given is None:
            return None
        found = _referred(given)
        if found is None or found not in self.stack.resources:
            raise NotLiteral(name)
        raw = self.stack.resources[found]
        return Resource(self.stack, found, str(raw.get("Type")), raw, self.usage_known)


def _referred(given: Any) -> str | None:
    """The logical id in `{"Ref": id}` or `{"Fn::GetAtt": [id, …]}`."""
    match given:
        case {"Ref": str() as name}:
            return name
        case {"Fn::GetAtt": [str() as name, *_]}:
            return name
        case {"Fn::GetAtt": str() as text}:
            return text.partition(".")[0]
        case _:
            return None


def _tag(tags: Any, key: str) -> str:
    """A tag's value, of a list of Key and Value or of an object; nothing when it is not text."""
    pairs = {mapping(tag).get("Key"): mapping(tag).get("Value") for tag in sequence(tags)} or mapping(tags)
    found = pairs.get(key)
    return found if isinstance(found, str) else ""
