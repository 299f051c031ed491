"""What ministack's guardrails do not judge: denied topics and prompt attacks. An imitation, by phrases.

Words, regexes and kinds of personal data that have a form are ministack's. On AWS a model judges topics and attacks;
here a topic is found by its name and its examples, an attack by what attacks are known to say, also spelt out in
base64 or with characters that only look alike. Nothing that passes here is thereby harmless.
"""

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from groundplan_local.joints import joint, mend

RUNTIME = "ministack.services.bedrock_runtime"
ATTACK = re.compile(
    r"(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instructions?|rules|prompt|guidelines)"
    r"|(?:reveal|repeat|print|show|tell)\b.{0,40}\b(?:system prompt|hidden prompt|your (?:instructions|rules))"
    r"|you are (?:now )?(?:dan\b|in developer mode|unrestricted|jailbroken)"
    r"|pretend (?:that )?you have no (?:rules|restrictions|guidelines)",
    re.IGNORECASE | re.DOTALL,
)
ENCODED = re.compile(r"[A-Za-z0-9+/]{24,}={0,2}")


def install() -> None:
    """Let what is judged here follow what ministack judges, in ApplyGuardrail, Converse and ConverseStream."""
    judged = joint(RUNTIME, "_evaluate_guardrail")

    def evaluate(rec: Any, source: str, text: str) -> dict[str, Any]:
        found: dict[str, Any] = judged(rec, source, text)
        if topics := list(denied_topics(rec, text)):
            found["assessment"]["topicPolicy"] = {"topics": topics}
        if source == "INPUT" and (filters := list(prompt_attacks(rec, text))):
            found["assessment"]["contentPolicy"] = {"filters": filters}
        found["blocked"] = found["blocked"] or bool({"topicPolicy", "contentPolicy"} & found["assessment"].keys())
        return found

    mend(RUNTIME, "_evaluate_guardrail", evaluate)


def denied_topics(rec: Any, text: str) -> Iterator[dict[str, object]]:
    """Topics of which the text holds the name or an example, whatever the case and the punctuation."""
    said = _plain(text)
    policy: Any = rec.get("TopicPolicy") or {}
    for topic in policy.get("topicsConfig") or ():
        if any(_plain(phrase) in said for phrase in (topic["name"], *topic.get("examples", ()))):
            yield {"name": topic["name"], "type": "DENY", "action": "BLOCKED", "detected": True}


def prompt_attacks(rec: Any, text: str) -> Iterator[dict[str, object]]:
    """The filter PROMPT_ATTACK, where the guardrail has it and the text, or what is encoded in it, is an attack."""
    policy: Any = rec.get("ContentPolicy") or {}
    for one in policy.get("filtersConfig") or ():
        strength = one.get("inputStrength", "NONE")
        if one["type"] == "PROMPT_ATTACK" and strength != "NONE" and any(map(ATTACK.search, readings(text))):
            yield {
                "type": "PROMPT_ATTACK",
                "confidence": "HIGH",
                "filterStrength": strength,
                "action": "BLOCKED",
                "detected": True,
            }


def readings(text: str) -> Iterator[str]:
    """The text as it reads, and each part of it that is base64 of a text."""
    yield unicodedata.normalize("NFKC", text)
    for part in ENCODED.findall(text):
        try:
            yield base64.b64decode(part, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            continue


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))
