"""An event is never lost: what a function cannot handle is retried and then lies where the function says."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ACCOUNT = "666666666663"
COUNTS_AND_FAILS = """
import boto3, os
def handler(event, context):
    boto3.client("sqs").send_message(QueueUrl=os.environ["COUNTER"], MessageBody="tried")
    raise KeyError(event["detail"]["word"] if "detail" in event else "direct")
"""


def arn(service: str, name: str) -> str:
    return f"arn:aws:{service}:us-east-1:{ACCOUNT}:{name}"


@pytest.fixture
def queue(embedded_aws: Any, unique: str) -> Callable[[str], str]:
    """Makes a queue; returns its URL. Its name is the unique name and the one given."""
    sqs = embedded_aws.client("sqs", ACCOUNT)
    return lambda name: sqs.create_queue(QueueName=f"{unique}-{name}")["QueueUrl"]


@pytest.fixture
def message(embedded_aws: Any, until: Any) -> Callable[[str], dict[str, Any]]:
    """Waits for a message of a queue and takes it."""
    sqs = embedded_aws.client("sqs", ACCOUNT)

    def take(url: str) -> dict[str, Any]:
        found = until(lambda: sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages"))
        sqs.delete_message(QueueUrl=url, ReceiptHandle=found[0]["ReceiptHandle"])
        return found[0]

    return take


def waiting(embedded_aws: Any, url: str) -> int:
    attributes = embedded_aws.client("sqs", ACCOUNT).get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]
    return int(attributes["ApproximateNumberOfMessages"])


def make_function(embedded_aws: Any, name: str, source: str, **settings: Any) -> str:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr(zipfile.ZipInfo("index.py"), source)  # the same bytes at any hour
    return embedded_aws.client("lambda", ACCOUNT).create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="index.handler",
        Role=f"arn:aws:iam::{ACCOUNT}:role/Function",
        Code={"ZipFile": archive.getvalue()},
        **settings,
    )["FunctionArn"]


def test_an_event_that_a_function_cannot_handle_is_tried_thrice_and_kept(
    embedded_aws: Any, queue: Any, message: Any, unique: str
) -> None:
    counter, dead = queue("counter"), queue("dead")
    function = make_function(
        embedded_aws,
        unique,
        COUNTS_AND_FAILS,
        DeadLetterConfig={"TargetArn": arn("sqs", f"{unique}-dead")},
        Environment={"Variables": {"COUNTER": counter}},
    )
    events = embedded_aws.client("events", ACCOUNT)
    events.put_rule(Name=unique, EventPattern=json.dumps({"source": [unique]}))
    events.put_targets(Rule=unique, Targets=[{"Id": "1", "Arn": function}])
    events.put_events(Entries=[{"Source": unique, "DetailType": "word", "Detail": json.dumps({"word": "kept"})}])
    letter = message(dead)
    assert json.loads(letter["Body"])["detail"] == {"word": "kept"}
    assert "kept" in letter["MessageAttributes"]["ErrorMessage"]["StringValue"]
    assert waiting(embedded_aws, counter) == 3


def test_the_destination_of_failures_learns_of_the_event_and_the_error(
    embedded_aws: Any, queue: Any, message: Any, unique: str
) -> None:
    counter, failures = queue("counter"), queue("failures")
    make_function(embedded_aws, unique, COUNTS_AND_FAILS, Environment={"Variables": {"COUNTER": counter}})
    functions = embedded_aws.client("lambda", ACCOUNT)
    functions.put_function_event_invoke_config(
        FunctionName=unique,
        Qualifier="$LATEST",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": arn("sqs", f"{unique}-failures")}},
    )
    functions.invoke(FunctionName=unique, InvocationType="Event", Payload=b'{"a": 1}')
    record = json.loads(message(failures)["Body"])
    assert record["requestPayload"] == {"a": 1}
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["responsePayload"]["errorType"] == "KeyError"
    assert waiting(embedded_aws, counter) == 1


def test_an_event_whose_target_is_gone_lies_in_the_targets_queue(
    embedded_aws: Any, queue: Any, message: Any, unique: str
) -> None:
    dead = queue("dead")
    events = embedded_aws.client("events", ACCOUNT)
    events.put_rule(Name=unique, EventPattern=json.dumps({"source": [unique]}))
    target = {
        "Id": "1",
        "Arn": arn("lambda", f"function:{unique}"),
        "DeadLetterConfig": {"Arn": arn("sqs", f"{unique}-dead")},
    }
    events.put_targets(Rule=unique, Targets=[target])
    events.put_events(Entries=[{"Source": unique, "DetailType": "word", "Detail": "{}"}])
    letter = message(dead)
    assert json.loads(letter["Body"])["source"] == unique
    assert letter["MessageAttributes"]["TARGET_ARN"]["StringValue"] == target["Arn"]


def test_the_error_of_a_function_has_its_exceptions_name(embedded_aws: Any, unique: str) -> None:
    make_function(embedded_aws, unique, "def handler(event, context):\n    raise LookupError('nothing')\n")
    answer = embedded_aws.client("lambda", ACCOUNT).invoke(FunctionName=unique)
    assert json.loads(answer["Payload"].read())["errorType"] == "LookupError"


def test_a_letter_in_a_watched_queue_raises_its_alarm_and_no_other(
    embedded_aws: Any, queue: Any, message: Any, until: Any, unique: str
) -> None:
    cloudwatch, sns, sqs = (embedded_aws.client(service, ACCOUNT) for service in ("cloudwatch", "sns", "sqs"))
    heard, dead = queue("heard"), queue("dead")
    queue("quiet")
    topic = sns.create_topic(Name=unique)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn("sqs", f"{unique}-heard"))
    for name in ("dead", "quiet"):
        cloudwatch.put_metric_alarm(
            AlarmName=f"{unique}-{name}",
            Namespace="AWS/SQS",
            MetricName="ApproximateNumberOfMessagesVisible",
            Dimensions=[{"Name": "QueueName", "Value": f"{unique}-{name}"}],
            Statistic="Maximum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            AlarmActions=[topic],
        )

    def states() -> list[str]:
        alarms = cloudwatch.describe_alarms(AlarmNamePrefix=unique)["MetricAlarms"]
        return [alarm["StateValue"] for alarm in sorted(alarms, key=lambda alarm: alarm["AlarmName"])]

    until(lambda: states() == ["OK", "OK"])
    sqs.send_message(QueueUrl=dead, MessageBody="lost")
    note = json.loads(json.loads(message(heard)["Body"])["Message"])
    assert (note["AlarmName"], note["NewStateValue"]) == (f"{unique}-dead", "ALARM")
    assert states() == ["ALARM", "OK"]
    sqs.purge_queue(QueueUrl=dead)
    until(lambda: states() == ["OK", "OK"])


def test_functions_of_the_same_code_read_one_unpacked_folder(embedded_aws: Any) -> None:
    source = (
        "import os\n"
        "def handler(event, context):\n"
        "    return {'folder': os.path.realpath(os.environ['LAMBDA_TASK_ROOT']), 'process': os.getpid()}\n"
    )
    told: list[Any] = []
    for name, code in (("reads", source), ("reads-the-same", source), ("reads-another", f"# another\n{source}")):
        make_function(embedded_aws, name, code)
        answer = embedded_aws.client("lambda", ACCOUNT).invoke(FunctionName=name, Payload=b"{}")
        told.append(json.loads(answer["Payload"].read()))
    assert len({one["process"] for one in told}) == 3
    assert told[0]["folder"] == told[1]["folder"] != told[2]["folder"]
    assert Path(told[0]["folder"]).is_relative_to(embedded_aws.state / "tmp" / "functions")


def test_letters_to_a_function_that_runs_once_at_a_time_wait_for_one_another(embedded_aws: Any, until: Any) -> None:
    queue = embedded_aws.client("sqs", ACCOUNT).create_queue(QueueName="read-letters")["QueueUrl"]
    source = (
        "import time, boto3\n"
        "def handler(event, context):\n"
        "    time.sleep(0.8)\n"  # longer than a failure would be tried again
        "    boto3.client('sqs').send_message(\n"
        f"        QueueUrl={queue!r}, MessageBody=event['Records'][0]['Sns']['Message'])\n"
    )
    reader = make_function(embedded_aws, "reads-letters", source)
    embedded_aws.client("lambda", ACCOUNT).put_function_concurrency(
        FunctionName="reads-letters", ReservedConcurrentExecutions=1
    )
    sns = embedded_aws.client("sns", ACCOUNT)
    topic = sns.create_topic(Name="letters")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=reader)
    for number in range(3):
        sns.publish(TopicArn=topic, Message=f"letter {number}")
    until(lambda: waiting(embedded_aws, queue) == 3)
