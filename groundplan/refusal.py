"""What is said to a person whose input cannot be used: file, field, value, what is allowed."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

LONGEST_VALUE_SHOWN = 80


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with an input.

    `value` is what was given (anything; shown shortened, with look-alike characters named),
    `allowed` says what would have been right or what to do.
    """

    source: str
    field: str
    value: object
    allowed: str

    def __str__(self) -> str:
        where = ": ".join(_one_line(part) for part in (self.source, self.field) if part)
        return f"{where}: {shown(self.value)} is not allowed; {self.allowed}"


class Disallowed(ValueError):  # noqa: N818
    """Raised by a validator: the value, and what is allowed; `field` when it is another than the one validated."""

    def __init__(self, value: object, allowed: str, *, field: str = "") -> None:
        super().__init__(allowed)
        self.value, self.allowed, self.field = value, allowed, field


class BadInput(Exception):  # noqa: N818 - it names what happened, as DESIGN's words do
    """Input that was refused before anything was created. The command line exits with 2."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("\n".join(str(finding) for finding in findings))
        self.findings = tuple(findings)


class Refused(Exception):  # noqa: N818
    """Something the platform does not do, or that failed, in one line. The command line exits with 1."""


def bad(source: str, field: str, value: object, allowed: str) -> BadInput:
    """A `BadInput` of a single finding."""
    return BadInput([Finding(source, field, value, allowed)])


def _one_line(text: str) -> str:
    return text.encode("unicode_escape").decode()


def shown(value: object) -> str:
    """The value on one short line; characters that only look like ASCII are named by their code point."""
    text = value if isinstance(value, str) else repr(value)
    short = text if len(text) <= LONGEST_VALUE_SHOWN else text[: LONGEST_VALUE_SHOWN - 1] + "…"
    foreign = [c for c in dict.fromkeys(short) if ord(c) > 126 and c != "…"]
    named = ", ".join(f"U+{ord(c):04X} {unicodedata.name(c, 'unnamed')}" for c in foreign[:3])
    quoted = ascii(short) if isinstance(value, str) else short.encode("ascii", "backslashreplace").decode()
    return f"{quoted} (it holds {named})" if named else quoted
