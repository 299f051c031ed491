"""The guard against doing a run twice: who may launch, who is refused with what, and how a claim ends."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from groundplan.claim import Claim, Duplicate, Launch, checked_reason
from groundplan.lineage.records import run_from_description
from groundplan.refusal import BadInput
from groundplan.run_cost import Cost
from groundplan_runtime.integrations.run_claims import RunClaims
from groundplan_runtime.integrations.sagemaker import SageMaker

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
LATER = NOW + timedelta(days=2)
RUN = "f" * 64
NUMBERS = count()


class Jobs:
    """As much of boto3's SageMaker client as tells how a job stands."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def describe_training_job(self, *, TrainingJobName: str) -> dict[str, Any]:  # noqa: N803 - boto3's
        if TrainingJobName not in self.known:
            error = {"Code": "ValidationException", "Message": "Requested resource not found."}
            raise ClientError({"Error": error}, "DescribeTrainingJob")
        return {
            "TrainingJobName": TrainingJobName,
            "TrainingJobArn": f"arn:aws:sagemaker:us-east-1:222222222222:training-job/{TrainingJobName}",
            "TrainingJobStatus": self.known[TrainingJobName],
            "CreationTime": NOW,
            "Environment": {"GROUNDPLAN_FINGERPRINT": RUN},
            "ModelArtifacts": {"S3ModelArtifacts": "s3://artefacts/model.tar.gz"},
            "FinalMetricDataList": [{"MetricName": "accuracy", "Value": 0.9722222}],
        }


class Guard:
    """A table of claims, and a SageMaker whose jobs are what a test says."""

    def __init__(self, dynamodb: Any) -> None:
        self.jobs = Jobs()
        self.table = dynamodb.create_table(
            TableName=f"claims-{next(NUMBERS)}",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": "node", "KeyType": "HASH"},
                {"AttributeName": "relation", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("node", "relation")],
        )
        client: Any = self.jobs
        self.claims = RunClaims(self.table, SageMaker(client), lambda _: Cost("0.0123", "a price"))

    def take(self, launch: str, now: datetime = NOW, reason: str | None = None) -> tuple[Claim, Claim | None]:
        return self.claims.take(wish(launch, reason), now)

    def launch(self, name: str, now: datetime = NOW, reason: str | None = None) -> Claim:
        """Claimed, and SageMaker has the job."""
        claim, _ = self.take(name, now, reason)
        self.jobs.known[claim.training_job_name] = "InProgress"
        self.claims.launched(claim, wish(name), now)
        return claim

    def end(self, job: str, status: str) -> None:
        """The job ends, and the lineage hears of it."""
        self.jobs.known[job] = status
        self.claims.settle(run_from_description(self.jobs.describe_training_job(TrainingJobName=job)))

    @property
    def held(self) -> Claim:
        found = self.claims.get(RUN)
        assert found
        return found


def wish(name: str, reason: str | None = None) -> Launch:
    return Launch(
        fingerprint=RUN,
        workload="digit-reader",
        environment="local",
        launch_id=name,
        training_job_name=f"job-{name}",
        seconds=3600,
        forced_reason=reason,
    )


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[Any]:
    with mock_aws():
        resource: Any = boto3.resource
        yield resource("dynamodb", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")


@pytest.fixture
def guard(dynamodb: Any) -> Guard:
    return Guard(dynamodb)


def test_a_run_is_claimed_runs_and_succeeds(guard: Guard) -> None:
    claim, held = guard.take("a")
    assert (claim.status, held) == ("CLAIMED", None)
    assert guard.held == claim
    guard.claims.launched(claim, wish("a"), NOW)
    assert guard.held.status == "RUNNING"
    assert guard.held.lease_until > claim.lease_until
    guard.end("job-a", "Completed")
    done = guard.held
    assert (done.status, done.succeeded_job, done.cost_usd) == ("SUCCEEDED", "job-a", "0.0123")
    assert done.metrics == {"accuracy": "0.972222"}
    assert done.artefact == "s3://artefacts/model.tar.gz"


def test_a_run_that_was_done_is_refused_with_its_job_metrics_and_cost(guard: Guard) -> None:
    guard.launch("a")
    guard.end("job-a", "Completed")
    with pytest.raises(Duplicate) as refused:
        guard.take("b", LATER)
    for word in ("job-a", "accuracy 0.972222", "$0.01", "s3://artefacts/model.tar.gz", "--force --reason"):
        assert word in str(refused.value)
    assert refused.value.claim.succeeded_job == "job-a"


def test_a_run_under_way_is_refused_however_late_it_is(guard: Guard) -> None:
    guard.launch("a")
    for now in (NOW, LATER, NOW - timedelta(days=400)):
        with pytest.raises(Duplicate, match="is under way: training job job-a"):
            guard.take("b", now)
    assert guard.held.launch_id == "a"


def test_a_launch_in_the_act_is_left_alone_until_its_lease_is_over(guard: Guard) -> None:
    guard.take("a")
    with pytest.raises(Duplicate, match="is being launched"):
        guard.take("b", NOW + timedelta(minutes=9))
    taken, _ = guard.take("c", NOW + timedelta(minutes=11))
    assert taken.launch_id == guard.held.launch_id == "c"


def test_a_jumped_clock_cannot_make_two_jobs_since_both_would_bear_one_name(guard: Guard) -> None:
    late, _ = guard.take("a")
    taken, _ = guard.take("b", LATER)
    assert taken.training_job_name == "job-a", "SageMaker gives a name once"
    guard.claims.release(late, None, "that name is taken")
    assert guard.held.launch_id == "b", "who lost the claim releases nothing"


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
@pytest.mark.parametrize("told", [True, False], ids=["the event came", "the event was lost"])
def test_a_run_that_failed_is_taken_up_from_its_checkpoints(guard: Guard, status: str, told: bool) -> None:
    guard.launch("a")
    if told:
        guard.end("job-a", status)
        assert guard.held.status == "FAILED"
    guard.jobs.known["job-a"] = status
    again, _ = guard.take("b")
    assert (again.status, again.checkpoints, again.training_job_name) == ("CLAIMED", RUN, "job-b")


def test_a_success_of_which_the_event_was_lost_is_seen_at_the_next_launch(guard: Guard) -> None:
    guard.launch("a")
    guard.jobs.known["job-a"] = "Completed"
    with pytest.raises(Duplicate, match=r"was done before: training job job-a.*accuracy"):
        guard.take("b")
    assert guard.held.status == "SUCCEEDED"


def test_a_job_that_sagemaker_refused_gives_the_claim_back(guard: Guard) -> None:
    first, held = guard.take("a")
    guard.claims.release(first, held, "ResourceLimitExceeded: no quota")
    assert (guard.held.status, guard.held.failure_reason) == (
        "FAILED",
        "not launched: ResourceLimitExceeded: no quota",
    )
    guard.launch("b")
    guard.end("job-b", "Completed")
    forced, held = guard.take("c", reason="a new driver")
    guard.claims.release(forced, held, "no quota")
    assert (guard.held.status, guard.held.training_job_name) == ("SUCCEEDED", "job-b")


def test_a_forced_run_keeps_its_reason_and_leaves_the_other_checkpoints_alone(guard: Guard) -> None:
    guard.launch("a")
    forced = guard.launch("b", reason="to measure the spread")
    assert forced.forced_reason == guard.held.forced_reason == "to measure the spread"
    assert RUN in forced.checkpoints
    assert not forced.checkpoints.startswith(RUN)
    guard.end("job-b", "Failed")
    again, _ = guard.take("c")
    assert again.checkpoints == forced.checkpoints, "what failed goes on where it stopped"


def test_a_success_is_remembered_whatever_a_forced_run_does(guard: Guard) -> None:
    guard.launch("a")
    guard.launch("b", reason="in a hurry")
    guard.end("job-a", "Completed")
    assert (guard.held.status, guard.held.succeeded_job) == ("RUNNING", "job-a")
    guard.end("job-b", "Failed")
    with pytest.raises(Duplicate, match="training job job-a"):
        guard.take("c")


def test_refused_duplicates_are_counted_by_month_and_stay_counted(guard: Guard) -> None:
    guard.launch("a")
    for now in (NOW, NOW, NOW + timedelta(days=20)):
        with pytest.raises(Duplicate):
            guard.take("b", now)
    guard.end("job-a", "Failed")
    guard.launch("c")
    assert guard.held.refused_in == {"2026-11": 2, "2026-12": 1}
    assert guard.held.refused == 3


def test_a_late_event_of_an_earlier_job_does_not_end_the_present_one(guard: Guard) -> None:
    guard.launch("a")
    guard.end("job-a", "Failed")
    guard.launch("b")
    guard.end("job-a", "Failed")
    guard.jobs.known["job-a"] = "InProgress"
    assert (guard.held.status, guard.held.training_job_name) == ("RUNNING", "job-b")


def test_a_success_told_again_does_not_take_the_place_of_a_later_one(guard: Guard) -> None:
    guard.launch("a")
    guard.end("job-a", "Completed")
    guard.launch("b", reason="a new driver")
    guard.end("job-b", "Completed")
    before = guard.held
    for job in ("job-a", "job-b", "job-a"):
        guard.end(job, "Completed")
    assert guard.held == before
    assert before.succeeded_job == "job-b"


def test_a_job_that_nobody_claimed_leaves_no_claim(guard: Guard) -> None:
    guard.end("job-x", "Completed")
    assert guard.claims.get(RUN) is None


@pytest.mark.parametrize("reason", [None, "", "  \n ", "x" * 201, "a\x07bell"])
def test_a_forced_run_needs_a_reason(reason: str | None) -> None:
    with pytest.raises(BadInput, match="--reason"):
        checked_reason(reason, forced=True)


def test_a_reason_is_one_line_and_goes_with_force() -> None:
    assert checked_reason(" new \n driver ", forced=True) == "new driver"
    assert checked_reason(None, forced=False) is None
    with pytest.raises(BadInput, match="give both or neither"):
        checked_reason("new driver", forced=False)
