"""Lines of a log group reach a bucket of another account, by a subscription and Firehose, as their roles may."""

import gzip
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

OWNER = "666666666664"
PATTERN = '{ $.schema = "groundplan.meter/1" }'
METERED = json.dumps({"schema": "groundplan.meter/1", "request_id": "r1"})
PREFIX = "requests/arrived=!{timestamp:yyyy-MM-dd}/"
UNPACKED = [
    {"Type": "Decompression", "Parameters": [{"ParameterName": "CompressionFormat", "ParameterValue": "GZIP"}]},
    {
        "Type": "CloudWatchLogProcessing",
        "Parameters": [{"ParameterName": "DataMessageExtraction", "ParameterValue": "true"}],
    },
    {"Type": "AppendDelimiterToRecord", "Parameters": []},
]


@dataclass(frozen=True)
class Place:
    """A log group of one account whose lines go to a bucket of another."""

    logs: Any
    firehose: Any
    s3: Any
    name: str
    until: Callable[[Callable[[], Any]], Any]

    def write(self, *messages: str) -> None:
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": message} for message in messages]
        self.logs.put_log_events(logGroupName=self.name, logStreamName="one", logEvents=events)

    def objects(self) -> Mapping[str, bytes]:
        found = self.s3.list_objects_v2(Bucket=self.name).get("Contents", ())
        return {one["Key"]: self.s3.get_object(Bucket=self.name, Key=one["Key"])["Body"].read() for one in found}


@pytest.fixture
def place(embedded_aws: Any, account: str, unique: str, until: Any) -> Place:
    s3 = embedded_aws.client("s3", OWNER)
    s3.create_bucket(Bucket=unique)
    role = f"arn:aws:iam::{account}:role/{unique}"
    admitted = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": "s3:PutObject",
        "Resource": [f"arn:aws:s3:::{unique}/requests/*", f"arn:aws:s3:::{unique}/failed/*"],
        "Condition": {"ArnEquals": {"aws:PrincipalArn": role}},
    }
    s3.put_bucket_policy(Bucket=unique, Policy=json.dumps({"Version": "2012-10-17", "Statement": [admitted]}))
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    embedded_aws.client("iam", account).create_role(RoleName=unique, AssumeRolePolicyDocument=trust)
    firehose, logs = embedded_aws.client("firehose", account), embedded_aws.client("logs", account)
    stream = firehose.create_delivery_stream(
        DeliveryStreamName=unique,
        ExtendedS3DestinationConfiguration={
            "BucketARN": f"arn:aws:s3:::{unique}",
            "RoleARN": role,
            "Prefix": PREFIX,
            "ErrorOutputPrefix": "failed/!{firehose:error-output-type}/!{timestamp:yyyy-MM-dd}/",
            "CompressionFormat": "GZIP",
            "ProcessingConfiguration": {"Enabled": True, "Processors": UNPACKED},
        },
    )["DeliveryStreamARN"]
    logs.create_log_group(logGroupName=unique)
    logs.create_log_stream(logGroupName=unique, logStreamName="one")
    logs.put_subscription_filter(
        logGroupName=unique, filterName="meter", filterPattern=PATTERN, destinationArn=stream, roleArn=role
    )
    return Place(logs, firehose, s3, unique, until)


def test_lines_that_fit_the_pattern_arrive_as_lines_of_a_compressed_object(place: Place) -> None:
    other = METERED.replace("r1", "r2")
    place.write("START", METERED, '{"schema": "groundplan.feedback/1"}', '["groundplan.meter/1"]', other, "{")
    [(key, body)] = place.until(place.objects).items()
    assert re.fullmatch(r"requests/arrived=\d{4}-\d\d-\d\d/.+\.gz", key)
    assert gzip.decompress(body).decode() == f"{METERED}\n{other}\n"


def test_a_bucket_whose_policy_admits_somebody_else_gets_nothing(place: Place) -> None:
    policy = json.loads(place.s3.get_bucket_policy(Bucket=place.name)["Policy"])
    place.s3.put_bucket_policy(Bucket=place.name, Policy=json.dumps(policy).replace("role/", "role/other-"))
    packed = gzip.compress(json.dumps({"messageType": "DATA_MESSAGE", "logEvents": [{"message": "m"}]}).encode())
    # It is taken, as on AWS, and by the time of the answer it was delivered, or refused.
    place.firehose.put_record(DeliveryStreamName=place.name, Record={"Data": packed})
    assert place.objects() == {}
    place.s3.put_bucket_policy(Bucket=place.name, Policy=json.dumps(policy))
    place.firehose.put_record(DeliveryStreamName=place.name, Record={"Data": packed})
    assert len(place.objects()) == 1


def test_what_logs_did_not_pack_is_put_aside_with_the_reason(place: Place) -> None:
    place.firehose.put_record(DeliveryStreamName=place.name, Record={"Data": b"no gzip"})
    [(key, body)] = place.objects().items()
    assert key.startswith("failed/decompression-failed/")
    assert json.loads(body)["rawData"] == "bm8gZ3ppcA=="


def test_a_control_message_makes_no_object(place: Place) -> None:
    asks = {"messageType": "CONTROL_MESSAGE", "logEvents": [{"message": "CWL CONTROL MESSAGE"}]}
    packed = gzip.compress(json.dumps(asks).encode())
    place.firehose.put_record(DeliveryStreamName=place.name, Record={"Data": packed})
    assert place.objects() == {}
