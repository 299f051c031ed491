"""A request of CreateTrainingJob against AWS's own model of it and the rules between its members, before any call."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel

from groundplan.refusal import BadInput, Finding
from groundplan.training_rules import SOURCE, broken_rules

# AWS writes its patterns for Java; Python knows these classes of characters by other names.
_JAVA = {r"\p{L}": r"\w", r"\p{N}": r"\d", r"\p{Z}": r"\s"}
_PYTHON: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "list": (list, tuple),
    "map": (dict,),
    "structure": (dict,),
}


def refuse_invalid(request: Mapping[str, Any]) -> None:
    """Raises BadInput with every member that AWS would refuse.

    boto3 by itself looks at types and least lengths alone; enumerations, patterns and the greatest lengths stand in
    the model of the service beside it (https://github.com/boto/botocore/blob/develop/botocore/validate.py).
    """
    model = [Finding(SOURCE, *said) for said in _violations(_shape(), request, "")]
    if found := [*model, *broken_rules(request)]:
        raise BadInput(found)


@cache
def _shape() -> Any:
    loader: Any = Loader()
    service: Any = ServiceModel(loader.load_service_model("sagemaker", "service-2"), "sagemaker")
    return service.operation_model("CreateTrainingJob").input_shape


def _violations(shape: Any, value: Any, where: str) -> Iterator[tuple[str, object, str]]:
    kind: str = shape.type_name
    allowed_types = _PYTHON.get(kind)
    if allowed_types and type(value) not in allowed_types:  # exactly: True is no integer
        yield where, value, f"allowed: {kind}"
        return
    yield from _bounds(shape, value, where)
    if kind == "structure":
        for name in shape.required_members:
            if value.get(name) is None:
                yield _below(where, name), "nothing", "AWS requires this member"
        for name, item in value.items():
            if name not in shape.members:
                yield _below(where, name), item, f"allowed: {', '.join(sorted(shape.members))}"
            else:
                yield from _violations(shape.members[name], item, _below(where, name))
    elif kind == "list":
        for index, item in enumerate(value):
            yield from _violations(shape.member, item, f"{where}[{index}]")
    elif kind == "map":
        for key, item in value.items():
            yield from _violations(shape.key, key, f"{where}, its key")
            yield from _violations(shape.value, item, _below(where, key))


def _bounds(shape: Any, value: Any, where: str) -> Iterator[tuple[str, object, str]]:
    facts: Mapping[str, Any] = shape.metadata
    sized = isinstance(value, str | list | tuple | dict)
    size: Any = len(value) if sized else value  # pyright: ignore[reportUnknownArgumentType]
    what = {"string": " characters", "list": " of them", "map": " of them"}.get(shape.type_name, "")
    if "min" in facts and size < facts["min"]:
        yield where, value, f"allowed: at least {facts['min']}{what}"
    if "max" in facts and size > facts["max"]:
        yield where, value, f"allowed: at most {facts['max']}{what}"
    if (known := facts.get("enum")) and value not in known:
        kin = [one for one in known if one.split(".")[:2] == str(value).split(".")[:2]] or known
        yield where, value, f"allowed: {', '.join(kin[:12])}{'…' if len(kin) > 12 else ''}"
    if (pattern := facts.get("pattern")) and not _expression(pattern).fullmatch(value):
        yield where, value, f"allowed: what fits {pattern}"


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    for java, python in _JAVA.items():
        pattern = pattern.replace(java, python)
    return re.compile(pattern)


def _below(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
