"""The Lambda Web Adapter's part, in the process of a function: it starts the server, and makes requests of events.

Answers are whole here, where AWS streams them. https://awslabs.github.io/aws-lambda-web-adapter/
"""

import base64
import ctypes
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

START_SCRIPT = "GROUNDPLAN_LOCAL_START_SCRIPT"
READY_WITHIN_SECONDS, LOOK_SECONDS, ANSWERS_WITHIN_SECONDS = 10.0, 0.02, 60.0
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG: https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """An event of a REST API's proxy integration, answered by the server."""
    del context
    port = _server()
    body = event.get("body") or ""
    sent = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWERS_WITHIN_SECONDS)
    try:
        asked.putrequest(event["httpMethod"], _path(event), skip_host=True, skip_accept_encoding=True)
        for name, value in _headers(event):
            asked.putheader(name, value)
        asked.putheader("content-length", str(len(sent)))
        asked.endheaders(sent)
        answer = asked.getresponse()
        headers: dict[str, list[str]] = {}
        for name, value in answer.getheaders():
            headers.setdefault(name, []).append(value)
        text = answer.read().decode("utf-8", errors="replace")
    finally:
        asked.close()
    return {"statusCode": answer.status, "multiValueHeaders": headers, "body": text, "isBase64Encoded": False}


def _path(event: Mapping[str, Any]) -> str:
    query: Mapping[str, list[str]] = event.get("multiValueQueryStringParameters") or {}
    path = urllib.parse.quote(event["path"])
    return f"{path}?{urllib.parse.urlencode(query, doseq=True)}" if query else path


def _headers(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    single: Mapping[str, str] = event.get("headers") or {}
    several: Mapping[str, list[str]] = event.get("multiValueHeaders") or {
        name: [value] for name, value in single.items()
    }
    for name, values in several.items():
        if name.lower() not in ("content-length", "transfer-encoding", "connection"):
            yield from ((name, value) for value in values)


@cache
def _server() -> int:
    """The port of the server, started by the function's own script, and ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = os.path.join(os.environ["LAMBDA_TASK_ROOT"], os.environ[START_SCRIPT])  # noqa: PTH118
    started = subprocess.Popen(
        ["/bin/sh", script],
        env={**os.environ, "AWS_LWA_PORT": str(port)},
        stdout=2,  # the function's log; its standard output is not a log here
        preexec_fn=_die_with_parent,
    )
    ready, deadline = os.environ.get("AWS_LWA_READINESS_CHECK_PATH", "/"), time.monotonic() + READY_WITHIN_SECONDS
    while not _answers(port, ready):
        if started.poll() is not None:
            raise RuntimeError(f"{os.environ[START_SCRIPT]} ended with {started.returncode}")
        if time.monotonic() > deadline:
            started.kill()
            raise RuntimeError(f"{os.environ[START_SCRIPT]} does not answer {ready}")
        time.sleep(LOOK_SECONDS)
    return port


def _answers(port: int, path: str) -> bool:
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        asked.request("GET", path)
        return asked.getresponse().status < 500
    except OSError:
        return False
    finally:
        asked.close()


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
