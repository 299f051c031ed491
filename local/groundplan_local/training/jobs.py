"""A training job as SageMaker knows it: its request, its statuses, and how both are shown."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from groundplan_local.connections import tags_as_mapping
from groundplan_local.events import emit, milliseconds

Status = Literal["InProgress", "Completed", "Failed", "Stopping", "Stopped"]

# An assumption, not evidence: spot capacity is billed here at three tenths of the time that was trained.
# AWS's share follows the market; read the saving off AWS's own BillableTimeInSeconds there.
SPOT_BILLABLE_SHARE = 0.3

# Secondary status -> (status, message), in AWS's words where it documents them.
STEPS: dict[str, tuple[Status, str]] = {
    "Starting": ("InProgress", "Preparing the instances for training"),
    "Downloading": ("InProgress", "Downloading input data"),
    "Training": ("InProgress", "Training the model on this machine; no image runs here"),
    "Interrupted": ("InProgress", "Spot capacity was taken back; the job waits for new capacity"),
    "Stopping": ("Stopping", "Stopping the training job"),
    "Uploading": ("InProgress", "Uploading generated training model"),
    "Completed": ("Completed", "Training job completed"),
    "Failed": ("Failed", "Training job failed"),
    "Stopped": ("Stopped", "Training job stopped"),
    "MaxRuntimeExceeded": ("Stopped", "Training job runtime exceeded MaxRuntimeInSeconds provided"),
    "MaxWaitTimeExceeded": ("Stopped", "Training job exceeded MaxWaitTimeInSeconds provided"),
}
# What an event tells of the request; Environment is not part of SageMaker's event.
IN_EVENT = (
    "AlgorithmSpecification",
    "CheckpointConfig",
    "EnableManagedSpotTraining",
    "HyperParameters",
    "InputDataConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "RoleArn",
    "StoppingCondition",
    "VpcConfig",
)
DETAIL_TYPE = "SageMaker Training Job State Change"


@dataclass(frozen=True)
class Transition:
    """One secondary status and how long it lasted."""

    secondary: str
    message: str
    start: datetime
    end: datetime | None = None

    def document(self, show: Callable[[datetime], Any]) -> dict[str, Any]:
        """As Describe and the event show it, times by `show`."""
        shown = {"Status": self.secondary, "StartTime": show(self.start), "StatusMessage": self.message}
        return shown | ({"EndTime": show(self.end)} if self.end else {})


def now() -> datetime:
    """The present, to the millisecond, which is what SageMaker keeps."""
    time = datetime.now(UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


@dataclass
class TrainingJob:
    """Its fields change under its lock only: the run's threads write while the API reads."""

    request: Mapping[str, Any]
    account: str
    region: str
    tags: dict[str, str] = field(default_factory=dict[str, str])
    transitions: list[Transition] = field(default_factory=list[Transition])
    status: Status = "InProgress"
    created: datetime = field(default_factory=now)
    training_started: datetime | None = None
    training_ended: datetime | None = None
    trained_seconds: float = 0.0
    failure_reason: str | None = None
    model_artefacts: str | None = None
    metrics: dict[str, tuple[float, datetime]] = field(default_factory=dict[str, tuple[float, datetime]])
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def name(self) -> str:
        """TrainingJobName."""
        return self.request["TrainingJobName"]

    @property
    def arn(self) -> str:
        """TrainingJobArn."""
        return f"arn:aws:sagemaker:{self.region}:{self.account}:training-job/{self.name}"

    @property
    def spot(self) -> bool:
        """Whether it runs on capacity that can be taken back."""
        return bool(self.request.get("EnableManagedSpotTraining"))

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in ("Completed", "Failed", "Stopped")

    @property
    def secondary(self) -> str:
        """SecondaryStatus."""
        return self.transitions[-1].secondary

    @property
    def modified(self) -> datetime:
        """LastModifiedTime."""
        return self.transitions[-1].start

    def advance(self, secondary: str, *, failure_reason: str | None = None) -> None:
        """Enter a secondary status, and tell the account's default bus."""
        status, message = STEPS[secondary]
        with self.lock:
            time = now()
            if self.transitions:
                last = self.transitions[-1]
                self.transitions[-1] = Transition(last.secondary, last.message, last.start, time)
            self.transitions.append(Transition(secondary, message, time))
            # A job that is being stopped still uploads what it has, and stays Stopping until it is Stopped.
            self.status = "Stopping" if self.status == "Stopping" and status == "InProgress" else status
            self.failure_reason = failure_reason
            if secondary == "Training" and not self.training_started:
                self.training_started = time
            if self.ended:
                last = self.transitions[-1]
                self.transitions[-1] = Transition(last.secondary, last.message, last.start, time)
                self.training_ended = time if self.training_started else None
            detail = self.event_detail()
        emit(self.account, self.region, DETAIL_TYPE, detail, self.arn)

    def describe(self) -> dict[str, Any]:
        """The answer of DescribeTrainingJob, times in epoch seconds."""
        with self.lock:
            shown = {key: value for key, value in self.request.items() if key != "Tags"}
            shown |= self._state(datetime.timestamp)
            if self.training_started:
                trained = max(1, round(self.trained_seconds))
                billed = max(1, round(trained * SPOT_BILLABLE_SHARE)) if self.spot else trained
                shown |= {"TrainingTimeInSeconds": trained}
                shown |= {"BillableTimeInSeconds": billed} if self.ended else {}
            if self.metrics:
                shown["FinalMetricDataList"] = [
                    {"MetricName": name, "Value": value, "Timestamp": time.timestamp()}
                    for name, (value, time) in self.metrics.items()
                ]
            return shown

    def summary(self) -> dict[str, Any]:
        """One line of ListTrainingJobs."""
        with self.lock:
            shown: dict[str, Any] = {
                "TrainingJobName": self.name,
                "TrainingJobArn": self.arn,
                "CreationTime": self.created.timestamp(),
                "LastModifiedTime": self.modified.timestamp(),
                "TrainingJobStatus": self.status,
                "SecondaryStatus": self.secondary,
            }
            return shown | ({"TrainingEndTime": self.training_ended.timestamp()} if self.training_ended else {})

    def event_detail(self) -> dict[str, Any]:
        """The detail of a state change event, times in epoch milliseconds as strings."""
        with self.lock:
            detail = {key: self.request[key] for key in IN_EVENT if key in self.request}
            return detail | self._state(milliseconds) | {"Tags": dict(self.tags)}

    def list_tags(self) -> list[dict[str, str]]:
        """As ListTags shows them."""
        with self.lock:
            return [{"Key": key, "Value": value} for key, value in self.tags.items()]

    def _state(self, show: Callable[[datetime], Any]) -> dict[str, Any]:
        times = {
            "CreationTime": self.created,
            "TrainingStartTime": self.training_started,
            "TrainingEndTime": self.training_ended,
            "LastModifiedTime": self.modified,
        }
        state: dict[str, Any] = {
            "TrainingJobName": self.name,
            "TrainingJobArn": self.arn,
            "TrainingJobStatus": self.status,
            "SecondaryStatus": self.secondary,
            "SecondaryStatusTransitions": [transition.document(show) for transition in self.transitions],
        }
        state |= {name: show(time) for name, time in times.items() if time}
        if self.failure_reason:
            state["FailureReason"] = self.failure_reason
        if self.model_artefacts:
            state["ModelArtifacts"] = {"S3ModelArtifacts": self.model_artefacts}
        return state


def make_job(request: Mapping[str, Any], account: str, region: str) -> TrainingJob:
    """A job of a checked request, not yet started."""
    return TrainingJob(request, account, region, tags=tags_as_mapping(request.get("Tags", [])))
