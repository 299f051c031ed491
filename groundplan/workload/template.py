"""A new workload from a template: an ordinary workload below `templates/`, under another name."""

import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from groundplan.canonical import tree_digest
from groundplan.refusal import bad
from groundplan.text import TagValue, WorkloadName
from groundplan.workload.read import read_workload, workload_names

TEMPLATES = "templates"  # a folder that is laid out as the repository: templates/workloads/<template>/
# What the platform's own resources bear in the tag `workload`.
RESERVED = ("platform",)


def templates(root: Path) -> list[str]:
    """Their names, sorted."""
    return workload_names(root / TEMPLATES)


def new_workload_files(root: Path, name: str, template: str, values: Mapping[str, str]) -> dict[str, bytes]:
    """Relative name to content of the files of a new workload, nothing of which is written yet.

    `values` replace those of the template's `workload.toml` that have the same key at the top of the file. Raises
    BadInput for a name that cannot be one or is taken, and for a template that is not there.
    """
    _refuse_name(root, name)
    if template not in templates(root):
        raise bad("", "--from", template, f"allowed: {', '.join(templates(root)) or 'none; templates/ is empty'}")
    read_workload(root / TEMPLATES, template)
    folder = root / TEMPLATES / "workloads" / template
    files = {file: (folder / file).read_bytes() for file in tree_digest(folder)}
    text = files["workload.toml"].decode()
    for key, value in {"name": name, **values}.items():
        _check(TypeAdapter(WorkloadName if key == "name" else TagValue), f"--{key.replace('_', '-')}", value)
        text = re.sub(rf'(?m)^{key} = "[^"]*"', f'{key} = "{value}"', text, count=1)
    text = text.replace(f"groundplan plan {template}", f"groundplan plan {name}")
    return {**files, "workload.toml": text.encode()}


def _refuse_name(root: Path, name: str) -> None:
    _check(TypeAdapter(WorkloadName), "NAME", name)
    if name in RESERVED:
        raise bad("", "NAME", name, "it is the platform's own tag; allowed: any other name")
    if (root / "workloads" / name).exists():
        raise bad("", "NAME", name, f"workloads/{name} is there already; take another name, or delete the folder")


def _check(allowed: TypeAdapter[str], field: str, value: str) -> None:
    try:
        allowed.validate_python(value)
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise bad("", field, value, reason) from None
