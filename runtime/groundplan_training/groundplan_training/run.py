"""What a training script holds in its hand: steps that are not done twice, metrics, and whether to stop."""

import json
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from groundplan_training.checkpoints import Checkpoint, CheckpointError, Checkpoints
from groundplan_training.container import Container
from groundplan_training.journal import Journal, attempts, read_journal
from groundplan_training.states import (
    State,
    dump_pickle,
    frameworks,
    put_back_random_numbers,
    random_numbers,
    read_pickle,
)

RANDOM_NUMBERS = "random-numbers.state"
LIMIT_VARIABLE = "GROUNDPLAN_MAX_RUNTIME_SECONDS"
EARLY_STOPPING_VARIABLE = "GROUNDPLAN_EARLY_STOPPING"
# Before the limit strikes there must be time for a last checkpoint and for writing the model.
MARGIN_SHARE, MOST_MARGIN_SECONDS = 0.1, 120.0


class Run:
    """One training run, from its newest checkpoint if there is one.

    `state` are the objects that the run consists of, by name: anything with state_dict and load_state_dict (PyTorch),
    scikit-learn estimators, Keras models, NumPy arrays and generators, dicts and lists. They are restored in place.
    Instead, `save(folder)` and `load(folder)` write and read files of any kind. The global random numbers of Python,
    NumPy and PyTorch are kept as well.

    A checkpoint is due after `every_steps` steps, or after `every_seconds`; the newest `keep` stay, and up to two
    more for a while when steps are fast. Only the first process of the first host writes them. Outside a training
    job nothing is read or written, unless `folder` says where. Raises CheckpointError when the checkpoint was
    written by another version of a framework.
    """

    def __init__(
        self,
        state: Mapping[str, Any] | None = None,
        *,
        save: Callable[[Path], None] | None = None,
        load: Callable[[Path], None] | None = None,
        every_steps: int | None = None,
        every_seconds: float | None = None,
        keep: int = 2,
        folder: Path | None = None,
    ) -> None:
        if (save is None) != (load is None):
            raise ValueError("save and load belong together: what one writes the other reads")
        if every_steps is not None and every_steps < 1:
            raise ValueError(f"every_steps must be 1 or more, got {every_steps}")
        self._states = [State(name, thing) for name, thing in (state or {}).items()]
        self._save, self._load = save, load
        self._every_steps = every_steps
        self._every_seconds = 60.0 if every_steps is None and every_seconds is None else every_seconds
        container = Container.here()
        self._folder = folder or (container.checkpoints if container.there else None)
        self._primary = container.is_primary()
        self._journal = Journal(self._folder) if self._folder and self._primary else None
        self._checkpoints = Checkpoints(self._folder, keep=keep, tell=self._tell) if self._folder else None
        self._early = _EarlyStopping.declared()
        self._why_stop = ""
        self._began = self._saved_at = time.monotonic()
        self._until = self._began + _seconds_left(self._folder)
        self.step = self._at = self._saved_step = 0
        self._total = ""
        self._wanted = False
        self._listen()
        self._resume()

    @property
    def should_stop(self) -> str:
        """Why the run should end now, or nothing: SIGTERM came, the time is up, or the metric gets no better."""
        if not self._why_stop and time.monotonic() >= self._until:
            self._why_stop = "the time limit is near"
        return self._why_stop

    def steps(self, total: int) -> Iterator[int]:
        """As `range(total)`, less what is done already. Ends early, with a checkpoint, when the run should stop."""
        self._total = f"/{total}"
        for step in range(self.step, total):
            self._at = step + 1
            try:
                yield step
            finally:
                self.step = step + 1  # also when the script breaks off
            if self.should_stop:
                self._keep()
                self._note("stopped", step=self.step, why=self._why_stop)
                self._tell(f"stopped after step {self.step}: {self._why_stop}")
                return
            if self._due():
                self._keep()
        if self._saved_step < self.step:
            self._keep()
        self._note("finished", step=self.step)

    def checkpoint(self) -> None:
        """Save now; within a step as soon as it is done, for half a step cannot be gone on from.

        Raises CheckpointError when the disk does not take it; what was saved before is still there.
        """
        if self._at > self.step:
            self._wanted = True
        else:
            self._keep()

    def _keep(self) -> None:
        self._saved_at, self._saved_step, self._wanted = time.monotonic(), self.step, False
        if not self._checkpoints or not self._primary or not (self._states or self._save):
            return
        notes = {"frameworks": frameworks(), "early_stopping": self._early.held()}
        self._checkpoints.save(self.step, self._write, notes)
        self._note("checkpoint", step=self.step, seconds=round(time.monotonic() - self._saved_at, 6))

    def metric(self, name: str, value: float, *, slice: Mapping[str, object] | None = None) -> None:  # noqa: A002
        """Record a figure, of a slice of the data where it says so: `slice={"digit": 3}`.

        It belongs to the step that is being done, or was done last; steps are counted from 1. It is also a line of
        the log, `metric accuracy=0.97 step=60/60` or `metric accuracy[digit=3]=0.91 step=60/60`, where SageMaker
        finds it. A value that is no number is recorded as none, and said.
        """
        number = float(value)
        part = {key: str(one) for key, one in (slice or {}).items()}
        where = f"[{','.join(f'{key}={one}' for key, one in sorted(part.items()))}]" if part else ""
        print(f"metric {name}{where}={number:.9g} step={self._at}{self._total}", flush=True)
        finite = math.isfinite(number)
        self._note(
            "metric", name=name, value=number if finite else None, step=self._at, slice=part or None,
            **({} if finite else {"was": str(number)}),
        )  # fmt: skip
        if not part and self._early.judge(name, number):
            self._why_stop = self._why_stop or f"{name} has got no better {self._early.patience} times"

    def seed(self, **seeds: int) -> None:
        """Record the seeds that the script used, by what they are for."""
        self._note("seeds", seeds=seeds)

    def _due(self) -> bool:
        if self._wanted:
            return True
        if self._every_steps is not None and self.step - self._saved_step >= self._every_steps:
            return True
        return self._every_seconds is not None and time.monotonic() - self._saved_at >= self._every_seconds

    def _write(self, folder: Path) -> None:
        for state in self._states:
            state.save(folder)
        if self._save:
            self._save(folder)
        dump_pickle(random_numbers(), folder / RANDOM_NUMBERS)

    def _resume(self) -> None:
        found = self._checkpoints.newest() if self._checkpoints else None
        self._note("started", training_job_name=os.environ.get("TRAINING_JOB_NAME"), frameworks=frameworks())
        if not found:
            self._tell("started from nothing")
            return
        _refuse_other_versions(found)
        for state in self._states:
            state.load(found.folder)
        if self._load:
            self._load(found.folder)
        put_back_random_numbers(read_pickle(found.folder / RANDOM_NUMBERS))
        self._early.put_back(found.notes.get("early_stopping"))
        self.step = self._at = self._saved_step = found.step
        self._note("resumed", step=found.step)
        self._tell(f"resumed after step {found.step}")

    def _listen(self) -> None:
        """SIGTERM asks to stop; who listened before is told as well. Signals reach a main thread only."""
        if not self._folder or threading.current_thread() is not threading.main_thread():
            return
        before = signal.getsignal(signal.SIGTERM)

        def stop(number: int, frame: FrameType | None) -> None:
            self._why_stop = self._why_stop or "SIGTERM came"
            if callable(before):
                before(number, frame)

        signal.signal(signal.SIGTERM, stop)

    def _note(self, kind: str, **facts: Any) -> None:
        if self._journal:
            self._journal.write(kind, **facts)

    def _tell(self, line: str) -> None:
        if self._folder:
            print(line, flush=True)


class _EarlyStopping:
    """Whether a metric has stopped getting better: `{"metric": …, "patience": …, "mode": "min" or "max"}`."""

    def __init__(self, metric: str, patience: int, mode: str) -> None:
        self.metric, self.patience, self._sign = metric, patience, 1 if mode == "max" else -1
        self._best, self._worse = -math.inf, 0

    @classmethod
    def declared(cls) -> "_EarlyStopping":
        """As the job's environment says; else one that never stops."""
        text = os.environ.get(EARLY_STOPPING_VARIABLE)
        if not text:
            return cls("", 0, "max")
        try:
            said = json.loads(text)
            return cls(str(said["metric"]), int(said["patience"]), str(said["mode"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{EARLY_STOPPING_VARIABLE}: {text!r} cannot be read ({error})") from None

    def judge(self, name: str, value: float) -> bool:
        """Whether it is time."""
        if not self.metric or name != self.metric:
            return False
        better = value * self._sign > self._best
        self._best, self._worse = (value * self._sign, 0) if better else (self._best, self._worse + 1)
        return self._worse >= self.patience

    def held(self) -> list[float | int | None]:
        """What a checkpoint keeps of it."""
        return [self._best if math.isfinite(self._best) else None, self._worse]

    def put_back(self, held: list[Any] | None) -> None:
        """As `held` gave it."""
        if held:
            self._best, self._worse = -math.inf if held[0] is None else float(held[0]), int(held[1])


def _refuse_other_versions(found: Checkpoint) -> None:
    now = frameworks()
    for name, version in found.notes.get("frameworks", {}).items():
        if name in now and now[name] != version:
            raise CheckpointError(
                f"checkpoint {found.step} was written with {name} {version}, here is {now[name]}: train with the "
                "image that it was begun with, or remove the run's checkpoints to begin anew"
            )


def _seconds_left(folder: Path | None) -> float:
    """Of the time that the job may take in all its attempts, less a margin for the last checkpoint and the model."""
    text = os.environ.get(LIMIT_VARIABLE, "")
    if not text or not folder:
        return math.inf
    try:
        limit = float(text)
    except ValueError:
        raise ValueError(f"{LIMIT_VARIABLE}: {text!r} is not a number of seconds") from None
    job = os.environ.get("TRAINING_JOB_NAME")
    spent = sum(
        float(lines[-1]["elapsed"])
        for lines in attempts(read_journal(folder))
        if lines[0].get("training_job_name") == job
    )
    return max(0.0, limit - min(limit * MARGIN_SHARE, MOST_MARGIN_SECONDS) - spent)
