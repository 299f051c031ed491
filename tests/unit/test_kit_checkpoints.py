"""Checkpoints of the training kit: whole or not there, and the newest whole one is what a run goes on from."""

import json
import os
import random
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import SGDClassifier

from groundplan_training import CheckpointError, Run
from groundplan_training.checkpoints import HOLD_SECONDS, Checkpoints
from groundplan_training.journal import Journal, attempts, read_journal
from groundplan_training.states import State

NOTES = {"frameworks": {"python": "3.11"}}


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def checkpoints(tmp_path: Path, told: list[str]) -> Checkpoints:
    return Checkpoints(tmp_path, keep=3, tell=told.append)


def write(text: str) -> Callable[[Path], None]:
    def written(folder: Path) -> None:
        (folder / "state").write_text(text)

    return written


def text_of(checkpoints: Checkpoints) -> tuple[int, str] | None:
    found = checkpoints.newest()
    return found and (found.step, (found.folder / "state").read_text())


def test_the_newest_is_what_was_written_last(checkpoints: Checkpoints) -> None:
    assert checkpoints.newest() is None
    for step in (1, 2):
        checkpoints.save(step, write(f"after {step}"), NOTES)
    assert text_of(checkpoints) == (2, "after 2")


def test_only_so_many_are_kept(tmp_path: Path, told: list[str]) -> None:
    minutes = iter(range(0, 600, 60))
    checkpoints = Checkpoints(tmp_path, keep=2, tell=told.append, clock=lambda: next(minutes))
    for step in range(1, 6):
        checkpoints.save(step, write(str(step)), NOTES)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step-000000004",
        "step-000000004.json",
        "step-000000005",
        "step-000000005.json",
    ]
    with pytest.raises(ValueError, match="keep must be 1 or more, got 0"):
        Checkpoints(tmp_path, keep=0, tell=told.append)


def test_whoever_copies_the_folder_slowly_gets_a_whole_one_of_fast_steps(tmp_path: Path, told: list[str]) -> None:
    now = 0.0
    checkpoints = Checkpoints(tmp_path, keep=2, tell=told.append, clock=lambda: now)
    there: list[set[str]] = []
    for step in range(200):
        now = step * 0.7
        checkpoints.save(step, write(f"after {step}"), NOTES)
        there.append({path.stem for path in tmp_path.glob("*.json")})
        assert len(there[-1]) <= 4
    during = int(HOLD_SECONDS / 0.7)
    for began in range(len(there) - during):
        assert set.intersection(*there[began : began + during]), f"copied from step {began} on"


def _truncate(state: Path, _: Path) -> None:
    state.write_text(state.read_text()[:-1])


def _alter(state: Path, _: Path) -> None:
    state.write_text(state.read_text().swapcase())


def _remove(state: Path, _: Path) -> None:
    state.unlink()


def _cut_manifest(_: Path, manifest: Path) -> None:
    manifest.write_text(manifest.read_text()[: len(manifest.read_text()) // 2])


def _empty_manifest(_: Path, manifest: Path) -> None:
    manifest.write_bytes(b"")


def _list_manifest(_: Path, manifest: Path) -> None:
    manifest.write_text("[]")


def _foreign_manifest(_: Path, manifest: Path) -> None:
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"step": 7}))


def _leading_out(_: Path, manifest: Path) -> None:
    document = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(document | {"files": {"../../etc/passwd": {"size": 1, "crc32": "0"}}}))


def _newer_format(_: Path, manifest: Path) -> None:
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": 2}))


@pytest.mark.parametrize(
    "damage",
    [_truncate, _alter, _remove, _cut_manifest, _empty_manifest, _list_manifest, _foreign_manifest, _leading_out,
     _newer_format],
)  # fmt: skip
def test_one_that_is_not_whole_is_left_out_with_a_line_and_the_one_before_is_taken(
    checkpoints: Checkpoints, tmp_path: Path, told: list[str], damage: Callable[[Path, Path], None]
) -> None:
    for step in (1, 2):
        checkpoints.save(step, write(f"after {step}"), NOTES)
    damage(tmp_path / "step-000000002/state", tmp_path / "step-000000002.json")
    assert text_of(checkpoints) == (1, "after 1")
    assert len(told) == 1
    assert told[0].startswith("checkpoint 2 is left out: ")


def test_files_without_a_manifest_are_no_checkpoint(checkpoints: Checkpoints, tmp_path: Path) -> None:
    checkpoints.save(1, write("after 1"), NOTES)
    (tmp_path / "step-000000002").mkdir()
    (tmp_path / "step-000000002/state").write_text("S3 had no more than this")
    assert text_of(checkpoints) == (1, "after 1")
    checkpoints.save(2, write("after 2"), NOTES)
    assert text_of(checkpoints) == (2, "after 2")


def test_later_ones_that_were_left_out_do_not_come_back(checkpoints: Checkpoints, tmp_path: Path) -> None:
    for step in (1, 2, 3):
        checkpoints.save(step, write(f"after {step}"), NOTES)
    (tmp_path / "step-000000003/state").unlink()
    assert text_of(checkpoints) == (2, "after 2")
    checkpoints.save(2, write("again"), NOTES)
    assert text_of(checkpoints) == (2, "again")
    assert not (tmp_path / "step-000000003.json").exists()


def test_a_full_disk_is_said_and_leaves_what_was_there(checkpoints: Checkpoints, tmp_path: Path) -> None:
    def full(folder: Path) -> None:
        (folder / "state").write_text("half")
        raise OSError(28, "No space left on device")

    checkpoints.save(1, write("after 1"), NOTES)
    with pytest.raises(
        CheckpointError, match=r"checkpoint 2 could not be written to .*: No space left on device; .*GiB"
    ):
        checkpoints.save(2, full, NOTES)
    assert text_of(checkpoints) == (1, "after 1")
    assert not (tmp_path / "step-000000002").exists()


def test_everything_is_on_the_disk_before_the_manifest_says_so(
    checkpoints: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []

    def synced(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        assert (tmp_path / "step-000000001.json").exists() == (len(flushed) == 4), flushed

    monkeypatch.setattr(os, "fsync", synced)
    checkpoints.save(1, write("after 1"), NOTES)
    assert flushed == ["state", "step-000000001", "step-000000001.json.tmp", tmp_path.name]


class Torchlike:
    """What PyTorch's modules and optimisers offer."""

    def __init__(self) -> None:
        self.weights = [0.0]

    def state_dict(self) -> dict[str, Any]:
        return {"weights": self.weights}

    def load_state_dict(self, held: dict[str, Any]) -> None:
        self.weights = held["weights"]


class Keraslike:
    """What Keras' models offer."""

    def __init__(self) -> None:
        self.weights = "0"

    def save_weights(self, path: str) -> None:
        assert path.endswith(".weights.h5")  # Keras refuses other names
        Path(path).write_text(self.weights)

    def load_weights(self, path: str) -> None:
        self.weights = Path(path).read_text()


def _trained(model: Any) -> Any:
    model.partial_fit(np.eye(3), [0, 1, 2], classes=[0, 1, 2])
    return model


def _set(thing: Any, name: str, value: Any) -> Any:
    setattr(thing, name, value)
    return thing


@pytest.mark.parametrize(
    ("kept", "fresh", "look"),
    [
        (_set(Torchlike(), "weights", [1.5]), Torchlike(), lambda one: one.weights),
        (_set(Keraslike(), "weights", "2"), Keraslike(), lambda one: one.weights),
        (_trained(SGDClassifier(random_state=1)), SGDClassifier(random_state=1), lambda one: one.coef_.tolist()),
        (np.arange(4.0), np.zeros(4), lambda one: one.tolist()),
        (np.random.RandomState(1), np.random.RandomState(2), lambda one: one.get_state()[1].tolist()),
        (np.random.default_rng(1), np.random.default_rng(2), lambda one: one.bit_generator.state),
        ({"best": 1}, {"best": 0, "worse": 1}, dict),
        ([1, 2], [3], list),
    ],
    ids=["state_dict", "keras", "scikit-learn", "array", "RandomState", "Generator", "dict", "list"],
)
def test_each_kind_of_object_is_put_back_into_itself(
    tmp_path: Path, kept: Any, fresh: Any, look: Callable[[Any], Any]
) -> None:
    State("it", kept).save(tmp_path)
    State("it", fresh).load(tmp_path)
    assert look(fresh) == look(kept)


def test_an_object_of_no_known_kind_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="counter: a int cannot be put back into itself; give an object"):
        Run({"counter": 3}, folder=tmp_path)


def test_save_and_load_belong_together(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="save and load belong together"):
        Run(save=lambda _: None, folder=tmp_path)


def begin(folder: Path, **given: Any) -> tuple[Run, list[float]]:
    drawn: list[float] = []
    return Run({"drawn": drawn}, folder=folder, **given), drawn


def draw(run: Run, drawn: list[float], total: int) -> Iterator[int]:
    for step in run.steps(total):
        drawn.append(random.random() + np.random.random())  # noqa: S311
        yield step


def test_a_run_that_lost_its_machine_ends_as_one_that_did_not(tmp_path: Path) -> None:
    random.seed(5)
    np.random.seed(5)
    whole, drawn = begin(tmp_path / "whole", every_steps=2)
    assert list(draw(whole, drawn, 7)) == list(range(7))

    random.seed(5)
    np.random.seed(5)
    lost, first = begin(tmp_path / "lost", every_steps=2)
    for step in draw(lost, first, 7):
        if step == 4:
            break  # the machine is gone: what steps 4 and 5 did was not saved
    random.seed(99)
    again, second = begin(tmp_path / "lost", every_steps=2)
    assert again.step == 4
    assert list(draw(again, second, 7)) == [4, 5, 6]
    assert second == drawn


def test_a_run_that_is_complete_does_nothing_again(tmp_path: Path) -> None:
    for done in (range(3), []):
        run, drawn = begin(tmp_path, every_seconds=3600)
        assert list(draw(run, drawn, 3)) == list(done)
        assert len(drawn) == 3


def test_save_and_load_of_the_scripts_own_are_used(tmp_path: Path) -> None:
    held = {"text": "before"}

    def save(folder: Path) -> None:
        (folder / "mine").write_text(held["text"])

    def load(folder: Path) -> None:
        held["text"] = (folder / "mine").read_text()

    for _ in Run(save=save, load=load, folder=tmp_path).steps(1):
        held["text"] = "trained"
    held["text"] = "nothing"
    assert Run(save=save, load=load, folder=tmp_path).step == 1
    assert held["text"] == "trained"


def test_checkpoints_are_due_by_seconds_of_a_clock_that_nobody_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setattr("time.time", lambda: 1e12)  # the wall clock jumps: it must not matter
    run, drawn = begin(tmp_path, every_seconds=10)
    steps = draw(run, drawn, 9)
    for _ in steps:
        clock[0] += 4
    saved = [line["step"] for line in read_journal(tmp_path) if line["kind"] == "checkpoint"]
    assert saved == [3, 6, 9]


def test_another_version_of_a_framework_is_refused_and_the_checkpoint_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xgboost", types.SimpleNamespace(__version__="1.0"))
    run, drawn = begin(tmp_path)
    list(draw(run, drawn, 2))
    monkeypatch.setitem(sys.modules, "xgboost", types.SimpleNamespace(__version__="2.0"))
    with pytest.raises(CheckpointError, match=r"checkpoint 2 was written with xgboost 1\.0, here is 2\.0: "):
        begin(tmp_path)
    assert (tmp_path / "step-000000002.json").exists()


def test_only_the_first_process_of_the_first_host_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    run, drawn = begin(tmp_path)
    list(draw(run, drawn, 2))
    assert not list(tmp_path.iterdir())


def test_outside_a_training_job_the_lines_only_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    run = Run({"weights": [1]})
    assert list(run.steps(3)) == [0, 1, 2]
    run.metric("loss", 0.5)
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr().out == "metric loss=0.5 step=3/3\n"


def test_a_metric_that_gets_no_better_ends_the_run_also_across_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROUNDPLAN_EARLY_STOPPING", '{"metric": "loss", "patience": 3, "mode": "min"}')
    losses = [3.0, 2.0, 2.5, 2.5, 2.5, 1.0, 0.5]
    done: list[int] = []
    for until in (4, 7):
        run, drawn = begin(tmp_path, every_steps=1)
        for step in draw(run, drawn, 7):
            done.append(step)
            run.metric("loss", losses[step])
            run.metric("loss", 9.0, slice={"digit": 3})  # a slice decides nothing
            if step == until - 1:
                break
    assert done == [0, 1, 2, 3, 3, 4]  # step 3 was done, and lost with its machine
    assert run.should_stop == "loss has got no better 3 times"


def test_time_that_is_up_ends_the_run_with_a_checkpoint_before_the_limit_strikes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setenv("GROUNDPLAN_MAX_RUNTIME_SECONDS", "100")
    monkeypatch.setenv("TRAINING_JOB_NAME", "job")

    def work(steps: int) -> list[int]:
        run, drawn = begin(tmp_path, every_steps=1)
        done: list[int] = []
        for step in draw(run, drawn, steps):
            clock[0] += 20
            done.append(step)
        return done

    assert work(2) == [0, 1]  # 40 of 100 s are spent
    assert work(9) == [2, 3, 4]  # 100 s less a tenth for the end
    assert [line["why"] for line in read_journal(tmp_path) if line["kind"] == "stopped"] == ["the time limit is near"]
    monkeypatch.setenv("TRAINING_JOB_NAME", "another job")  # which has its own time
    assert work(7) == [5, 6]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GROUNDPLAN_MAX_RUNTIME_SECONDS", "soon"),
        ("GROUNDPLAN_EARLY_STOPPING", "{}"),
        ("GROUNDPLAN_EARLY_STOPPING", "x"),
    ],
)
def test_a_variable_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=f"{variable}: '{value}' "):
        begin(tmp_path)


def test_a_line_of_the_journal_that_a_kill_cut_off_is_left_out(tmp_path: Path) -> None:
    Journal(tmp_path).write("started")
    with (tmp_path / "journal.jsonl").open("a") as file:
        file.write('{"kind": "metr')
    Journal(tmp_path).write("started")
    assert [len(lines) for lines in attempts(read_journal(tmp_path))] == [1, 1]
