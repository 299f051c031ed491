"""A hundred launches of one run at the same moment, against a DynamoDB over the wire."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import pytest
from boto3.session import Session

from groundplan.claim import Duplicate, Launch
from groundplan.run_cost import Cost
from groundplan_runtime.integrations.run_claims import RunClaims
from groundplan_runtime.integrations.sagemaker import SageMaker

AT_ONCE = 100


@pytest.fixture
def table(embedded_aws: Any, account: str) -> Any:
    dynamodb: Any = Session().resource(
        "dynamodb",
        region_name="us-east-1",
        endpoint_url=embedded_aws.endpoint_url,
        aws_access_key_id=account,
        aws_secret_access_key="embedded",
    )
    return dynamodb.create_table(
        TableName="claims",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "node", "KeyType": "HASH"}, {"AttributeName": "relation", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("node", "relation")],
    )


@pytest.mark.parametrize("failed_before", [False, True], ids=["never done", "failed before"])
def test_of_a_hundred_launches_at_once_one_wins(
    embedded_aws: Any, account: str, table: Any, failed_before: bool
) -> None:
    claims = RunClaims(table, SageMaker(embedded_aws.client("sagemaker", account)), lambda _: Cost(None, ""))
    if failed_before:
        claim, held = claims.take(wish(-1), datetime.now(UTC))
        claims.release(claim, held, "no quota")
    together = Barrier(AT_ONCE)

    def launch(number: int) -> bool:
        together.wait()
        try:
            claims.take(wish(number), datetime.now(UTC))
        except Duplicate:
            return False
        return True

    with ThreadPoolExecutor(AT_ONCE) as threads:
        won = [number for number, one in enumerate(threads.map(launch, range(AT_ONCE))) if one]
    assert len(won) == 1
    held = claims.get("f" * 64)
    assert held
    assert held.launch_id == str(won[0])
    assert held.refused == AT_ONCE - 1, "each refused duplicate is counted"


def wish(number: int) -> Launch:
    return Launch(
        fingerprint="f" * 64,
        workload="digit-reader",
        environment="local",
        launch_id=str(number),
        training_job_name=f"job-{number}",
        seconds=60,
    )
