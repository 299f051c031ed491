"""How old the newest checkpoint of a running job is: what counts, from when, and what is told of it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from groundplan.checkpoint_age import AGE_METRIC, METRICS, age_minutes, newest_checkpoint
from groundplan_runtime.handlers import sweep_lineage
from groundplan_runtime.integrations.checkpoint_watch import CheckpointWatch
from groundplan_runtime.integrations.sagemaker import SageMaker

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PLACE = "workloads/digit-reader/checkpoints/f00d"
OWN = f"s3://artefacts/{PLACE}"


def ago(minutes: float) -> datetime:
    """Minutes before now."""
    return NOW - timedelta(minutes=minutes)


def job(
    *, training_for: float, secondary: str = "Training", place: str = f"s3://artefacts/{PLACE}"
) -> dict[str, Any]:
    """What DescribeTrainingJob says of a job that was interrupted once, and trains again for so many minutes."""
    return {
        "SecondaryStatus": secondary,
        "CheckpointConfig": {"S3Uri": place},
        "SecondaryStatusTransitions": [
            {"Status": "Training", "StartTime": ago(500)},
            {"Status": "Interrupted", "StartTime": ago(400)},
            {"Status": "Training", "StartTime": ago(training_for)},
        ],
    }


class Account:
    """SageMaker's running jobs by name, objects of the bucket with their times, and what CloudWatch was told."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.objects: dict[str, datetime] = {}
        self.told: list[dict[str, Any]] = []
        sagemaker: Any = SimpleNamespace(
            describe_training_job=self._describe,
            get_paginator=lambda _: SimpleNamespace(paginate=self._pages),
        )
        self.watch = CheckpointWatch(
            SageMaker(sagemaker),
            SimpleNamespace(list_objects_v2=self._list),
            SimpleNamespace(put_metric_data=lambda **request: self.told.append(request)),
            bucket="artefacts",
            environment="groundplan-dev",
        )

    def _pages(self, **request: Any) -> Iterator[dict[str, Any]]:
        assert request["StatusEquals"] == "InProgress"
        for name in list(self.jobs):
            yield {"TrainingJobSummaries": [{"TrainingJobName": name}]}

    def _describe(self, *, TrainingJobName: str) -> dict[str, Any]:  # noqa: N803 - boto3's
        if not self.jobs[TrainingJobName]:
            message = {"Error": {"Code": "ValidationException", "Message": "Requested resource not found."}}
            raise ClientError(message, "DescribeTrainingJob")
        return self.jobs[TrainingJobName]

    def _list(self, *, Bucket: str, Prefix: str, ContinuationToken: str = "0") -> dict[str, Any]:  # noqa: N803
        assert Bucket == "artefacts"
        found = sorted(key for key in self.objects if key.startswith(Prefix))
        at = int(ContinuationToken)
        contents = [{"Key": key, "LastModified": self.objects[key]} for key in found[at : at + 1]]
        more = at + 1 < len(found)
        return {"Contents": contents, "IsTruncated": more, "NextContinuationToken": str(at + 1)} if found else {}

    def ages(self) -> dict[str, float]:
        return self.watch.look(NOW)


@pytest.fixture
def account() -> Account:
    return Account()


def test_the_age_is_that_of_the_newest_object_whatever_its_name_and_page(account: Account) -> None:
    account.jobs["one"] = job(training_for=300)
    account.objects = {f"{PLACE}/{name}": ago(age) for name, age in {"a": 90, "b": 20, "c": 40}.items()}
    assert account.ages() == {"one": 20.0}


def test_the_environment_is_told_of_its_oldest(account: Account) -> None:
    account.jobs["one"] = job(training_for=300)
    account.jobs["other"] = job(training_for=200, place="s3://artefacts/workloads/other/checkpoints/f00d")
    account.objects[f"{PLACE}/step-1"] = ago(5)
    assert account.ages() == {"one": 5.0, "other": 200.0}
    assert account.told == [
        {
            "Namespace": METRICS,
            "MetricData": [
                {
                    "MetricName": AGE_METRIC,
                    "Dimensions": [{"Name": "Environment", "Value": "groundplan-dev"}],
                    "Value": 200.0,
                    "Unit": "None",
                }
            ],
        }
    ]


def test_checkpoints_of_a_run_with_a_longer_fingerprint_are_not_taken_for_its_own(account: Account) -> None:
    account.jobs["one"] = job(training_for=300)
    account.objects[f"{PLACE}f00d/step-1"] = ago(5)
    assert account.ages() == {"one": 300.0}


def test_a_job_that_has_just_begun_or_come_back_is_as_old_as_its_training(account: Account) -> None:
    account.jobs["one"] = job(training_for=3)
    assert account.ages() == {"one": 3.0}
    account.objects[f"{PLACE}/step-1"] = ago(450)
    assert account.ages() == {"one": 3.0}


@pytest.mark.parametrize("name", ["record.json", "journal.jsonl", "step-1.sagemaker-uploading"])
def test_what_is_written_besides_checkpoints_does_not_hide_that_there_are_none(account: Account, name: str) -> None:
    account.jobs["one"] = job(training_for=300)
    account.objects = {f"{PLACE}/{name}": ago(1), f"{PLACE}/step-1": ago(100)}
    assert account.ages() == {"one": 100.0}


@pytest.mark.parametrize("secondary", ["Starting", "Downloading", "Interrupted", "Uploading", "Stopping"])
def test_a_job_that_does_not_train_just_now_has_nothing_to_write(account: Account, secondary: str) -> None:
    account.jobs["one"] = job(training_for=300, secondary=secondary)
    assert account.ages() == {}
    assert account.told == []


@pytest.mark.parametrize("place", ["", "s3://elsewhere/workloads/x/checkpoints/y", "s3://artefacts/other"])
def test_checkpoints_that_lie_elsewhere_or_nowhere_are_not_looked_at(account: Account, place: str) -> None:
    account.jobs["one"] = job(training_for=300, place=place)
    assert account.ages() == {}


def test_a_job_that_was_deleted_meanwhile_is_passed_over(account: Account) -> None:
    account.jobs |= {"gone": {}, "one": job(training_for=2)}
    assert account.ages() == {"one": 2.0}


def test_a_line_tells_the_age_of_each_job(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    account.jobs |= {"one": job(training_for=61), "other": job(training_for=2)}
    account.ages()
    told = {line.__dict__["job"]: line.__dict__["age_minutes"] for line in caplog.records}
    assert told == {"one": 61, "other": 2}


def test_a_clock_that_jumped_gives_no_age_below_nothing() -> None:
    assert age_minutes(NOW, ago(10), NOW + timedelta(hours=1)) == 0
    assert newest_checkpoint([]) is None


def test_neither_half_of_the_sweep_keeps_the_other_from_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failed(Exception):  # noqa: N818
        pass

    done: list[str] = []

    def fails(_: datetime) -> dict[str, float]:
        raise Failed

    def sweeps(_: datetime) -> dict[str, int]:
        done.append("swept")
        return {"checked": 0, "recorded": 0}

    monkeypatch.setattr(sweep_lineage, "_watch", lambda: SimpleNamespace(look=fails))
    monkeypatch.setattr(sweep_lineage, "_sweep", lambda: SimpleNamespace(run=sweeps))
    handler: Any = sweep_lineage.handler
    context = SimpleNamespace(
        function_name="sweep", memory_limit_in_mb=256, invoked_function_arn="arn", aws_request_id="request"
    )
    with pytest.raises(Failed):
        handler({}, context)
    assert done == ["swept"]
