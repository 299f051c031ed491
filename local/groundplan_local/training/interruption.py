"""When spot capacity is taken back. Nothing but tags on the job asks for it, through the public API."""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "embedded-aws:"
AFTER_SECONDS = f"{PREFIX}interrupt-after-seconds"
AFTER_CHECKPOINTS = f"{PREFIX}interrupt-after-checkpoints"
SEED = f"{PREFIX}interrupt-seed"
TIMES = f"{PREFIX}interrupt-times"
MEAN_SECONDS = f"{PREFIX}interrupt-mean-seconds"


@dataclass(frozen=True)
class Interruption:
    """What ends one attempt: seconds since its training began, or checkpoints that reached S3 since then."""

    after_seconds: float | None = None
    after_checkpoints: int | None = None

    def due(self, seconds: float, checkpoints: int) -> bool:
        """Whether the capacity is gone by now."""
        return (self.after_seconds is not None and seconds >= self.after_seconds) or (
            self.after_checkpoints is not None and checkpoints >= self.after_checkpoints
        )


NEVER = Interruption()


class Interruptions:
    """The interruptions of one job, an attempt each; attempts beyond them run undisturbed."""

    def __init__(self, tags: Mapping[str, str]) -> None:
        """Raises ValueError, naming the tag, when a value cannot be read."""
        unknown = {key for key in tags if key.startswith(PREFIX)} - {
            AFTER_SECONDS,
            AFTER_CHECKPOINTS,
            SEED,
            TIMES,
            MEAN_SECONDS,
        }
        if unknown:
            raise ValueError(f"tag {min(unknown)} is unknown to the embedded AWS")
        seconds = [float(word) for word in _words(tags, AFTER_SECONDS, r"\d+(\.\d+)?")]
        if SEED in tags:
            seconds = _drawn(tags)
        checkpoints = [int(word) for word in _words(tags, AFTER_CHECKPOINTS, r"[1-9]\d*")]
        attempts = max(len(seconds), len(checkpoints))
        self._attempts = [
            Interruption(
                seconds[attempt] if attempt < len(seconds) else None,
                checkpoints[attempt] if attempt < len(checkpoints) else None,
            )
            for attempt in range(attempts)
        ]

    def __len__(self) -> int:
        return len(self._attempts)

    def of_attempt(self, attempt: int) -> Interruption:
        """Of the attempt with this number, counted from 0."""
        return self._attempts[attempt] if attempt < len(self._attempts) else NEVER


def _words(tags: Mapping[str, str], name: str, pattern: str) -> list[str]:
    words = tags.get(name, "").split()
    for word in words:
        if not re.fullmatch(pattern, word):
            raise ValueError(f"tag {name}: '{word}' is not a number; expected numbers separated by spaces")
    return words


def _drawn(tags: Mapping[str, str]) -> list[float]:
    (seed,) = _words(tags, SEED, r"\d+") or ["0"]
    (times,) = _words(tags, TIMES, r"\d+") or ["1"]
    (mean,) = _words(tags, MEAN_SECONDS, r"\d+(\.\d+)?") or ["2"]
    # Interruptions that do not depend on each other lie exponentially apart.
    draw = random.Random(int(seed))  # noqa: S311 - repeatable on purpose
    return [draw.expovariate(1 / float(mean)) for _ in range(int(times))]
