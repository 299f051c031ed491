"""Subscriptions of log groups that end in Amazon Data Firehose, and what it makes of them on their way to S3.

ministack keeps such subscriptions and delivers nothing; its Firehose neither unpacks what CloudWatch Logs sends, nor
compresses, and writes into the stream's own account alone. Here Logs and Firehose act by the roles that they were
given, so the policy of a bucket in another account decides. Nothing is kept back: AWS collects for minutes.
https://docs.aws.amazon.com/firehose/latest/dev/writing-with-cloudwatch-logs.html
"""

import base64
import gzip
import json
import logging
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from groundplan_local.connections import assume_role, connect_with
from groundplan_local.joints import account_and_region, joint, mend

LOGS = "ministack.services.cloudwatch_logs"
FIREHOSE = "ministack.services.firehose"
EQUALS = re.compile(r'\{\s*\$\.(\w+)\s*=\s*"([^"*]*)"\s*\}')  # the one kind of JSON pattern that is judged as such
Events = Sequence[Mapping[str, Any]]
Subscription = Mapping[str, str]

logger = logging.getLogger(__name__)


def install() -> None:
    """Let subscriptions deliver to Firehose, too, and Firehose as its streams say."""
    to_functions = joint(LOGS, "_fanout_to_subscription_filters")
    terms, as_it_is = joint(LOGS, "_subscription_pattern_matches"), joint(FIREHOSE, "_deliver_records_to_s3")

    def fan_out(group_name: str, stream_name: str, events: Events) -> None:
        to_functions(group_name, stream_name, events)
        _to_streams(group_name, stream_name, events)

    def deliver(stream: Mapping[str, Any], dest: Mapping[str, Any], records: Sequence[tuple[str, bytes]]) -> None:
        if "Decompression" not in _processors(dest["config"]):
            as_it_is(stream, dest, records)
        for _, record in records if "Decompression" in _processors(dest["config"]) else ():
            _deliver(stream, dest["config"], record)

    mend(LOGS, "_fanout_to_subscription_filters", fan_out)
    mend(LOGS, "_subscription_pattern_matches", _matching(terms))
    mend(FIREHOSE, "_deliver_records_to_s3", deliver)


def _matching(terms: Callable[[str, str], bool]) -> Callable[[str, str], bool]:
    def matches(pattern: str, message: str) -> bool:
        if not (asked := EQUALS.fullmatch((pattern or "").strip())):
            return terms(pattern, message)
        try:
            line: Mapping[str, Any] = json.loads(message)
            return line[asked[1]] == asked[2]
        except (ValueError, TypeError, KeyError):  # no JSON, no object, or without the field
            return False

    return matches


def _to_streams(group_name: str, stream_name: str, events: Events) -> None:
    group: Mapping[str, Mapping[str, Subscription]] = joint(LOGS, "_log_groups").get(group_name) or {}
    matches = joint(LOGS, "_subscription_pattern_matches")
    account, region = account_and_region()
    for subscription in group.get("subscriptionFilters", {}).values():
        matched = [one for one in events if matches(subscription["filterPattern"], one.get("message", ""))]
        if ":deliverystream/" in subscription["destinationArn"] and matched:
            sent: dict[str, Any] = {
                "messageType": "DATA_MESSAGE",
                "owner": account,
                "logGroup": group_name,
                "logStream": stream_name,
                "subscriptionFilters": [subscription["filterName"]],
                "logEvents": [
                    {"id": uuid.uuid4().hex, "timestamp": one["timestamp"], "message": one["message"]}
                    for one in matched
                ],
            }
            threading.Thread(target=_put, args=(subscription, sent, region), name="subscription", daemon=True).start()


def _put(subscription: Subscription, sent: Mapping[str, Any], region: str) -> None:
    try:
        firehose = connect_with(assume_role(subscription["roleArn"], "CloudWatchLogs", region), "firehose", region)
        firehose.put_record(
            DeliveryStreamName=subscription["destinationArn"].rpartition("/")[2],
            Record={"Data": gzip.compress(json.dumps(sent).encode())},
        )
    except Exception:
        logger.exception("%s: %d lines are lost", subscription["filterName"], len(sent["logEvents"]))


def _processors(config: Mapping[str, Any]) -> list[str]:
    processing: Mapping[str, Any] = config.get("ProcessingConfiguration") or {}
    enabled = str(processing.get("Enabled", False)).lower() == "true"
    return [one["Type"] for one in processing.get("Processors") or ()] if enabled else []


def _deliver(stream: Mapping[str, Any], config: Mapping[str, Any], record: bytes) -> None:
    """One record of Logs, of many lines, as one object."""
    evaluate, now = joint(FIREHOSE, "_evaluate_prefix"), time.gmtime()
    try:
        lines = b"".join(_unpacked(_processors(config), record))
        prefix, zipped = evaluate(config.get("Prefix", ""), now), config.get("CompressionFormat") == "GZIP"
    except (OSError, ValueError, KeyError) as error:
        raw = base64.b64encode(record).decode()
        lines = json.dumps({"attemptsMade": 1, "ErrorMessage": str(error), "rawData": raw}).encode() + b"\n"
        prefix, zipped = evaluate(config.get("ErrorOutputPrefix", ""), now, error_type="decompression-failed"), False
    if not lines:  # a message that only asks whether anybody listens
        return
    key = f"{prefix}{stream['name']}-1-{time.strftime('%Y-%m-%d-%H-%M-%S', now)}-{uuid.uuid4()}"
    region = account_and_region()[1]
    try:
        connect_with(assume_role(config["RoleARN"], "Firehose", region), "s3", region).put_object(
            Bucket=config["BucketARN"].rpartition(":")[2],
            Key=f"{key}.gz" if zipped else key,
            Body=gzip.compress(lines) if zipped else lines,
        )
    except Exception:
        logger.exception("%s: an object is lost", stream["name"])


def _unpacked(processors: Sequence[str], record: bytes) -> Iterator[bytes]:
    content = gzip.decompress(record)
    if "CloudWatchLogProcessing" not in processors:
        yield content
        return
    sent = json.loads(content)
    for event in sent["logEvents"] if sent["messageType"] == "DATA_MESSAGE" else ():
        yield event["message"].encode() + (b"\n" if "AppendDelimiterToRecord" in processors else b"")
