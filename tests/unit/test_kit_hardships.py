"""What a training job meets: full disks, folders of another user, lost workers, kills at any moment."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from groundplan_training import Run
from groundplan_training.journal import read_journal
from spot import Job, kill

MODEL = "import os, pathlib; pathlib.Path(os.environ['SM_MODEL_DIR'], 'model').write_text('1')"
GROWS = f"""
from groundplan_training import Run
state = [b""]
run = Run({{"state": state}}, every_steps=1)
for step in run.steps(5):
    state[0] = bytes(1 << (17 + step))
{MODEL}
"""
POOL = f"""
import multiprocessing
from groundplan_training import Run

def work(number):
    return number + 1

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        run = Run({{"state": [1]}})
        for step in run.steps(10**9):
            assert pool.apply_async(work, [step]).get(timeout=5) == step + 1
            if step == 3:
                print("ready", flush=True)
    {MODEL}
"""
ORPHANS = """
import os, pathlib, time

def states():
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[1]) == os.getppid():
            yield words[0]

for _ in range(5):
    child = os.fork()
    if child == 0:
        if os.fork():
            os._exit(0)  # from now on its child belongs to the first process
        os._exit(0)
    os.waitpid(child, 0)
until = time.monotonic() + 20
while "Z" in states():
    assert time.monotonic() < until, "nobody reaps"
"""
# Three checkpoints, of which two are kept; the process is killed before its n-th operation on a file.
KILLED = """
import os, pathlib, random, signal, sys
from groundplan_training import Run

folder, at, count = pathlib.Path(sys.argv[1]), int(sys.argv[2]), 0

def before(name):
    real = getattr(os, name)
    def counted(*given, **options):
        global count
        count += 1
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*given, **options)
    setattr(os, name, counted)

os.fsync = lambda _: None  # a process that is killed, unlike a machine, loses nothing that it wrote
for name in ("fsync", "replace", "unlink", "mkdir", "rmdir", "open"):
    before(name)
random.seed(3)
drawn = []
for step in Run({"drawn": drawn}, folder=folder, every_steps=1).steps(4):
    drawn.append(random.random())
print(count, drawn)
"""


def namespace(*options: str) -> list[str]:
    """A command that gives what follows it a namespace of its own."""
    command = [shutil.which("unshare") or "unshare", *options]
    if not shutil.which("unshare") or subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip(f"{' '.join(command)} is not permitted here")
    return command


def ran(command: list[str], job: Job) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, env=job.environment(), capture_output=True, text=True, timeout=60, check=False)


def test_sigterm_does_not_take_the_scripts_workers_from_under_it(tmp_path: Path) -> None:
    job = Job.of(tmp_path, POOL)
    process = job.start()
    assert process.stdout
    while "ready" not in (line := process.stdout.readline()):
        assert line, process.communicate()
    process.send_signal(signal.SIGTERM)
    try:
        _, err = process.communicate(timeout=30)
    finally:
        if process.poll() is None:
            kill(process)
    assert (process.returncode, err) == (0, "")
    assert job.record["outcome"] == "stopped"


def test_orphans_are_reaped_while_the_script_runs(tmp_path: Path) -> None:
    job = Job.of(tmp_path, ORPHANS + MODEL)
    assert job.run().returncode == 0, job.failure


def test_a_full_disk_is_said_and_keeps_the_last_good_checkpoint_and_the_record(tmp_path: Path) -> None:
    job = Job.of(tmp_path, GROWS)
    checkpoints = tmp_path / "checkpoints"
    checkpoints.mkdir()
    mount = f'mount -t tmpfs -o size=1m none {checkpoints} && "$@"; code=$?; ls {checkpoints}; exit $code'
    done = ran([*namespace("--user", "--map-root-user", "--mount"), "sh", "-c", mount, "sh", *job.command()], job)
    assert done.returncode == 1, done.stderr
    assert "No space left on device" in job.failure
    assert "raise [training] volume_gib" in job.failure
    assert [word for word in done.stdout.split() if word.startswith("step-") and word.endswith(".json")] == [
        "step-000000002.json",
        "step-000000003.json",
    ]
    record = json.loads((tmp_path / "output/data/record.json").read_text())
    assert (record["outcome"], record["checkpoints"]["saved"]) == ("failed", 3)


def test_where_the_record_fits_into_one_folder_only_it_is_there(tmp_path: Path) -> None:
    job = Job.of(tmp_path, MODEL)
    (tmp_path / "checkpoints/record.json.tmp").mkdir(parents=True)  # nothing can be written in its place
    done = job.run()
    assert done.returncode == 0
    assert f"no record in {tmp_path}/checkpoints: " in done.stderr
    assert json.loads((tmp_path / "output/data/record.json").read_text())["outcome"] == "completed"


def test_a_file_that_may_not_grow_is_said_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 19, 1 << 19))\n"
    job = Job.of(tmp_path, limit + GROWS)
    assert job.run().returncode == 1
    assert "checkpoint 3 could not be written" in job.failure
    assert "File too large" in job.failure
    kept = sorted(path.name for path in (tmp_path / "checkpoints").glob("step-*.json"))
    assert kept == ["step-000000001.json", "step-000000002.json"]


def test_a_user_who_may_not_write_below_opt_ml_is_told_what_to_change(tmp_path: Path) -> None:
    job = Job.of(tmp_path, MODEL)
    for name in ("model", "output/data", "checkpoints"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "model").chmod(0o555)  # as it is for a USER of the image when SageMaker's folders are another's
    done = ran([*namespace("--user", "--map-user=1000", "--map-group=1000"), *job.command()], job)
    assert done.returncode == 1
    assert f"user 1000 may not write to {tmp_path}/model" in job.failure
    assert job.failure in done.stderr


def test_only_the_first_host_writes_the_record_among_the_checkpoints(tmp_path: Path) -> None:
    job = Job.of(tmp_path, "pass")  # which writes no model: that is the first host's to do
    resources: dict[str, Any] = {"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]}
    (tmp_path / "input/config/resourceconfig.json").write_text(json.dumps(resources))
    done = job.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert not list((tmp_path / "checkpoints").iterdir())
    assert (tmp_path / "output/data/record.json").exists()


def test_killed_before_any_operation_on_a_file_it_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    def attempt(folder: Path, at: int) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", KILLED, str(folder), str(at)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    calm = attempt(tmp_path / "calm", 0)
    assert calm.returncode == 0, calm.stderr
    words = calm.stdout.splitlines()[-1].split(" ", 1)
    operations, drawn = int(words[0]), words[1]
    assert operations > 20
    for at in range(1, operations + 1, 3):
        folder = tmp_path / str(at)
        assert attempt(folder, at).returncode == -signal.SIGKILL
        done = [line["step"] for line in read_journal(folder) if line["kind"] == "checkpoint"]
        again = attempt(folder, 0)
        assert again.stdout.splitlines()[-1].split(" ", 1)[1] == drawn, (at, again.stdout, again.stderr)
        resumed = [line["step"] for line in read_journal(folder) if line["kind"] == "resumed"] or [0]
        assert resumed[0] >= max(done, default=0), at  # nothing that was kept is lost


def test_a_checkpoint_asked_for_within_a_step_holds_the_whole_step(tmp_path: Path) -> None:
    drawn: list[int] = []
    run = Run({"drawn": drawn}, folder=tmp_path, every_steps=1000)
    for step in run.steps(9):
        run.checkpoint()  # half a step would be done again, on top of itself
        drawn.append(step)
        if step == 2:
            assert [line["step"] for line in read_journal(tmp_path) if line["kind"] == "checkpoint"] == [1, 2]
            break
    run.checkpoint()  # between steps: now
    again: list[int] = []
    assert Run({"drawn": again}, folder=tmp_path).step == 3
    assert again == [0, 1, 2]
