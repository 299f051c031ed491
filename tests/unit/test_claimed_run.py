"""What the command line and the state machine share: one claim, one request, and nothing claimed for a bad one."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from boto3.session import Session
from botocore.exceptions import ClientError
from moto import mock_aws

from groundplan.claim import Duplicate
from groundplan.refusal import BadInput, Refused
from groundplan.run_cost import Cost
from groundplan.run_time import RunTime
from groundplan.training_request import Inputs, LaunchDefaults
from groundplan.workload import read_workload
from groundplan_runtime.integrations.claimed_run import WantedRun, claim_run
from groundplan_runtime.integrations.run_claims import RunClaims
from groundplan_runtime.integrations.sagemaker import SageMaker
from groundplan_runtime.integrations.stored_launch import StoredLaunch, inputs_of

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
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
    code_uri="s3://artefacts/workloads/digit-reader/code/c0de",
    code_digest="c" * 64,
    code_commit="0" * 40,
    data_uri="s3://curated/digit-reader/digits/da7a",
    data_manifest_uri="s3://curated/digit-reader/digits/da7a/manifest.json",
    data_manifest_root="d" * 64,
    environment_digest="e" * 64,
    kit_digest="f" * 64,
    prepare_uri="s3://artefacts/workloads/digit-reader/code/9e9a",
)
WANTED = WantedRun(
    workload=read_workload(ROOT, "digit-reader"),
    environment="local",
    defaults=DEFAULTS,
    inputs=INPUTS,
    run_time=RunTime(900, "at most 900 s"),
)


class NoJobs:
    """A SageMaker that has no job of any name."""

    def describe_training_job(self, **_: Any) -> dict[str, Any]:
        error = {"Code": "ValidationException", "Message": "Requested resource not found."}
        raise ClientError({"Error": error}, "DescribeTrainingJob")


@pytest.fixture
def account() -> Iterator[Any]:
    with mock_aws():
        yield Session(region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")


@pytest.fixture
def claims(account: Any) -> RunClaims:
    table = account.resource("dynamodb").create_table(
        TableName="claims",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "node", "KeyType": "HASH"}, {"AttributeName": "relation", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("node", "relation")],
    )
    jobs: Any = NoJobs()
    return RunClaims(table, SageMaker(jobs), lambda _: Cost(None, ""))


def test_the_request_is_that_of_the_claim(claims: RunClaims) -> None:
    claimed = claim_run(claims, WANTED, launch_id="one", now=NOW)
    assert claimed.request["TrainingJobName"] == claimed.claim.training_job_name
    assert claimed.request["TrainingJobName"].endswith("-20261121090000000")
    assert claimed.request["CheckpointConfig"]["S3Uri"].endswith(f"/checkpoints/{WANTED.fingerprint}")
    assert claimed.request["StoppingCondition"]["MaxRuntimeInSeconds"] == 900
    assert claims.get(WANTED.fingerprint) == claimed.claim


def test_a_request_that_aws_would_refuse_claims_nothing(claims: RunClaims) -> None:
    wrong = replace(WANTED, defaults=replace(DEFAULTS, tags={"aws:mine": "1"}))
    with pytest.raises(BadInput, match="aws:mine"):
        claim_run(claims, wrong, launch_id="one", now=NOW)
    assert claims.get(wrong.fingerprint) is None


def test_another_launch_is_refused_and_counted_and_the_same_launch_again_is_not(claims: RunClaims) -> None:
    first = claim_run(claims, WANTED, launch_id="one", now=NOW)
    with pytest.raises(Duplicate):
        claim_run(claims, WANTED, launch_id="two", now=NOW)
    again = claim_run(claims, WANTED, launch_id="one", now=NOW + timedelta(seconds=3))
    assert again.request == first.request
    assert again.held is None
    present = claims.get(WANTED.fingerprint)
    assert present
    assert present.refused == 1


def test_a_claim_whose_job_sagemaker_never_had_is_released(claims: RunClaims) -> None:
    claimed = claim_run(claims, WANTED, launch_id="one", now=NOW)
    released = claims.settle_or_release(claimed.claim, claimed.held, "ResourceLimitExceeded: no quota")
    assert released.status == "FAILED"
    assert released.failure_reason == "not launched: ResourceLimitExceeded: no quota"
    assert claim_run(claims, WANTED, launch_id="two", now=NOW).claim.status == "CLAIMED"


@pytest.fixture
def stored(account: Any) -> StoredLaunch:
    s3, ssm = account.client("s3"), account.client("ssm")
    s3.create_bucket(Bucket="artefacts")
    text = (ROOT / "workloads/digit-reader/workload.toml").read_bytes()
    s3.put_object(Bucket="artefacts", Key="workloads/digit-reader/code/c0de/workload.toml", Body=text)
    s3.put_object(Bucket="artefacts", Key="workloads/other-reader/code/c0de/workload.toml", Body=text)
    s3.put_object(Bucket="artefacts", Key="workloads/digit-reader/code/bad/workload.toml", Body=b"name = 1")
    ssm.put_parameter(
        Name="/groundplan/local/workloads/digit-reader/launch",
        Type="String",
        Value='{"role_arn": "r", "image": "i", "artefacts": "s3://artefacts", "kms_key_arn": "k", '
        '"subnet_ids": [], "security_group_ids": [], "tags": {}}',
    )
    return store(account, image_runs=False)


def store(account: Any, *, image_runs: bool) -> StoredLaunch:
    parameters = "/groundplan/local/workloads/{workload}/launch"
    return StoredLaunch(
        account.client("ssm"), account.client("s3"), parameters=parameters, bucket="artefacts", image_runs=image_runs
    )


def test_the_workload_is_read_as_it_stood_when_its_code_was_stored(stored: StoredLaunch) -> None:
    assert stored.workload("digit-reader", INPUTS) == WANTED.workload
    assert stored.defaults("digit-reader").image == "i"


def test_where_images_run_one_must_be_pinned(stored: StoredLaunch, account: Any) -> None:
    assert stored.defaults("digit-reader").image_digest is None
    with pytest.raises(Refused, match="digit-reader has no image"):
        store(account, image_runs=True).defaults("digit-reader")


@pytest.mark.parametrize(
    ("name", "uri", "said"),
    [
        ("other-reader", INPUTS.code_uri, "below s3://artefacts/workloads/other-reader/code/"),
        ("other-reader", "s3://artefacts/workloads/other-reader/code/c0de", 'name: .digit-reader.*"other-reader"'),
        ("digit-reader", "s3://elsewhere/workloads/digit-reader/code/c0de", "below s3://artefacts"),
        ("digit-reader", "s3://artefacts/workloads/digit-reader/code/bad", "workload.toml"),
    ],
)
def test_code_that_is_not_the_workloads_is_refused(stored: StoredLaunch, name: str, uri: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        stored.workload(name, replace(INPUTS, code_uri=uri, prepare_uri=f"s3://artefacts/workloads/{name}/code/9e9a"))


def test_inputs_of_another_form_are_refused() -> None:
    with pytest.raises(BadInput, match="start it with: groundplan train"):
        inputs_of({"code": "x"})
