"""What MLflow is told of a run: what is known of it, under names that MLflow takes, and nothing that is not known."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundplan.refusal import BadInput
from groundplan.tracking import metric_name, record_key, run_key, tracked_run

RECORD: dict[str, Any] = json.loads((Path(__file__).parents[1] / "events" / "run_record.json").read_text())
# https://github.com/mlflow/mlflow/blob/master/mlflow/utils/validation.py, as of MLflow 2.13, SageMaker's oldest
TAKEN = re.compile(r"[/\w.\- ]*", re.ASCII)


def run(**changes: Any) -> Any:
    return tracked_run({**RECORD, **changes}, "digit-reader")


def values(tracked: Any) -> dict[str, float]:
    return {metric.name: metric.value for metric in tracked.metrics}


def test_a_run_is_told_with_all_that_it_was_made_from() -> None:
    tracked = run()
    assert tracked.experiment == "digit-reader"
    assert tracked.key == run_key(RECORD["fingerprint"], RECORD["training_job_name"])
    assert tracked.parameters == {"epochs": "60", "seed": "7"}
    assert tracked.status == "FINISHED"
    assert tracked.ended - tracked.started == 31_000
    own = {name.removeprefix("groundplan."): value for name, value in tracked.tags.items()}
    for name in (
        "code_commit",
        "code_digest",
        "kit_digest",
        "data_manifest_root",
        "environment_digest",
        "fingerprint",
    ):
        assert own[name] == RECORD[name]
    assert "image_digest" not in own
    assert own["seed.numpy"] == "7"
    assert own["artefact"] == RECORD["job"]["artefact"]
    assert tracked.tags["mlflow.source.git.commit"] == RECORD["code_commit"]
    assert tracked.data_set["source"] == RECORD["data_manifest"]
    assert len(tracked.data_set["digest"]) == 36


def test_metrics_keep_their_steps_and_times_and_slices_their_names() -> None:
    tracked = run()
    losses = [
        (metric.step, metric.value, metric.time % 60_000) for metric in tracked.metrics if metric.name == "loss"
    ]
    assert losses == [(10, 0.5, 10_000), (20, 0.25, 20_000)]
    told = values(tracked)
    assert (told["accuracy"], told["accuracy/digit/3"]) == (0.9625, 0.875)
    assert (told["cost_usd"], told["interruptions"], told["attempts"]) == (0.0123, 2, 3)
    assert told["system/memory_bytes_max"] == 250_000_000


def test_what_is_not_finite_is_named_and_not_a_number() -> None:
    assert run().tags["groundplan.metrics_not_finite"] == "loss"


def test_a_cost_that_is_not_known_is_never_zero() -> None:
    tracked = run(job={**RECORD["job"], "cost_usd": None})
    assert "cost_usd" not in values(tracked)
    assert tracked.tags["groundplan.cost_usd"] == "UNKNOWN"


@pytest.mark.parametrize(
    ("status", "told"), [("Completed", "FINISHED"), ("Stopped", "KILLED"), ("Failed", "FAILED"), (None, "FAILED")]
)
def test_only_a_completed_job_is_a_finished_run(status: str | None, told: str) -> None:
    assert run(job={**RECORD["job"], "status": status}).status == told


def test_a_job_from_elsewhere_is_told_as_well() -> None:
    """Without the kit and without a fingerprint: a run that was not launched by the platform is not hidden."""
    gone = dict.fromkeys(("fingerprint", "started", "hardware", "checkpoints", "code_commit", "data_manifest_root"))
    tracked = run(**gone, metrics=[], kit={"found": False, "reason": "no record.json"})
    assert tracked.key == f"none/{RECORD['training_job_name']}"
    assert tracked.data_set is None
    assert tracked.tags["groundplan.without_kit"] == "no record.json"


def test_a_clock_that_jumped_back_ends_no_run_before_its_start() -> None:
    tracked = run(ended="2026-11-20T11:00:00Z")
    assert tracked.ended == tracked.started


@given(st.text(max_size=400), st.dictionaries(st.text(max_size=80), st.text(max_size=80), max_size=3))
def test_every_name_is_one_that_mlflow_takes(name: str, slice_of: dict[str, str]) -> None:
    made = metric_name(name, slice_of)
    assert TAKEN.fullmatch(made)
    assert 0 < len(made) <= 250 or made == name == ""
    assert not {"", ".", ".."} & set(made.split("/")) or made == ""


def test_names_that_mlflow_would_not_tell_apart_stay_apart() -> None:
    slices = [{"sign": sign} for sign in ("+", "_", "=", "a/b/c", "a_b_c", "a")] + [{"sign": "a", "b": "c"}]
    assert len({metric_name("accuracy", one) for one in slices}) == len(slices)


@pytest.mark.parametrize("changes", [{"training_job_name": "x'y"}, {"fingerprint": "' OR 1=1"}, {"ended": "today"}])
def test_a_record_that_cannot_be_told_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=r"run record: .* expected"):
        run(**changes)


def event(key: str, bucket: str = "artefacts") -> dict[str, Any]:
    return {"detail": {"bucket": {"name": bucket}, "object": {"key": key, "version-id": "v"}}}


def test_only_a_record_beside_a_model_is_taken() -> None:
    found = record_key(event("workloads/digit-reader/output/job-1/record.json"), bucket="artefacts")
    assert (found.workload, found.version) == ("digit-reader", "v")
    for other in (
        event("workloads/digit-reader/checkpoints/5f2c/record.json"),
        event("workloads/digit-reader/output/a/b/record.json"),
        event("workloads/digit-reader/output/job-1/record.json", "curated"),
        {},
    ):
        with pytest.raises(BadInput, match="event: detail"):
            record_key(other, bucket="artefacts")
