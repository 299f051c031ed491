"""What is declared of the functions is what their code calls; what is declared of roles is said of every role."""

import ast
import re
from pathlib import Path

from proofs.declared import ASSUMED_BY, ROLES, declared
from proofs.report import Report

ROOT = Path(__file__).parents[3]
RUNTIME = ROOT / "runtime/groundplan_runtime"
READS = re.compile(
    r"(describe|list|get|put|create|update|delete|start|stop|query|scan|send|publish|invoke)_[a-z0-9_]+"
)

# API calls whose permission has another name.
NAMED_OTHERWISE = {"ListObjectsV2": "ListBucket"}


def test_every_role_has_its_calls_and_who_assumes_it_declared(report: Report) -> None:
    world = report.world
    roles = [name for name in world.callers if "/" in name]
    assert len(roles) >= 4
    for role in roles:
        assert declared(world, role), role
        assert sum(role.startswith(beginning) for beginning in ASSUMED_BY) == 1, role
    for beginning in ROLES:
        assert any(role.startswith(beginning) for role in roles), f"{beginning}: there is no such role any more"


def test_the_lineage_functions_call_what_is_declared_of_them(report: Report) -> None:
    world = report.world
    called = _calls("handlers/record_lineage.py") | _calls("handlers/sweep_lineage.py")
    assert {"DescribeTrainingJob", "ListEndpoints", "PutObject", "Query"} <= called
    sweep = {entry.action.partition(":")[2] for entry in declared(world, "Lineage/SweepRole")}
    of_the_service = {"CreateLogStream", "PutLogEvents", "SendMessage", "Decrypt", "DescribeKey", "Encrypt"}
    assert sweep - of_the_service - {"GenerateDataKey"} == called


def test_the_launching_function_calls_what_is_declared_of_it(report: Report) -> None:
    called = _calls("handlers/launch_run.py")
    launching = {entry.action.partition(":")[2] for entry in declared(report.world, "Training/LaunchRole")}
    of_the_service = {"CreateLogStream", "PutLogEvents", "Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey"}
    assert launching - of_the_service <= called


def test_the_gateway_asks_of_its_table_what_is_declared_of_it(report: Report) -> None:
    code = "".join(file.read_text() for file in sorted((ROOT / "runtime/groundplan_gateway").rglob("*.py")))
    called = set(re.findall(r"\.((?:get|put|update|delete|batch|transact)_[a-z_]*items?|query|scan)\(", code))
    of_transactions = set(re.findall(r'"(Put|Update|Delete|ConditionCheck)": ?[{a-z]', code))
    assert "transact_write_items" in called
    asked = {_pascal(name) for name in called - {"transact_write_items"}} | {
        f"{name}Item" for name in of_transactions
    }
    declared_of_it = {entry.action for entry in declared(report.world, "Gateway/AnswerServerRole")}
    assert {name for name in declared_of_it if name.startswith("dynamodb:")} == {f"dynamodb:{name}" for name in asked}


def _calls(handler: str) -> set[str]:
    """Names of the API calls in a handler and in the integrations that it imports, directly or not."""
    found, seen, ahead = set[str](), set[Path](), [RUNTIME / handler]
    while ahead:
        file = ahead.pop()
        if file in seen:
            continue
        seen.add(file)
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("groundplan_runtime.integrations"):
                ahead.append(RUNTIME / f"integrations/{str(node.module).rpartition('.')[2]}.py")
            if isinstance(node, ast.Attribute) and READS.fullmatch(node.attr):
                found.add(_pascal(node.attr))
            if isinstance(node, ast.Attribute) and node.attr == "query":
                found.add("Query")
            if isinstance(node, ast.Constant) and READS.fullmatch(str(node.value)):
                found.add(_pascal(str(node.value)))
    return {NAMED_OTHERWISE.get(name, name) for name in found if name != "GetPaginator"}


def _pascal(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
