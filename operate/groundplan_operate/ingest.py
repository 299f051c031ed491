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
from groundplan.refusal import Refused, bad
from groundplan.workload import Workload, read_trained_workload, read_workload
from groundplan_operate.accounts import Accounts
from groundplan_operate.held_out import HELD_OUT_FILE, held_out_of, put_held_out
from groundplan_operate.lake import bucket_of, holds, upload
from groundplan_operate.options import as_json, in_environment, repository
from groundplan_operate.raw_file import bring_in, told

_TO_PEOPLE = Console(stderr=True)


@click.command
@click.argument("workload_name", metavar="WORKLOAD")
@click.argument("source", metavar="SOURCE", type=click.Path(exists=True, path_type=Path))
@click.option("--table", "table_name", help="SOURCE is a file with rows of this table of the workload")
@in_environment
@as_json
def ingest(workload_name: str, source: Path, table_name: str | None, environment_name: str, as_json: bool) -> None:
    """Put SOURCE, a folder with one folder below it for each channel, into the lake as the data set of WORKLOAD.

    The same bytes again change nothing: they keep their place, their versions and their manifest. A folder held-out
    with samples.jsonl beside the channels goes where no training reads it, and the gate takes it from there.

    With --table, SOURCE is a CSV or Parquet file. It lands in the raw zone, is validated, and its rows are accepted
    all together or the file is quarantined with the reasons, row by row; then the exit status is 1.
    """
    root = repository()
    accounts = Accounts(root, read_environment(root, environment_name))
    if table_name is None:
        _ingest_dataset(accounts, read_trained_workload(root, workload_name), source, as_json)
    else:
        _ingest_file(accounts, read_workload(root, workload_name), table_name, source, as_json)


def _ingest_file(accounts: Accounts, workload: Workload, table_name: str, file: Path, as_json: bool) -> None:
    document = bring_in(accounts, workload, table_name, file)
    if as_json:
        click.echo(json.dumps(document))
    else:
        click.echo("\n".join(told(document)))
    if document["verdict"] != "accepted":
        raise Refused(f"{file}: quarantined, {document['failed']:,} findings")


def _ingest_dataset(accounts: Accounts, workload: Workload, folder: Path, as_json: bool) -> None:
    if not folder.is_dir():
        raise bad("", "folder", str(folder), "a data set is a folder; a file of a table needs --table NAME")
    manifest = put_dataset(accounts, workload, folder)
    for name in left_out(folder):
        click.echo(f"left out, because it is hidden: {name}", err=True)
    if as_json:
        click.echo(manifest.to_json().decode())
        return
    size = sum(entry.size for entry in manifest.entries)
    click.echo(f"s3://{manifest.bucket}/{manifest.prefix}: {len(manifest.entries)} files, {size:,} bytes")
    click.echo(f"manifest root {manifest.root}")


def put_dataset(accounts: Accounts, workload: Workload, folder: Path) -> Manifest:
    """Upload what is not there yet, write the manifest, and point `current.json` at it, in this order.

    A held-out set is looked at first: one that overlaps the data set is refused, and nothing is uploaded.
    """
    held_out = held_out_of(folder)
    base, files = f"{workload.name}/{workload.data.dataset}", _files(workload, folder)
    prefix = f"{base}/{digest(files)[:16]}"
    s3 = accounts.client("s3", "data")
    bucket = bucket_of(accounts, s3, "curated")
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
    if held_out:
        put_held_out(accounts, workload, *held_out)
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
    files = {name: sha256 for name, sha256 in tree_digest(folder).items() if name != HELD_OUT_FILE}
    channels = {name.partition("/")[0] for name in files if "/" in name}
    for channel in workload.data.channels:
        if channel not in channels:
            raise bad(str(folder), "channel", channel, "this folder must hold at least one file for it")
    strangers = [name for name in files if name.partition("/")[0] not in workload.data.channels]
    if strangers:
        allowed = " or ".join(f"{channel}/" for channel in workload.data.channels)
        raise bad(str(folder), "file", strangers[0], f"allowed: files below {allowed}, and {HELD_OUT_FILE}")
    return files


def _put(s3: Any, bucket: str, key: str, file: Path, sha256: str) -> str:
    """Upload a file unless the very bytes are there; the version of the object."""
    found = holds(s3, bucket, key, file, sha256)
    return str(found["VersionId"]) if found else upload(s3, bucket, key, file, sha256)
