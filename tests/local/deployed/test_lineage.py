"""Events that are withheld, malformed, foreign or repeated: one record, and never a lost one."""

import json
import uuid
from collections.abc import Generator
from typing import Any

import pytest

FUNCTIONS = ("Record", "Sweep")


@pytest.fixture
def functions(deployed: Any) -> dict[str, str]:
    """`Record` and `Sweep` to the names of their functions."""
    found = deployed.client("cloudformation").describe_stack_resources(StackName="groundplan-local-Lineage")
    names = {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for resource in found["StackResources"]
        if resource["ResourceType"] == "AWS::Lambda::Function"
    }
    return {kind: next(name for key, name in names.items() if key.startswith(kind)) for kind in FUNCTIONS}


@pytest.fixture
def withheld(deployed: Any) -> Generator[None]:
    """While this lasts, no event of a training job reaches the functions."""
    events = deployed.client("events")
    [rule] = [
        rule["Name"] for rule in events.list_rules()["Rules"] if "Training Job State" in rule.get("EventPattern", "")
    ]
    events.disable_rule(Name=rule)
    yield
    events.enable_rule(Name=rule)


def invoke(deployed: Any, function: str, event: Any, *, waits: bool = True) -> Any:
    answer = deployed.client("lambda").invoke(
        FunctionName=function,
        InvocationType="RequestResponse" if waits else "Event",
        Payload=json.dumps(event).encode(),
    )
    return json.loads(answer["Payload"].read() or b"null") if waits else None


def state_change(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "SageMaker Training Job State Change",
        "source": "aws.sagemaker",
        "account": "222222222222",
        "time": "2026-11-20T12:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": {"TrainingJobName": name, "TrainingJobStatus": "Completed"},
        **changes,
    }


def items(deployed: Any) -> list[Any]:
    """Everything in the table, in one order."""
    found = deployed.client("dynamodb").scan(TableName="groundplan-local-lineage", ConsistentRead=True)["Items"]
    return sorted(found, key=lambda item: json.dumps(item, sort_keys=True))


def stored_events(deployed: Any) -> dict[str, str]:
    pages = (
        deployed.client("s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=deployed.accounts.names.events_bucket())
    )
    return {entry["Key"]: entry["ETag"] for page in pages for entry in page.get("Contents", [])}


def job_name(deployed: Any) -> str:
    """The job of the demo."""
    jobs = deployed.client("sagemaker").list_training_jobs(SortBy="CreationTime", SortOrder="Ascending")
    return str(jobs["TrainingJobSummaries"][0]["TrainingJobName"])


@pytest.mark.usefixtures("withheld")
def test_a_withheld_event_is_found_and_recorded_by_the_sweep(deployed: Any, functions: dict[str, str]) -> None:
    trained = deployed.run("train", "digit-reader", "-e", "local", "--force", "--reason", "no event", "--json")
    [job] = json.loads(trained.stdout)["training_jobs"]
    name = job["training_job_name"]
    assert job["claim"]["status"] == "RUNNING", "nobody told the claim how it ended"
    assert deployed.run("lineage", name, "-e", "local").returncode == 2
    swept = invoke(deployed, functions["Sweep"], {})
    assert swept["recorded"] >= 1, swept
    found = deployed.run("lineage", name, "-e", "local", "--json")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["runs"][0]["status"] == "Completed"
    dynamodb = deployed.client("dynamodb")
    key = {"node": {"S": f"claim/{job['claim']['fingerprint']}"}, "relation": {"S": "CLAIM"}}
    claim = dynamodb.get_item(TableName="groundplan-local-lineage", Key=key, ConsistentRead=True)["Item"]
    assert (claim["status"]["S"], claim["succeeded_job"]["S"]) == ("SUCCEEDED", name)
    assert invoke(deployed, functions["Sweep"], {})["recorded"] == 0


def test_an_event_told_again_late_and_in_the_wrong_order_changes_nothing(
    deployed: Any, functions: dict[str, str]
) -> None:
    invoke(deployed, functions["Sweep"], {})
    name, before, stored = job_name(deployed), items(deployed), stored_events(deployed)
    for status in ("Completed", "InProgress", "Completed"):
        event = state_change(name, detail={"TrainingJobName": name, "TrainingJobStatus": status})
        assert "errorMessage" not in invoke(deployed, functions["Record"], event)
    assert items(deployed) == before
    assert stored_events(deployed) == stored


@pytest.mark.parametrize("change", [{"account": "333333333333"}, {"region": "eu-west-1"}, {"source": "my.own"}])
def test_a_foreign_event_has_no_effect(deployed: Any, functions: dict[str, str], change: dict[str, str]) -> None:
    before = items(deployed)
    answer = invoke(deployed, functions["Record"], state_change(job_name(deployed), **change))
    assert answer["recorded"] == 0
    assert items(deployed) == before


def test_malformed_events_land_in_the_dead_letter_queue_with_nothing_recorded(
    deployed: Any, functions: dict[str, str], until: Any
) -> None:
    before = items(deployed)
    sqs = deployed.client("sqs")
    [queue] = sqs.list_queues(QueueNamePrefix="groundplan-local-Lineage")["QueueUrls"]
    malformed = (
        {},
        state_change("x", detail=None),
        state_change("x", detail={"TrainingJobName": 7}),
        state_change("no-such-job"),
        state_change("../../etc"),
        state_change("x", **{"detail-type": "SageMaker Something Else"}),
    )
    missing = {str(uuid.uuid4()): event for event in malformed}
    for mark, event in missing.items():
        invoke(deployed, functions["Record"], event | {"mark": mark}, waits=False)

    def all_there() -> bool:
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            missing.pop(json.loads(message["Body"]).get("mark"), None)
        return not missing

    until(all_there, "every event in the dead-letter queue")
    assert items(deployed) == before
