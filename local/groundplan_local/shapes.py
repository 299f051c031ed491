"""Whether a request fits the API's model: what botocore's own check leaves out (patterns, enumerations, maxima)."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel

# AWS's patterns use Java's classes of characters.
JAVA_CLASSES = {r"\p{L}": r"\w", r"\p{N}": r"\d", r"\p{Z}": r"\s", r"\p{Alnum}": "a-zA-Z0-9"}
NUMBERS: dict[str, tuple[type, ...]] = {
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
}
TYPES: dict[str, tuple[type, ...]] = NUMBERS | {
    "boolean": (bool,),
    "list": (list,),
    "map": (dict,),
    "string": (str,),
    "structure": (dict,),
}


class InvalidRequestError(Exception):
    """The request breaks the API's model; the message is AWS's."""


@cache
def _model(service: str) -> Any:
    loader: Any = Loader()
    return ServiceModel(loader.load_service_model(service, "service-2"), service)


def check_request(service: str, operation: str, request: dict[str, Any]) -> None:
    """Raises InvalidRequestError with every violation, worded as AWS words them."""
    shape = _model(service).operation_model(operation).input_shape
    found = list(_violations(shape, request, ""))
    if found:
        noun = "error" if len(found) == 1 else "errors"
        raise InvalidRequestError(f"{len(found)} validation {noun} detected: {'; '.join(found)}")


def _violations(shape: Any, value: Any, where: str) -> Iterator[str]:
    kind: str = shape.type_name
    expected = TYPES.get(kind)
    if expected and type(value) not in expected:  # exactly: True is no integer
        yield _broken(value, where, f"Member must be of type {kind}")
    elif kind == "structure":
        yield from _structure(shape, value, where)
    elif kind == "list":
        yield from _size(shape, value, where)
        for index, item in enumerate(value, start=1):
            yield from _violations(shape.member, item, f"{where}.{index}.member")
    elif kind == "map":
        yield from _size(shape, value, where)
        for key, item in value.items():
            yield from _violations(shape.key, key, f"{where}.key")
            yield from _violations(shape.value, item, f"{where}.{key}.value")
    elif kind == "string":
        yield from _size(shape, value, where)
        yield from _string(shape, value, where)
    elif kind in NUMBERS:
        yield from _range(shape, value, where)


def _structure(shape: Any, value: dict[str, Any], where: str) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            yield _broken(None, _join(where, name), "Member must not be null")
    for name, item in value.items():
        if name not in shape.members:
            yield f"Unknown parameter '{name}' at '{where or 'the request'}'"
        elif item is not None:
            yield from _violations(shape.members[name], item, _join(where, name))


def _string(shape: Any, value: str, where: str) -> Iterator[str]:
    if shape.enum and value not in shape.enum:
        yield _broken(value, where, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")
    pattern = shape.metadata.get("pattern")
    if pattern and not _pattern(pattern).fullmatch(value):
        yield _broken(value, where, f"Member must satisfy regular expression pattern: {pattern}")


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    for java, ours in JAVA_CLASSES.items():
        pattern = pattern.replace(java, ours)
    return re.compile(pattern)


def _size(shape: Any, value: Any, where: str) -> Iterator[str]:
    length = len(value)
    if length < shape.metadata.get("min", 0):
        yield _broken(value, where, f"Member must have length greater than or equal to {shape.metadata['min']}")
    if length > shape.metadata.get("max", length):
        yield _broken(value, where, f"Member must have length less than or equal to {shape.metadata['max']}")


def _range(shape: Any, value: float, where: str) -> Iterator[str]:
    if value < shape.metadata.get("min", value):
        yield _broken(value, where, f"Member must have value greater than or equal to {shape.metadata['min']}")
    if value > shape.metadata.get("max", value):
        yield _broken(value, where, f"Member must have value less than or equal to {shape.metadata['max']}")


def _broken(value: Any, where: str, constraint: str) -> str:
    shown = "null" if value is None else value if isinstance(value, str) else json.dumps(value, default=str)
    return f"Value '{shown}' at '{where}' failed to satisfy constraint: {constraint}"


def _join(where: str, name: str) -> str:
    name = name[:1].lower() + name[1:]
    return f"{where}.{name}" if where else name
