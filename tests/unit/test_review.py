"""What git says was changed, and how a review shows it."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from groundplan.refusal import BadInput
from groundplan_operate.changes import as_it_was, changed_files, changed_workloads
from groundplan_operate.release import pinned_since, release
from groundplan_operate.review import Judged, gate_lines, plan_lines

USD: dict[str, Any] = {"average": {"usd": "4.20"}}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two workloads at `main`; since then one was changed, one has a new pin, and main went on."""
    root = tmp_path / "repository"
    for name in ("digit-reader", "fraud-scorer"):
        (root / "workloads" / name).mkdir(parents=True)
        (root / "workloads" / name / "workload.toml").write_text("first\n")
    git(root, "init", "--quiet", "--initial-branch=main")
    commit(root, "first")
    git(root, "checkout", "--quiet", "-b", "change")
    (root / "workloads/digit-reader/workload.toml").write_text("second\n")
    (root / "workloads/fraud-scorer/release.dev.toml").write_text("pin\n")
    commit(root, "second")
    git(root, "checkout", "--quiet", "main")
    (root / "workloads/fraud-scorer/workload.toml").write_text("by others\n")
    commit(root, "others")
    git(root, "checkout", "--quiet", "change")
    return root


def git(root: Path, *arguments: str) -> None:
    person = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(root), *person, *arguments], check=True, capture_output=True)  # noqa: S607


def commit(root: Path, message: str) -> None:
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", message)


def test_what_others_changed_meanwhile_is_not_part_of_the_change(repository: Path) -> None:
    assert changed_files(repository, "main") == [
        "workloads/digit-reader/workload.toml",
        "workloads/fraud-scorer/release.dev.toml",
    ]


def test_a_pin_alone_makes_no_workload_changed(repository: Path) -> None:
    assert changed_workloads(repository, "main") == ["digit-reader"]


def test_a_workload_that_was_taken_away_is_not_reviewed(repository: Path) -> None:
    git(repository, "rm", "-r", "--quiet", "workloads/digit-reader")
    git(repository, "commit", "--quiet", "-m", "gone")
    assert changed_workloads(repository, "main") == []


def test_only_the_pins_of_that_environment_are_released(repository: Path) -> None:
    assert pinned_since(repository, "main", "dev") == ["fraud-scorer"]
    assert pinned_since(repository, "main", "prod") == []


def test_the_repository_is_shown_as_it_was_where_the_change_began_and_nothing_is_left(repository: Path) -> None:
    with as_it_was(repository, "main") as before:
        assert (before / "workloads/digit-reader/workload.toml").read_text() == "first\n"
        assert (before / "workloads/fraud-scorer/workload.toml").read_text() == "first\n"
    assert not before.exists()
    assert len(list((repository / ".git/worktrees").glob("*"))) == 0


@pytest.mark.parametrize("since", ["no-such-branch", "--output=x"])
def test_a_commit_that_is_not_there_is_bad_input(repository: Path, since: str) -> None:
    with pytest.raises(BadInput, match="--since"):
        changed_files(repository, since)


def test_plans_stand_beside_what_they_were() -> None:
    was = {"a": {"choice": {"architecture": "serverless", "monthly_cost": USD}}}
    now = {
        "a": {"choice": {"architecture": "real-time", "monthly_cost": {"average": {"usd": None}}}},
        "b": {"choice": None},
    }
    assert list(plan_lines(was, now, ["a", "b"]))[2:4] == [
        "| a | serverless | real-time | $4.20 | unknown |",
        "| b | not there | refused | none | none |",
    ]


def test_a_stopped_model_is_shown_with_the_reason() -> None:
    passed, stopped = Judged("a", "a-1", {}, ""), Judged("b", "b-1", {}, "digit_8 fell | by 0.1")
    assert list(gate_lines([passed, stopped]))[2:4] == ["| a | a-1 | passed |", "| b | b-1 | digit_8 fell / by 0.1 |"]


def test_the_summary_says_of_each_slice_and_question_what_the_gate_found() -> None:
    fallen = {"name": "digit_8", "candidate": {"value": 0.8, "samples": 24}, "against_service": {"value": -0.125}}
    first = {"name": "<b>", "candidate": {"value": 0.97, "samples": 359}, "against_service": None}
    verdict = {
        "key_metric": "accuracy",
        "in_service": "digit-reader-1.0.0",
        "rows": [
            first | {"judgement": "passed", "reasons": []},
            fallen | {"judgement": "failed", "reasons": ["falls"]},
        ],
        "checks": [{"name": "plan", "judgement": "passed", "says": "serverless on 1 GiB, $0.01 a month"}],
    }
    lines = list(gate_lines([Judged("digit-reader", "a-1", verdict, "digit_8: falls")]))
    assert "| accuracy | candidate | against digit-reader-1.0.0 | samples | |" in lines
    assert "| &lt;b> | 0.9700 | none | 359 | passed |" in lines
    assert "| digit_8 | 0.8000 | -0.1250 | 24 | failed; falls |" in lines
    assert "| plan | | | | passed: serverless on 1 GiB, $0.01 a month |" in lines


def test_without_a_changed_pin_nothing_is_deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundplan_operate.release.changed_files", lambda *_: [])
    done = CliRunner().invoke(release, ["--since", "HEAD", "-e", "dev"])
    assert done.output == "no pin of dev was changed since HEAD: nothing is deployed\n"
