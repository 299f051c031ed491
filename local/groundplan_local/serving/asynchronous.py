"""The queue of an asynchronous endpoint: requests from S3, answers to S3, and who is told.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-invoke-endpoint.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-check-predictions.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-monitor.html
"""

import json
import logging
import threading
import time
import uuid
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from groundplan_local.connections import connect
from groundplan_local.serving.clock import here
from groundplan_local.serving.endpoints import Document, Endpoint
from groundplan_local.serving.measures import Measures
from groundplan_local.training.storage import split_uri

LOOK_SECONDS = 0.2
USUAL_TTL_SECONDS = 21_600.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request that waits: where its input lies, and where its answer or its failure goes."""

    inference_id: str
    input_location: str
    output_location: str
    failure_location: str
    content_type: str
    accept: str
    lives_seconds: float = USUAL_TTL_SECONDS
    received: datetime = field(default_factory=lambda: datetime.now(UTC))
    since: float = field(default_factory=time.monotonic)


class FailedError(Exception):
    """A request without an answer; the message is the notification's failureReason."""


class Queue:
    """Requests of one endpoint, answered one after the other while it has an instance."""

    def __init__(self, endpoint: Endpoint, measures: Measures) -> None:
        self._endpoint, self._measures = endpoint, measures
        self._waiting: deque[Request] = deque()
        self._closing = threading.Event()
        self._come = threading.Event()
        threading.Thread(target=self._work, name=f"queue of {endpoint.name}", daemon=True).start()

    def add(self, headers: dict[str, str]) -> Request:
        """Take a request; raises ValueError for one without a place to read from."""
        config: Document = self._endpoint.config["AsyncInferenceConfig"]["OutputConfig"]
        source = headers.get("x-amzn-sagemaker-inputlocation", "")
        if not source.startswith("s3://"):
            raise ValueError(f"InputLocation must be an S3 URI, got '{source}'")
        name = str(uuid.uuid4())
        request = Request(
            inference_id=headers.get("x-amzn-sagemaker-inference-id") or str(uuid.uuid4()),
            input_location=source,
            output_location=_below(config.get("S3OutputPath"), f"{name}.out"),
            failure_location=_below(config.get("S3FailurePath"), f"{name}-error.out"),
            content_type=headers.get("x-amzn-sagemaker-content-type") or "application/json",
            accept=headers.get("x-amzn-sagemaker-accept") or "*/*",
            lives_seconds=float(headers.get("x-amzn-sagemaker-requestttlseconds") or USUAL_TTL_SECONDS),
        )
        self._waiting.append(request)
        self._come.set()
        return request

    def close(self) -> None:
        """What waits is forgotten."""
        self._closing.set()
        self._come.set()

    def _work(self) -> None:
        while not self._closing.is_set():
            self._measure()
            while self._waiting and (self._endpoint.count or self._late(self._waiting[0])):
                try:
                    self._answer(self._waiting[0])
                except Exception:
                    logger.exception("a request of %s", self._endpoint.name)
                self._waiting.popleft()
                self._measure()
            self._come.clear()
            self._come.wait(LOOK_SECONDS)

    def _measure(self) -> None:
        size, count = float(len(self._waiting)), self._endpoint.count
        each = {"ApproximateBacklogSizePerInstance": size / count} if count else {}
        self._measures.notice(
            self._endpoint.account,
            self._endpoint.region,
            {"EndpointName": self._endpoint.name},
            ApproximateBacklogSize=size,
            HasBacklogWithoutCapacity=float(bool(size) and not count),
            **each,
        )

    def _late(self, request: Request) -> bool:
        return time.monotonic() - request.since > here(request.lives_seconds)

    def _answer(self, request: Request) -> None:
        try:
            kind, body = self._asked(request)
        except FailedError as error:
            said = str(error).encode()
            self._keep(request.failure_location, "text/plain", said)
            self._tell(request, "ErrorTopic", {"invocationStatus": "Failed", "failureReason": str(error)})
            return
        self._keep(request.output_location, kind, body)
        given = {"contentType": kind, "outputLocation": request.output_location}
        self._tell(request, "SuccessTopic", {"invocationStatus": "Completed", "responseParameters": given})

    def _asked(self, request: Request) -> tuple[str, bytes]:
        if self._late(request):
            raise FailedError(f"the request waited longer than {request.lives_seconds:g} seconds")
        bucket, key = split_uri(request.input_location)
        try:
            read = connect("s3", self._endpoint.account, self._endpoint.region).get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            raise FailedError(f"{request.input_location}: {error.response['Error']['Message']}") from None
        answered = self._endpoint.invoke(read["Body"].read(), request.content_type, request.accept)
        if answered is None:
            raise FailedError(f"the endpoint is not in service ({self._endpoint.status})")
        answer, _ = answered
        if answer.status != 200:
            said = answer.body.decode(errors="replace")
            kind = "server" if answer.status >= 500 else "client"
            raise FailedError(f'Received {kind} error ({answer.status}) from primary with message "{said}".')
        return answer.content_type, answer.body

    def _keep(self, uri: str, kind: str, body: bytes) -> None:
        if not uri:
            return
        bucket, key = split_uri(uri)
        key_id = self._endpoint.config["AsyncInferenceConfig"]["OutputConfig"].get("KmsKeyId")
        encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_id} if key_id else {}
        s3 = connect("s3", self._endpoint.account, self._endpoint.region)
        s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=kind, **encrypted)

    def _tell(self, request: Request, topic: str, what: dict[str, Any]) -> None:
        topics: Document = (
            self._endpoint.config["AsyncInferenceConfig"]["OutputConfig"].get("NotificationConfig") or {}
        )
        if topic not in topics:
            return
        document = {
            "awsRegion": self._endpoint.region,
            "eventTime": _time(datetime.now(UTC)),
            "receivedTime": _time(request.received),
            "requestParameters": {
                "accept": request.accept,
                "endpointName": self._endpoint.name,
                "inputLocation": request.input_location,
            },
            "inferenceId": request.inference_id,
            "eventVersion": "1.0",
            "eventSource": "aws:sagemaker",
            "eventName": "InferenceResult",
            **what,
        }
        with suppress(ClientError):  # a topic that is gone takes no answer away
            sns = connect("sns", self._endpoint.account, self._endpoint.region)
            sns.publish(TopicArn=topics[topic], Message=json.dumps(document))


def _below(path: str | None, name: str) -> str:
    return f"{path.rstrip('/')}/{name}" if path else ""


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
