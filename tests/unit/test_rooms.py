"""The table of rooms: who may import whom. ruff enforces it too; this test reads the code itself."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = {
    "groundplan": "groundplan",
    "groundplan_constructs": "constructs/groundplan_constructs",
    "groundplan_runtime": "runtime/groundplan_runtime",
    "groundplan_training": "runtime/groundplan_training/groundplan_training",
    "groundplan_gateway": "runtime/groundplan_gateway/groundplan_gateway",
    "groundplan_operate": "operate/groundplan_operate",
    "groundplan_local": "local/groundplan_local",
    "stacks": "stacks",
}
# What a room may import beside itself, third parties that only some rooms may use included.
WATCHED = {*ROOMS, "aws_cdk", "boto3", "botocore", "cdk_nag", "constructs", "ministack", "moto"}
ALLOWED = {
    "groundplan": set[str](),
    "groundplan_constructs": {"aws_cdk", "constructs", "groundplan"},
    "groundplan_runtime": {"boto3", "botocore", "groundplan"},
    "groundplan_training": set[str](),
    "groundplan_gateway": {"boto3", "botocore", "groundplan"},
    "groundplan_operate": {"boto3", "botocore", "groundplan", "groundplan_runtime", "groundplan_training"},
    "groundplan_local": {"boto3", "botocore", "ministack", "moto"},
    "stacks": {"aws_cdk", "cdk_nag", "constructs", "groundplan", "groundplan_constructs"},
}


def imports(file: Path) -> Iterator[str]:
    """Full names of the modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_the_table_allows(room: str) -> None:
    files = sorted((ROOT / ROOMS[room]).rglob("*.py"))
    assert files
    for file in files:
        for name in imports(file):
            top = name.partition(".")[0]
            assert top == room or top not in WATCHED - ALLOWED[room], f"{file.relative_to(ROOT)} imports {name}"


def test_ruff_refuses_a_forbidden_import() -> None:
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--no-cache",
        "--stdin-filename",
        "groundplan/forbidden.py",
        "-",
    ]
    done = subprocess.run(command, input="import boto3\n", capture_output=True, text=True, cwd=ROOT)
    assert "TID251" in done.stdout


def test_the_command_line_uses_the_runtimes_integrations_and_not_its_handlers() -> None:
    for file in (ROOT / ROOMS["groundplan_operate"]).rglob("*.py"):
        for name in imports(file):
            if name.startswith("groundplan_runtime"):
                assert name.startswith("groundplan_runtime.integrations."), f"{file.name} imports {name}"


def test_workload_scripts_stand_by_themselves() -> None:
    for file in (ROOT / "workloads").rglob("*.py"):
        used = {name.partition(".")[0] for name in imports(file)}
        assert not used & (WATCHED - {"groundplan_training"}), file.name


def test_the_training_kit_needs_the_standard_library_alone() -> None:
    for file in (ROOT / ROOMS["groundplan_training"]).glob("*.py"):
        tops = {name.partition(".")[0] for name in imports(file)}
        assert tops <= sys.stdlib_module_names | {"groundplan_training"}, file.name


@pytest.mark.parametrize("folder", ["constructs", "tests", "tests/unit", "tests/infra", "tests/local"])
def test_no_package_shadows_the_library_constructs(folder: str) -> None:
    assert not (ROOT / folder / "__init__.py").exists()


def test_ruff_bans_in_every_room_what_the_table_does_not_allow() -> None:
    for room, folder in ROOMS.items():
        member = next(one for one in [ROOT / folder, *(ROOT / folder).parents] if (one / "ruff.toml").is_file())
        banned = set(tomllib.loads((member / "ruff.toml").read_text())["lint"]["flake8-tidy-imports"]["banned-api"])
        missing = WATCHED - ALLOWED[room] - {room} - banned
        assert not missing, f"{member.name}/ruff.toml should ban {sorted(missing)}"
