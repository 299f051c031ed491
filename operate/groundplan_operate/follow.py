"""Watches a training job: each change of status and each line of its log as they come, until it has ended."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.control import strip_control_codes

from groundplan.prices import PriceBook
from groundplan.progress import Progress
from groundplan.run_cost import run_cost
from groundplan.workload import Workload
from groundplan_operate.accounts import Accounts

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
RUNNING = ("InProgress", "Stopping")
TOLD_EVERY_SECONDS = 30.0  # how far it is, where there is no terminal to keep it in one place


def follow(
    accounts: Accounts, workload: Workload, book: PriceBook, name: str, show: Callable[[str], None]
) -> Mapping[str, Any]:
    """The job's description at its end. Each new status, each line of the log and how far it is are shown."""
    sagemaker, logs = accounts.client("sagemaker", "ai"), accounts.client("logs", "ai")
    progress = Progress(workload.trained.metrics, workload.key_metric)
    seen, tokens, told = 0, dict[str, str](), time.monotonic()
    pause = 0.5 if accounts.environment.embedded_aws else 5.0
    console = Console(stderr=True, highlight=False)
    with console.status("Starting") as waiting:
        while True:
            job: Mapping[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
            for line in _new_lines(logs, name, tokens):
                progress.read(line)
                show(f"    {strip_control_codes(line)}")
            transitions = job.get("SecondaryStatusTransitions", [])
            for transition in transitions[seen:]:
                show(f"  {transition['Status']}  {transition.get('StatusMessage', '')}".rstrip())
            seen = len(transitions)
            progress.see(job, book, datetime.now(UTC))
            ended = job["TrainingJobStatus"] not in RUNNING
            if ended or (not console.is_terminal and time.monotonic() > told + TOLD_EVERY_SECONDS):
                told = time.monotonic()
                show(f"  {progress}")
            if ended:
                return job
            waiting.update(str(progress))
            time.sleep(pause)


def outcome(job: Mapping[str, Any], book: PriceBook) -> dict[str, Any]:
    """What came of a job, or how it stands, with the keys of `--json`."""
    metrics: list[dict[str, Any]] = job.get("FinalMetricDataList", [])
    transitions: list[dict[str, Any]] = job.get("SecondaryStatusTransitions", [])
    resources = job.get("ResourceConfig", {})
    billable = job.get("BillableTimeInSeconds")
    cost = run_cost(book, resources.get("InstanceType"), resources.get("InstanceCount"), billable)
    return {
        "training_job_name": job["TrainingJobName"],
        "training_job_arn": job["TrainingJobArn"],
        "status": job["TrainingJobStatus"],
        "failure_reason": job.get("FailureReason"),
        "artefact": job.get("ModelArtifacts", {}).get("S3ModelArtifacts"),
        "metrics": {metric["MetricName"]: round(float(metric["Value"]), 6) for metric in metrics},
        "interruptions": sum(transition["Status"] == "Interrupted" for transition in transitions),
        "training_seconds": job.get("TrainingTimeInSeconds"),
        "billable_seconds": billable,
        "cost_usd": cost.usd,
        "cost_basis": cost.basis,
    }


def _new_lines(logs: Any, name: str, tokens: dict[str, str]) -> list[str]:
    """The lines of a job's log that came since; `tokens` remember how far each stream was read."""
    try:
        streams = logs.describe_log_streams(logGroupName=LOG_GROUP, logStreamNamePrefix=f"{name}/")["logStreams"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    lines: list[str] = []
    for stream in streams:
        stream_name = stream["logStreamName"]
        while True:
            token = tokens.get(stream_name)
            more = {"nextToken": token} if token else {}
            page = logs.get_log_events(logGroupName=LOG_GROUP, logStreamName=stream_name, startFromHead=True, **more)
            lines += [event["message"].rstrip() for event in page["events"]]
            tokens[stream_name] = page["nextForwardToken"]
            if page["nextForwardToken"] == token or not page["events"]:
                break
    return lines
