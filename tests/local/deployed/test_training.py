"""Training jobs on the deployed platform: interrupted, failing, stopped, relaunched."""

import hashlib
import json
import uuid
from collections.abc import Mapping
from typing import Any

import pytest

from groundplan.training_request import build_request
from groundplan.workload import read_workload
from groundplan_operate.follow import LOG_GROUP
from groundplan_operate.train import gather_inputs, launch_defaults

ENDED = ("Completed", "Failed", "Stopped")


@pytest.fixture
def launch(deployed: Any, until: Any) -> Any:
    """Launch `digit-reader` with other hyper-parameters and tags; the job's description once it has ended."""

    def run(hyperparameters: Mapping[str, str], *, checkpoints: str, tags: Mapping[str, str] | None = None) -> Any:
        accounts = deployed.accounts
        workload = read_workload(accounts.root, "digit-reader")
        defaults = launch_defaults(accounts, workload)
        inputs = gather_inputs(accounts, workload, defaults)
        request = build_request(workload, "local", defaults, inputs, job_suffix=uuid.uuid4().hex[:12])
        request["HyperParameters"] |= hyperparameters
        request["CheckpointConfig"] = {
            "S3Uri": f"{defaults.artefacts}/workloads/digit-reader/checkpoints/{checkpoints}"
        }
        request["Tags"] += [{"Key": key, "Value": value} for key, value in (tags or {}).items()]
        sagemaker, name = deployed.client("sagemaker"), request["TrainingJobName"]
        sagemaker.create_training_job(**request)

        def ended() -> Any:
            job = sagemaker.describe_training_job(TrainingJobName=name)
            return job if job["TrainingJobStatus"] in ENDED else None

        return until(ended, f"{name} to end")

    return run


def metrics(job: Mapping[str, Any]) -> dict[str, float]:
    return {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}


def steps(job: Mapping[str, Any]) -> list[str]:
    return [transition["Status"] for transition in job["SecondaryStatusTransitions"]]


def model_digest(deployed: Any, job: Mapping[str, Any]) -> str:
    bucket, _, key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").partition("/")
    return hashlib.sha256(deployed.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()).hexdigest()


def test_a_run_interrupted_twice_ends_as_one_that_was_not(deployed: Any, launch: Any, log_of: Any) -> None:
    more = {"epochs": "90"}
    calm = launch(more, checkpoints="calm")
    shaken = launch(more, checkpoints="shaken", tags={"embedded-aws:interrupt-after-checkpoints": "2 2"})
    assert calm["TrainingJobStatus"] == shaken["TrainingJobStatus"] == "Completed"
    assert steps(calm) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert steps(shaken) == [
        *("Starting", "Downloading", "Training", "Interrupted"),
        *("Starting", "Downloading", "Training", "Interrupted"),
        *("Starting", "Downloading", "Training", "Uploading", "Completed"),
    ]
    assert metrics(shaken) == metrics(calm)
    assert model_digest(deployed, shaken) == model_digest(deployed, calm)
    starts = [line for line in log_of(shaken["TrainingJobName"]) if "started" in line or "resumed" in line]
    assert starts[0] == "started from nothing"
    resumed = [int(line.removeprefix("resumed after step ")) for line in starts[1:]]
    assert len(resumed) == 2
    assert 0 < resumed[0] <= resumed[1] < 90
    assert shaken["BillableTimeInSeconds"] <= shaken["TrainingTimeInSeconds"]


def test_a_relaunch_goes_on_where_the_first_launch_stopped(launch: Any, log_of: Any) -> None:
    first = launch({"epochs": "20"}, checkpoints="relaunched")
    again = launch({"epochs": "30"}, checkpoints="relaunched")
    assert first["TrainingJobStatus"] == again["TrainingJobStatus"] == "Completed"
    assert "resumed after step 20" in log_of(again["TrainingJobName"])


def test_a_failing_script_fails_the_job_with_its_reason_and_the_failure_is_recorded(
    deployed: Any, launch: Any, until: Any
) -> None:
    job = launch({"epochs": '"many"'}, checkpoints="failing")
    assert job["TrainingJobStatus"] == "Failed"
    assert "argument --epochs: invalid int value: 'many'" in job["FailureReason"]
    assert steps(job)[-1] == "Failed"

    def recorded() -> Any:
        done = deployed.run("lineage", job["TrainingJobName"], "-e", "local", "--json")
        runs = json.loads(done.stdout)["runs"] if done.returncode == 0 else []
        return runs[0] if runs and runs[0]["status"] == "Failed" else None

    run = until(recorded, "the failure in the lineage table")
    assert "invalid int value" in run["failure_reason"]
    assert run["artefact"] is None


def test_a_run_that_was_done_is_refused_with_a_pointer_to_it(deployed: Any) -> None:
    table = deployed.accounts.session("ai").resource("dynamodb", endpoint_url=deployed.accounts.endpoint_url)
    rows = table.Table(deployed.accounts.names.lineage_table())

    def refused() -> int:
        claims = [row for row in rows.scan(ConsistentRead=True)["Items"] if row["relation"] == "CLAIM"]
        return sum(int(number) for claim in claims for number in claim["refused_in"].values())

    before = refused()
    done = deployed.run("train", "digit-reader", "-e", "local", "--json")
    assert done.returncode == 1, done.stdout + done.stderr
    for word in ("this run was done before: training job digit-reader-", "accuracy 0.9", "it cost", "model.tar.gz"):
        assert word in done.stderr
    answer = json.loads(done.stdout)
    assert answer["training_jobs"] == []
    [claim] = answer["refused_claims"]
    assert (claim["status"], claim["cost_basis"].split()[1]) == ("SUCCEEDED", "billable")
    assert refused() == before + 1


def test_a_forced_run_shows_its_progress_from_the_start_and_keeps_its_reason(deployed: Any) -> None:
    done = deployed.run("train", "digit-reader", "-e", "local", "--force", "--reason", "measure the spread")
    assert done.returncode == 0, done.stdout + done.stderr
    for word in ("Starting", "Downloading", "Training", "started from nothing", "metric loss=", "Uploading"):
        assert word in done.stdout
    assert "at most 1,800 s, the least of max_runtime_seconds (1,800) and what $50.00 a month pays for" in done.stdout
    assert "Completed, step 60 of 60, accuracy 0.9" in done.stdout
    [name] = [line.split()[-1] for line in done.stdout.splitlines() if line.startswith("training job ")]
    runs = json.loads(deployed.run("lineage", name, "-e", "local", "--json").stdout)["runs"]
    assert runs[0]["forced_reason"] == "measure the spread"


def test_the_log_lies_in_sagemakers_log_group(deployed: Any) -> None:
    groups = deployed.client("logs").describe_log_groups(logGroupNamePrefix=LOG_GROUP)["logGroups"]
    assert [group["logGroupName"] for group in groups] == [LOG_GROUP]
