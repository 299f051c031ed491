"""A custom resource of CloudFormation: Bedrock keeps what models are asked and answer in the bucket that is named.

Nothing of it is logged by the function. Deleting the resource turns nothing off: what is logged stays logged.
The contract: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html
"""

import json
from collections.abc import Mapping
from functools import cache
from http.client import HTTPConnection, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@cache
def _bedrock() -> Any:
    api: Any = boto3
    return api.client("bedrock")


@logger.inject_lambda_context
def handler(event: Mapping[str, Any], context: LambdaContext) -> None:
    """Do what is asked, and tell CloudFormation how it went; it waits for an hour where nothing is told."""
    status, reason = "SUCCESS", ""
    try:
        if event["RequestType"] != "Delete":
            _log_to(event["ResourceProperties"]["Bucket"])
    except Exception as error:  # whatever it is, CloudFormation must hear of it
        logger.exception("not turned on")
        status, reason = "FAILED", f"{type(error).__name__}: {error}"[:1000]
    answer = {
        "Status": status,
        "Reason": reason or f"see {context.log_stream_name}",
        "PhysicalResourceId": "invocation-logging",
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    _tell(event["ResponseURL"], json.dumps(answer).encode())


def _tell(address: str, body: bytes) -> None:
    """PUT to the address that CloudFormation signed, without a content type: the signature knows none."""
    place = urlsplit(address)
    connect = HTTPSConnection if place.scheme == "https" else HTTPConnection  # http: the embedded AWS
    connection = connect(place.netloc, timeout=30)
    connection.request("PUT", f"{place.path}?{place.query}", body, {"Content-Type": ""})
    connection.getresponse().read()
    connection.close()


def _log_to(bucket: str) -> None:
    """https://docs.aws.amazon.com/bedrock/latest/userguide/model-invocation-logging.html"""
    _bedrock().put_model_invocation_logging_configuration(
        loggingConfig={
            "s3Config": {"bucketName": bucket, "keyPrefix": "invocations"},
            "textDataDeliveryEnabled": True,
            "imageDataDeliveryEnabled": False,
            "embeddingDataDeliveryEnabled": False,
        }
    )
