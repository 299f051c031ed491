"""What trains: script, machine, time, seed, hyper-parameters and how its metrics are read."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from groundplan.quantity import PositiveQuantity
from groundplan.refusal import Disallowed
from groundplan.text import FileName, InstanceType, matching
from groundplan.toml_file import Values
from groundplan.workload.drivers import at_most

LONGEST_HYPERPARAMETER = 2500  # characters; CreateTrainingJob's limit


def _expression(value: str) -> str:
    try:
        groups = re.compile(value).groups
    except re.error as error:
        raise ValueError(f"allowed: a regular expression; this one fails: {error}") from None
    if groups != 1:
        raise ValueError("allowed: a regular expression with exactly one group, which catches the number")
    return value


def _trains(value: str) -> str:
    if value.startswith("ml.inf"):
        raise Disallowed(value, "AWS trains on no Inferentia; allowed: ml.trn1…, ml.trn2…, a GPU or a CPU type")
    return value


TrainingInstanceType = Annotated[InstanceType, AfterValidator(_trains)]


class EarlyStopping(Values):
    """A run ends when its metric has not become better in `patience` measurements one after the other."""

    metric: Annotated[str, Field(min_length=1, max_length=255)]
    patience: Annotated[int, Field(ge=1, le=10_000)]
    mode: Literal["max", "min"] = Field(description="whether more or less of the metric is better")


class Training(Values):
    """How it trains. Bounds: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html"""

    script: FileName
    instance_type: TrainingInstanceType
    instance_count: Annotated[int, Field(ge=1, le=20)] = 1
    preprocess_instance_type: TrainingInstanceType | None = Field(
        default=None, description="of the job that validates and preprocesses; left out: instance_type"
    )
    volume_gib: Annotated[int, Field(ge=1, le=16384)] = 30
    max_runtime_seconds: Annotated[int, Field(ge=60, le=432000)]
    max_wait_seconds: Annotated[int, Field(ge=60, le=2592000, description="run time and waiting for spot together")]
    run_ceiling_usd: Annotated[PositiveQuantity, at_most(10**9)] | None = Field(
        default=None, description="the most that one run may cost; left out: the workload's ceiling of a month"
    )
    image_digest: Annotated[str, matching(r"sha256:[0-9a-f]{64}", "allowed: sha256: and 64 hex digits")] | None = None
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)]
    hyperparameters: dict[str, Any] = Field(default={}, max_length=90)
    metrics: dict[
        Annotated[str, Field(min_length=1, max_length=255)], Annotated[str, AfterValidator(_expression)]
    ] = Field(min_length=1, max_length=40, description="metric to the regular expression that finds it in the log")
    early_stopping: EarlyStopping | None = None  # after the metrics, of which it watches one

    @field_validator("early_stopping")
    @classmethod
    def _early_stopping_watches_what_is_measured(
        cls, value: EarlyStopping | None, info: ValidationInfo
    ) -> EarlyStopping | None:
        metrics: dict[str, str] = info.data.get("metrics", {})
        if value and metrics and value.metric not in metrics:
            allowed = f"allowed: a metric of the training: {', '.join(metrics)}"
            raise Disallowed(value.metric, allowed, field="training.early_stopping.metric")
        return value

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
