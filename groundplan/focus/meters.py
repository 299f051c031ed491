"""By which price of the price files a line of a bill is charged, as far as its meter tells.

AWS's meters are its usage types, such as `USE1-Host:ml.m5.large`:
https://docs.aws.amazon.com/cur/latest/userguide/Lineitem-columns.html (lineItem/UsageType)
"""

import re

_SAGEMAKER = {
    "host": "hosting",
    "hosting": "hosting",
    "endpoint": "hosting",
    "train": "training",
    "training": "training",
    "spottrain": "training",
    "spottraining": "training",
    "processing": "processing",
    "notebk": "notebook",
    "notebook": "notebook",
}
_MACHINE = re.compile(r"(?:^|[-:])(?P<use>[A-Za-z]+):(?P<type>ml\.[a-z0-9-]+\.[a-z0-9]+)$")
_OTHERS = (
    (re.compile(r"Lambda-GB-Second-ARM$"), "lambda/duration/arm", "lambda"),
    (re.compile(r"Lambda-GB-Second$"), "lambda/duration/x86", "lambda"),
    (re.compile(r"(?:^|-)Request(?:-ARM)?$"), "lambda/request", "lambda requests"),
    (re.compile(r"KMS-Keys$"), "kms/key", "kms keys"),
    (re.compile(r"KMS-Requests$"), "kms/request", "kms requests"),
    (re.compile(r"TimedStorage-ByteHrs$"), "s3/standard/storage", "s3 storage"),
    (re.compile(r"VpcEndpoint-Hours$"), "vpc/interface_endpoint/hour", "vpc endpoints"),
    (re.compile(r"VpcEndpoint-Bytes$"), "vpc/interface_endpoint/data", "vpc endpoint data"),
    (re.compile(r"NatGateway-Hours$"), "nat_gateway/hour", "nat gateways"),
    (re.compile(r"NatGateway-Bytes$"), "nat_gateway/data", "nat gateway data"),
    (re.compile(r"CW:AlarmMonitorUsage$"), "cloudwatch/alarm/standard", "alarms"),
)
_FAMILIES = {key: family for _, key, family in _OTHERS}


def price_key(meter: str | None) -> str | None:
    """The key of the price, None for a meter that is not known here."""
    if not meter:
        return None
    if found := _MACHINE.search(meter):
        use = _SAGEMAKER.get(found["use"].lower())
        return use and f"sagemaker/{use}/{found['type']}"
    return next((key for pattern, key, _ in _OTHERS if pattern.search(meter)), None)


def family(key: str) -> str:
    """What can be added up: hours of machines of one use, requests of one service."""
    parts = key.split("/")
    if parts[0] == "sagemaker" and len(parts) == 3:
        return f"sagemaker {parts[1]}"
    return _FAMILIES.get(key, key)


def counts_tokens(unit: str | None) -> int:
    """How many tokens one of a unit is; 0 where it counts something else."""
    text = (unit or "").lower()
    if "token" not in text:
        return 0
    if "million" in text or re.match(r"1m\b", text):
        return 1_000_000
    return 1000 if re.match(r"(?:1k|1,?000|thousand)\b", text) else 1
