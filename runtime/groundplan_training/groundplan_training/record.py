"""The run's record: what it was made from, what it measured, what it used, and how it ended. Plain JSON."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from groundplan_training.container import Container
from groundplan_training.journal import attempts, now, read_journal

SCHEMA = "groundplan.run/1"
NAME = "record.json"
# From the job's environment, which the launch set: what the run is made from.
PROVENANCE = (
    "workload",
    "environment",
    "fingerprint",
    "code_commit",
    "code_digest",
    "kit_digest",
    "data_manifest",
    "data_manifest_root",
    "environment_digest",
    "image_digest",
)
MOST_POINTS = 10_000  # of metrics; of more, every other one between the first and the last of its name is left out


def record(container: Container, *, hardware: Mapping[str, Any], ended: bool, failure: str | None) -> dict[str, Any]:
    """From the journal and the job's environment. `failure` when the script failed."""
    lines = list(read_journal(container.checkpoints))
    tries = attempts(lines)
    last = tries[-1] if tries else []
    kinds = {line["kind"]: line for line in last}
    stopped = kinds.get("stopped")
    outcome = "failed" if failure else "running" if not ended else "stopped" if stopped else "completed"
    points = [line for line in lines if line["kind"] == "metric"]
    odd = sorted({line["name"] for line in points if line.get("was")})
    return {
        "schema": SCHEMA,
        **{name: os.environ.get(f"GROUNDPLAN_{name.upper()}") for name in PROVENANCE},
        "training_job_name": os.environ.get("TRAINING_JOB_NAME"),
        "hyperparameters": {name: str(one) for name, one in container.configuration("hyperparameters").items()},
        "seeds": _seeds(container, lines),
        "frameworks": kinds.get("started", {}).get("frameworks", {}),
        "metrics": [
            {key: line.get(key) for key in ("name", "value", "step", "time", "slice")} for line in thinned(points)
        ],
        "notes": [f"metric {name} was not a number" for name in odd]
        + ([f"{len(points)} metrics, thinned out"] if len(points) > MOST_POINTS else []),
        "hardware": dict(hardware),
        "checkpoints": {
            "saved": sum(line["kind"] == "checkpoint" for line in lines),
            "resumed_from_step": kinds.get("resumed", {}).get("step"),
            "seconds": round(sum(line["seconds"] for line in lines if line["kind"] == "checkpoint"), 3),
        },
        "attempts": max(1, len(tries)),
        "started": lines[0]["time"] if lines else now(),
        "ended": now() if ended else None,
        "outcome": outcome,
        "stopped_because": stopped["why"] if stopped else None,
        "failure": failure,
    }


def write_record(document: Mapping[str, Any], folder: Path) -> None:
    """As a whole, or not. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{NAME}.tmp"
    draft.write_text(json.dumps(document, indent=1, sort_keys=True, allow_nan=False))
    draft.replace(folder / NAME)


def thinned(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """At most about MOST_POINTS, the newest of a step where it was measured again after an interruption."""
    newest: dict[tuple[Any, ...], dict[str, Any]] = {}
    for point in points:
        part = json.dumps(point.get("slice"), sort_keys=True)
        newest[point["name"], part, point.get("step")] = point
    kept = list(newest.items())
    while len(kept) > MOST_POINTS:
        final = {key[:2]: key for key, _ in kept}
        thin = [one for at, one in enumerate(kept) if at % 2 == 0 or final[one[0][:2]] == one[0]]
        if len(thin) == len(kept):
            break
        kept = thin
    return [point for _, point in kept]


def _seeds(container: Container, lines: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    found: dict[str, int] = {}
    given = container.hyperparameters().get("seed")
    if isinstance(given, int):
        found["seed"] = given
    for line in lines:
        if line["kind"] == "seeds":
            found |= line["seeds"]
    return found
