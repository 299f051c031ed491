"""The first process of a training job: it starts the script, passes signals on, and says how it ended."""

import difflib
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import joblib
import psutil
import pytest

from spot import SCRIPTS, Job, shaken

ORACLE = SCRIPTS / "sagemaker-training-5.1.4.json"
TRAINS = """
import os, sys, time
from groundplan_training import Run
run = Run({"seen": []}, every_steps=1)
for step in run.steps(10**6):
    if step == 2:
        print("ready", flush=True)
    time.sleep(0.01)
open(os.path.join(os.environ["SM_MODEL_DIR"], "model"), "w").write("half")
"""


def wait_for(process: "subprocess.Popen[str]", word: str) -> None:
    """Read lines until one holds `word`."""
    assert process.stdout
    while word not in (line := process.stdout.readline()):
        assert line, process.communicate()


def test_a_script_that_trains_leaves_a_model_and_a_record(tmp_path: Path) -> None:
    job = Job.of(tmp_path, SCRIPTS / "plugged_sklearn.py", steps=4, seed=11)
    text = (tmp_path / "input/data/code/train.py").read_text()
    (tmp_path / "input/data/code/train.py").write_text(text.replace("parse_args()", "parse_known_args()[0]"))
    provenance = {"GROUNDPLAN_WORKLOAD": "w", "GROUNDPLAN_FINGERPRINT": "f" * 64, "GROUNDPLAN_CODE_COMMIT": "c" * 40}
    done = job.run(**provenance)
    assert done.returncode == 0, done.stderr
    assert list(job.model()) == ["model.joblib"]
    record = job.record
    assert record == json.loads((tmp_path / "output/data/record.json").read_text())
    assert record["schema"] == "groundplan.run/1"
    assert record["outcome"] == "completed"
    assert (record["workload"], record["fingerprint"], record["image_digest"]) == ("w", "f" * 64, None)
    assert record["hyperparameters"] == {"steps": "4", "seed": "11"}
    assert record["seeds"] == {"seed": 11}
    assert record["frameworks"]["sklearn"]
    assert [(one["name"], one["slice"], one["step"]) for one in record["metrics"]] == [
        ("accuracy", None, 4),
        ("accuracy", {"label": "0"}, 4),
        ("accuracy", {"label": "1"}, 4),
    ]
    assert record["checkpoints"]["saved"] == 2
    assert 0 < record["hardware"]["memory_bytes_max"] < record["hardware"]["memory_bytes_total"]
    assert 0 < record["hardware"]["cpu_percent_mean"] <= 100
    assert record["failure"] is None


def test_the_script_sees_what_amazons_own_launcher_shows_it(tmp_path: Path) -> None:
    oracle = json.loads(ORACLE.read_text())
    job = Job.of(
        tmp_path, "import os, json; print(json.dumps(dict(os.environ)))\nimport sys; print(json.dumps(sys.argv))"
    )
    for name, document in oracle["configuration"].items():
        (tmp_path / f"input/config/{name}.json").write_text(json.dumps(document))
    environment, arguments = (json.loads(line) for line in job.run().stdout.splitlines()[:2])
    seen = {
        name: value.replace(str(tmp_path), "BASE") for name, value in environment.items() if name.startswith("SM_")
    }
    expected = oracle["environment"]
    for name in ("SM_NUM_CPUS", "SM_NUM_GPUS", "SM_NUM_NEURONS"):
        expected[name] = seen[name]
    assert {name: _normal(value) for name, value in seen.items()} == {
        name: _normal(value) for name, value in expected.items()
    }
    assert arguments[1:] == oracle["arguments"]


def _normal(value: str) -> object:
    """JSON as what it says; what each machine counts for itself left out."""
    try:
        document = json.loads(value)
    except ValueError:
        return value
    if isinstance(document, dict):
        return {key: one for key, one in document.items() if not key.startswith("num_")}
    return document


@pytest.mark.parametrize(
    ("script", "code", "reason"),
    [
        ("raise ValueError('labels from 0 to 9, got 11')", 1, "ValueError: labels from 0 to 9, got 11 (exit code 1)"),
        ("import sys; sys.exit('no .csv file')", 1, "no .csv file (exit code 1)"),
        ("import sys; sys.exit(3)", 3, "the script said nothing (exit code 3)"),
        ("import os; os.abort()", 134, "train.py was ended by SIGABRT: "),
        (
            "import os; os.kill(os.getpid(), 9)",
            137,
            "train.py was killed (SIGKILL), most likely for want of memory: it",
        ),
        ("print('done')", 1, "train.py ended well, but wrote no model to "),
        ("open('/dev/full', 'w').write('x' * 99999)", 1, "; the disk is full: raise [training] volume_gib"),
        ("import groundplan_training as g; g.Run({'a': 3})", 1, "a: a int cannot be put back into itself; give an"),
    ],
    ids=["error", "exit text", "exit code", "abort", "memory", "no model", "full disk", "wrong use"],
)
def test_how_it_failed_is_said_and_recorded(tmp_path: Path, script: str, code: int, reason: str) -> None:
    job = Job.of(tmp_path, script)
    done = job.run()
    assert done.returncode == code
    assert reason in job.failure
    assert "\n" not in job.failure
    assert job.failure in done.stderr
    assert (job.record["outcome"], job.record["failure"]) == ("failed", job.failure)


def test_what_the_script_itself_wrote_as_its_failure_stays(tmp_path: Path) -> None:
    script = "import os\nopen(os.environ['SM_OUTPUT_DIR'] + '/failure', 'w').write('mine')\nraise SystemExit(1)"
    job = Job.of(tmp_path, script)
    assert job.run().returncode == 1
    assert job.failure == job.record["failure"] == "mine"


def test_a_script_that_is_not_there_is_said(tmp_path: Path) -> None:
    job = Job.of(tmp_path, "")
    (tmp_path / "input/data/code/train.py").unlink()
    assert job.run().returncode == 1
    assert "train.py is not there; the channel code should hold the script" in job.failure


def test_a_configuration_that_is_not_json_is_said(tmp_path: Path) -> None:
    job = Job.of(tmp_path, "")
    (tmp_path / "input/config/hyperparameters.json").write_text("{")
    assert job.run().returncode == 1
    assert "hyperparameters.json: not JSON" in job.failure


def test_sigterm_reaches_the_script_which_saves_and_still_writes_a_model(tmp_path: Path) -> None:
    job = Job.of(tmp_path, TRAINS)
    process = job.start()
    wait_for(process, "ready")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "SIGTERM came" in out
    assert job.model() == {"model": b"half"}
    assert (job.record["outcome"], job.record["stopped_because"]) == ("stopped", "SIGTERM came")
    again = job.start()
    assert again.stdout
    assert again.stdout.readline().startswith("resumed after step ")
    again.send_signal(signal.SIGTERM)
    again.communicate(timeout=30)


def test_a_script_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    script = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('ready', flush=True)\ntime.sleep(99)"
    process = Job.of(tmp_path, script).start(GROUNDPLAN_GRACE_SECONDS="0.1")
    wait_for(process, "ready")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert "the script has not ended 0.1 s after SIGTERM: killed" in err
    assert process.returncode == 137


def test_nothing_that_the_script_left_behind_runs_on(tmp_path: Path) -> None:
    script = """
import os, subprocess, sys
left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(99)"], start_new_session=True)
open(os.path.join(os.environ["SM_MODEL_DIR"], "pid"), "w").write(str(left.pid))
"""
    job = Job.of(tmp_path, script)
    assert job.run().returncode == 0
    assert not psutil.pid_exists(int(job.model()["pid"]))


def test_as_process_1_it_passes_signals_on_and_reaps(tmp_path: Path) -> None:
    unshare = [shutil.which("unshare") or "unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    if not shutil.which("unshare") or subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let a process have process ids of its own")
    job = Job.of(tmp_path, TRAINS.replace('print("ready"', 'print(os.getppid(), "ready"'))
    process = subprocess.Popen(
        [*unshare, *job.command()], env=job.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    while "ready" not in (line := process.stdout.readline()):
        assert line, process.communicate()
    assert line == "1 ready\n"
    (first,) = psutil.Process(process.pid).children()
    first.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "SIGTERM came" in out
    assert job.record["outcome"] == "stopped"


def test_without_a_script_it_says_how_it_is_used(tmp_path: Path) -> None:
    job = Job.of(tmp_path, "")
    done = subprocess.run(job.command()[:-1], env=job.environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: python groundplan_training.pyz SCRIPT" in done.stderr


@pytest.mark.parametrize("kind", ["numpy", "sklearn"])
def test_plugging_it_in_takes_at_most_ten_lines_and_changes_none(kind: str) -> None:
    plain, plugged = ((SCRIPTS / f"{way}_{kind}.py").read_text().splitlines() for way in ("plain", "plugged"))
    changes = [line for line in difflib.ndiff(plain, plugged) if line[0] in "+-"]
    added = [line for line in changes if line[0] == "+"]
    removed = [line for line in changes if line[0] == "-"]
    assert len(added) <= 10
    assert [line.split()[1] for line in removed] == ["for"]  # the loop now asks what is left to do


def learned(job: Job) -> list[bytes]:
    """The model's numbers: a pickle of the same ones may have other bytes, for it says which parts are one object."""
    (path,) = (job.base / "model").iterdir()
    if path.suffix == ".npz":
        return [path.read_bytes()]
    model = joblib.load(path)
    return [model.coef_.tobytes(), model.intercept_.tobytes(), repr(model.t_).encode()]


@pytest.mark.parametrize(("kind", "lines"), [("numpy", 20), ("sklearn", 6)])  # of the journal, between two kills
def test_killed_at_random_it_ends_as_if_it_had_not_been(tmp_path: Path, kind: str, lines: int) -> None:
    steps = 60
    calm = Job.of(tmp_path / "calm", SCRIPTS / f"plugged_{kind}.py", steps=steps)
    assert calm.run().returncode == 0
    lost = Job.of(tmp_path / "lost", SCRIPTS / f"plugged_{kind}.py", steps=steps)
    outcome = shaken(lost, steps=steps, kills=4, seed=7, lines=lines)
    assert outcome.kills == 4
    assert learned(lost) == learned(calm)
    assert max(outcome.lost) <= 2, outcome


@pytest.mark.parametrize("kind", ["numpy", "sklearn"])
def test_the_plugged_script_still_runs_by_hand_and_learns_the_same(tmp_path: Path, kind: str) -> None:
    made: list[bytes] = []
    for way in ("plain", "plugged"):
        folder = tmp_path / way
        folder.mkdir()
        environment = {"PATH": os.environ["PATH"], "SM_MODEL_DIR": str(folder), "SAGEMAKER_BASE_DIR": str(tmp_path)}
        job = Job.of(tmp_path / f"{way}-job", SCRIPTS / f"{way}_{kind}.py")
        done = subprocess.run(
            [job.command()[0], str(SCRIPTS / f"{way}_{kind}.py")],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        made.append(next(folder.iterdir()).read_bytes())
    assert made[0] == made[1]
