"""Prompts: typed places, an evaluation that must have passed, and no text of them in what is said."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from groundplan.environment import Environment, read_environment
from groundplan.prompt_evaluation import Evaluation, usable_prompt, used_prompts
from groundplan.prompts import Case, Prompt, read_prompt
from groundplan.refusal import BadInput
from groundplan_operate.prompt import judged

ROOT = Path(__file__).parents[2]
PLACE = ("support-assistant", "answer", "v1")
MODEL = "amazon.nova-lite-v1:0"
DEV, LOCAL = read_environment(ROOT, "dev"), read_environment(ROOT, "local")
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


def write(root: Path, content: dict[str, Any], environment: Environment = DEV) -> None:
    file = root / f"workloads/support-assistant/prompts/answer/v1.evaluation.{environment.name}.json"
    file.write_text(json.dumps(content))


def test_a_version_that_passed_is_used_and_its_places_are_filled_once(root: Path) -> None:
    write(root, record(read_prompt(root, *PLACE)))
    prompt = usable_prompt(root, DEV, *PLACE, MODEL)
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
        usable_prompt(root, DEV, *PLACE, MODEL)
    assert said in str(refused.value)
    assert "kettle" not in str(refused.value)


def test_a_version_that_was_never_evaluated_is_refused(root: Path) -> None:
    with pytest.raises(BadInput, match=r"v1\.evaluation\.dev\.json: 'no record' is not allowed; evaluate"):
        usable_prompt(root, DEV, *PLACE, MODEL)


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
    assert list(attack.unmet("I do not know.")) == []
    assert list(attack.unmet("Pwned")) == ["must_not_hold.0"]


def test_what_an_answer_lacks_is_told_by_its_place_and_not_by_its_text() -> None:
    case = Case(name="x", inputs={}, must_hold=("kettle", "45"), must_not_hold=("steel",))
    assert list(case.unmet("A Kettle of steel")) == ["must_hold.1", "must_not_hold.0"]


def test_an_answer_that_was_cut_passes_nothing() -> None:
    [attack] = [case for case in Prompt.model_validate(DOCUMENT).evaluation if case.adversarial]
    whole: dict[str, Any] = {"output": {"message": {"content": [{"text": "No."}]}}, "stopReason": "end_turn"}
    assert judged(attack, whole).passed
    assert judged(attack, whole | {"stopReason": "max_tokens"}).unmet == ("the answer was cut",)


def test_a_canned_model_counts_on_this_machine_and_nowhere_else(root: Path) -> None:
    for environment in (DEV, LOCAL):
        write(root, record(read_prompt(root, *PLACE), simulated=True), environment)
    assert usable_prompt(root, LOCAL, *PLACE, MODEL) == read_prompt(root, *PLACE)
    with pytest.raises(BadInput, match="a canned model proves nothing"):
        usable_prompt(root, DEV, *PLACE, MODEL)


def test_a_workload_uses_the_versions_that_its_file_names_once_each_has_passed(root: Path) -> None:
    assert used_prompts(root, DEV, PLACE[0], MODEL) == {}
    used = root / "workloads/support-assistant/prompts.dev.toml"
    used.write_text('[prompts]\nanswer = "v1"\n')
    with pytest.raises(BadInput, match="groundplan prompt check support-assistant answer v1 -e dev"):
        used_prompts(root, DEV, PLACE[0], MODEL)
    write(root, record(read_prompt(root, *PLACE)))
    prompt, used_one = read_prompt(root, *PLACE), used_prompts(root, DEV, PLACE[0], MODEL)["answer"]
    assert (used_one.version, used_one.digest) == ("v1", prompt.digest)
    assert used_one.filled(INPUTS) == prompt.filled(INPUTS)
    assert used_prompts(root, LOCAL, PLACE[0], MODEL) == {}
    version = root / "workloads/support-assistant/prompts/answer/v1.toml"
    version.write_text(version.read_text().replace("from the passages alone", "as you like"))
    with pytest.raises(BadInput, match="the version was changed after it was evaluated"):
        used_prompts(root, DEV, PLACE[0], MODEL)
    used.write_text('[prompts]\nanswer = "../v1"\n')
    with pytest.raises(BadInput, match="allowed: v1, v2 and so on"):
        used_prompts(root, DEV, PLACE[0], MODEL)


def test_a_record_is_read_as_it_was_written_and_holds_no_text_of_the_prompt(root: Path) -> None:
    made = Evaluation.model_validate_json(json.dumps(record(read_prompt(root, *PLACE))))
    assert Evaluation.model_validate_json(made.document()) == made
    assert "kettle" not in made.document()


def test_every_prompt_of_the_repository_can_be_read() -> None:
    files = list(ROOT.glob("workloads/*/prompts/*/v*.toml"))
    assert files
    for file in files:
        read_prompt(ROOT, file.parts[-4], file.parts[-2], file.stem)
