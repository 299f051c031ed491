"""MLflow where an environment asks for it: who writes to it, what it is told, and what stays shut."""

import ast
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groundplan.tracking import MLFLOW_ACTIONS

CLIENT = Path(__file__).parents[2] / "runtime/groundplan_runtime/integrations/mlflow.py"
# https://docs.aws.amazon.com/sagemaker/latest/dg/mlflow-create-tracking-server-iam.html: an action a call of REST.
CALLS = {
    "experiments/create": "CreateExperiment",
    "experiments/get-by-name": "GetExperimentByName",
    "runs/create": "CreateRun",
    "runs/log-batch": "LogBatch",
    "runs/log-inputs": "LogInputs",
    "runs/search": "SearchRuns",
    "runs/update": "UpdateRun",
}


def only(resources: Any) -> Mapping[str, Any]:
    [(_, _, found)] = resources
    return found["Properties"]


def statements(assembly: Any, role: str) -> dict[str, Any]:
    """Sid to statement of the policies of a role of the stack Tracking, by the start of its logical id."""
    found: dict[str, Any] = {}
    for stack, _, policy in assembly.resources("AWS::IAM::ManagedPolicy"):
        if stack == "Tracking" and role in json.dumps(policy["Properties"]["Roles"]):
            found |= {entry["Sid"]: entry for entry in policy["Properties"]["PolicyDocument"]["Statement"]}
    return found


def test_only_an_environment_that_says_so_pays_for_mlflow(assembly: Any) -> None:
    servers = list(assembly.resources("AWS::SageMaker::MlflowTrackingServer"))
    assert len(servers) == (1 if assembly.environment.mlflow else 0)
    assert ("Tracking" in assembly.templates) == bool(assembly.environment.mlflow)


def test_the_server_is_the_one_that_names_say(assemblies: Mapping[str, Any]) -> None:
    local = assemblies["local"]
    server = only(local.resources("AWS::SageMaker::MlflowTrackingServer"))
    assert server["TrackingServerName"] == local.names.mlflow_server()
    assert server["TrackingServerSize"] == local.environment.mlflow
    assert server["ArtifactStoreUri"] == f"s3://{local.names.artefacts_bucket()}/mlflow"
    [arn] = {str(statements(local, "LogRole")["LogRuns"]["Resource"])}
    assert local.names.mlflow_server() in arn


def test_the_function_may_make_the_calls_that_its_code_makes_and_no_other() -> None:
    literals = {node.value for node in ast.walk(ast.parse(CLIENT.read_text())) if isinstance(node, ast.Constant)}
    made = {text for text in literals if isinstance(text, str) and text.startswith(("runs/", "experiments/"))}
    assert made == set(CALLS)
    assert set(MLFLOW_ACTIONS) == set(CALLS.values())


def test_the_function_reads_records_and_nothing_else_of_the_bucket(assemblies: Mapping[str, Any]) -> None:
    allowed = statements(assemblies["local"], "LogRole")
    assert set(allowed["LogRuns"]["Action"]) == {f"sagemaker-mlflow:{action}" for action in MLFLOW_ACTIONS}
    readers = {sid for sid, entry in allowed.items() if "s3:" in json.dumps(entry["Action"])}
    assert readers == {"ReadRecords"}
    assert "workloads/*/output/*/record.json" in json.dumps(allowed["ReadRecords"]["Resource"])


def test_what_cannot_be_logged_waits_and_rings(assemblies: Mapping[str, Any]) -> None:
    template = assemblies["local"].templates["Tracking"]["Resources"].values()
    [rule] = [entry["Properties"] for entry in template if entry["Type"] == "AWS::Events::Rule"]
    [target] = rule["Targets"]
    assert target["DeadLetterConfig"]
    [function] = [entry["Properties"] for entry in template if entry["Type"] == "AWS::Lambda::Function"]
    assert function["DeadLetterConfig"]
    assert function["ReservedConcurrentExecutions"] == 1, "two at once could make two runs of one"
    assert any(entry["Type"] == "AWS::CloudWatch::Alarm" for entry in template)


def test_a_checkpoints_record_is_not_what_starts_it(assemblies: Mapping[str, Any]) -> None:
    template = assemblies["local"].templates["Tracking"]["Resources"].values()
    [rule] = [entry["Properties"] for entry in template if entry["Type"] == "AWS::Events::Rule"]
    assert rule["EventPattern"]["detail"]["object"] == {"key": [{"wildcard": "workloads/*/output/*/record.json"}]}
    assert rule["EventPattern"]["detail"]["bucket"] == {"name": [assemblies["local"].names.artefacts_bucket()]}
