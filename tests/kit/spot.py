"""A training job without SageMaker: its folders, its first process, and machines that are taken away at random."""

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from groundplan_operate.kit import training_kit
from groundplan_training.journal import NAME, attempts, read_journal

SCRIPTS = Path(__file__).parent
KIT = "groundplan_training.pyz"
LONGEST_SECONDS = 600  # of a run that 100 kills are measured against


@dataclass(frozen=True)
class Job:
    """What stands for /opt/ml, with one script in the channel `code`."""

    base: Path

    @classmethod
    def of(cls, base: Path, script: str | Path, **hyperparameters: object) -> "Job":
        """`script` is a file, or the text of one."""
        code, config = base / "input/data/code", base / "input/config"
        code.mkdir(parents=True)
        config.mkdir(parents=True)
        text = script.read_text() if isinstance(script, Path) else script
        (code / "train.py").write_text(text)
        (code / KIT).write_bytes(training_kit())
        given = {
            name: value if isinstance(value, str) else json.dumps(value) for name, value in hyperparameters.items()
        }
        group = {"instance_group_name": "homogeneousCluster", "instance_type": "ml.m5.large", "hosts": ["algo-1"]}
        resources = {
            "current_host": "algo-1",
            "current_instance_type": "ml.m5.large",
            "current_group_name": "homogeneousCluster",
            "hosts": ["algo-1"],
            "instance_groups": [group],
            "network_interface_name": "eth0",
        }
        for name, document in (
            ("hyperparameters", given),
            ("resourceconfig", resources),
            ("inputdataconfig", {"code": {"TrainingInputMode": "File"}}),
        ):
            (config / f"{name}.json").write_text(json.dumps(document))
        return cls(base)

    def command(self) -> list[str]:
        """As ContainerEntrypoint has it."""
        return [sys.executable, str(self.base / "input/data/code" / KIT), "train.py"]

    def environment(self, given: Mapping[str, str] | None = None) -> dict[str, str]:
        """Little of this machine's own."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return {**kept, "SAGEMAKER_BASE_DIR": str(self.base), "TRAINING_JOB_NAME": "job-1", **(given or {})}

    def start(self, **environment: str) -> "subprocess.Popen[str]":
        """Its first process, in a group of its own."""
        return subprocess.Popen(
            self.command(),
            env=self.environment(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, **environment: str) -> "subprocess.CompletedProcess[str]":
        """To its end."""
        return subprocess.run(
            self.command(),
            env=self.environment(environment),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    @property
    def record(self) -> dict[str, Any]:
        """As it lies among the checkpoints."""
        return json.loads((self.base / "checkpoints/record.json").read_text())

    @property
    def failure(self) -> str:
        """What SageMaker would show as FailureReason."""
        path = self.base / "output/failure"
        return path.read_text() if path.exists() else ""

    def model(self) -> dict[str, bytes]:
        """The model's files."""
        return {path.name: path.read_bytes() for path in sorted((self.base / "model").iterdir())}


@dataclass(frozen=True)
class Outcome:
    """Of a job whose machine was taken away: how often, how many steps were lost each time, how many were to do."""

    kills: int
    lost: tuple[int, ...]
    steps: int

    @property
    def lost_share(self) -> float:
        """Of all the steps that were done."""
        return sum(self.lost) / (self.steps + sum(self.lost))


def shaken(job: Job, *, steps: int, kills: int, seed: int, lines: int) -> Outcome:
    """Run to the end, but for `kills` times when everything is killed, within `lines` more of the journal."""
    chance, journal, killed = random.Random(seed), job.base / "checkpoints" / NAME, 0  # noqa: S311
    for _ in range(kills):
        until = _count_lines(journal) + chance.randint(2, lines)
        process = job.start()
        while process.poll() is None and _count_lines(journal) < until:
            _wait(process, 0.001)
        _wait(process, chance.uniform(0, 0.01))
        killed += process.poll() is None
        kill(process)
        shutil.rmtree(job.base / "model", ignore_errors=True)  # it was on the machine that is gone
    done = job.run()
    assert done.returncode == 0, done.stderr
    tried = attempts(read_journal(job.base / "checkpoints"))
    began = [next((line["step"] for line in lines if line["kind"] == "resumed"), 0) for lines in tried]
    reached = [max((line["step"] for line in lines if line.get("step") is not None), default=0) for lines in tried]
    return Outcome(killed, tuple(max(0, was - at) for was, at in zip(reached, began[1:], strict=False)), steps)


def _count_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _wait(process: "subprocess.Popen[str]", seconds: float) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


def kill(process: "subprocess.Popen[str]") -> None:
    """The machine is gone: nothing of the job gets to do anything more."""
    first = psutil.Process(process.pid)
    for one in (first, *first.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            one.suspend()
    for one in (*first.children(recursive=True), first):
        with suppress(psutil.NoSuchProcess):
            one.kill()
    process.communicate()
