"""The version that serves beside the one in its shadow: how fast, how often wrong, how often of one mind. Pure."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from groundplan.json_value import mapping


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What CloudWatch counted of one of the two; None where nothing was measured."""

    version: str
    requests: int
    refused: int
    failed: int
    latency_p50_ms: float | None
    latency_p99_ms: float | None


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Captured requests that both answered, how many of them alike, and answers that have no counterpart."""

    pairs: int
    alike: int
    unpaired: int

    @property
    def share(self) -> float | None:
        """Of the pairs; None without any."""
        return self.alike / self.pairs if self.pairs else None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The report of `groundplan compare`. `since` is when the two began to stand beside each other, in UTC."""

    workload: str
    environment: str
    since: str
    serving: Variant
    candidate: Variant
    agreement: Agreement

    def as_json(self) -> dict[str, Any]:
        """Its keys as documented."""
        return asdict(self) | {"agreement": asdict(self.agreement) | {"share": self.agreement.share}}


def agreement(serving: Iterable[str], candidate: Iterable[str]) -> Agreement:
    """From the captured lines of the one and the other.

    Two lines are of one request when they have the caller's InferenceId, or the same input, in common. Answers in
    JSON are alike when they are equal as values, others when they are equal as text.
    """
    answers: defaultdict[str, tuple[list[Any], list[Any]]] = defaultdict(lambda: ([], []))
    for side, lines in enumerate((serving, candidate)):
        for line in lines:
            found = _read(line)
            if found:
                answers[found[0]][side].append(found[1])
    pairs = [pair for one, other in answers.values() for pair in zip(one, other, strict=False)]
    unpaired = sum(abs(len(one) - len(other)) for one, other in answers.values())
    return Agreement(pairs=len(pairs), alike=sum(one == other for one, other in pairs), unpaired=unpaired)


def _read(line: str) -> tuple[str, Any] | None:
    """Of a line of captured traffic, which request it is of, and the answer; None for what is no such line."""
    try:
        document: Any = json.loads(line)
    except ValueError:
        return None
    captured, metadata = mapping(document.get("captureData")), mapping(document.get("eventMetadata"))
    asked, answered = mapping(captured.get("endpointInput")), mapping(captured.get("endpointOutput"))
    if "data" not in asked or "data" not in answered:
        return None
    request = metadata.get("inferenceId") or hashlib.sha256(str(asked["data"]).encode()).hexdigest()
    return str(request), _value(answered)


def _value(answered: Mapping[str, Any]) -> Any:
    text = str(answered["data"])
    try:
        return json.loads(text) if answered.get("encoding") == "JSON" else text
    except ValueError:
        return text
