"""The guardrail's file: what AWS would not take, what is too weak for its data, and what makes a new version."""

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from groundplan.guardrail import CLASSES, Guardrail, read_guardrail
from groundplan.refusal import BadInput

ROOT = Path(__file__).parents[2]
DOCUMENT: dict[str, Any] = tomllib.loads((ROOT / "guardrail.toml").read_text())
Changes = Mapping[str, Any]


def guardrail(**changes: Any) -> Guardrail:
    return Guardrail.model_validate({**DOCUMENT, **changes})


def test_the_guardrail_of_the_repository_is_strong_enough() -> None:
    read_guardrail(ROOT).refuse_weak()


@pytest.mark.parametrize("data_class", CLASSES)
@pytest.mark.parametrize("name", ["HATE", "PROMPT_ATTACK"])
def test_a_filter_below_the_floor_of_its_data_class_is_refused(data_class: str, name: str) -> None:
    floor = {"HATE": ("LOW", "MEDIUM"), "PROMPT_ATTACK": ("MEDIUM", "HIGH")}[name][CLASSES.index(data_class) > 1]
    below = {"LOW": "NONE", "MEDIUM": "LOW", "HIGH": "MEDIUM"}[floor]
    guardrail(data_class=data_class, filters={**DOCUMENT["filters"], name: floor}).refuse_weak()
    with pytest.raises(BadInput) as refused:
        guardrail(data_class=data_class, filters={**DOCUMENT["filters"], name: below}).refuse_weak()
    expected = (
        f"guardrail.toml: filters.{name}: '{below}' is not allowed; at least {floor} where data is {data_class}"
    )
    assert str(refused.value).startswith(expected)
    assert "raise it, or lower data_class" in str(refused.value)


def test_a_filter_that_is_left_out_is_none_at_all() -> None:
    [found] = guardrail(filters={k: v for k, v in DOCUMENT["filters"].items() if k != "VIOLENCE"}).weaknesses()
    assert (found.field, found.value) == ("filters.VIOLENCE", "NONE")


def test_confidential_data_needs_its_persons_hidden_and_internal_data_does_not() -> None:
    guardrail(data_class="internal", pii={}).refuse_weak()
    for data_class in ("confidential", "restricted"):
        with pytest.raises(BadInput, match=r"pii\.EMAIL: 'nothing' is not allowed; BLOCK or ANONYMIZE"):
            guardrail(data_class=data_class, pii={}).refuse_weak()
    without = {kind: action for kind, action in DOCUMENT["pii"].items() if kind != "PHONE"}
    assert [found.field for found in guardrail(pii=without).weaknesses()] == ["pii.PHONE"]


def test_restricted_data_is_not_judged_in_other_regions() -> None:
    guardrail(data_class="confidential", tier="STANDARD").refuse_weak()
    with pytest.raises(BadInput, match="tier: 'STANDARD' is not allowed; CLASSIC where data is restricted"):
        guardrail(data_class="restricted", tier="STANDARD").refuse_weak()


TOPIC = {"name": "Legal", "definition": "Advice on rights.", "examples": ["Can I sue?"]}
REGEX = {"name": "one", "pattern": "x", "action": "BLOCK"}
NOT_TAKEN: dict[str, Changes] = {
    "31 topics": {"topics": [TOPIC | {"name": f"Topic {number}"} for number in range(31)]},
    "a definition of 201 characters": {"topics": [TOPIC | {"definition": "x" * 201}]},
    "six examples": {"topics": [TOPIC | {"examples": list("abcdef")}]},
    "a topic twice": {"topics": [TOPIC, TOPIC]},
    "31 regular expressions": {"regexes": [REGEX | {"name": f"r{number}"} for number in range(31)]},
    "lookaround": {"regexes": [REGEX | {"pattern": "(?<=a)b"}]},
    "no regular expression": {"regexes": [REGEX | {"pattern": "("}]},
    "a message of 501 characters": {"blocked_input": "x" * 501},
    "no message": {"blocked_output": ""},
    "a kind of personal data that does not exist": {"pii": {"SHOE_SIZE": "BLOCK"}},
    "an action that does not exist": {"pii": {"EMAIL": "HIDE"}},
    "a grounding of one": {"grounding": {"GROUNDING": 1}},
    "a filter that does not exist": {"filters": {"SPAM": "HIGH"}},
}


@pytest.mark.parametrize("case", NOT_TAKEN)
def test_what_aws_would_not_take_is_refused_before(case: str) -> None:
    with pytest.raises(ValidationError):
        guardrail(**NOT_TAKEN[case])


@pytest.mark.parametrize(
    "change",
    [
        lambda: guardrail(words={"profanity": False}),
        lambda: guardrail(filters={**DOCUMENT["filters"], "INSULTS": "HIGH"}),
        lambda: guardrail(blocked_input="Otherwise."),
        lambda: guardrail(pii={**DOCUMENT["pii"], "AGE": "BLOCK"}),
    ],
)
def test_any_change_makes_another_version_and_the_same_policy_does_not(change: Callable[[], Guardrail]) -> None:
    assert guardrail().fingerprint == guardrail().fingerprint
    assert change().fingerprint != guardrail().fingerprint


def test_a_guardrail_covers_data_up_to_its_class() -> None:
    assert [guardrail(data_class="internal").covers(one) for one in CLASSES] == [True, True, False, False]
