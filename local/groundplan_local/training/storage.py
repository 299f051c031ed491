"""A job's traffic with S3: channels in, artefacts out."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from groundplan_local.files import look_below, read_regular


class DataError(Exception):
    """Input that is not there or cannot be read; the message is SageMaker's."""


def split_uri(uri: str) -> tuple[str, str]:
    """`s3://bucket/some/key` as bucket and key."""
    parts = urlsplit(uri)
    return parts.netloc, parts.path.removeprefix("/")


def list_objects(s3: Any, bucket: str, prefix: str) -> Iterator[str]:
    """The keys that begin with `prefix`, in order, without the placeholders of folders."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from (found["Key"] for found in page.get("Contents", []) if not found["Key"].endswith("/"))


def download_channel(s3: Any, channel: Mapping[str, Any], folder: Path) -> None:
    """One channel's objects into `folder`. Raises DataError."""
    source: Mapping[str, Any] = channel["DataSource"].get("S3DataSource", {})
    uri, kind = source.get("S3Uri", ""), source.get("S3DataType", "")
    try:
        if kind == "S3Prefix":
            found = list(_by_prefix(s3, uri))
        elif kind == "ManifestFile":
            found = list(_by_manifest(s3, uri))
        else:
            raise DataError(
                f"channel {channel['ChannelName']}: the embedded AWS reads S3Prefix and ManifestFile only"
            )
        if not found:
            raise DataError(f'No S3 objects found under S3 URL "{uri}" given in input data source')
        for bucket, key, name in found:
            _download(s3, bucket, key, _inside(folder, name))
    except ClientError as error:
        raise DataError(f'Data download failed for S3 URL "{uri}": {error.response["Error"]["Message"]}') from None


def _by_prefix(s3: Any, uri: str) -> Iterator[tuple[str, str, str]]:
    bucket, prefix = split_uri(uri)
    # Like SageMaker: what follows the last slash of the prefix is the file's path in the channel.
    cut = prefix.rfind("/") + 1
    for key in list_objects(s3, bucket, prefix):
        # `s3://b/train` names the folder train/ as well as an object train.csv; the folder's own name is left out.
        name = key.removeprefix(f"{prefix}/") if key.startswith(f"{prefix}/") else key[cut:]
        yield bucket, key, name


def _by_manifest(s3: Any, uri: str) -> Iterator[tuple[str, str, str]]:
    bucket, key = split_uri(uri)
    head, *names = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    data_bucket, prefix = split_uri(head["prefix"])
    for name in names:
        yield data_bucket, f"{prefix}{name}", name


def _inside(folder: Path, name: str) -> Path:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise DataError(f"the object name '{name}' leads out of the channel")
    return path


def _download(s3: Any, bucket: str, key: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    s3.download_file(bucket, key, str(path))


def pack(folder: Path, tell: Callable[[str], None]) -> tuple[bytes, int]:
    """A folder as .tar.gz and the number of its entries. Raises OSError for what cannot be read.

    The same bytes for the same files: sorted, without times and owners. What is neither a file nor a folder is left
    out and told to `tell`.
    """
    below = look_below(folder)
    for error in below.errors.values():
        raise error
    for path, found in sorted(below.left_out.items()):
        tell(f"embedded AWS: not in the archive of {folder.name}/: {path}: it is {found}")
    packed = io.BytesIO()
    # An explicit empty name: gzip would write the time and a file name into its header.
    with (
        gzip.GzipFile(filename="", fileobj=packed, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in sorted([*below.folders, *below.files]):
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            if path in below.files:
                content = read_regular(path)
                entry.size, entry.mode = len(content.data), 0o755 if content.executable else 0o644
                archive.addfile(entry, io.BytesIO(content.data))
            else:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(entry)
    return packed.getvalue(), len(below.folders) + len(below.files)


def upload(s3: Any, output: Mapping[str, Any], job_name: str, file_name: str, content: bytes) -> str:
    """One artefact below the job's output path, with the key that the request names; returns its URI."""
    uri = f"{output['S3OutputPath'].rstrip('/')}/{job_name}/output/{file_name}"
    bucket, key = split_uri(uri)
    key_id = output.get("KmsKeyId")
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_id} if key_id else {}
    s3.put_object(Bucket=bucket, Key=key, Body=content, **encryption)
    return uri


def upload_files(s3: Any, output: Mapping[str, Any], job_name: str, folder: Path) -> str:
    """The files of the model's folder one by one, as with CompressionType NONE; returns the prefix, with its slash.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_OutputDataConfig.html
    """
    for path in sorted(look_below(folder).files):
        relative = path.relative_to(folder).as_posix()
        upload(s3, output, job_name, f"model/{relative}", read_regular(path).data)
    return f"{output['S3OutputPath'].rstrip('/')}/{job_name}/output/model/"
