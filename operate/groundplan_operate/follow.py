"""Watches a training job: each change of status and each line of its log as they come, until it has ended."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from rich.control import strip_control_codes

from groundplan_operate.accounts import Accounts

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
RUNNING = ("InProgress", "Stopping")


def follow(accounts: Accounts, name: str, show: Callable[[str], None]) -> dict[str, Any]:
    """Show each change of status and each line of the log as they come, until the job has ended."""
    sagemaker, logs = accounts.client("sagemaker", "ai"), accounts.client("logs", "ai")
    seen, tokens = 0, dict[str, str]()
    pause = 0.5 if accounts.environment.embedded_aws else 5.0
    while True:
        job = sagemaker.describe_training_job(TrainingJobName=name)
        transitions = job.get("SecondaryStatusTransitions", [])
        _show_log(logs, name, tokens, show)
        for transition in transitions[seen:]:
            show(f"  {transition['Status']}  {transition.get('StatusMessage', '')}".rstrip())
        seen = len(transitions)
        if job["TrainingJobStatus"] not in RUNNING:
            return outcome(job)
        time.sleep(pause)


def _show_log(logs: Any, name: str, tokens: dict[str, str], show: Callable[[str], None]) -> None:
    try:
        streams = logs.describe_log_streams(logGroupName=LOG_GROUP, logStreamNamePrefix=f"{name}/")["logStreams"]
    except logs.exceptions.ResourceNotFoundException:
        return
    for stream in streams:
        stream_name = stream["logStreamName"]
        while True:
            token = tokens.get(stream_name)
            more = {"nextToken": token} if token else {}
            page = logs.get_log_events(logGroupName=LOG_GROUP, logStreamName=stream_name, startFromHead=True, **more)
            for event in page["events"]:
                show(f"    {strip_control_codes(event['message'].rstrip())}")
            tokens[stream_name] = page["nextForwardToken"]
            if page["nextForwardToken"] == token or not page["events"]:
                break


def outcome(job: Mapping[str, Any]) -> dict[str, Any]:
    metrics: list[dict[str, Any]] = job.get("FinalMetricDataList", [])
    transitions: list[dict[str, Any]] = job.get("SecondaryStatusTransitions", [])
    return {
        "training_job_name": job["TrainingJobName"],
        "training_job_arn": job["TrainingJobArn"],
        "status": job["TrainingJobStatus"],
        "failure_reason": job.get("FailureReason"),
        "artefact": job.get("ModelArtifacts", {}).get("S3ModelArtifacts"),
        "metrics": {metric["MetricName"]: round(float(metric["Value"]), 6) for metric in metrics},
        "interruptions": sum(transition["Status"] == "Interrupted" for transition in transitions),
        "training_seconds": job.get("TrainingTimeInSeconds"),
        "billable_seconds": job.get("BillableTimeInSeconds"),
    }
