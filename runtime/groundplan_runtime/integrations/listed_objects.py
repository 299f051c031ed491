"""What lies below a prefix of a bucket, a page at a time."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol


class Lists(Protocol):
    """What is used of boto3's S3 client."""

    def list_objects_v2(self, **request: Any) -> Mapping[str, Any]: ...


def listed(s3: Lists, bucket: str, prefix: str, **first: str) -> Iterator[Sequence[Mapping[str, Any]]]:
    """Pages of S3's entries, with `Key` and `LastModified`; `first` goes with the first request, as `StartAfter`."""
    more = first
    while True:
        page = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, **more)
        yield page.get("Contents") or ()
        if not page.get("IsTruncated"):
            return
        more = {"ContinuationToken": page["NextContinuationToken"]}
