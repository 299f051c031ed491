"""The last good answers to the very same request, for models that declare them as their fallback."""

import time
from collections import OrderedDict
from dataclasses import dataclass, field

from groundplan_gateway.identity import Caller

_MOST_ANSWERS = 256
_GOOD_FOR_SECONDS = 3600.0


@dataclass
class CachedAnswers:
    """In memory only, of this process, and never another tenant's or feature's."""

    kept: OrderedDict[tuple[Caller, str], tuple[str, float]] = field(
        default_factory=OrderedDict[tuple[Caller, str], tuple[str, float]]
    )

    def put(self, caller: Caller, digest: str, text: str) -> None:
        """Keep an answer."""
        self.kept[caller, digest] = text, time.monotonic() + _GOOD_FOR_SECONDS
        self.kept.move_to_end((caller, digest))
        if len(self.kept) > _MOST_ANSWERS:
            self.kept.popitem(last=False)

    def get(self, caller: Caller, digest: str) -> str | None:
        """The answer, while it is good."""
        text, until = self.kept.get((caller, digest), ("", 0.0))
        return text if until > time.monotonic() else None
