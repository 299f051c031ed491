"""The record of a run: what the training kit wrote while it ran, and what only SageMaker knows once it has ended.

The kit keeps `record.json` with the run's checkpoints; the platform's record is that document, corrected by what
SageMaker says, with `job`, `request`, `kit` and `right_sizing` beside it. A run without the kit has the same record,
in which `kit` says why so much of it is empty.
"""

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from groundplan.canonical import canonical_json
from groundplan.json_value import Json, mapping, sequence
from groundplan.lineage.records import Run, Slice
from groundplan.refusal import bad
from groundplan.right_sizing import Advice, Hardware
from groundplan.run_cost import Cost

SCHEMA = "groundplan.run/1"
FILE_NAME = "record.json"
LARGEST_BYTES = 16 * 2**20
LARGEST_NUMBER = sys.float_info.max
LONGEST_NAME = 256  # characters of a metric's or slice's name
MOST_SLICES = 300  # in the lineage table, whose rows hold at most 400 KB; the record holds all of them

OUTCOMES = {"Completed": "completed", "Stopped": "stopped", "Failed": "failed"}
# What DescribeTrainingJob gives back of what CreateTrainingJob was asked, tags excepted. A test compares botocore's
# models: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html
REQUEST = """
    AlgorithmSpecification CheckpointConfig DebugHookConfig DebugRuleConfigurations
    EnableInterContainerTrafficEncryption EnableManagedSpotTraining EnableNetworkIsolation Environment
    ExperimentConfig HyperParameters InfraCheckConfig InputDataConfig MlflowConfig ModelPackageConfig
    OutputDataConfig ProfilerConfig ProfilerRuleConfigurations RemoteDebugConfig ResourceConfig RetryStrategy
    RoleArn ServerlessJobConfig StoppingCondition TensorBoardOutputConfig TrainingJobName VpcConfig
""".split()


@dataclass(frozen=True)
class Metric:
    """One value of one metric; None where it was not a finite number. `slice` is the part of the data it is of."""

    name: str
    value: float | None
    step: int | None = None
    time: str | None = None
    slice: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Checkpoints:
    """What was kept on the way, and where this attempt went on."""

    saved: int | None
    resumed_from_step: int | None


@dataclass(frozen=True)
class RunRecord:
    """A record that was read: typed where the platform counts on it, whole in `document`."""

    document: Json
    training_job_name: str
    metrics: tuple[Metric, ...]
    hardware: Hardware | None
    checkpoints: Checkpoints | None

    def last_metrics(self) -> dict[str, float]:
        """Name to the last value over all of the data; a value that was not finite is NaN."""
        last = {metric.name: metric.value for metric in self.metrics if not metric.slice}
        return {name: math.nan if value is None else value for name, value in last.items()}

    def last_slices(self) -> tuple[Slice, ...]:
        """The last value of each metric by slice, sorted."""
        last = {(one.name, tuple(sorted(one.slice.items()))): one for one in self.metrics if one.slice}
        values = (
            Slice(name, math.nan if one.value is None else one.value, dict(of)) for (name, of), one in last.items()
        )
        return tuple(sorted(values, key=lambda one: (one.name, sorted(one.slice.items()))))


@dataclass(frozen=True)
class Artefact:
    """The model archive. `sha256` is of the version `version`; where it is None, `reason` says why."""

    uri: str
    size_bytes: int | None = None
    version: str | None = None
    sha256: str | None = None
    reason: str | None = None


def read_record(content: bytes, source: str) -> RunRecord:
    """A record of the kit or of the platform; raises BadInput with field, value and what is allowed.

    Fields that are missing are None or empty, and fields that are not known are kept in `document`: whoever wrote it
    may be older or newer. Of another schema it is refused.
    """
    if len(content) > LARGEST_BYTES:
        raise bad(source, "", f"{len(content)} bytes", f"allowed: at most {LARGEST_BYTES}")
    try:
        # NaN and infinity are no JSON, but Python's own writer makes them.
        parsed: object = json.loads(content, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise bad(source, "", str(error), "it must be JSON, as the training kit writes it") from None
    if not isinstance(parsed, dict):
        raise bad(source, "", type(parsed).__name__, "it must be a JSON object")
    document = _Reader(source, cast(Json, parsed))
    if document.fields.get("schema") != SCHEMA:
        older = "; an older Groundplan cannot read what a newer one wrote"
        raise bad(source, "schema", document.fields.get("schema"), f'allowed: "{SCHEMA}"{older}')
    return RunRecord(
        document=document.fields,
        training_job_name=document.text("training_job_name") or "",
        metrics=tuple(_metric(each) for each in document.objects("metrics")),
        hardware=(each := document.inner("hardware")) and _hardware(each),
        checkpoints=(each := document.inner("checkpoints"))
        and Checkpoints(each.whole("saved"), each.whole("resumed_from_step")),
    )


def platform_record(
    run: Run,
    described: Json,
    kit: RunRecord | None,
    *,
    without_kit: str = "",
    cost: Cost,
    artefact: Artefact | None,
    advice: Advice,
) -> dict[str, Any]:
    """The platform's record of a job that has ended, ready for JSON.

    What SageMaker knows goes before what the kit said: whose run it is and how it ended. `without_kit` is why
    there is no record of the kit.
    """
    own = kit.document if kit else _without_kit(run)
    known = {
        "workload": run.workload,
        "environment": run.environment,
        "fingerprint": run.fingerprint,
        "code_commit": run.code_commit,
        "code_digest": run.code_digest,
        "data_manifest": run.data_manifest,
        "data_manifest_root": run.data_manifest_root,
        "environment_digest": run.environment_digest,
    }
    return {
        **own,
        **{name: value if value is not None else own.get(name) for name, value in known.items()},
        "schema": SCHEMA,
        "training_job_name": run.name,
        "image_digest": run.image_digest,
        "hyperparameters": dict(run.hyperparameters),
        "ended": run.ended or own.get("ended"),
        "outcome": OUTCOMES.get(run.status, "failed"),
        "failure": own.get("failure") or run.failure_reason,
        "kit": {"found": kit is not None, "reason": without_kit or None},
        "job": {
            "arn": run.arn,
            "status": run.status,
            "failure_reason": run.failure_reason,
            "created": run.created,
            "started": run.started,
            "ended": run.ended,
            "training_seconds": run.training_seconds,
            "billable_seconds": run.billable_seconds,
            "interruptions": run.interruptions,
            "instance_type": run.instance_type,
            "instance_count": run.instance_count,
            "spot": run.spot,
            "cost_usd": cost.usd,
            "cost_basis": cost.basis,
            "artefact": artefact and artefact.uri,
            "artefact_bytes": artefact and artefact.size_bytes,
            "artefact_version": artefact and artefact.version,
            "artefact_sha256": artefact and artefact.sha256,
            "artefact_sha256_reason": artefact and artefact.reason,
            "forced_reason": run.forced_reason,
        },
        "right_sizing": asdict(advice),
        # Through JSON and back: whatever boto3 gave that JSON does not know is a text.
        "request": json.loads(
            json.dumps({name: described[name] for name in REQUEST if described.get(name)}, default=str)
        ),
    }


def record_bytes(record: Json) -> bytes:
    """The record as it is stored: equal records are equal bytes."""
    return canonical_json(record) + b"\n"


def _without_kit(run: Run) -> dict[str, Any]:
    metrics = sorted(run.metrics.items())
    return {
        "kit_digest": None,
        "seeds": {},
        "frameworks": {},
        "metrics": [
            {
                "name": name,
                "value": value if math.isfinite(value) else None,
                "step": None,
                "time": run.ended,
                "slice": None,
            }
            for name, value in metrics
        ],
        "hardware": None,
        "checkpoints": None,
        "attempts": sum(step.status == "Training" for step in run.transitions),
        "started": run.started,
    }


class _Reader:
    """Reads fields of one JSON object and refuses what is of another type, naming it."""

    def __init__(self, source: str, fields: Json, at: str = "") -> None:
        self._source, self.fields, self._at = source, fields, at

    def text(self, name: str) -> str | None:
        value = self.fields.get(name)
        if value is None or (isinstance(value, str) and _is_unicode(value)):
            return value
        raise self._wrong(name, value, "a text")

    def whole(self, name: str) -> int | None:
        value = self.fields.get(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63):
            return value
        raise self._wrong(name, value, "a whole number")

    def number(self, name: str) -> float | None:
        value = self.fields.get(name)
        if value is None or (
            isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_NUMBER
        ):
            return value
        raise self._wrong(name, value, "a finite number")

    def name(self, name: str) -> str:
        value = self.text(name)
        if not value or len(value) > LONGEST_NAME:
            raise self._wrong(name, value, f"1 to {LONGEST_NAME} characters")
        return value

    def texts(self, name: str) -> dict[str, str] | None:
        inner = self.inner(name)
        if inner is None:
            return None
        for key in inner.fields:
            if not key or len(key) > LONGEST_NAME or not _is_unicode(key):
                raise self._wrong(name, inner.fields, f"names of 1 to {LONGEST_NAME} characters")
            inner.name(key)
        return dict(inner.fields)

    def inner(self, name: str) -> "_Reader | None":
        value = self.fields.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self._wrong(name, value, "a JSON object")
        return _Reader(self._source, mapping(cast(object, value)), f"{self._at}{name}.")

    def objects(self, name: str) -> "list[_Reader]":
        value = self.fields.get(name)
        if value is not None and not isinstance(value, list):
            raise self._wrong(name, value, "a JSON array")
        members = enumerate(sequence(cast(object, value)))
        items = {f"{name}.{at}": member for at, member in members}
        below = _Reader(self._source, items, self._at)
        return [found for key in items if (found := below.inner(key))]

    def _wrong(self, name: str, value: object, allowed: str) -> Exception:
        return bad(self._source, f"{self._at}{name}", value, f"allowed: {allowed}")


def _metric(each: _Reader) -> Metric:
    value = each.number("value")
    return Metric(each.name("name"), value, each.whole("step"), each.text("time"), each.texts("slice"))


def _hardware(each: _Reader) -> Hardware:
    return Hardware(
        cpus=each.number("cpus"),
        cpu_percent_mean=each.number("cpu_percent_mean"),
        cpu_percent_max=each.number("cpu_percent_max"),
        memory_bytes_total=each.whole("memory_bytes_total"),
        memory_bytes_max=each.whole("memory_bytes_max"),
        disk_bytes_max=each.whole("disk_bytes_max"),
        seconds=each.number("seconds"),
        gpus=tuple(dict(gpu.fields) for gpu in each.objects("gpus")),
    )


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
