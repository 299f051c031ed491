"""SageMaker's MLflow on this machine: the real one, behind AWS's front door, told of runs by our client."""

import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from boto3.session import Session
from botocore.credentials import Credentials

from groundplan.tracking import TrackedRun, tracked_run
from groundplan_runtime.integrations.mlflow import Mlflow, MlflowError

RECORD: dict[str, Any] = json.loads((Path(__file__).parents[1] / "events" / "run_record.json").read_text())
ACCOUNT, OTHER = "666666666671", "666666666672"
WHERE = {"ArtifactStoreUri": "s3://artefacts/mlflow", "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/mlflow-of-the-tests"}


@dataclass(frozen=True)
class Server:
    """A tracking server, and clients of it."""

    endpoint_url: str
    url: str
    arn: str
    folder: Path

    def client(self, account: str = ACCOUNT) -> Mlflow:
        return Mlflow(self.arn, Credentials(account, "embedded"), self.endpoint_url)

    def get(self, path: str, **headers: str) -> int:
        """What its own address answers to a browser."""
        request = urllib.request.Request(self.url + path, headers=headers)  # noqa: S310 - loopback
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            return opener.open(request, timeout=30).status
        except urllib.error.HTTPError as error:
            return error.code

    def processes(self) -> list[psutil.Process]:
        leader = psutil.Process(json.loads((self.folder / "process.json").read_text())["pid"])
        return [leader, *leader.children(recursive=True)]


@pytest.fixture(scope="module")
def server(embedded_aws: Any) -> Iterator[Server]:
    sagemaker = embedded_aws.client("sagemaker", ACCOUNT)
    arn = sagemaker.create_mlflow_tracking_server(TrackingServerName="one", **WHERE)["TrackingServerArn"]
    url = sagemaker.describe_mlflow_tracking_server(TrackingServerName="one")["TrackingServerUrl"]
    yield Server(embedded_aws.endpoint_url, url, arn, embedded_aws.state / "mlflow" / ACCOUNT / "us-east-1" / "one")
    sagemaker.delete_mlflow_tracking_server(TrackingServerName="one")


def run(workload: str, **changes: Any) -> TrackedRun:
    return tracked_run({**RECORD, **changes}, workload)


def test_a_run_is_logged_once_however_often_it_is_told(server: Server, unique: str) -> None:
    told, mlflow = run(unique), server.client()
    first, again = mlflow.log(told), mlflow.log(told)
    assert first == again
    found = mlflow.run(unique, told.key)
    assert found is not None
    assert found["info"]["status"] == "FINISHED"
    assert found["info"]["end_time"] == told.ended
    data = found["data"]
    assert {entry["key"]: entry["value"] for entry in data["params"]} == told.parameters
    tags = {entry["key"]: entry["value"] for entry in data["tags"]}
    assert told.tags.items() <= tags.items()
    metrics = {entry["key"]: entry["value"] for entry in data["metrics"]}
    assert metrics["loss"] == 0.25
    assert metrics["accuracy/digit/3"] == 0.875
    assert metrics["cost_usd"] == 0.0123
    assert [entry["dataset"]["source"] for entry in found["inputs"]["dataset_inputs"]] == [RECORD["data_manifest"]]
    [history] = [mlflow._get("metrics/get-history", run_id=first, metric_key="loss")["metrics"]]  # pyright: ignore[reportPrivateUsage]
    assert [(entry["step"], entry["value"]) for entry in history] == [(10, 0.5), (20, 0.25)]


def test_a_run_that_was_half_logged_is_taken_up_again(
    server: Server, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, mlflow = run(unique), server.client()
    post = mlflow._post  # pyright: ignore[reportPrivateUsage]

    def breaks(call: str, body: Any) -> Any:
        if call == "runs/log-batch" and "metrics" in body:
            raise OSError("the function was killed")
        return post(call, body)

    with monkeypatch.context() as patch:
        patch.setattr(mlflow, "_post", breaks)
        with pytest.raises(OSError, match="killed"):
            mlflow.log(told)
    half = mlflow.run(unique, told.key)
    assert half is not None
    assert (half["info"]["status"], half["data"].get("metrics")) == ("RUNNING", None)
    assert mlflow.log(told) == half["info"]["run_id"]
    whole = mlflow.run(unique, told.key)
    assert whole is not None
    assert whole["info"]["status"] == "FINISHED"
    assert len(whole["data"]["metrics"]) == len({metric.name for metric in told.metrics})


def test_another_job_of_the_same_fingerprint_is_another_run(server: Server, unique: str) -> None:
    mlflow = server.client()
    assert mlflow.log(run(unique)) != mlflow.log(run(unique, training_job_name="digit-reader-5f2c9b41d0aa-later"))


def test_more_metrics_than_one_call_takes_are_all_there(server: Server, unique: str) -> None:
    steps = [{"name": "loss", "value": 1 / step, "step": step, "time": None} for step in range(1, 2502)]
    parameters = {f"p{index}": str(index) for index in range(150)}
    told, mlflow = run(unique, metrics=steps, hyperparameters=parameters), server.client()
    run_id = mlflow.log(told)
    found = mlflow.run(unique, told.key)
    assert found is not None
    assert len(found["data"]["params"]) == 150
    history = mlflow._get("metrics/get-history", run_id=run_id, metric_key="loss", max_results="5000")  # pyright: ignore[reportPrivateUsage]
    assert len(history["metrics"]) == 2501


def test_what_was_never_logged_is_not_found(server: Server, unique: str) -> None:
    assert server.client().run(unique, run(unique).key) is None


def test_another_accounts_server_is_as_if_it_were_not_there(server: Server) -> None:
    with pytest.raises(MlflowError, match="ResourceNotFound"):
        server.client(OTHER).run("any", run("any").key)


def test_it_listens_on_loopback_and_lets_no_other_site_in(server: Server) -> None:
    server.client().run("any", run("any").key)  # it is up
    connections = [one for process in server.processes() for one in process.net_connections(kind="inet")]
    assert {one.laddr.ip for one in connections if one.status == psutil.CONN_LISTEN} == {"127.0.0.1"}
    assert server.get("/") == 200
    assert server.get("/api/2.0/mlflow/experiments/search?max_results=1", Host="rebound.example") == 403
    assert not [one for one in connections if one.raddr and one.raddr.ip != "127.0.0.1"]


def test_it_is_told_to_tell_nobody_and_stores_in_its_own_folder(server: Server) -> None:
    variables = server.processes()[0].environ()
    assert variables["MLFLOW_DISABLE_TELEMETRY"] == variables["DO_NOT_TRACK"] == "true"
    assert not {"MLFLOW_SERVER_ALLOWED_HOSTS", "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"} & set(variables)
    server.client().run("any", run("any").key)
    assert (server.folder / "mlflow.db").stat().st_size > 0


def _status(sagemaker: Any) -> str:
    return sagemaker.describe_mlflow_tracking_server(TrackingServerName="one")["TrackingServerStatus"]


def test_it_goes_with_the_embedded_aws_also_when_that_is_killed(
    tmp_path: Path, embedded_command: Any, until: Any
) -> None:
    def start() -> tuple[psutil.Process, psutil.Process]:
        assert embedded_command("start", "--state", str(tmp_path)).returncode == 0
        described = json.loads((tmp_path / "server.json").read_text())
        sagemaker: Any = Session().client(
            "sagemaker",
            region_name="us-east-1",
            endpoint_url=described["endpoint_url"],
            aws_access_key_id=ACCOUNT,
            aws_secret_access_key="embedded",
        )
        sagemaker.create_mlflow_tracking_server(TrackingServerName="one", **WHERE)
        # One that still starts would end by itself when its folder goes.
        until(lambda: _status(sagemaker) == "Created")
        remembered = json.loads((tmp_path / f"mlflow/{ACCOUNT}/us-east-1/one/process.json").read_text())
        return psutil.Process(described["pid"]), psutil.Process(remembered["pid"])

    _, mlflow = start()
    assert embedded_command("stop", "--state", str(tmp_path)).returncode == 0
    assert not mlflow.is_running()
    assert not (tmp_path / "mlflow").exists()
    embedded, mlflow = start()
    os.kill(embedded.pid, signal.SIGKILL)
    until(lambda: not embedded.is_running() or embedded.status() == psutil.STATUS_ZOMBIE)
    assert mlflow.is_running()
    assert embedded_command("stop", "--state", str(tmp_path)).returncode == 0
    until(lambda: not mlflow.is_running() or mlflow.status() == psutil.STATUS_ZOMBIE)
