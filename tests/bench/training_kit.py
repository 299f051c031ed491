"""The training kit's figures: what it adds to a step, to a checkpoint and to a start, and what a kill costs."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

from groundplan_training import Run
from spot import SCRIPTS, Job, shaken

STEP_SECONDS = 0.01
STEPS = 300
GIB = 1 << 30
CHECKPOINT_EVERY_SECONDS = 60


def busy(seconds: float) -> None:
    """A step of training: the processor works."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def overhead(runs: int) -> tuple[float, float]:
    """Seconds of a loop of 10 ms steps by itself, and with the kit's loop and a metric each step; least of `runs`."""

    def bare() -> None:
        for _ in range(STEPS):
            busy(STEP_SECONDS)

    def plugged() -> None:
        with tempfile.TemporaryDirectory() as folder:
            run = Run({"state": [0.0] * 1000}, folder=Path(folder), every_seconds=60)
            for step in run.steps(STEPS):
                busy(STEP_SECONDS)
                run.metric("loss", 1 / (step + 1))

    return least(bare, runs), least(quiet(plugged), runs)


def large_checkpoint(runs: int) -> tuple[float, float]:
    """Seconds to write and flush 1 GiB, and to keep the same bytes as a checkpoint; least of `runs`, by turns."""
    block = os.urandom(1 << 20)

    def write(path: Path) -> None:
        with path.open("wb") as file:
            for _ in range(GIB // len(block)):
                file.write(block)
            file.flush()

    plain, kept = float("inf"), float("inf")
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            path = Path(folder) / "bytes"
            write(path)
            with path.open("rb") as file:
                os.fsync(file.fileno())
            plain = min(plain, time.perf_counter() - started)
        with tempfile.TemporaryDirectory() as folder:
            with redirect_stdout(None):
                run = Run(save=lambda into: write(into / "bytes"), load=lambda _: None, folder=Path(folder))
            started = time.perf_counter()
            quiet(run.checkpoint)()
            kept = min(kept, time.perf_counter() - started)
    return plain, kept


def import_seconds(runs: int) -> float:
    """CPU seconds that `import groundplan_training` adds to a start of Python from the archive; least of `runs`."""
    with tempfile.TemporaryDirectory() as folder:
        job = Job.of(Path(folder), "")
        variables = {"PYTHONPATH": str(Path(job.command()[1])), "PATH": os.environ["PATH"]}
        code = "import time; a = time.process_time(); import groundplan_training; print(time.process_time() - a)"
        told = [
            subprocess.run(
                [sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True
            ).stdout
            for _ in range(runs)
        ]
    return min(float(one) for one in told)


def killed(kills: int) -> tuple[int, float, int]:
    """How often a run was killed at random, the share of its work that was done twice, and the most steps lost."""
    steps = 20 * kills
    with tempfile.TemporaryDirectory() as folder:
        calm = Job.of(Path(folder) / "calm", SCRIPTS / "plugged_numpy.py", steps=steps)
        assert calm.run().returncode == 0
        job = Job.of(Path(folder) / "lost", SCRIPTS / "plugged_numpy.py", steps=steps)
        outcome = shaken(job, steps=steps, kills=kills, seed=1, lines=28)
        if outcome.kills != kills:
            raise SystemExit(f"{outcome.kills} of {kills} kills met a run")
        if job.model() != calm.model():
            raise SystemExit("a run that was killed ended with another model")
    return kills, outcome.lost_share, max(outcome.lost)


def spot_saving(interruptions_an_hour: float, discount: float) -> float:
    """The share of the on-demand price that is saved, when each interruption costs half an interval of work.

    A run of an hour with a checkpoint a minute; `discount` is spot's own. Restarts are not billed by SageMaker.
    """
    done_twice = interruptions_an_hour * CHECKPOINT_EVERY_SECONDS / 2 / 3600
    return 1 - (1 - discount) * (1 + done_twice)


def least(work: Callable[[], None], runs: int) -> float:
    """Seconds of the quickest of several runs."""
    found = float("inf")
    for _ in range(runs):
        started = time.perf_counter()
        work()
        found = min(found, time.perf_counter() - started)
    return found


def quiet(work: Callable[[], None]) -> Callable[[], None]:
    """The same, with what it prints thrown away."""

    def silently() -> None:
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            work()

    return silently
