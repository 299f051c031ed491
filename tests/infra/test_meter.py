"""The meter's way from the gateway's log to the data account: which lines, by whom, where to, and what rings."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from test_gateway_stack import only

from groundplan.gateway.meter import Metered
from groundplan.gateway.meter_table import COLUMNS
from groundplan_gateway.telemetry import metered

ROOT = Path(__file__).parents[2]
OBJECTS = {"s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"}
WHOLE_BUCKET = {"s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"}


def only_in(assembly: Any, stack: str, kind: str) -> Mapping[str, Any]:
    [found] = [one["Properties"] for where, _, one in assembly.resources(kind) if where == stack]
    return found


def destination(assembly: Any) -> Mapping[str, Any]:
    return only(assembly, "AWS::KinesisFirehose::DeliveryStream")["ExtendedS3DestinationConfiguration"]


def by_sid(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {one["Sid"]: one for one in document["Statement"] if "Sid" in one}


def actions(statement: Mapping[str, Any]) -> set[str]:
    said = statement["Action"]
    return {said} if isinstance(said, str) else set(said)


def test_the_meters_lines_are_carried_and_no_others(assembly: Any) -> None:
    line = metered(Metered(request_id="r", time="t", operation="chat", status=200), "shop")
    subscription = only(assembly, "AWS::Logs::SubscriptionFilter")
    assert subscription["FilterPattern"] == f'{{ $.schema = "{line["schema"]}" }}'
    function = only(assembly, "AWS::Lambda::Function")
    assert subscription["LogGroupName"] == function["LoggingConfig"]["LogGroup"]


def test_the_stream_is_encrypted_and_its_objects_are_lines_by_the_day_of_arrival(assembly: Any) -> None:
    stream, to = only(assembly, "AWS::KinesisFirehose::DeliveryStream"), destination(assembly)
    sealed = stream["DeliveryStreamEncryptionConfigurationInput"]
    assert sealed["KeyType"] == "CUSTOMER_MANAGED_CMK"
    assert sealed["KeyARN"] == only(assembly, "AWS::DynamoDB::Table")["SSESpecification"]["KMSMasterKeyId"]
    kinds = [one["Type"] for one in to["ProcessingConfiguration"]["Processors"]]
    assert kinds == ["Decompression", "CloudWatchLogProcessing", "AppendDelimiterToRecord"]
    assert to["BucketARN"].endswith(f":s3:::{assembly.names.meter_bucket()}")
    assert to["Prefix"] == "requests/arrived=!{timestamp:yyyy-MM-dd}/"
    assert to["ErrorOutputPrefix"].startswith("failed/!{firehose:error-output-type}/")
    assert to["CloudWatchLoggingOptions"]["Enabled"] is True
    assert "EncryptionConfiguration" not in to  # so that the bucket's own key is used


def test_the_table_reads_where_the_stream_writes(assembly: Any) -> None:
    table = only_in(assembly, "Meter", "AWS::Glue::Table")["TableInput"]
    place = f"s3://{assembly.names.meter_bucket()}/"
    written = destination(assembly)["Prefix"].replace("!{timestamp:yyyy-MM-dd}", "${arrived}")
    assert table["Parameters"]["storage.location.template"] == place + written
    assert table["Parameters"]["projection.arrived.format"] == "yyyy-MM-dd"
    columns = {one["Name"]: one["Type"] for one in table["StorageDescriptor"]["Columns"]}
    assert columns == COLUMNS
    assert columns["usd"] == "string"  # a binary fraction would be no sum


def test_the_writer_reaches_its_two_prefixes_and_its_key_through_s3_and_nothing_else(assembly: Any) -> None:
    names, environment = assembly.names, assembly.environment
    role = only(assembly, "AWS::IAM::Role", "MeterDelivery")
    assert role["RoleName"] == names.meter()
    [trust] = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "firehose.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"sts:ExternalId": environment.accounts.application}}
    own = by_sid(only(assembly, "AWS::IAM::ManagedPolicy", "MeterDelivery")["PolicyDocument"])
    assert set(own) == {"WriteLines", "FindBucket", "UseBucketsKey", "TellErrors"}
    assert own["UseBucketsKey"]["Condition"]["StringEquals"] == {
        "kms:ViaService": f"s3.{environment.region}.amazonaws.com"
    }
    bucket = f":s3:::{names.meter_bucket()}"
    for arn in own["WriteLines"]["Resource"]:
        assert arn.partition(bucket)[2] in ("/requests/*", "/failed/*")
    assert own["FindBucket"]["Resource"].endswith(bucket)


def test_the_bucket_and_the_lakes_key_admit_that_role_and_nobody_else(assembly: Any) -> None:
    names, accounts = assembly.names, assembly.environment.accounts
    writer = {"ArnEquals": {"aws:PrincipalArn": names.roles(accounts.application, names.meter())}}
    policy = by_sid(only_in(assembly, "Meter", "AWS::S3::BucketPolicy")["PolicyDocument"])
    admitted = {sid: one for sid, one in policy.items() if one["Effect"] == "Allow"}
    assert {sid: actions(one) for sid, one in admitted.items()} == {"WriteLines": OBJECTS, "FindBucket": WHOLE_BUCKET}
    for one in admitted.values():
        assert one["Condition"] == writer
        assert f":iam::{accounts.application}:root" in json.dumps(one["Principal"])
    key = by_sid(only_in(assembly, "DataLake", "AWS::KMS::Key")["KeyPolicy"])["MeterEncrypts"]
    assert actions(key) == {"kms:Decrypt", "kms:GenerateDataKey"}
    assert key["Condition"]["ArnEquals"] == writer["ArnEquals"]
    assert key["Condition"]["StringEquals"]["kms:ViaService"].startswith("s3.")
    context = key["Condition"]["ArnLike"]["kms:EncryptionContext:aws:s3:arn"]
    assert all(names.meter_bucket() in arn for arn in context)


def test_logs_may_put_into_the_one_stream(assembly: Any) -> None:
    role = only(assembly, "AWS::IAM::Role", "MeterLines")
    [trust] = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "logs.amazonaws.com"}
    account = assembly.environment.accounts.application
    assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": account}
    assert trust["Condition"]["ArnLike"]["aws:SourceArn"].endswith(f":{account}:*")
    [allowed] = only(assembly, "AWS::IAM::ManagedPolicy", "MeterLines")["PolicyDocument"]["Statement"]
    assert actions(allowed) == {"firehose:PutRecord", "firehose:PutRecordBatch"}
    assert allowed["Resource"] == only(assembly, "AWS::Logs::SubscriptionFilter")["DestinationArn"]


@pytest.mark.parametrize("name", ["late", "lost"])
def test_a_meter_that_stops_rings_and_one_of_nothing_does_not(assembly: Any, name: str) -> None:
    [alarm] = [
        one["Properties"]
        for _, _, one in assembly.resources("AWS::CloudWatch::Alarm")
        if one["Properties"].get("AlarmName") == f"{assembly.names.meter()}-{name}"
    ]
    assert "Spend-application" in json.dumps(alarm["AlarmActions"])
    assert alarm["TreatMissingData"] == "notBreaching"
    assert f"`…-meter-{name}`" in (ROOT / "docs/runbooks/gateway.md").read_text()
    if name == "late":
        seconds = destination(assembly)["BufferingHints"]["IntervalInSeconds"]
        assert alarm["MetricName"] == "DeliveryToS3.DataFreshness"
        assert alarm["Threshold"] > 2 * seconds
        return
    measured = {one["Id"]: one["MetricStat"]["Metric"] for one in alarm["Metrics"] if "MetricStat" in one}
    assert {known: one["MetricName"] for known, one in measured.items()} == {
        "written": "requests",
        "forwarded": "ForwardedLogEvents",
        "refused": "DeliveryErrors",
        "unreadable": "OutputDecompressedRecords.Failed",
    }
    subscription = only(assembly, "AWS::Logs::SubscriptionFilter")
    for known in ("forwarded", "refused"):
        said = {one["Name"]: one["Value"] for one in measured[known]["Dimensions"]}
        assert said["FilterName"] == subscription["FilterName"]
        assert said["LogGroupName"] == subscription["LogGroupName"]
    [expression] = [one["Expression"] for one in alarm["Metrics"] if "Expression" in one]
    assert rings(expression, written=7, forwarded=0, refused=0, unreadable=0)
    assert rings(expression, written=0, forwarded=0, refused=2, unreadable=0)
    assert rings(expression, written=9, forwarded=9, refused=0, unreadable=1)
    assert not rings(expression, written=0, forwarded=0, refused=0, unreadable=0)
    assert not rings(expression, written=9, forwarded=8, refused=0, unreadable=0)  # the last one is on its way


def rings(expression: str, **values: int) -> bool:
    """CloudWatch's expression, with these values in an hour."""
    said = expression.replace(" AND ", " and ")
    functions = {"IF": lambda asked, one, other: one if asked else other, "FILL": lambda value, _: value}
    return eval(said, functions, values) > 0  # noqa: S307 - the template's own
