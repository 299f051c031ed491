"""SageMaker's own events, put on the default bus from inside: PutEvents refuses sources that begin with `aws.`"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from groundplan_local.joints import joint


def emit(account: str, region: str, detail_type: str, detail: Mapping[str, Any], resource: str) -> None:
    """One event of `aws.sagemaker` about the resource with this ARN."""
    entry = {
        "Source": "aws.sagemaker",
        "DetailType": detail_type,
        "Detail": json.dumps(detail),
        "Resources": [resource],
    }
    with joint("ministack.core.responses", "request_scope")(account, region):
        joint("ministack.services.eventbridge", "_put_events")({"Entries": [entry]}, allow_aws_source=True)


def milliseconds(time: datetime) -> str:
    """A time as SageMaker's events spell it: milliseconds since 1970, as a string."""
    return str(int(time.timestamp() * 1000))
