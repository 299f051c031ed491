"""A function that is a web server, behind an API that anybody can call: the Lambda Web Adapter's part, imitated."""

import io
import json
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

ACCOUNT = "888888888888"
START = '#!/bin/sh\nexec python3 "$LAMBDA_TASK_ROOT/server.py" "$AWS_LWA_PORT"\n'
SERVER = """
import http.server, json, os, sys

class Answer(http.server.BaseHTTPRequestHandler):
    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        said = {"pid": os.getpid(), "method": self.command, "path": self.path, "body": body}
        said["asks"] = self.headers["x-asks"]
        print("answered", self.path, flush=True)
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("content-type", "application/json")
        self.send_header("x-says", "one")
        self.end_headers()
        self.wfile.write(json.dumps(said).encode())

    do_GET = do_POST = answer

http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""


def packed() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("start.sh", START)
        archive.writestr("server.py", SERVER)
    return content.getvalue()


@pytest.fixture(scope="module")
def url(embedded_aws: Any) -> Iterator[str]:
    """An API of the account that hands every path to the function, as a streaming integration."""
    functions, apis = embedded_aws.client("lambda", ACCOUNT), embedded_aws.client("apigateway", ACCOUNT)
    made = functions.create_function(
        FunctionName="web",
        Runtime="python3.13",
        Handler="start.sh",
        Role=f"arn:aws:iam::{ACCOUNT}:role/web",
        Timeout=30,
        Code={"ZipFile": packed()},
        Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap", "AWS_LWA_READINESS_CHECK_PATH": "/"}},
    )
    api = apis.create_rest_api(name="web")["id"]
    [root] = apis.get_resources(restApiId=api)["items"]
    proxy = apis.create_resource(restApiId=api, parentId=root["id"], pathPart="{proxy+}")["id"]
    where = {"restApiId": api, "resourceId": proxy, "httpMethod": "ANY"}
    apis.put_method(**where, authorizationType="NONE")
    streamed = f"arn:aws:apigateway:us-east-1:lambda:path/2021-11-15/functions/{made['FunctionArn']}"
    apis.put_integration(
        **where,
        type="AWS_PROXY",
        integrationHttpMethod="POST",
        uri=f"{streamed}/response-streaming-invocations",
    )
    apis.create_deployment(restApiId=api, stageName="live")
    yield f"{embedded_aws.endpoint_url}/_aws/execute-api/{api}/live"
    apis.delete_rest_api(restApiId=api)
    functions.delete_function(FunctionName="web")


def ask(url: str, body: bytes | None = None) -> tuple[int, str | None, dict[str, Any]]:
    """Unsigned, as callers of an API are: nothing says in which account it is."""
    request = urllib.request.Request(url, data=body, headers={"x-asks": "two"})  # noqa: S310 - of this machine
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, answer.headers["x-says"], json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, error.headers["x-says"], json.loads(error.read())


def test_requests_reach_the_server_as_they_were_sent_and_its_answers_come_back(url: str) -> None:
    status, says, said = ask(f"{url}/v1/chat?a=1&a=2", "Grüße".encode())
    assert (status, says) == (200, "one")
    assert {**said, "pid": 0} == {
        "pid": 0,
        "method": "POST",
        "path": "/v1/chat?a=1&a=2",
        "body": "Grüße",
        "asks": "two",
    }
    assert ask(f"{url}/missing")[0] == 404


def test_the_server_is_started_once_and_what_it_prints_is_the_functions_log(
    url: str, embedded_aws: Any, until: Any
) -> None:
    first, second = ask(f"{url}/one")[2], ask(f"{url}/two")[2]
    assert first["pid"] == second["pid"]
    logs = embedded_aws.client("logs", ACCOUNT)

    def lines() -> list[str]:
        found = logs.filter_log_events(logGroupName="/aws/lambda/web")["events"]
        return [event["message"].strip() for event in found if "answered /two" in event["message"]]

    assert until(lines) == ["answered /two"]
