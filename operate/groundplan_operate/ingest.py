"""`groundplan ingest`: put a data set into the lake, under a manifest that names its every byte."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from botocore.exceptions import ClientError
from rich.console import Console
from rich.progress import track

from groundplan.canonical import digest, left_out, tree_digest
from groundplan.environment import read_environment
from groundplan.manifest import Entry, Manifest
from groundplan.refusal import bad
from groundplan.workload import Workload, read_workload
from groundplan_operate.accounts import Accounts
from groundplan_operate.options import as_json, in_environment, repository

_TO_PEOPLE = Console(stderr=True)


@click.command
@click.argument("workload_name", metavar="WORKLOAD")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@in_environment
@as_json
def ingest(workload_name: str, folder: Path, environment_name: str, as_json: bool) -> None:
    """Put FOLDER, with one folder below it for each channel, into the lake as the data set of WORKLOAD.

    The same bytes again change nothing: they keep their place, their versions and their manifest.
    """
    root = repository()
    accounts = Accounts(root, read_environment(root, environment_name))
    manifest = put_dataset(accounts, read_workload(root, workload_name), folder)
    for name in left_out(folder):
        click.echo(f"left out, because it is hidden: {name}", err=True)
    if as_json:
        click.echo(manifest.to_json().decode())
        return
    size = sum(entry.size for entry in manifest.entries)
    click.echo(f"s3://{manifest.bucket}/{manifest.prefix}: {len(manifest.entries)} files, {size:,} bytes")
    click.echo(f"manifest root {manifest.root}")


def put_dataset(accounts: Accounts, workload: Workload, folder: Path) -> Manifest:
    """Upload what is not there yet, write the manifest, and point `current.json` at it, in this order."""
    bucket, base = accounts.names.lake_bucket("curated"), f"{workload.name}/{workload.data.dataset}"
    files = _files(workload, folder)
    prefix = f"{base}/{digest(files)[:16]}"
    s3 = accounts.client("s3", "data")
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchBucket"):
            raise
        deploy = f"make deploy ENV={accounts.environment.name}"
        raise bad("", "bucket", bucket, f"it does not exist; deploy the environment first: {deploy}") from None
    entries = [
        Entry(
            name, _put(s3, bucket, f"{prefix}/{name}", folder / name, sha256), sha256, (folder / name).stat().st_size
        )
        for name, sha256 in track(
            files.items(), "uploading", transient=True, console=_TO_PEOPLE, disable=not _TO_PEOPLE.is_terminal
        )
    ]
    manifest = Manifest.of(bucket, prefix, entries)
    key = f"{prefix}/manifest.json"
    s3.put_object(Bucket=bucket, Key=key, Body=manifest.to_json(), ContentType="application/json")
    pointer = json.dumps({"manifest": key, "root": manifest.root}).encode()
    s3.put_object(Bucket=bucket, Key=f"{base}/current.json", Body=pointer, ContentType="application/json")
    return manifest


def current_dataset(accounts: Accounts, workload: Workload) -> Manifest:
    """The manifest that `current.json` points at; raises BadInput when there is none."""
    bucket, base = accounts.names.lake_bucket("curated"), f"{workload.name}/{workload.data.dataset}"
    s3 = accounts.client("s3", "data")
    read: Callable[[str], Any] = lambda key: json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())  # noqa: E731
    try:
        return Manifest.from_json(read(read(f"{base}/current.json")["manifest"]))
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchKey", "NoSuchBucket"):
            raise
        raise bad(
            f"s3://{bucket}/{base}", "data set", "nothing", f"put one there: groundplan ingest {workload.name} FOLDER"
        ) from None


def _files(workload: Workload, folder: Path) -> dict[str, str]:
    """Relative name to sha256; every file lies below a channel and every channel has a file."""
    files = tree_digest(folder)
    channels = {name.partition("/")[0] for name in files if "/" in name}
    for channel in workload.data.channels:
        if channel not in channels:
            raise bad(str(folder), "channel", channel, "this folder must hold at least one file for it")
    strangers = [name for name in files if name.partition("/")[0] not in workload.data.channels]
    if strangers:
        allowed = " or ".join(f"{channel}/" for channel in workload.data.channels)
        raise bad(str(folder), "file", strangers[0], f"allowed: files below {allowed}")
    return files


def _put(s3: Any, bucket: str, key: str, file: Path, sha256: str) -> str:
    """Upload a file unless the very bytes are there; the version of the object."""
    try:
        found = s3.head_object(Bucket=bucket, Key=key)
        if found["Metadata"].get("sha256") == sha256 and found["ContentLength"] == file.stat().st_size:
            return str(found["VersionId"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "404":
            raise
    # In parts where it is large; S3 checks each part as it arrives.
    s3.upload_file(str(file), bucket, key, ExtraArgs={"Metadata": {"sha256": sha256}, "ChecksumAlgorithm": "SHA256"})
    return str(s3.head_object(Bucket=bucket, Key=key)["VersionId"])
