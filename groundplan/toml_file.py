"""Reads a TOML file into a frozen pydantic model, or says line by line why it cannot be."""

import codecs
import difflib
import tomllib
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from groundplan.refusal import BadInput, Disallowed, Finding, bad

LARGEST_FILE_BYTES = 256 * 1024

ModelT = TypeVar("ModelT", bound=BaseModel)


class Values(BaseModel):
    """Base of every file model: frozen, no unknown keys, no coercion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def read_toml(root: Path, relative: Path, model: type[ModelT]) -> ModelT:
    """The file `relative` below `root` as `model`; raises BadInput with one finding for each thing wrong."""
    document = _parse(root / relative, str(relative))
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise BadInput(_findings(str(relative), model, error)) from None


def _parse(path: Path, source: str) -> dict[str, Any]:
    try:
        if not path.is_file():
            raise bad(source, "", path.name, "this file must exist")
        size = path.stat().st_size
        if size > LARGEST_FILE_BYTES:
            raise bad(source, "", f"a file of {size} bytes", f"at most {LARGEST_FILE_BYTES} bytes are read")
        content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        raise bad(source, "", error.strerror or "an unreadable file", "the file must be readable") from None
    if not content.strip():
        raise bad(source, "", "an empty file", "it must hold values; start from a file beside it")
    try:
        return tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise bad(source, "", f"byte {error.start}", "the file must be UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        allowed = "each key may stand once" if "overwrite" in str(error) else "it must be TOML 1.0"
        raise bad(source, "", str(error), allowed) from None
    except ValueError as error:  # an integer of thousands of digits
        raise bad(source, "", str(error), "it must be TOML 1.0 with sane numbers") from None
    except RecursionError:
        raise bad(source, "", "deeply nested values", "it must be TOML 1.0 of a sane depth") from None


def _findings(source: str, model: type[BaseModel], error: ValidationError) -> list[Finding]:
    findings: list[Finding] = []
    for entry in error.errors(include_url=False):
        cause = entry.get("ctx", {}).get("error")
        if isinstance(cause, Disallowed):
            field = cause.field or ".".join(map(str, entry["loc"]))
            findings.append(Finding(source, field, cause.value, cause.allowed))
        else:
            findings.append(Finding(source, ".".join(map(str, entry["loc"])), *_said(model, cast(Any, entry))))
    return findings


_IN_WORDS = {
    "tuple_type": "allowed: a list, [...]",
    "model_type": "allowed: a table",
    "dict_type": "allowed: a table",
}


def _said(model: type[BaseModel], entry: dict[str, Any]) -> tuple[object, str]:
    location: tuple[str | int, ...] = entry["loc"]
    kind: str = entry["type"]
    if kind == "missing":
        return "nothing", "a value is required"
    if kind == "extra_forbidden":
        return location[-1], f"unknown key; {_known_keys(model, location)}"
    if kind == "value_error":
        return entry["input"], str(entry["ctx"]["error"])
    if kind in _IN_WORDS:
        return entry["input"], _IN_WORDS[kind]
    return entry["input"], f"allowed: {entry['msg'][0].lower()}{entry['msg'][1:]}"


def _known_keys(model: type[BaseModel], location: tuple[str | int, ...]) -> str:
    inner: Any = model
    for part in location[:-1]:
        found = inner.model_fields.get(part) if isinstance(part, str) else None
        inner = found and _table(found.annotation)
        if inner is None:
            return "remove it"
    keys = sorted(inner.model_fields)
    close = difflib.get_close_matches(str(location[-1]), keys, n=1)
    return (f"did you mean {close[0]}? " if close else "") + f"allowed: {', '.join(keys)}"


def _table(annotation: Any) -> Any:
    """The model of a field that is a table, also of one that may be left out; None for other fields."""
    return next((kind for kind in (annotation, *get_args(annotation)) if hasattr(kind, "model_fields")), None)
