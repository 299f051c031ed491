"""What people were told of, beside the report: each alarm once, however often and by however many at once."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from botocore.exceptions import ClientError

from groundplan.spend.focus_table import TOLD
from groundplan_runtime.integrations.listed_objects import Lists, listed

LEASE = timedelta(minutes=15)  # longer than the function may run: who has not told by then never will
# Somebody else wrote first, or is writing: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
_LOST = ("PreconditionFailed", "ConditionalRequestConflict")


class S3(Lists, Protocol):
    """What is used of boto3's S3 client."""

    def get_object(self, **request: Any) -> Mapping[str, Any]: ...
    def put_object(self, **request: Any) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class ToldAlarms:
    """One object an alarm, written before and after: whoever is stopped in between leaves it to be told later."""

    s3: S3
    bucket: str

    def told(self, month: str) -> set[str]:
        """Keys of a month, as `2026-11`, that were told."""
        pages = listed(self.s3, self.bucket, f"{TOLD}/{month}/")
        keys = [entry["Key"].removeprefix(f"{TOLD}/") for page in pages for entry in page]
        return {key for key in keys if self._kept(key)[0]["status"] == "told"}

    def tell_once(self, key: str, tell: Callable[[], None], now: datetime) -> bool:
        """Tell it; False where it was told or is being told. Raises what `tell` raises: then it may be told again."""
        tag = self._write(key, "telling", now, IfNoneMatch="*") or self._taken_over(key, now)
        if tag is None:
            return False
        try:
            tell()
        except Exception:
            self._write(key, "failed", now, IfMatch=tag)
            raise
        self._write(key, "told", now, IfMatch=tag)
        return True

    def _taken_over(self, key: str, now: datetime) -> str | None:
        kept, tag = self._kept(key)
        over = now - datetime.fromisoformat(kept["at"]) > LEASE
        if kept["status"] == "failed" or (kept["status"] == "telling" and over):
            return self._write(key, "telling", now, IfMatch=tag)
        return None

    def _kept(self, key: str) -> tuple[Mapping[str, str], str]:
        answer = self.s3.get_object(Bucket=self.bucket, Key=f"{TOLD}/{key}")
        return json.loads(answer["Body"].read()), answer["ETag"]

    def _write(self, key: str, status: str, now: datetime, **condition: str) -> str | None:
        """The object's new tag; None where the condition is not met."""
        body = json.dumps({"status": status, "at": now.isoformat()}).encode()
        where = {"Bucket": self.bucket, "Key": f"{TOLD}/{key}", "ContentType": "application/json"}
        try:
            return self.s3.put_object(**where, Body=body, **condition)["ETag"]
        except ClientError as refused:
            if refused.response["Error"]["Code"] in _LOST:
                return None
            raise
