"""A state machine that trains waits for the job, and fails as the job fails."""

import json
from typing import Any

import pytest


@pytest.fixture
def run(embedded_aws: Any, laboratory: Any, until: Any, unique: str) -> Any:
    """Runs a request as the one task of a state machine; returns the execution at its end."""
    machines = embedded_aws.client("stepfunctions", laboratory.account)

    def execute(request: dict[str, Any]) -> dict[str, Any]:
        task = {
            "Type": "Task",
            "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync",
            "Parameters": request,
            "End": True,
        }
        machine = machines.create_state_machine(
            name=unique,
            definition=json.dumps({"StartAt": "Train", "States": {"Train": task}}),
            roleArn=laboratory.role,
        )["stateMachineArn"]
        execution = machines.start_execution(stateMachineArn=machine)["executionArn"]
        return until(
            lambda: (found := machines.describe_execution(executionArn=execution))["status"] != "RUNNING" and found
        )

    return execute


def test_a_state_machine_waits_for_its_training_job(run: Any, laboratory: Any) -> None:
    execution = run(laboratory.request("import time\ntime.sleep(0.5)\n"))
    assert execution["status"] == "SUCCEEDED"
    output = json.loads(execution["output"])
    assert output["TrainingJobStatus"] == "Completed"
    assert output["ModelArtifacts"]["S3ModelArtifacts"].endswith("model.tar.gz")


def test_a_state_machine_fails_with_its_training_job(run: Any, laboratory: Any) -> None:
    execution = run(laboratory.request("raise SystemExit('too little data')"))
    assert (execution["status"], execution["error"]) == ("FAILED", "States.TaskFailed")
    assert "too little data" in execution["cause"]


def test_a_state_machine_hears_what_sagemaker_refuses(run: Any, laboratory: Any) -> None:
    execution = run(laboratory.request("", EnableManagedSpotTraining=True))
    assert (execution["status"], execution["error"]) == ("FAILED", "SageMaker.ValidationException")
