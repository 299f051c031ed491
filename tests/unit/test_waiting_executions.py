"""An execution that waits for the gate is found by its training job, and told once."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from boto3.session import Session
from botocore.stub import Stubber
from moto import mock_aws

from groundplan_runtime.integrations.waiting_executions import WaitingExecutions, evaluation_key, tell

VERSION = {"model_version": "a-1.0.0"}


def session() -> Any:
    return Session(region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")


@pytest.fixture
def waiting() -> Iterator[WaitingExecutions]:
    with mock_aws():
        s3 = session().client("s3")
        s3.create_bucket(Bucket="artefacts")
        yield WaitingExecutions(s3, "artefacts")


def test_only_the_execution_of_that_job_is_found(waiting: WaitingExecutions) -> None:
    waiting.put(evaluation_key("digit-reader", "one"), "token")
    assert waiting.get(evaluation_key("digit-reader", "one")) == "token"
    assert waiting.get(evaluation_key("digit-reader", "other")) is None


@pytest.mark.parametrize(
    ("call", "told", "request_"),
    [
        (
            "send_task_success",
            {"output": {"model_version": "a-1.0.0"}},
            {"output": json.dumps({"model_version": "a-1.0.0"})},
        ),
        ("send_task_failure", {"failure": "digit 8 fell"}, {"error": "StoppedAtTheGate", "cause": "digit 8 fell"}),
    ],
)
def test_it_is_told_the_version_or_why_the_model_was_stopped(
    call: str, told: dict[str, Any], request_: dict[str, str]
) -> None:
    states = session().client("stepfunctions")
    with Stubber(states) as stub:
        stub.add_response(call, {}, {"taskToken": "token", **request_})
        assert tell(states, "token", **told)
        stub.add_client_error(call, "TaskTimedOut")
        assert not tell(states, "token", **told), "it is over, and nothing is wrong with that"
        stub.add_client_error(call, "AccessDeniedException")
        with pytest.raises(states.exceptions.ClientError, match="AccessDenied"):
            tell(states, "token", **told)
