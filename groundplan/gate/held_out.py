"""The held-out set: samples with their true answers, which no training has seen.

One JSON object a line: `request` (what a caller sends, as text), `expected` (the true answer), `slices` (dimension to
value), `row` (the sample as a training file would hold it, one line), and `baseline`, the answer of the simple rule,
where it was computed.
"""

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

from groundplan.manifest import Manifest
from groundplan.refusal import BadInput, Finding, bad

MOST_SAMPLES = 1_000_000
MOST_SLICES = 1_000
MOST_FINDINGS = 20
_KEYS = {"request", "expected", "slices", "row", "baseline"}
_REQUIRED = ("request", "expected", "row")


@dataclass(frozen=True)
class Sample:
    """One sample."""

    request: str
    expected: str
    row: str
    slices: Mapping[str, str] = field(default_factory=dict[str, str])
    baseline: str | None = None


@dataclass(frozen=True)
class HeldOut:
    """The samples, and the sha256 (hex) of the file that holds them."""

    samples: Sequence[Sample]
    sha256: str

    @cached_property
    def asked(self) -> bytes:
        """What a model is given of the set: its requests, one JSON text a line, and nothing else."""
        return "".join(json.dumps(sample.request) + "\n" for sample in self.samples).encode()

    @cached_property
    def expected(self) -> Sequence[str]:
        """The true answers."""
        return [sample.expected for sample in self.samples]

    @cached_property
    def baseline(self) -> Sequence[str] | None:
        """The rule's answers, where there is one for every sample."""
        answers = [sample.baseline for sample in self.samples if sample.baseline is not None]
        return answers if len(answers) == len(self.samples) else None

    @cached_property
    def slices(self) -> Mapping[str, Sequence[str]]:
        """Dimension to the name of each sample's slice, `<dimension>_<value>`; empty for a sample in none."""
        dimensions = sorted({dimension for sample in self.samples for dimension in sample.slices})
        return {
            dimension: [
                f"{dimension}_{sample.slices[dimension]}" if dimension in sample.slices else ""
                for sample in self.samples
            ]
            for dimension in dimensions
        }


def read_held_out(content: bytes, source: str) -> HeldOut:
    """The set of a file's bytes; raises BadInput with line, field, value and what is allowed."""
    findings: list[Finding] = []
    samples: list[Sample] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(content.splitlines(), 1):
        if number > MOST_SAMPLES:
            raise bad(source, "samples", f"more than {MOST_SAMPLES}", f"allowed: at most {MOST_SAMPLES}")
        found = _sample(line, f"{source}: line {number}")
        if isinstance(found, Finding):
            findings.append(found)
        elif (first := seen.setdefault(found.row, number)) != number:
            allowed = f"each sample once; line {first} is the same, and counting it twice would weigh it double"
            findings.append(Finding(f"{source}: line {number}", "row", found.row, allowed))
        else:
            samples.append(found)
        if len(findings) >= MOST_FINDINGS:
            break
    if findings:
        raise BadInput(findings)
    if not samples:
        raise bad(source, "samples", "none", "a held-out set has at least one sample")
    held = HeldOut(samples, hashlib.sha256(content).hexdigest())
    if len(with_baseline := [one for one in samples if one.baseline is not None]) not in (0, len(samples)):
        allowed = "the rule's answer for every sample, or for none"
        raise bad(source, "baseline", f"{len(with_baseline)} of {len(samples)} samples", allowed)
    count = sum(len(set(names)) for names in held.slices.values())
    if count > MOST_SLICES:
        raise bad(source, "slices", f"{count} slices", f"allowed: at most {MOST_SLICES}")
    return held


def _sample(line: bytes, source: str) -> Sample | Finding:
    try:
        parsed: object = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Finding(source, "", str(error), "it must be one JSON object a line, in UTF-8")
    if not isinstance(parsed, dict):
        return Finding(source, "", type(parsed).__name__, "it must be a JSON object")
    values = cast(dict[str, Any], parsed)
    if strangers := sorted(set(values) - _KEYS):
        return Finding(source, strangers[0], values[strangers[0]], f"allowed: {', '.join(sorted(_KEYS))}")
    for name in _REQUIRED:
        if not isinstance(values.get(name), str) or not values[name].strip():
            return Finding(source, name, values.get(name, "nothing"), "a text is required")
    if not isinstance(values.get("baseline", ""), str):
        return Finding(source, "baseline", values["baseline"], "allowed: a text, or left out")
    slices: object = values.get("slices", {})
    if not isinstance(slices, dict):
        return Finding(source, "slices", slices, "allowed: dimension to value, both texts")
    for key, value in cast(dict[str, object], slices).items():
        if not isinstance(value, str) or not key or not value or len(key) + len(value) > 100:
            return Finding(source, f"slices.{key}", value, "allowed: a text; together at most 100 characters")
    return Sample(
        values["request"],
        values["expected"].strip(),
        values["row"].strip(),
        cast(dict[str, str], slices),
        values["baseline"].strip() if "baseline" in values else None,
    )


def values(fields: Iterable[str | None]) -> str:
    """A row by what it holds and not by how it is written: 3, 3.0 and 3e0 are one number, and null is empty."""
    return ",".join(_value(field.strip()) if field else "" for field in fields)


def _value(field: str) -> str:
    try:
        number = float(field)
    except ValueError:
        return field
    if field.lstrip("+-").isdecimal():
        return str(int(field))  # exactly: it may be a key
    return str(int(number)) if number.is_integer() else f"{number:.7g}"  # the digits that 32 bits have


def _values_of(row: str) -> str:
    try:
        return values(next(csv.reader([row])))
    except csv.Error:
        return row


def leaks(
    held_out: HeldOut, manifest: Manifest | None, training_rows: Iterable[tuple[str, int, bytes | str]]
) -> list[Finding]:
    """A finding for each held-out sample that training could have seen; none where the sets are apart.

    `training_rows` are key, number and content of the training set's rows: bytes for a line of a text file, compared
    as they are, and text for a row of any other, as `values` writes it. A file of the training set that is the
    held-out file itself is found by its sha256 in the manifest, where there is one.
    """
    apart = "a sample that training saw proves nothing: leave it out of one of the two"
    findings = [
        Finding("held-out set", "file", entry.key, f"the training set holds this very file; {apart}")
        for entry in (manifest.entries if manifest else ())
        if entry.sha256 == held_out.sha256
    ]
    lines = {hashlib.sha256(sample.row.encode()).digest(): at for at, sample in enumerate(held_out.samples, 1)}
    valued: dict[str, int] | None = None
    overlapping = 0
    for key, number, row in training_rows:
        if isinstance(row, bytes):
            at = lines.get(hashlib.sha256(row.strip()).digest())
        else:
            if valued is None:
                valued = {_values_of(sample.row): at for at, sample in enumerate(held_out.samples, 1)}
            at = valued.get(row)
        if at is not None:
            overlapping += 1
            if overlapping <= MOST_FINDINGS:
                where = f"the training set has it in {key}, {'line' if isinstance(row, bytes) else 'row'} {number}"
                findings.append(Finding(f"held-out set: sample {at}", "row", row.strip()[:60], f"{where}; {apart}"))
    if overlapping > MOST_FINDINGS:
        findings.append(Finding("held-out set", "row", f"{overlapping} samples in all", apart))
    return findings
