"""Launching: what is refused before a job is asked for, and what the claim says whatever SageMaker answers."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from groundplan.claim import Claim, Duplicate, Launch
from groundplan.environment import read_environment
from groundplan.prices import PriceBook
from groundplan.refusal import BadInput, Refused
from groundplan.run_cost import Cost
from groundplan.run_time import SHORTEST_SECONDS, RunTime, run_time
from groundplan.training_request import Inputs, LaunchDefaults, build_request, fingerprint
from groundplan.workload import Workload, read_workload
from groundplan_operate.launch import launch
from groundplan_runtime.integrations.claimed_run import WantedRun
from groundplan_runtime.integrations.run_claims import RunClaims
from groundplan_runtime.integrations.sagemaker import SageMaker

ROOT = Path(__file__).parents[2]
DEFAULTS = LaunchDefaults(
    role_arn="arn:aws:iam::222222222222:role/groundplan-local-digit-reader-training",
    image="222222222222.dkr.ecr.us-east-1.amazonaws.com/groundplan-local/digit-reader",
    artefacts="s3://artefacts",
    kms_key_arn="arn:aws:kms:us-east-1:222222222222:key/1",
    subnet_ids=("subnet-1",),
    security_group_ids=("sg-1",),
    tags={},
)
INPUTS = Inputs(
    code_uri="s3://artefacts/code",
    code_digest="c" * 64,
    code_commit="0" * 40,
    data_uri="s3://curated/da7a",
    data_manifest_uri="s3://curated/da7a/manifest.json",
    data_manifest_root="d" * 64,
    environment_digest="e" * 64,
    kit_digest="f" * 64,
)
CLAIM = Claim(
    fingerprint="f" * 64,
    workload="digit-reader",
    environment="local",
    status="CLAIMED",
    launch_id="1",
    training_job_name="digit-reader-of-a-claim",
    checkpoints="forced-1/f",
    claimed_at="",
    lease_until="",
    forced_reason="measure the spread",
)


@cache
def client() -> Any:
    return boto3.client("sagemaker", "us-east-1")


@cache
def digit_reader() -> Workload:
    return read_workload(ROOT, "digit-reader")


def workload(**training: Any) -> Workload:
    one = digit_reader()
    return one.model_copy(update={"training": one.trained.model_copy(update=training)})


def request(one: Workload | None = None, **more: Any) -> dict[str, Any]:
    return build_request(one or workload(), "local", DEFAULTS, INPUTS, **{"job_suffix": "1", **more})


def book(amount: str) -> PriceBook:
    row = {"amount": amount, "unit": "hour", "effective": "2026-11-01", "source": "a list", "confidence": "list"}
    sections: dict[str, Any] = {name: {} for name in ("sources", "instance_types", "models", "unknown")}
    prices = {"sagemaker/instance/ml.m5.large": row}
    return PriceBook("us-east-1", {**sections, "retrieved": "2026-11-01", "prices": prices}, "us-east-1.json")


@given(st.decimals("0.001", "3000", places=4), st.integers(1, 20))
def test_no_job_may_cost_more_than_the_ceiling(hourly: Decimal, count: int) -> None:
    one = workload(instance_count=count)
    try:
        found = run_time(one, book(str(hourly)))
    except BadInput:
        assert hourly * count * SHORTEST_SECONDS / 3600 > 50
        return
    assert found.seconds <= 1800
    assert hourly * count * found.seconds / 3600 <= 50


def test_a_claim_says_how_the_job_is_called_where_its_checkpoints_lie_and_why_it_is_forced() -> None:
    made = request(claim=CLAIM)
    assert made["TrainingJobName"] == "digit-reader-of-a-claim"
    assert made["CheckpointConfig"]["S3Uri"] == "s3://artefacts/workloads/digit-reader/checkpoints/forced-1/f"
    assert made["Environment"]["GROUNDPLAN_FORCED_REASON"] == "measure the spread"
    assert "GROUNDPLAN_FORCED_REASON" not in request(claim=replace(CLAIM, forced_reason=None))["Environment"]


class Launcher:
    """Launches digit-reader; SageMaker's next answer to CreateTrainingJob is `answer`, None for yes."""

    def __init__(self, table: Any) -> None:
        self.answer: Exception | None = None
        self.created: list[dict[str, Any]] = []
        self.meta = client().meta
        sagemaker: Any = self
        self.claims = RunClaims(table, SageMaker(sagemaker), lambda _: Cost(None, "no price"))

    def create_training_job(self, **request: Any) -> None:
        if self.answer:
            raise self.answer
        self.created.append(request)

    def describe_training_job(self, *, TrainingJobName: str) -> dict[str, Any]:  # noqa: N803 - boto3's
        if TrainingJobName not in [made["TrainingJobName"] for made in self.created]:
            raise no("ValidationException", "Requested resource not found.")
        return {
            "TrainingJobName": TrainingJobName,
            "TrainingJobArn": f"arn:aws:sagemaker:us-east-1:222222222222:training-job/{TrainingJobName}",
            "TrainingJobStatus": "InProgress",
            "CreationTime": datetime.now(UTC),
        }

    def __call__(self, one: Workload | None = None, forced_reason: str | None = None) -> str:
        accounts: Any = SimpleNamespace(environment=read_environment(ROOT, "local"), client=lambda *_: self)
        wanted = WantedRun(
            workload=one or workload(),
            environment="local",
            defaults=DEFAULTS,
            inputs=INPUTS,
            run_time=RunTime(900, ""),
            forced_reason=forced_reason,
        )
        return launch(accounts, self.claims, wanted)

    @property
    def held(self) -> Claim | None:
        return self.claims.get(fingerprint(workload(), DEFAULTS, INPUTS))


def no(code: str, message: str = "no", status: int = 400) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "CreateTrainingJob")


@pytest.fixture
def launcher() -> Iterator[Launcher]:
    with mock_aws():
        resource: Any = boto3.resource
        dynamodb = resource("dynamodb", "us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
        names = ("node", "relation")
        yield Launcher(
            dynamodb.create_table(
                TableName="lineage",
                BillingMode="PAY_PER_REQUEST",
                KeySchema=[
                    {"AttributeName": name, "KeyType": kind}
                    for name, kind in zip(names, ("HASH", "RANGE"), strict=True)
                ],
                AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
            )
        )


def test_a_launched_run_is_running_and_is_not_launched_again(launcher: Launcher) -> None:
    name = launcher()
    assert [made["TrainingJobName"] for made in launcher.created] == [name]
    assert launcher.created[0]["StoppingCondition"]["MaxRuntimeInSeconds"] == 900
    assert launcher.held
    assert (launcher.held.status, launcher.held.training_job_name) == ("RUNNING", name)
    with pytest.raises(Duplicate, match=f"is under way: training job {name}"):
        launcher()
    assert len(launcher.created) == 1


def test_a_forced_run_carries_its_reason_in_its_request(launcher: Launcher) -> None:
    launcher()
    launcher(forced_reason="measure the spread")
    made = launcher.created[1]
    assert made["Environment"]["GROUNDPLAN_FORCED_REASON"] == "measure the spread"
    assert made["CheckpointConfig"] != launcher.created[0]["CheckpointConfig"]


def test_what_aws_would_refuse_claims_nothing(launcher: Launcher) -> None:
    with pytest.raises(BadInput, match=r"ml\.inf2\.xlarge"):
        launcher(workload(instance_type="ml.inf2.xlarge"))
    with pytest.raises(BadInput, match="at most 2500 characters"):
        launcher(workload(hyperparameters={"epochs": "9" * 2501}))
    assert launcher.held is None


@pytest.mark.parametrize(
    "answer",
    [no("ResourceLimitExceeded", "no quota"), no("ValidationException"), EndpointConnectionError(endpoint_url="x")],
)
def test_a_job_that_sagemaker_refuses_gives_the_claim_back(launcher: Launcher, answer: Exception) -> None:
    launcher.answer = answer
    with pytest.raises(Refused, match=r"SageMaker refuses digit-reader-.*may be launched again"):
        launcher()
    assert launcher.held
    assert launcher.held.status == "FAILED"
    launcher.answer = None
    assert launcher()


@pytest.mark.parametrize(
    "answer", [no("InternalFailure", status=500), no("ThrottlingException"), ReadTimeoutError(endpoint_url="x")]
)
def test_where_nobody_knows_whether_there_is_a_job_the_claim_is_kept(launcher: Launcher, answer: Exception) -> None:
    launcher.answer = answer
    with pytest.raises(Refused, match=r"it is not known whether SageMaker has .* launches it in 10 minutes"):
        launcher()
    launcher.answer = None
    with pytest.raises(Duplicate, match="is being launched"):
        launcher()
    assert not launcher.created


def test_a_name_that_is_taken_is_this_launchs_own_job_unless_another_holds_the_claim(launcher: Launcher) -> None:
    launcher.answer = no("ResourceInUse")
    assert launcher(), "an answer was lost, and botocore asked again"
    assert launcher.held
    assert launcher.held.status == "RUNNING"


def test_a_late_launch_that_finds_its_name_taken_by_another_is_a_duplicate(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(**_: Any) -> None:
        held = launcher.held
        assert held
        other = Launch(
            fingerprint=held.fingerprint,
            workload=held.workload,
            environment=held.environment,
            launch_id="other",
            training_job_name="other",
            seconds=60,
        )
        launcher.claims.take(other, datetime.now(UTC) + timedelta(days=1))
        raise no("ResourceInUse")

    monkeypatch.setattr(launcher, "create_training_job", overtaken)
    with pytest.raises(Duplicate):
        launcher()
    assert launcher.held
    assert launcher.held.launch_id == "other"
