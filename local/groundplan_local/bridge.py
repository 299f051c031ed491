"""The services that only moto has, answered on ministack's port, per account and region."""

import json
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders

from groundplan_local.joints import account_and_region, joint

JSON = "application/x-amz-json-1.1"
Answer = tuple[int, dict[str, str], bytes]
Handler = Callable[[str, str, dict[str, str], bytes, dict[str, list[str]]], Awaitable[Answer]]


@dataclass(frozen=True)
class Bridged:
    """How a request for a service is known: by the start of its X-Amz-Target, or by its host and signature."""

    target: str
    host: str


# Service as it signs its requests -> how ministack's router recognises it.
BRIDGED = {
    "sagemaker": Bridged("SageMaker.", r"sagemaker\."),
    "sagemaker-mlflow": Bridged("SageMakerMlflow.", r"\.experiments\.sagemaker\."),
    "application-autoscaling": Bridged("AnyScaleFrontendService.", r"application-autoscaling\."),
    "ce": Bridged("AWSInsightsIndexService.", r"ce\."),
}


@dataclass(frozen=True)
class Call:
    """One request of a bridged service, as it came in."""

    service: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, list[str]]

    @property
    def operation(self) -> str:
        """The operation's name; empty for REST services."""
        return self.headers.get("x-amz-target", "").partition(".")[2]

    def parameters(self) -> dict[str, Any]:
        """The body of a JSON request."""
        return json.loads(self.body or b"{}")


def answer_json(document: Mapping[str, Any], status: int = 200) -> Answer:
    """An answer in the JSON protocol."""
    return status, {"Content-Type": JSON}, json.dumps(document).encode()


def answer_error(code: str, message: str) -> Answer:
    """A client's error in the JSON protocol; SDKs do not repeat a call that was answered with 400."""
    return answer_json({"__type": code, "message": message}, 400)


class Moto:
    """moto's mock of botocore's transport, called directly. One call at a time: its stores have no locks."""

    def __init__(self) -> None:
        self._stubber = joint("moto.core.botocore_stubber", "BotocoreStubber")()
        self._turn = threading.Lock()

    def call(self, call: Call) -> Answer:
        """moto's answer in the account and region of the request that is being answered."""
        account, region = account_and_region()
        headers = HTTPHeaders()
        for name, value in call.headers.items():
            if name not in ("host", "content-length"):
                headers[name] = value
        headers["x-moto-account-id"] = account
        url = f"https://{_host(call, region)}{quote(call.path)}"
        query = urlencode(call.query, doseq=True)
        request = AWSPreparedRequest(call.method, f"{url}?{query}" if query else url, headers, call.body, False)
        try:
            with self._turn:
                status, answered, body = self._stubber.process_request(request)
        except Exception as error:  # NotImplementedError, or a slip over an input that moto did not foresee
            name = f"{call.service}:{call.operation or call.path}"
            return answer_error("NotEmulated", f"{name} is not emulated: {type(error).__name__} {error}")
        content = body.encode() if isinstance(body, str) else body
        # A server's error would make SDKs repeat the call for minutes.
        content_type = {name.lower(): value for name, value in dict(answered).items()}.get("content-type", JSON)
        return (400 if status >= 500 else status), {"Content-Type": content_type}, content


def _host(call: Call, region: str) -> str:
    """The host by which moto knows a service."""
    if call.service == "sagemaker":
        front = "runtime" if call.path.startswith("/endpoints/") else "api"
        return f"{front}.sagemaker.{region}.amazonaws.com"
    return f"{call.service}.{region}.amazonaws.com"


def install(answer: Callable[[Call], Answer]) -> None:
    """Let ministack's server hand the bridged services' requests to `answer`, each on a thread of its own."""
    handlers = joint("ministack.app", "SERVICE_HANDLERS")
    patterns = joint("ministack.core.router", "SERVICE_PATTERNS")
    for service, known_by in BRIDGED.items():
        handlers[service] = _handler(service, answer)
        patterns[service] = {
            "target_prefixes": [known_by.target],
            "host_patterns": [known_by.host],
            "credential_scope": service,
        }


def _handler(service: str, answer: Callable[[Call], Answer]) -> Handler:
    reentrant = joint("ministack.core.concurrency", "run_reentrant")

    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]
    ) -> Answer:
        return await reentrant(answer, Call(service, method, path or "/", headers, body, query or {}))

    return handle
