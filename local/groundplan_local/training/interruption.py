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
NUMBER = r"[0-9]{1,18}(\.[0-9]{1,18})?"
MOST_TIMES = 100


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
        seconds = [float(word) for word in _words(tags, AFTER_SECONDS, NUMBER, "numbers of seconds")]
        drawn = _drawn(tags)
        if SEED in tags:
            seconds = drawn
        checkpoints = [
            int(word) for word in _words(tags, AFTER_CHECKPOINTS, r"[1-9][0-9]{0,17}", "whole numbers from 1")
        ]
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


def _words(tags: Mapping[str, str], name: str, pattern: str, expected: str) -> list[str]:
    words = tags.get(name, "").split()
    if name in tags and not (words and all(re.fullmatch(pattern, word) for word in words)):
        raise ValueError(f"tag {name}: '{tags[name]}' cannot be read; expected {expected}, separated by spaces")
    return words


def _word(tags: Mapping[str, str], name: str, pattern: str, expected: str) -> str | None:
    value = tags.get(name)
    if value is not None and not re.fullmatch(pattern, value.strip()):
        raise ValueError(f"tag {name}: '{value}' cannot be read; expected {expected}")
    return value


def _drawn(tags: Mapping[str, str]) -> list[float]:
    seed = int(_word(tags, SEED, r"[0-9]{1,18}", "one whole number of at most 18 digits") or 0)
    expected = f"one whole number from 1 to {MOST_TIMES}"
    times = int(_word(tags, TIMES, r"[0-9]{1,18}", expected) or 1)
    if not 1 <= times <= MOST_TIMES:
        raise ValueError(f"tag {TIMES}: '{tags[TIMES]}' cannot be had; expected {expected}")
    expected = "one number above 0, of seconds"
    mean = float(_word(tags, MEAN_SECONDS, NUMBER, expected) or 2)
    if not mean > 0:
        raise ValueError(f"tag {MEAN_SECONDS}: '{tags[MEAN_SECONDS]}' cannot be had; expected {expected}")
    # Interruptions that do not depend on each other lie exponentially apart.
    draw = random.Random(seed)  # noqa: S311 - repeatable on purpose
    return [draw.expovariate(1) * mean for _ in range(times)]
