"""A workload: what it is, what it learns from and how it trains, read from `workloads/<name>/workload.toml`."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from groundplan.refusal import BadInput, Disallowed, Finding, bad
from groundplan.text import FileName, InstanceType, TagValue, WorkloadName, matching
from groundplan.toml_file import Values, read_toml

LONGEST_HYPERPARAMETER = 2500  # characters; CreateTrainingJob's limit


def _expression(value: str) -> str:
    try:
        groups = re.compile(value).groups
    except re.error as error:
        raise ValueError(f"allowed: a regular expression; this one fails: {error}") from None
    if groups != 1:
        raise ValueError("allowed: a regular expression with exactly one group, which catches the number")
    return value


class Data(Values):
    """What the workload learns from."""

    classification: Literal["public", "internal", "confidential", "restricted"]
    dataset: WorkloadName = Field(description="name of the data set below the workload's prefix in the lake")
    channels: Annotated[tuple[FileName, ...], Field(strict=False, min_length=1, max_length=19)]

    @field_validator("channels")
    @classmethod
    def _channels_differ(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if value.count(name) > 1 or name == "code":
                raise Disallowed(name, "allowed: each name once, and not code, which is the channel of the script")
        return value


class Training(Values):
    """How it trains. Bounds: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html"""

    script: FileName
    instance_type: InstanceType
    instance_count: Annotated[int, Field(ge=1, le=20)] = 1
    volume_gib: Annotated[int, Field(ge=1, le=16384)] = 30
    max_runtime_seconds: Annotated[int, Field(ge=60, le=432000)]
    max_wait_seconds: Annotated[int, Field(ge=60, le=2592000, description="run time and waiting for spot together")]
    image_digest: Annotated[str, matching(r"sha256:[0-9a-f]{64}", "allowed: sha256: and 64 hex digits")] | None = None
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)]
    hyperparameters: dict[str, Any] = Field(default={}, max_length=90)
    metrics: dict[
        Annotated[str, Field(min_length=1, max_length=255)], Annotated[str, AfterValidator(_expression)]
    ] = Field(min_length=1, max_length=40, description="metric to the regular expression that finds it in the log")

    @field_validator("hyperparameters")
    @classmethod
    def _hyperparameters_are_plain(cls, value: dict[str, Any]) -> dict[str, str | int | float | bool]:
        for name, given in value.items():
            field = f"training.hyperparameters.{name}"
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]{0,255}", name) or name == "seed":
                allowed = "allowed: 1 to 256 letters, digits and _.-, a letter first; the seed is training.seed"
                raise Disallowed(name, allowed, field=field)
            if not isinstance(given, str | int | float | bool) or str(given) in ("nan", "inf", "-inf"):
                raise Disallowed(given, "allowed: a text, a finite number, true or false", field=field)
            if len(str(given)) > LONGEST_HYPERPARAMETER:
                raise Disallowed(given, f"allowed: at most {LONGEST_HYPERPARAMETER} characters", field=field)
        return value

    @field_validator("max_wait_seconds")
    @classmethod
    def _waits_at_least_as_long_as_it_runs(cls, value: int, info: ValidationInfo) -> int:
        runtime = info.data.get("max_runtime_seconds", 0)
        if value < runtime:
            raise Disallowed(value, f"allowed: at least max_runtime_seconds, {runtime}; AWS refuses less")
        return value


class Workload(Values):
    """One workload. Its folder holds the training script and whatever it needs."""

    name: WorkloadName
    owner: TagValue
    cost_centre: TagValue
    use_case: Annotated[
        str,
        matching(r"[\x20-\x7e\u00a0-\uffff]{10,300}", "allowed: one sentence of 10 to 300 characters on one line"),
    ]
    data: Data
    training: Training
    key_metric: str  # after training, which says what is measured

    @field_validator("key_metric")
    @classmethod
    def _key_metric_is_measured(cls, value: str, info: ValidationInfo) -> str:
        training: Training | None = info.data.get("training")
        if training and value not in training.metrics:
            raise Disallowed(value, f"allowed: a metric of the training: {', '.join(training.metrics)}")
        return value


def read_workload(root: Path, name: str) -> Workload:
    """The workload called `name` below `root`; raises BadInput."""
    known = workload_names(root)
    if name not in known:
        raise bad(
            "",
            "workload",
            name,
            f"allowed: {', '.join(known) or 'none; there is no folder below workloads/'}",
        )
    relative = Path("workloads") / name / "workload.toml"
    workload = read_toml(root, relative, Workload)
    if workload.name != name:
        raise bad(str(relative), "name", workload.name, f'allowed: "{name}", the name of the folder')
    if not _is_file(root / "workloads" / name / workload.training.script):
        raise bad(
            str(relative),
            "training.script",
            workload.training.script,
            "allowed: a file of the workload's folder",
        )
    return workload


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def workload_names(root: Path) -> list[str]:
    """Names of the folders below `workloads/`, sorted; hidden ones and caches left out."""
    return sorted(path.name for path in (root / "workloads").glob("*") if path.is_dir() and path.name[0] not in "._")


def read_workloads(root: Path) -> Sequence[Workload]:
    """Every workload, sorted by name; raises one BadInput with the findings of all."""
    workloads: list[Workload] = []
    findings: list[Finding] = []
    for name in workload_names(root):
        try:
            workloads.append(read_workload(root, name))
        except BadInput as error:
            findings += error.findings
    if findings:
        raise BadInput(findings)
    return workloads
