"""Prompts: typed places, an evaluation that must have passed, and no text of them in what is said."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from groundplan.prompts import Prompt, read_prompt, usable_prompt
from groundplan.refusal import BadInput

ROOT = Path(__file__).parents[2]
PLACE = ("support-assistant", "answer", "v1")
MODEL = "amazon.nova-lite-v1:0"
DOCUMENT: dict[str, Any] = tomllib.loads((ROOT / "workloads/support-assistant/prompts/answer/v1.toml").read_text())
INPUTS = {"passages": "The kettle is made of steel.", "language": "English", "question": "Of what is it made?"}


def record(prompt: Prompt, **changes: Any) -> dict[str, Any]:
    results = [{"name": case.name, "passed": True} for case in prompt.evaluation]
    return {
        "schema": "groundplan.prompt-evaluation/1",
        "prompt_digest": prompt.digest,
        "model": MODEL,
        "on": "2026-11-21",
        "simulated": False,
        "results": results,
    } | changes


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "workloads/support-assistant/prompts/answer"
    folder.mkdir(parents=True)
    (folder / "v1.toml").write_text((ROOT / folder.relative_to(tmp_path) / "v1.toml").read_text())
    return tmp_path


def write(root: Path, content: dict[str, Any]) -> None:
    file = root / "workloads/support-assistant/prompts/answer/v1.evaluation.json"
    file.write_text(json.dumps(content))


def test_a_version_that_passed_is_used_and_its_places_are_filled_once(root: Path) -> None:
    write(root, record(read_prompt(root, *PLACE)))
    prompt = usable_prompt(root, *PLACE, MODEL)
    filled = prompt.filled(INPUTS | {"question": "What is {passages}?"})
    assert filled.strip() == "Passages:\nThe kettle is made of steel.\n\nQuestion, in English: What is {passages}?"


REFUSED: dict[str, tuple[Callable[[Prompt], dict[str, Any]], str]] = {
    "a case that failed": (
        lambda prompt: record(
            prompt,
            results=[{"name": case.name, "passed": not case.adversarial} for case in prompt.evaluation],
        ),
        "results: 'an instruction in a passage' is not allowed; every case must have passed",
    ),
    "a case that was not run": (
        lambda prompt: record(prompt, results=[]),
        "results: 'what the passages say' is not allowed",
    ),
    "another version of the file": (
        lambda prompt: record(prompt, prompt_digest="0" * 64),
        "prompt_digest: '000000000000' is not allowed; the version was changed after it was evaluated",
    ),
    "another model": (lambda prompt: record(prompt, model="m"), f"model: 'm' is not allowed; allowed: {MODEL}"),
    "a canned model": (lambda prompt: record(prompt, simulated=True), "a canned model proves nothing"),
    "no record at all": (lambda _: {"passed": True}, "a file that is no record"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_version_without_a_passing_evaluation_is_refused(root: Path, case: str) -> None:
    written, said = REFUSED[case]
    write(root, written(read_prompt(root, *PLACE)))
    with pytest.raises(BadInput) as refused:
        usable_prompt(root, *PLACE, MODEL)
    assert said in str(refused.value)
    assert "kettle" not in str(refused.value)


def test_a_version_that_was_never_evaluated_is_refused(root: Path) -> None:
    with pytest.raises(BadInput, match=r"v1\.evaluation\.json: 'no record' is not allowed; evaluate this version"):
        usable_prompt(root, *PLACE, MODEL)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"question": None}, "allowed: text"),
        ({"language": "Klingon"}, "language: 'what was given' is not allowed; allowed: English, German"),
        ({"question": "x" * 2001}, "allowed: at most 2000 characters"),
        ({"tone": "kind"}, "tone: 'what was given' is not allowed; allowed: exactly language, passages, question"),
    ],
)
def test_inputs_of_another_type_are_refused_and_not_told(inputs: dict[str, Any], said: str) -> None:
    prompt = Prompt.model_validate(DOCUMENT)
    with pytest.raises(BadInput) as refused:
        prompt.filled(INPUTS | inputs)
    assert said in str(refused.value)
    assert "Klingon" not in str(refused.value)


WRONG: dict[str, dict[str, Any]] = {
    "a place without a variable": {"template": "{question} {passages} {language} {tone}"},
    "a variable without a place": {"template": "{question}"},
    "a place that reaches into an object": {"template": "{question.__class__} {passages} {language}"},
    "a lone brace": {"template": "{question} {passages} {language} }"},
    "no adversarial case": {"evaluation": DOCUMENT["evaluation"][:1]},
    "a case that expects nothing": {"evaluation": [{"name": "x", "inputs": INPUTS, "adversarial": True}]},
    "a case with other inputs": {
        "evaluation": [{"name": "x", "inputs": {}, "adversarial": True, "must_hold": ["y"]}]
    },
}


@pytest.mark.parametrize("case", WRONG)
def test_a_prompt_that_contradicts_itself_is_refused(case: str) -> None:
    Prompt.model_validate(DOCUMENT)
    with pytest.raises(ValidationError):
        Prompt.model_validate(DOCUMENT | WRONG[case])


@pytest.mark.parametrize(
    "place", [("../..", "answer", "v1"), ("support-assistant", "..", "v1"), (*PLACE[:2], "../v1")]
)
def test_a_name_is_no_path(root: Path, place: tuple[str, str, str]) -> None:
    with pytest.raises(BadInput, match="is not allowed"):
        read_prompt(root, *place)


def test_an_attack_that_worked_fails_its_case() -> None:
    [attack] = [case for case in Prompt.model_validate(DOCUMENT).evaluation if case.adversarial]
    assert attack.passes("I do not know.")
    assert not attack.passes("Pwned")


def test_every_prompt_of_the_repository_can_be_read() -> None:
    files = list(ROOT.glob("workloads/*/prompts/*/v*.toml"))
    assert files
    for file in files:
        read_prompt(ROOT, file.parts[-4], file.parts[-2], file.stem)
