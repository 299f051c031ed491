"""Spot capacity that is taken back, when a job's tags ask for it."""

from importlib import import_module
from typing import Any

import pytest

# Counts to six, a checkpoint a step; says where it began, and never repeats a step that a checkpoint holds.
COUNTS = """
import os, pathlib, sys, time
checkpoints = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"], "checkpoints")
newest = checkpoints / "step"
step = int(newest.read_text()) if newest.exists() else 0
print(f"begins after step {step}", flush=True)
while step < 6:
    time.sleep(PAUSE)
    step += 1
    draft = checkpoints / "step.tmp"
    draft.write_text(str(step))
    draft.rename(newest)
    print(f"step {step}", flush=True)
pathlib.Path(os.environ["SM_MODEL_DIR"], "steps").write_text(str(step))
"""
SLOWLY = COUNTS.replace("PAUSE", "0.15")
ONE_STEP_ONLY = """
import os, pathlib, time
checkpoints = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"], "checkpoints")
found = sorted(path.name for path in checkpoints.iterdir())
print(found, flush=True)
(checkpoints / "first").write_text("1")
if not found:
    time.sleep(60)
"""
LEAVES_A_DRAFT = """
import os, pathlib, time
checkpoints = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"], "checkpoints")
model = pathlib.Path(os.environ["SM_MODEL_DIR"])
found = sorted(path.name for path in checkpoints.iterdir())
print(found, sorted(path.name for path in model.iterdir()), flush=True)
if not found:
    (model / "half").write_text("2")
    (checkpoints / "draft.tmp").write_text("2")
    (checkpoints / "kept").write_text("1")
    time.sleep(60)
"""
LEAVES_A_CHILD = """
import os, pathlib, subprocess, sys, time
checkpoints = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"], "checkpoints")
if not list(checkpoints.iterdir()):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=ELSEWHERE)
    (checkpoints / "child").write_text(str(child.pid))
    time.sleep(60)
print((checkpoints / "child").read_text())
"""
LEAVES_MORE_THAN_FILES = """
import os, pathlib, socket, time
checkpoints = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"], "checkpoints")
os.mkfifo(checkpoints / "pipe")
(checkpoints / "circle").symlink_to(checkpoints / "circle")
(checkpoints / "file").symlink_to("/etc/hosts")
(checkpoints / "folder").symlink_to("/etc")
os.chdir(checkpoints)
socket.socket(socket.AF_UNIX).bind("socket")
(checkpoints / "below").mkdir()
(checkpoints / "below" / "kept").write_text("1")
(checkpoints / "kept").write_text("1")
time.sleep(0.3)
"""


def test_an_interrupted_job_resumes_from_its_checkpoints(laboratory: Any, unique: str) -> None:
    job = laboratory.train(SLOWLY, **laboratory.spot({"interrupt-after-checkpoints": "2 2"}, unique))
    assert job["TrainingJobStatus"] == "Completed"
    attempt = ["Starting", "Downloading", "Training"]
    interrupted = [*attempt, "Interrupted"]
    assert laboratory.path(job) == [*interrupted, *interrupted, *attempt, "Uploading", "Completed"]
    log = laboratory.log(job["TrainingJobName"])
    begins = [int(line.split()[-1]) for line in log if line.startswith("begins")]
    assert begins[0] == 0 < begins[1] < begins[2]
    assert log[-1] == "step 6"


def test_what_did_not_reach_s3_is_lost_with_the_machine(laboratory: Any, unique: str) -> None:
    job = laboratory.train(LEAVES_A_DRAFT, **laboratory.spot({"interrupt-after-checkpoints": "1"}, unique))
    assert laboratory.log(job["TrainingJobName"]) == ["[] []", "['kept'] []"]


@pytest.mark.parametrize("elsewhere", ["False", "True"])
def test_interruption_kills_whatever_the_script_started(laboratory: Any, unique: str, elsewhere: str) -> None:
    script = LEAVES_A_CHILD.replace("ELSEWHERE", elsewhere)
    job = laboratory.train(script, **laboratory.spot({"interrupt-after-checkpoints": "1"}, unique))
    child = int(laboratory.log(job["TrainingJobName"])[-1])
    processes = import_module("psutil")
    assert not processes.pid_exists(child) or processes.Process(child).status() == processes.STATUS_ZOMBIE


def test_interruptions_come_after_seconds_of_training(laboratory: Any, unique: str) -> None:
    job = laboratory.train(ONE_STEP_ONLY, **laboratory.spot({"interrupt-after-seconds": "0.8"}, unique))
    assert laboratory.path(job).count("Interrupted") == 1
    assert laboratory.log(job["TrainingJobName"])[-1] == "['first']"


def test_unfinished_files_are_not_taken_for_checkpoints(laboratory: Any, unique: str) -> None:
    laboratory.train(SLOWLY, **laboratory.spot({}, unique))
    assert laboratory.keys(f"{unique}/") == ["step"]


def test_only_spot_jobs_are_interrupted(laboratory: Any, unique: str) -> None:
    spot = laboratory.spot({"interrupt-after-seconds": "0"}, unique)
    on_demand = {"EnableManagedSpotTraining": False, "StoppingCondition": {"MaxRuntimeInSeconds": 60}}
    job = laboratory.train("print('done')", **{**spot, **on_demand})
    assert "Interrupted" not in laboratory.path(job)
    assert job["BillableTimeInSeconds"] == job["TrainingTimeInSeconds"]


def test_training_time_counts_every_attempt_and_spot_is_billed_for_less(laboratory: Any, unique: str) -> None:
    sleeps = "import time\ntime.sleep(2)\n"
    job = laboratory.train(sleeps, **laboratory.spot({"interrupt-after-seconds": "1.6"}, unique))
    # 1.6 seconds of the first attempt and 2 of the second, or more on a busy machine.
    assert job["TrainingTimeInSeconds"] >= 3
    assert job["BillableTimeInSeconds"] < job["TrainingTimeInSeconds"]


def test_only_files_are_kept_as_checkpoints_and_the_rest_is_told(
    laboratory: Any, embedded_aws: Any, unique: str
) -> None:
    job = laboratory.train(LEAVES_MORE_THAN_FILES, **laboratory.spot({}, unique))
    assert job["TrainingJobStatus"] == "Completed", job
    assert laboratory.keys(f"{unique}/") == ["below/kept", "kept"]
    (base,) = (embedded_aws.state / "training").rglob(f"{job['TrainingJobName']}/opt/ml")
    told = [
        line.removeprefix(f"embedded AWS: not kept as a checkpoint: {base}/checkpoints/")
        for line in laboratory.log(job["TrainingJobName"])
    ]
    links = [f"{name}: it is a symbolic link" for name in ("circle", "file", "folder")]
    assert sorted(told) == [*links, "pipe: it is a named pipe", "socket: it is a socket"]


@pytest.mark.parametrize(
    ("tags", "value", "allowed"),
    [
        ({"mean-seconds": "0"}, "0", "number above 0"),
        ({"mean-seconds": "0.0"}, "0.0", "number above 0"),
        ({"mean-seconds": "1 2"}, "1 2", "number above 0"),
        ({"mean-seconds": "-1"}, "-1", "number above 0"),
        ({"times": "5000000"}, "5000000", "from 1 to 100"),
        ({"times": "0"}, "0", "from 1 to 100"),
        ({"times": "101"}, "101", "from 1 to 100"),
        ({"times": "2 3"}, "2 3", "from 1 to 100"),
        ({"seed": "1 2"}, "1 2", "one whole number"),
        ({"seed": ""}, "", "one whole number"),
        ({"after-seconds": "soon"}, "soon", "numbers of seconds"),
        ({"after-checkpoints": "1 0"}, "1 0", "whole numbers from 1"),
    ],
)
def test_a_refused_tag_says_what_is_allowed(
    laboratory: Any, unique: str, tags: dict[str, str], value: str, allowed: str
) -> None:
    (name,) = tags
    wanted = {f"interrupt-{each}": text for each, text in {"seed": "1", **tags}.items()}
    with pytest.raises(laboratory.sagemaker.exceptions.ClientError) as refusal:
        laboratory.start("print('done')", **laboratory.spot(wanted, unique))
    error = refusal.value.response["Error"]
    assert error["Code"] == "ValidationException"
    assert error["Message"].startswith(f"tag embedded-aws:interrupt-{name}: '{value}' ")
    assert allowed in error["Message"]


@pytest.mark.parametrize(
    "tag", [{"interrupt-after-seconds": "soon"}, {"interrupt-after-checkpoints": "0"}, {"interrupt-at-noon": "1"}]
)
def test_a_tag_that_cannot_be_read_is_refused_by_name(laboratory: Any, unique: str, tag: dict[str, str]) -> None:
    (name,) = tag
    with pytest.raises(laboratory.sagemaker.exceptions.ClientError, match=f"embedded-aws:{name}"):
        laboratory.start("print('done')", **laboratory.spot(tag, unique))


def drawn(seed: int) -> list[float]:
    tags = {"seed": str(seed), "times": "3", "mean-seconds": "2"}
    interruptions = import_module("groundplan_local.training.interruption").Interruptions(
        {f"embedded-aws:interrupt-{name}": value for name, value in tags.items()}
    )
    return [interruptions.of_attempt(attempt).after_seconds for attempt in range(3)]


def test_drawn_interruptions_repeat_with_their_seed() -> None:
    assert drawn(42) == drawn(42) != drawn(43)
    assert all(seconds > 0 for seconds in drawn(42))
