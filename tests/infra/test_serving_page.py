"""docs/serving.md says which property gives which promise; nothing in that table may have gone."""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from test_endpoint_constructs import basics, real_time

import groundplan.serving.design
import groundplan_constructs

ROOT = Path(__file__).parents[2]
LEAST_ROWS = 20


def rows() -> list[list[str]]:
    """Cells of the table below the heading."""
    section = (ROOT / "docs/serving.md").read_text().partition("## Which property gives which promise")[2]
    lines = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines[1:]]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def holds(node: Any, path: list[str]) -> bool:
    """Whether a path leads to something, in any element of the lists on the way."""
    if not path:
        return node not in (None, [], {}, "")
    if isinstance(node, list):
        return any(holds(one, path) for one in node)
    return isinstance(node, Mapping) and path[0] in node and holds(node[path[0]], path[1:])


def resources(templates: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for template in templates.values():
        yield from template["Resources"].values()


@pytest.fixture
def shadowed(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Any]:
    """A template with a candidate, which no example has."""
    monkeypatch.setenv("CDK_VALIDATION", "false")
    stack = cdk.Stack(cdk.App(analytics_reporting=False), "Shadowed", env=cdk.Environment(account="111122223333"))
    real_time(stack, candidate=basics(stack, archive="two").served)
    return assertions.Template.from_stack(stack).to_json()


def test_every_row_names_what_cloudformation_is_told_and_a_test() -> None:
    found = rows()
    assert len(found) >= LEAST_ROWS
    for promise, _, told, tests in found:
        assert quoted(told), promise
        assert quoted(tests), promise


def test_every_construct_has_the_property() -> None:
    for promise, properties, _, _ in rows():
        for name in quoted(properties):
            owner, _, attribute = name.partition(".")
            made = getattr(groundplan_constructs, owner, None) or getattr(groundplan.serving.design, owner)
            assert attribute in {field.name for field in dataclasses.fields(made)}, f"{promise}: {name}"


def test_a_synthesised_template_holds_what_cloudformation_is_told(served: Any, shadowed: Mapping[str, Any]) -> None:
    there = list(resources({**served.templates, "Shadowed": shadowed}))
    for promise, _, told, _ in rows():
        for name in quoted(told):
            kind, *path = name.split(".")
            of_kind = [one for one in there if one["Type"] == kind]
            assert any(holds(one.get("Properties", {}), path) or holds(one, path) for one in of_kind), (
                f"{promise}: {name}"
            )


def test_every_test_is_there() -> None:
    files = [*(ROOT / "tests/infra").glob("test_*.py"), *(ROOT / "tests/unit").glob("test_*.py")]
    written = set(re.findall(r"^def (test_\w+)", "\n".join(file.read_text() for file in files), re.MULTILINE))
    for promise, _, _, tests in rows():
        assert set(quoted(tests)) <= written, promise
