"""The lake's buckets, as the commands use them."""

from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from groundplan.names import Zone
from groundplan.refusal import bad
from groundplan_operate.accounts import Accounts


def bucket_of(accounts: Accounts, s3: Any, zone: Zone) -> str:
    """The bucket of a zone; raises BadInput when it is not deployed."""
    bucket = accounts.names.lake_bucket(zone)
    if head(s3.head_bucket, Bucket=bucket) is None:
        deploy = f"make deploy ENV={accounts.environment.name}"
        raise bad("", "bucket", bucket, f"it does not exist; deploy the environment first: {deploy}")
    return bucket


def upload(s3: Any, bucket: str, key: str, file: Path, sha256: str) -> str:
    """Put a file there, with its digest; the version of the object."""
    # In parts where it is large; S3 checks each part as it arrives.
    s3.upload_file(str(file), bucket, key, ExtraArgs={"Metadata": {"sha256": sha256}, "ChecksumAlgorithm": "SHA256"})
    return str(s3.head_object(Bucket=bucket, Key=key)["VersionId"])


def holds(s3: Any, bucket: str, key: str, file: Path, sha256: str) -> dict[str, Any] | None:
    """The object's head when it has the very bytes of the file."""
    found = head(s3.head_object, Bucket=bucket, Key=key)
    same = found and found["Metadata"].get("sha256") == sha256 and found["ContentLength"] == file.stat().st_size
    return found if same else None


def head(ask: Any, **request: str) -> Any:
    """The answer; None when there is no such bucket or object."""
    try:
        return ask(**request)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchBucket", "NoSuchKey"):
            raise
        return None
