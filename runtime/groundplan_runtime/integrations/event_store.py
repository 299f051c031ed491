"""The bucket of OpenLineage events."""

from collections.abc import Mapping
from typing import Any, Protocol

from groundplan.canonical import canonical_json


class S3(Protocol):
    """What is used of boto3's S3 client."""

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> object:  # noqa: N803 - boto3's
        """Stores one object."""
        ...


class EventStore:
    """One object an event. The same event under the same key is the same bytes, however often it is put.

    Encryption is left to the bucket, which knows its key.
    """

    def __init__(self, s3: S3, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def put(self, event: Mapping[str, Any], key: str) -> None:
        """Canonical JSON under `key`; raises what boto3 raises, and ValueError on what JSON cannot say."""
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=canonical_json(event), ContentType="application/json")
