"""MLflow as a person meets it: where it is, and the run that a training job became there."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from groundplan.tracking import run_key
from groundplan_operate.accounts import Accounts
from groundplan_runtime.integrations.mlflow import Mlflow, MlflowError

PAUSE_SECONDS = 0.2


@dataclass(frozen=True)
class LoggedRun:
    """A run in MLflow: its page, how it ended, and the last value of each metric."""

    url: str
    status: str
    metrics: Mapping[str, float]
    parameters: Mapping[str, str]
    tags: Mapping[str, str]


def mlflow_url(accounts: Accounts) -> str | None:
    """Address of the environment's MLflow; None when it has none, or AWS does not say."""
    if not accounts.environment.mlflow:
        return None
    try:
        sagemaker = accounts.client("sagemaker", "ai")
        described = sagemaker.describe_mlflow_tracking_server(TrackingServerName=accounts.names.mlflow_server())
    except (BotoCoreError, ClientError):  # it is not deployed yet, or this person may not ask
        return None
    return str(described["TrackingServerUrl"])


def logged_run(
    accounts: Accounts, workload: str, fingerprint: str | None, training_job_name: str, *, within_seconds: float = 0
) -> LoggedRun | None:
    """The run of a training job in MLflow, awaited so long; None when it is not there, or nobody may ask."""
    url = mlflow_url(accounts)
    if url is None:
        return None
    mlflow = Mlflow(accounts.names.mlflow_arn(), accounts.session("ai").get_credentials(), accounts.endpoint_url)
    deadline = time.monotonic() + within_seconds
    while True:
        try:
            found = mlflow.run(workload, run_key(fingerprint, training_job_name))
        except (MlflowError, BotoCoreError):
            return None
        if found and found["info"]["status"] != "RUNNING":
            return _read(url, found)
        if time.monotonic() >= deadline:
            return None
        time.sleep(PAUSE_SECONDS)


def _read(url: str, found: Mapping[str, Any]) -> LoggedRun:
    info, data = found["info"], found["data"]
    return LoggedRun(
        url=f"{url}/#/experiments/{info['experiment_id']}/runs/{info['run_id']}",
        status=info["status"],
        metrics={entry["key"]: entry["value"] for entry in data.get("metrics", [])},
        parameters={entry["key"]: entry["value"] for entry in data.get("params", [])},
        tags={entry["key"]: entry["value"] for entry in data.get("tags", [])},
    )
