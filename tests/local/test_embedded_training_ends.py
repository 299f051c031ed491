"""How training jobs end that do not simply complete, and what is refused before it begins."""

from importlib import import_module
from typing import Any

import pytest

STAYS_UNTIL_TERMINATED = """
import os, pathlib, signal, sys, time
model = pathlib.Path(os.environ["SM_MODEL_DIR"])
def save(*_):
    (model / "saved.txt").write_text("in time")
    sys.exit(1)
signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
time.sleep(60)
"""
# One child that still has its parent, and one whose parent ended.
LEAVES_ITS_GROUP = """
import subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(99)"]
child = subprocess.Popen(sleep, start_new_session=True)
again = f"import subprocess; print(subprocess.Popen({sleep!r}, start_new_session=True, stdout=2).pid)"
orphan = subprocess.run([sys.executable, "-c", again], stdout=subprocess.PIPE, check=True).stdout.decode()
print(child.pid, orphan.strip(), flush=True)
print("started", flush=True)
time.sleep(99 if "END" == "Stopped" else 0)
sys.exit("END" == "Failed")
"""
FAILS_WITH_A_REASON = """
import os, pathlib, sys
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "trace.txt").write_text("what happened")
pathlib.Path(os.environ["SM_OUTPUT_DIR"], "failure").write_text("the data is empty " + "!" * 2000)
sys.exit(3)
"""


def refused(laboratory: Any, match: str, **changes: Any) -> None:
    with pytest.raises(laboratory.sagemaker.exceptions.ClientError, match=match):
        laboratory.start("print('done')", **changes)


def test_a_failing_script_fails_its_job_with_its_last_words(laboratory: Any) -> None:
    job = laboratory.train("print('fine so far')\nraise ValueError('no such column: age')\n")
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: ValueError: no such column: age, exit code: 1"
    assert laboratory.path(job)[-2:] == ["Uploading", "Failed"]
    assert "ModelArtifacts" not in job


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "killed by signal 9 (SIGKILL), exit code: -9"),
        ("import os\nos.kill(os.getpid(), 40)", "killed by signal 40, exit code: -40"),
        (
            "import os\nprint('at step 3', flush=True)\nos.kill(os.getpid(), 9)",
            "at step 3, killed by signal 9 (SIGKILL), exit code: -9",
        ),
        ("raise SystemExit(3)", "the script said nothing, exit code: 3"),
    ],
)
def test_a_script_that_said_nothing_has_a_reason_all_the_same(laboratory: Any, script: str, reason: str) -> None:
    assert laboratory.train(script)["FailureReason"] == f"AlgorithmError: {reason}"


def test_a_reason_that_is_no_file_is_not_waited_for(laboratory: Any) -> None:
    pipe = "import os\nos.mkfifo(os.environ['SM_OUTPUT_DIR'] + '/failure')\nraise SystemExit(3)"
    job = laboratory.train(pipe)
    assert job["FailureReason"] == "AlgorithmError: the script said nothing, exit code: 3"
    (line,) = laboratory.log(job["TrainingJobName"])
    assert line.endswith("output/failure: it is a named pipe, not a regular file")


@pytest.mark.parametrize("end", ["Completed", "Failed", "Stopped"])
def test_what_a_script_started_elsewhere_ends_with_its_job(laboratory: Any, until: Any, end: str) -> None:
    name = laboratory.start(LEAVES_ITS_GROUP.replace("END", end))
    until(
        lambda: "started" in laboratory.log(name) if "Training" in laboratory.path(laboratory.describe(name)) else 0
    )
    if end == "Stopped":
        laboratory.sagemaker.stop_training_job(TrainingJobName=name)
    assert laboratory.ended(name)["TrainingJobStatus"] == end
    children = [int(word) for line in laboratory.log(name) if line != "started" for word in line.split()]
    assert len(children) == 2
    psutil = import_module("psutil")
    running = {process.pid for process in psutil.process_iter() if process.status() not in ("zombie", "dead")}
    assert running.isdisjoint(children)


def test_a_script_may_say_itself_why_it_failed(laboratory: Any) -> None:
    job = laboratory.train(FAILS_WITH_A_REASON)
    assert job["FailureReason"].startswith("AlgorithmError: the data is empty !")
    assert len(job["FailureReason"]) == 1024
    assert laboratory.keys(f"output/{job['TrainingJobName']}/output/") == ["output.tar.gz"]


def test_a_channel_without_objects_fails_the_job_as_the_clients_error(laboratory: Any) -> None:
    request = laboratory.request("print('done')")
    request["InputDataConfig"].append(laboratory.channel("train", "nowhere/"))
    laboratory.sagemaker.create_training_job(**request)
    job = laboratory.ended(request["TrainingJobName"])
    assert job["FailureReason"].startswith("ClientError: No S3 objects found under S3 URL")
    assert laboratory.path(job) == ["Starting", "Downloading", "Failed"]


def test_a_channel_in_a_bucket_that_is_not_there_fails_the_job(laboratory: Any, unique: str) -> None:
    request = laboratory.request("print('done')")
    channel = laboratory.channel("train", "x")
    channel["DataSource"]["S3DataSource"]["S3Uri"] = f"s3://{unique}/x"
    request["InputDataConfig"].append(channel)
    laboratory.sagemaker.create_training_job(**request)
    job = laboratory.ended(request["TrainingJobName"])
    assert job["FailureReason"].startswith("ClientError: Data download failed")


def test_an_image_without_an_entry_point_says_that_no_image_runs_here(laboratory: Any) -> None:
    algorithm = {"TrainingImage": "none", "TrainingInputMode": "File"}
    job = laboratory.train("print('done')", AlgorithmSpecification=algorithm)
    assert "ContainerEntrypoint must say what to run" in job["FailureReason"]


def test_stopping_a_job_lets_it_save_its_model(laboratory: Any, until: Any) -> None:
    name = laboratory.start(STAYS_UNTIL_TERMINATED)
    until(
        lambda: laboratory.log(name) == ["ready"] if "Training" in laboratory.path(laboratory.describe(name)) else 0
    )
    laboratory.sagemaker.stop_training_job(TrainingJobName=name)
    assert laboratory.describe(name)["TrainingJobStatus"] in ("Stopping", "Stopped")
    job = laboratory.ended(name)
    assert job["TrainingJobStatus"] == "Stopped"
    assert laboratory.path(job) == ["Starting", "Downloading", "Training", "Stopping", "Uploading", "Stopped"]
    assert laboratory.keys(f"output/{name}/output/") == ["model.tar.gz"]
    with pytest.raises(laboratory.sagemaker.exceptions.ClientError, match="training job is in status Stopped"):
        laboratory.sagemaker.stop_training_job(TrainingJobName=name)


@pytest.mark.parametrize(
    ("condition", "end"),
    [
        ({"MaxRuntimeInSeconds": 1}, "MaxRuntimeExceeded"),
        ({"MaxRuntimeInSeconds": 2, "MaxWaitTimeInSeconds": 2}, "MaxWaitTimeExceeded"),
    ],
)
def test_a_job_that_takes_too_long_is_stopped_with_what_it_has(
    laboratory: Any, unique: str, condition: dict[str, int], end: str
) -> None:
    spot = laboratory.spot({}, unique) if "MaxWaitTimeInSeconds" in condition else {}
    job = laboratory.train(STAYS_UNTIL_TERMINATED, **{**spot, "StoppingCondition": condition})
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", end)
    assert laboratory.path(job)[-3:] == ["Stopping", "Uploading", end]
    assert laboratory.keys(f"output/{job['TrainingJobName']}/output/") == ["model.tar.gz"]


def test_a_name_is_used_once(laboratory: Any, unique: str) -> None:
    laboratory.train("print('done')", TrainingJobName=unique)
    with pytest.raises(laboratory.sagemaker.exceptions.ResourceInUse, match=f"training-job/{unique}"):
        laboratory.start("print('done')", TrainingJobName=unique)


def test_an_unknown_job_is_answered_as_sagemaker_does(laboratory: Any) -> None:
    for ask in (laboratory.sagemaker.describe_training_job, laboratory.sagemaker.stop_training_job):
        with pytest.raises(laboratory.sagemaker.exceptions.ClientError) as refusal:
            ask(TrainingJobName="nowhere")
        assert refusal.value.response["Error"] == {
            "Code": "ValidationException",
            "Message": "Requested resource not found.",
        }


def test_spot_needs_a_wait_time_no_shorter_than_the_run_time(laboratory: Any) -> None:
    for condition in ({"MaxRuntimeInSeconds": 60}, {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 59}):
        refused(laboratory, "MaxWaitTimeInSeconds", EnableManagedSpotTraining=True, StoppingCondition=condition)


def test_a_wait_time_without_spot_is_refused(laboratory: Any) -> None:
    refused(
        laboratory,
        "without EnableManagedSpotTraining",
        StoppingCondition={"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60},
    )


def test_values_outside_the_model_of_the_api_are_refused_as_aws_words_it(laboratory: Any) -> None:
    instance = {"InstanceType": "ml.imaginary", "InstanceCount": 1, "VolumeSizeInGB": 1}
    refused(
        laboratory, r"'ml\.imaginary' at 'resourceConfig\.instanceType' failed to satisfy", ResourceConfig=instance
    )
    refused(laboratory, "'trainingJobName' failed to satisfy constraint", TrainingJobName="with_underscore")
    refused(laboratory, "'roleArn' failed to satisfy constraint: Member must satisfy", RoleArn="a" * 30)


def test_more_than_one_instance_is_refused_rather_than_pretended(laboratory: Any) -> None:
    instances = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
    refused(laboratory, "runs one instance a job", ResourceConfig=instances)
