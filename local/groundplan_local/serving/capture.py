"""Captured requests and answers, as SageMaker lays them down in S3.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html
"""

import base64
import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from groundplan_local.connections import connect
from groundplan_local.training.storage import split_uri


def capture(
    account: str,
    region: str,
    place: Mapping[str, str],
    config: Mapping[str, Any],
    request: tuple[str, bytes],
    answer: tuple[str, bytes],
) -> None:
    """One line of JSON below `<DestinationS3Uri>/<endpoint>/<variant>/<yyyy/mm/dd/hh>/`."""
    now, event = datetime.now(UTC), str(uuid.uuid4())
    time = now.isoformat(timespec="seconds").replace("+00:00", "Z")
    modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
    data: dict[str, Any] = {}
    for mode, name, (kind, body) in (("Input", "endpointInput", request), ("Output", "endpointOutput", answer)):
        if mode in modes:
            data[name] = {"observedContentType": kind, "mode": mode.upper(), **_encoded(config, kind, body)}
    line = {
        "captureData": data,
        "eventMetadata": {
            "eventId": event,
            "inferenceTime": time,
        },
        "eventVersion": "0",
    }
    bucket, prefix = split_uri(config["DestinationS3Uri"].rstrip("/") + "/")
    where = f"{prefix}{place['EndpointName']}/{place['VariantName']}/{now:%Y/%m/%d/%H}"
    key = config.get("KmsKeyId")
    encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}
    connect("s3", account, region).put_object(
        Bucket=bucket,
        Key=f"{where}/{now:%M-%S-%f}-{event}.jsonl",
        Body=json.dumps(line).encode() + b"\n",
        **encrypted,
    )


def _encoded(config: Mapping[str, Any], kind: str, body: bytes) -> dict[str, str]:
    known = config.get("CaptureContentTypeHeader", {})
    plain = kind.partition(";")[0]
    if plain in known.get("JsonContentTypes", ()):
        return {"data": body.decode(errors="replace"), "encoding": "JSON"}
    if plain in known.get("CsvContentTypes", ()):
        return {"data": body.decode(errors="replace"), "encoding": "CSV"}
    return {"data": base64.b64encode(body).decode(), "encoding": "BASE64"}
