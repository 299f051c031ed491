"""Transform jobs: the model's own script over every object, answers beside each other in S3.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform.html
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from groundplan_local.bridge import Answer, answer_error, answer_json
from groundplan_local.connections import connect, tags_as_mapping
from groundplan_local.events import emit, milliseconds
from groundplan_local.joints import account_and_region
from groundplan_local.serving.copy import Copy, StartError
from groundplan_local.training.storage import list_objects, split_uri

Document = dict[str, Any]
Key = tuple[str, str, str]
START_SECONDS = 60.0
USUAL_PAYLOAD_MB = 6
RUNNING = ("InProgress", "Stopping")


class FailedError(Exception):
    """A job that fails; the message is its FailureReason."""


class TransformJob:
    """One job, on a thread of its own."""

    def __init__(self, asked: Document, place: tuple[str, str], tell: Callable[["TransformJob"], None]) -> None:
        self.asked, self.name = asked, str(asked["TransformJobName"])
        self.account, self.region = place
        self.arn = f"arn:aws:sagemaker:{self.region}:{self.account}:transform-job/{self.name}"
        self.status, self.failure = "InProgress", ""
        self.created = self.changed = datetime.now(UTC)
        self.started: datetime | None = None
        self.ended: datetime | None = None
        self._stopping, self._tell = threading.Event(), tell

    def start(self, container: Mapping[str, Any], folder: Path) -> None:
        """Begin."""
        self._tell(self)
        threading.Thread(target=self._run, args=(container, folder), name=self.name, daemon=True).start()

    def stop(self) -> None:
        """End after the request that is being answered."""
        self.status = "Stopping"
        self._stopping.set()

    def _run(self, container: Mapping[str, Any], folder: Path) -> None:
        try:
            more = {**container.get("Environment", {}), **self.asked.get("Environment", {})}
            copy = Copy(folder, {**container, "Environment": more}, self.account, self.region, START_SECONDS)
            try:
                self.started = datetime.now(UTC)
                self._transform(copy)
            finally:
                copy.close()
            status = "Stopped" if self._stopping.is_set() else "Completed"
        except (FailedError, StartError, ClientError, OSError) as error:
            status, self.failure = "Failed", str(error)
        self.ended = self.changed = datetime.now(UTC)
        self.status = status
        self._tell(self)

    def _transform(self, copy: Copy) -> None:
        s3 = connect("s3", self.account, self.region)
        uri = self.asked["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
        bucket, prefix = split_uri(uri)
        keys = list(list_objects(s3, bucket, prefix))
        if not keys:
            raise FailedError(f'No S3 objects found under S3 URL "{uri}" given in input data source.')
        output: Document = self.asked["TransformOutput"]
        key_id = output.get("KmsKeyId")
        encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_id} if key_id else {}
        for key in keys:
            if self._stopping.is_set():
                return
            body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            answers = [self._answer(copy, key, request) for request in self._requests(body)]
            whole = (b"\n" if output.get("AssembleWith") == "Line" else b"").join(
                answer.removesuffix(b"\n") if output.get("AssembleWith") == "Line" else answer for answer in answers
            )
            to, folder = split_uri(output["S3OutputPath"].rstrip("/") + "/")
            # What follows the last slash of the prefix is the file's path below the output.
            name = key[prefix.rfind("/") + 1 :]
            s3.put_object(Bucket=to, Key=f"{folder}{name}.out", Body=whole, **encrypted)

    def _requests(self, body: bytes) -> Iterator[bytes]:
        """An object as it is; or line by line, as many together as a request may hold, where records are batched."""
        if self.asked["TransformInput"].get("SplitType", "None") == "None":
            yield body
            return
        most = self.asked.get("MaxPayloadInMB", USUAL_PAYLOAD_MB) * 1_000_000
        several, batch = self.asked.get("BatchStrategy", "MultiRecord") == "MultiRecord", b""
        for line in body.splitlines(keepends=True):
            if batch and (not several or len(batch) + len(line) > most):
                yield batch
                batch = b""
            batch += line
        if batch:
            yield batch

    def _answer(self, copy: Copy, key: str, request: bytes) -> bytes:
        most = self.asked.get("MaxPayloadInMB", USUAL_PAYLOAD_MB)
        if most and len(request) > most * 1_000_000:
            raise FailedError(f"{key}: a request of {len(request):,} bytes; MaxPayloadInMB is {most}")
        kind = self.asked["TransformInput"].get("ContentType") or "application/octet-stream"
        accept = self.asked["TransformOutput"].get("Accept") or "*/*"
        tries = 1 + self.asked.get("ModelClientConfig", {}).get("InvocationsMaxRetries", 0)
        answered = copy.answer(request, kind, accept)
        while answered.status >= 500 and (tries := tries - 1):
            answered = copy.answer(request, kind, accept)
        if answered.status == 200:
            return answered.body
        said = answered.body.decode(errors="replace")
        raise FailedError(f"{key}: Bad HTTP status received from algorithm: {answered.status}: {said}")

    def described(self) -> Document:
        """DescribeTransformJob."""
        times = {"TransformStartTime": self.started, "TransformEndTime": self.ended}
        return {
            **{name: value for name, value in self.asked.items() if name != "Tags"},
            "TransformJobArn": self.arn,
            "TransformJobStatus": self.status,
            "CreationTime": self.created.timestamp(),
            **{name: time.timestamp() for name, time in times.items() if time},
            **({"FailureReason": self.failure[:1024]} if self.failure else {}),
        }


class TransformJobs:
    """Every account's jobs."""

    def __init__(self, folder: Path, model: Callable[[str, str, str], Mapping[str, Any]]) -> None:
        self._folder, self._model = folder, model
        self._jobs: dict[Key, TransformJob] = {}
        self._lock = threading.Lock()
        self.operations: dict[str, Callable[[Document], Answer]] = {
            "CreateTransformJob": self._create,
            "DescribeTransformJob": self._describe,
            "ListTransformJobs": self._list,
            "StopTransformJob": self._stop,
        }

    def close(self) -> None:
        """No job begins another object."""
        for job in list(self._jobs.values()):
            job.stop()

    def _create(self, asked: Document) -> Answer:
        account, region = account_and_region()
        container = self._model(account, region, asked["ModelName"])
        if not container:
            arn = f"arn:aws:sagemaker:{region}:{account}:model/{asked['ModelName']}"
            return answer_error("ValidationException", f'Could not find model "{arn}".')
        if refused := not_emulated(asked):
            return answer_error("ValidationException", refused)
        job = TransformJob(asked, (account, region), _tell)
        with self._lock:
            if (account, region, job.name) in self._jobs:
                says = "Job name must be unique within an AWS account and region, and this one is taken"
                return answer_error("ResourceInUse", f"{says} ({job.arn})")
            self._jobs[account, region, job.name] = job
        job.start(container, self._folder / account / region / "transform" / job.name)
        return answer_json({"TransformJobArn": job.arn})

    def _describe(self, asked: Document) -> Answer:
        job = self._jobs.get((*account_and_region(), asked["TransformJobName"]))
        return answer_json(job.described()) if job else _missing(asked["TransformJobName"])

    def _list(self, asked: Document) -> Answer:
        place = account_and_region()
        own = [job for key, job in self._jobs.items() if key[:2] == place]
        names = ("TransformJobName", "TransformJobArn", "CreationTime", "TransformEndTime", "TransformJobStatus")
        wanted, part = asked.get("StatusEquals"), asked.get("NameContains", "")
        shown = [
            {name: value for name, value in job.described().items() if name in (*names, "FailureReason")}
            for job in reversed(own)
            if wanted in (None, job.status) and part in job.name
        ]
        return answer_json({"TransformJobSummaries": shown})

    def _stop(self, asked: Document) -> Answer:
        job = self._jobs.get((*account_and_region(), asked["TransformJobName"]))
        if job is None:
            return _missing(asked["TransformJobName"])
        if job.status not in RUNNING:
            return answer_error("ValidationException", f"The request was rejected because the job is {job.status}.")
        job.stop()
        return answer_json({})


def not_emulated(asked: Document) -> str:
    """What a request asks that is not done here, in a line; nothing where all of it is."""
    source = asked["TransformInput"]["DataSource"]["S3DataSource"]
    split = asked["TransformInput"].get("SplitType", "None")
    for what, value, done in (
        ("S3DataType", source["S3DataType"], ("S3Prefix",)),
        ("SplitType", split, ("None", "Line")),
        ("CompressionType", asked["TransformInput"].get("CompressionType", "None"), ("None",)),
    ):
        if value not in done:
            return f"{what} {value} is not emulated; allowed: {', '.join(done)}"
    for name in ("DataProcessing", "DataCaptureConfig"):
        if asked.get(name):
            return f"{name} of a transform job is not emulated"
    return ""


def _tell(job: TransformJob) -> None:
    found = job.described()
    detail = {
        name: found[name]
        for name in (
            "TransformJobName",
            "TransformJobArn",
            "TransformJobStatus",
            "ModelName",
            "TransformInput",
            "TransformOutput",
            "TransformResources",
            "FailureReason",
        )
        if name in found
    }
    times = {"CreationTime": job.created, "TransformStartTime": job.started, "TransformEndTime": job.ended}
    detail |= {name: milliseconds(time) for name, time in times.items() if time}
    detail["Tags"] = tags_as_mapping(job.asked.get("Tags", []))
    emit(job.account, job.region, "SageMaker Transform Job State Change", detail, job.arn)


def _missing(name: str) -> Answer:
    return answer_error("ValidationException", f"Could not find transform job with name {name}.")
