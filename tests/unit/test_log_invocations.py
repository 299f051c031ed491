"""The custom resource that turns the log of model invocations on: what it asks of Bedrock, and what it answers."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from groundplan_runtime.handlers import log_invocations

EVENT: dict[str, Any] = {
    "RequestType": "Create",
    "StackId": "stack",
    "RequestId": "request",
    "LogicalResourceId": "logical",
    "ResourceProperties": {"ServiceToken": "function", "Bucket": "the-bucket"},
}


class Bedrock:
    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.refuses = False

    def put_model_invocation_logging_configuration(self, **asked: Any) -> None:
        if self.refuses:
            raise PermissionError("not allowed to write there")
        self.asked.append(asked["loggingConfig"])


class Context:
    function_name = memory_limit_in_mb = invoked_function_arn = aws_request_id = log_stream_name = "one"


@pytest.fixture
def cloudformation() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Where it listens, and what it was told."""
    told: list[dict[str, Any]] = []

    class Listener(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
            del format, args

    server = HTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/answer?signed=yes", told
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch) -> Bedrock:
    fake = Bedrock()
    monkeypatch.setattr(log_invocations, "_bedrock", lambda: fake)
    return fake


def ask(kind: str, address: str) -> None:
    call: Any = log_invocations.handler
    call(EVENT | {"RequestType": kind, "ResponseURL": address}, Context())


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_it_is_turned_on_into_the_bucket(kind: str, bedrock: Bedrock, cloudformation: Any) -> None:
    address, told = cloudformation
    ask(kind, address)
    [asked] = bedrock.asked
    assert asked["s3Config"] == {"bucketName": "the-bucket", "keyPrefix": "invocations"}
    assert asked["textDataDeliveryEnabled"] is True
    [answer] = told
    assert (answer["Status"], answer["RequestId"], answer["LogicalResourceId"]) == ("SUCCESS", "request", "logical")


def test_deleting_the_resource_turns_nothing_off(bedrock: Bedrock, cloudformation: Any) -> None:
    address, told = cloudformation
    ask("Delete", address)
    assert bedrock.asked == []
    assert [answer["Status"] for answer in told] == ["SUCCESS"]


def test_what_bedrock_refuses_fails_the_deployment_with_the_reason(bedrock: Bedrock, cloudformation: Any) -> None:
    address, told = cloudformation
    bedrock.refuses = True
    ask("Create", address)
    [answer] = told
    assert answer["Status"] == "FAILED"
    assert "not allowed to write there" in answer["Reason"]
