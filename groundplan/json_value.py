"""Looks into JSON that may hold anything, without asking at each step what it is."""

from collections.abc import Mapping
from typing import Any, cast

Json = Mapping[str, Any]


def mapping(value: object) -> Json:
    """The value when it is a JSON object, otherwise an empty one."""
    return cast(Json, value) if isinstance(value, dict) else {}


def sequence(value: object) -> list[Any]:
    """The value when it is a JSON array, otherwise an empty one."""
    return cast(list[Any], value) if isinstance(value, list) else []
