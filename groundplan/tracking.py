"""A run's record as MLflow takes it: one run a training job, in the experiment of its workload.

The names and sizes that MLflow takes: https://github.com/mlflow/mlflow/blob/master/mlflow/utils/validation.py
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from groundplan.canonical import digest
from groundplan.json_value import Json, mapping, sequence
from groundplan.refusal import bad

# What is asked of MLflow, one call of `groundplan_runtime.integrations.mlflow` each, as IAM names it.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_sagemaker-mlflow.html
MLFLOW_ACTIONS = (
    "CreateExperiment",
    "CreateRun",
    "GetExperimentByName",
    "LogBatch",
    "LogInputs",
    "SearchRuns",
    "UpdateRun",
)
RUN_TAG = "groundplan.run"  # fingerprint and job: by it a run is found again
RECORD = re.compile(r"workloads/([^/]+)/output/[^/]+/record\.json")
STATUS = {"Completed": "FINISHED", "Stopped": "KILLED"}  # any other end is a failure
LONGEST_NAME, LONGEST_PARAMETER, LONGEST_TAG = 250, 500, 5000
_KEY = re.compile(r"(?:none|[0-9a-f]{64})/[A-Za-z0-9](?:-*[A-Za-z0-9]){0,62}")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_\-. /]")
_DIGESTS = (
    "code_commit",
    "code_digest",
    "kit_digest",
    "data_manifest",
    "data_manifest_root",
    "environment_digest",
    "image_digest",
)


@dataclass(frozen=True)
class Metric:
    """One value; `time` is in milliseconds since 1970."""

    name: str
    value: float
    time: int
    step: int


@dataclass(frozen=True)
class TrackedRun:
    """What MLflow is told of one training job. `key` is told apart from every other run; times as in `Metric`."""

    key: str
    experiment: str
    name: str
    status: str
    started: int
    ended: int
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: tuple[Metric, ...]
    data_set: Mapping[str, str] | None


@dataclass(frozen=True)
class RecordKey:
    """Where a run's record lies, and whose run it is of; `version` is None where S3 does not tell."""

    key: str
    version: str | None
    workload: str


def record_key(event: object, *, bucket: str) -> RecordKey:
    """The record that an event of S3 tells of; raises BadInput when it is another object."""
    detail = mapping(mapping(event).get("detail"))
    given, thing = mapping(detail.get("bucket")).get("name"), mapping(detail.get("object"))
    if given != bucket:
        raise bad("event", "detail.bucket.name", given, f"expected {bucket}")
    key = thing.get("key")
    if not isinstance(key, str) or not (found := RECORD.fullmatch(key)):
        raise bad("event", "detail.object.key", key, "expected workloads/<workload>/output/<job>/record.json")
    version = thing.get("version-id")
    return RecordKey(key, version if isinstance(version, str) else None, found[1])


def run_key(fingerprint: str | None, training_job_name: str) -> str:
    """What tells a run from every other one. A job that was not launched by the platform has no fingerprint."""
    return f"{fingerprint or 'none'}/{training_job_name}"


def tracked_run(record: Json, workload: str) -> TrackedRun:
    """The run of a platform's record (groundplan/run_record.py); raises BadInput for one without a job or a time."""
    told = mapping(record.get("job"))
    job = record.get("training_job_name")
    key = run_key(record.get("fingerprint"), str(job))
    if not _KEY.fullmatch(key):
        raise bad("run record", "fingerprint and training_job_name", key, f"expected a text like {_KEY.pattern}")
    started = _milliseconds("started", record.get("started") or told.get("started") or told.get("created"))
    ended = _milliseconds("ended", record["ended"]) if record.get("ended") else started
    metrics, not_finite = list[Metric](), list[str]()
    for entry in map(mapping, sequence(record.get("metrics"))):
        name = metric_name(str(entry.get("name")), mapping(entry.get("slice")))
        if isinstance(value := entry.get("value"), int | float):
            time = _milliseconds("metrics.time", entry["time"]) if entry.get("time") else ended
            metrics.append(Metric(name, float(value), time, int(entry.get("step") or 0)))
        else:
            not_finite.append(name)
    metrics += [Metric(name, value, ended, 0) for name, value in _of_the_job(record, told)]
    tags = dict(_tags(record, told)) | ({"metrics_not_finite": ", ".join(not_finite)} if not_finite else {})
    return TrackedRun(
        key=key,
        experiment=workload,
        name=str(job),
        status=STATUS.get(str(told.get("status")), "FAILED"),
        started=started,
        ended=max(ended, started),  # a clock may have jumped
        parameters={
            _name(name): str(value)[:LONGEST_PARAMETER]
            for name, value in mapping(record.get("hyperparameters")).items()
        },
        tags={
            RUN_TAG: key,
            "mlflow.runName": str(job),
            **({"mlflow.source.git.commit": str(record["code_commit"])} if record.get("code_commit") else {}),
            **{f"groundplan.{_name(name)}": value[:LONGEST_TAG] for name, value in tags.items()},
        },
        metrics=tuple(metrics),
        data_set=_data_set(record, workload),
    )


def metric_name(name: str, slice_of: Mapping[str, Any]) -> str:
    """`accuracy/digit/3` for accuracy where the digit is 3; MLflow groups by what stands before the last slash."""
    parts = [str(part) for pair in sorted(slice_of.items()) for part in pair]
    # A slash of a slice's own would make two slices look like one.
    return _name("/".join([name, *(part.replace("/", "\0") for part in parts)]))


def _name(name: str) -> str:
    """As MLflow takes it. Where that changes the name, a digest keeps it apart from every other one."""
    parts = [part for part in _NOT_IN_NAMES.sub("_", name).split("/") if part not in ("", ".", "..")]
    allowed = "/".join(parts)
    if allowed == name and len(name) <= LONGEST_NAME:
        return name
    return f"{allowed[: LONGEST_NAME - 9]}-{digest(name)[:8]}"


def _of_the_job(record: Json, job: Json) -> Iterator[tuple[str, float]]:
    """Numbers of the job as a whole. Those below `system/` are what MLflow shows as the machine's."""
    numbers = {
        "cost_usd": job.get("cost_usd"),
        "interruptions": job.get("interruptions"),
        "training_seconds": job.get("training_seconds"),
        "billable_seconds": job.get("billable_seconds"),
        "attempts": record.get("attempts"),
        "checkpoints_saved": mapping(record.get("checkpoints")).get("saved"),
        **{f"system/{name}": value for name, value in mapping(record.get("hardware")).items()},
    }
    for name, value in numbers.items():
        # An amount is text, so that it is exact; what is not known is no number, and never zero.
        if isinstance(value, int | float) or (name == "cost_usd" and isinstance(value, str)):
            yield _name(name), float(value)


def _tags(record: Json, job: Json) -> Iterator[tuple[str, str]]:
    known: dict[str, object] = {
        "fingerprint": record.get("fingerprint"),
        "environment": record.get("environment"),
        **{name: record.get(name) for name in _DIGESTS},
        **{f"seed.{name}": value for name, value in mapping(record.get("seeds")).items()},
        **{f"framework.{name}": value for name, value in mapping(record.get("frameworks")).items()},
        "outcome": record.get("outcome"),
        "failure": record.get("failure"),
        "resumed_from_step": mapping(record.get("checkpoints")).get("resumed_from_step"),
        **{name: job.get(name) for name in ("status", "instance_type", "instance_count", "spot", "cost_basis")},
        **{name: job.get(name) for name in ("artefact", "artefact_sha256", "forced_reason")},
        "without_kit": mapping(record.get("kit")).get("reason"),
    }
    for name, value in known.items():
        if value is not None:
            yield name, value if isinstance(value, str) else str(value).lower()
    if job.get("cost_usd") is None:
        yield "cost_usd", "UNKNOWN"


def _data_set(record: Json, workload: str) -> Mapping[str, str] | None:
    """The data set by its manifest, as an input of the run. MLflow takes 36 characters of a digest."""
    root, manifest = record.get("data_manifest_root"), record.get("data_manifest")
    if not isinstance(root, str) or not isinstance(manifest, str):
        return None
    return {"name": workload, "digest": root[:36], "source_type": "s3", "source": manifest}


def _milliseconds(field: str, time: object) -> int:
    try:
        return int(datetime.fromisoformat(str(time)).timestamp() * 1000)
    except ValueError:
        raise bad("run record", field, time, "expected a time in RFC 3339") from None
