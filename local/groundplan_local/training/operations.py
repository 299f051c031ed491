"""The operations of the SageMaker API that concern training jobs; everything else stays with moto."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from groundplan_local.bridge import Answer, Call, answer_error, answer_json
from groundplan_local.connections import tags_as_mapping
from groundplan_local.joints import account_and_region
from groundplan_local.shapes import InvalidRequestError, check_request
from groundplan_local.training.interruption import Interruptions
from groundplan_local.training.jobs import TrainingJob, make_job
from groundplan_local.training.listing import list_jobs
from groundplan_local.training.run import Run

NOT_FOUND = "Requested resource not found."
MAX_TAGS = 50
Parameters = Mapping[str, Any]


class Refusal(Exception):  # noqa: N818 - an answer of the API, not a fault of this program
    """What the API refuses: code and message as AWS gives them."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TrainingJobs:
    """The training jobs of all accounts and regions."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._runs: dict[tuple[str, str, str], Run] = {}
        self._lock = threading.Lock()
        self._operations: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "CreateTrainingJob": self.create,
            "DescribeTrainingJob": self.describe,
            "StopTrainingJob": self.stop,
            "ListTrainingJobs": self.list_all,
        }
        self._tag_operations: dict[str, Callable[[TrainingJob, Parameters], dict[str, Any]]] = {
            "ListTags": _list_tags,
            "AddTags": _add_tags,
            "DeleteTags": _delete_tags,
        }

    def answer(self, call: Call) -> Answer | None:
        """The answer to a call of these operations; None for any other."""
        parameters = call.parameters() if call.operation in {*self._operations, *self._tag_operations} else {}
        try:
            if operation := self._operations.get(call.operation):
                check_request("sagemaker", call.operation, parameters)
                return answer_json(operation(parameters))
            arn: str = parameters.get("ResourceArn", "")
            if ":training-job/" in arn:
                check_request("sagemaker", call.operation, parameters)
                job = self._find(arn.rpartition("/")[2]).job
                return answer_json(self._tag_operations[call.operation](job, parameters))
        except InvalidRequestError as error:
            return answer_error("ValidationException", str(error))
        except Refusal as error:
            return answer_error(error.code, str(error))
        return None

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """CreateTrainingJob."""
        account, region = account_and_region()
        _check_rules(request)
        job = make_job(request, account, region)
        try:
            interruptions = Interruptions(job.tags if job.spot else {})
        except ValueError as error:
            raise Refusal("ValidationException", str(error)) from None
        key = (account, region, job.name)
        with self._lock:
            if key in self._runs:
                raise Refusal(
                    "ResourceInUse",
                    "Training job names must be unique within an AWS account and region, and a training job with "
                    f"this name already exists ({job.arn})",
                )
            run = self._runs[key] = Run(job, interruptions, self._root / account / region / job.name)
        run.start()
        return {"TrainingJobArn": job.arn}

    def describe(self, parameters: Parameters) -> dict[str, Any]:
        """DescribeTrainingJob."""
        return self._find(parameters["TrainingJobName"]).job.describe()

    def stop(self, parameters: Parameters) -> dict[str, Any]:
        """StopTrainingJob."""
        run = self._find(parameters["TrainingJobName"])
        with run.job.lock:
            if run.job.status != "InProgress":
                raise Refusal(
                    "ValidationException",
                    f"The request was rejected because the training job is in status {run.job.status}.",
                )
            run.stop()
        return {}

    def list_all(self, parameters: Parameters) -> dict[str, Any]:
        """ListTrainingJobs."""
        scope = account_and_region()
        with self._lock:
            jobs = [run.job for key, run in self._runs.items() if key[:2] == scope]
        try:
            return list_jobs(jobs, parameters)
        except ValueError as error:
            raise Refusal("ValidationException", str(error)) from None

    def close(self) -> None:
        """Kill every script that still runs."""
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            run.close()

    def _find(self, name: str) -> Run:
        with self._lock:
            run = self._runs.get((*account_and_region(), name))
        if run is None:
            raise Refusal("ValidationException", NOT_FOUND)
        return run


def _check_rules(request: Parameters) -> None:
    """What the model of the API does not say, and the few things that do not exist on this machine."""
    condition: Mapping[str, int] = request.get("StoppingCondition", {})
    longest = condition.get("MaxRuntimeInSeconds", 86400)
    wait = condition.get("MaxWaitTimeInSeconds")
    channels = [channel["ChannelName"] for channel in request.get("InputDataConfig", [])]
    local_path: str = request.get("CheckpointConfig", {}).get("LocalPath", "/opt/ml/checkpoints")
    rules = [
        ("AlgorithmSpecification" in request, "AlgorithmSpecification is required"),
        ("ResourceConfig" in request, "ResourceConfig is required"),
        (
            not request.get("EnableManagedSpotTraining") or (wait is not None and wait >= longest),
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds "
            "when EnableManagedSpotTraining is true",
        ),
        (
            request.get("EnableManagedSpotTraining") or wait is None,
            "MaxWaitTimeInSeconds above 0 is not supported for a training job without EnableManagedSpotTraining",
        ),
        (len(channels) == len(set(channels)), "Channel names must be unique"),
        (
            request.get("ResourceConfig", {}).get("InstanceCount", 1) == 1,
            "the embedded AWS runs one instance a job: ResourceConfig.InstanceCount must be 1",
        ),
        (
            local_path.startswith("/opt/ml/"),
            "the embedded AWS keeps checkpoints below /opt/ml/ only: CheckpointConfig.LocalPath",
        ),
    ]
    for holds, message in rules:
        if not holds:
            raise Refusal("ValidationException", message)


def _list_tags(job: TrainingJob, _: Parameters) -> dict[str, Any]:
    return {"Tags": job.list_tags()}


def _add_tags(job: TrainingJob, parameters: Parameters) -> dict[str, Any]:
    with job.lock:
        tags = job.tags | tags_as_mapping(parameters["Tags"])
        if len(tags) > MAX_TAGS:
            raise Refusal("ResourceLimitExceeded", f"a resource has at most {MAX_TAGS} tags")
        job.tags.update(tags)
    return {"Tags": job.list_tags()}


def _delete_tags(job: TrainingJob, parameters: Parameters) -> dict[str, Any]:
    with job.lock:
        for key in parameters["TagKeys"]:
            job.tags.pop(key, None)
    return {}
