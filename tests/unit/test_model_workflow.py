"""The workflow for models: words of the Makefile, actions by their commit, roles instead of keys, few permissions."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))
TEXTS = {file.name: file.read_text() for file in FILES}
MAKE = re.compile(r"make (?P<word>[a-z]+)")
PINNED = re.compile(r"[a-z-]+/[a-z-]+@[0-9a-f]{40}")
WORDS = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
WRITES = {"id-token": "write"}  # to ask for a role; everything else is read


def jobs(name: str) -> dict[str, Any]:
    return yaml.safe_load(TEXTS[name])["jobs"]


def steps(name: str) -> Iterator[dict[str, Any]]:
    for job in jobs(name).values():
        yield from job["steps"]


def test_there_is_a_workflow_for_models() -> None:
    assert "model.yml" in TEXTS


@pytest.mark.parametrize("name", TEXTS)
def test_every_line_that_runs_is_a_word_of_the_makefile(name: str) -> None:
    lines = [step["run"] for step in steps(name) if "run" in step]
    assert lines
    for line in lines:
        word = MAKE.fullmatch(line)
        assert word, f"not a word of the Makefile alone: {line}"
        assert word["word"] in WORDS


@pytest.mark.parametrize("name", TEXTS)
def test_every_action_is_pinned_by_its_commit_and_says_which_version_that_is(name: str) -> None:
    for step in steps(name):
        assert ("uses" in step) != ("run" in step)
        if "uses" in step:
            assert PINNED.fullmatch(step["uses"]), step["uses"]
    for line in TEXTS[name].splitlines():
        assert "uses:" not in line or re.search(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


@pytest.mark.parametrize("name", TEXTS)
def test_no_key_is_stored_and_no_code_of_a_fork_is_given_a_role(name: str) -> None:
    text = TEXTS[name]
    assert "secrets." not in text
    assert "pull_request_target" not in text, "it would run a fork's code with this repository's rights"
    for job in jobs(name).values():
        for step in job["steps"]:
            given = step.get("with", {})
            assert not {key for key in given if "key" in key or "secret" in key or "token" in key}
            if "configure-aws-credentials" in step.get("uses", "") and "push" not in job["if"]:
                assert "head.repo.full_name == github.repository" in step["if"]


@pytest.mark.parametrize("name", TEXTS)
def test_a_workflow_may_do_nothing_and_each_job_what_it_needs(name: str) -> None:
    assert yaml.safe_load(TEXTS[name])["permissions"] == {}
    for job in jobs(name).values():
        assert job["timeout-minutes"] <= 120
        wider = {key: value for key, value in job["permissions"].items() if value != "read"}
        assert wider.items() <= WRITES.items()
        assert all(step["with"]["persist-credentials"] is False for step in job["steps"] if "checkout" in str(step))


@pytest.mark.parametrize("name", TEXTS)
def test_what_a_stranger_writes_is_no_part_of_a_command(name: str) -> None:
    # Expressions are put into a script as text before the shell reads it; through `env` they are values.
    assert not [step["run"] for step in steps(name) if "${{" in step.get("run", "")]


def test_a_changed_workload_is_reviewed_and_a_merged_pin_of_aws_is_released() -> None:
    document = yaml.safe_load(TEXTS["model.yml"])
    on: dict[str, Any] = document[True]  # YAML 1.1 takes the word for a truth
    assert on["pull_request"]["paths"] == ["workloads/**"]
    assert on["push"]["branches"] == ["main"]
    environments = jobs("model.yml")["release"]["strategy"]["matrix"]["environment"]
    assert on["push"]["paths"] == [f"workloads/*/release.{name}.toml" for name in environments]
    assert all((ROOT / f"environments/{name}.toml").is_file() for name in environments)
    ran = {name: [step.get("run") for step in job["steps"]] for name, job in jobs("model.yml").items()}
    assert "make review" in ran["review"]
    assert "make release" in ran["release"]
