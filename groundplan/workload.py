"""A workload: what it is, what it learns from and how it trains, read from `workloads/<name>/workload.toml`."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from groundplan.refusal import BadInput, Finding, bad
from groundplan.text import FileName, InstanceType, TagValue, WorkloadName, matching
from groundplan.toml_file import Values, read_toml


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
    hyperparameters: dict[Annotated[str, Field(max_length=256)], str | int | float | bool] = Field(
        default={}, max_length=90
    )
    metrics: dict[
        Annotated[str, Field(min_length=1, max_length=255)], Annotated[str, AfterValidator(_expression)]
    ] = Field(min_length=1, max_length=40, description="metric to the regular expression that finds it in the log")

    @model_validator(mode="after")
    def _waits_at_least_as_long_as_it_runs(self) -> Self:
        if self.max_wait_seconds < self.max_runtime_seconds:
            raise ValueError(
                f"max_wait_seconds = {self.max_wait_seconds} is less than "
                f"max_runtime_seconds = {self.max_runtime_seconds}; AWS refuses that"
            )
        return self


class Workload(Values):
    """One workload. Its folder holds the training script and whatever it needs."""

    name: WorkloadName
    owner: TagValue
    cost_centre: TagValue
    use_case: Annotated[str, Field(min_length=10, max_length=300)]
    key_metric: str
    data: Data
    training: Training

    @model_validator(mode="after")
    def _key_metric_is_measured(self) -> Self:
        if self.key_metric not in self.training.metrics:
            raise ValueError(
                f"key_metric = {self.key_metric} is not measured; allowed: {', '.join(self.training.metrics)}"
            )
        return self


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
    if not (root / "workloads" / name / workload.training.script).is_file():
        raise bad(
            str(relative),
            "training.script",
            workload.training.script,
            "allowed: a file of the workload's folder",
        )
    return workload


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
