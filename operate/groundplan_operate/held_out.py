"""Held-out sets in the lake's evaluation zone: put there at ingest, read by the gate, out of reach of training."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
from botocore.exceptions import ClientError

from groundplan.gate import HeldOut, leaks, read_held_out, values
from groundplan.gate.answer import REQUESTS
from groundplan.manifest import Manifest
from groundplan.refusal import BadInput, bad
from groundplan.workload import Workload
from groundplan_operate.accounts import Accounts
from groundplan_operate.lake import bucket_of, holds, upload

HELD_OUT_FILE = "held-out/samples.jsonl"
LARGEST_BYTES = 512 * 2**20
PARQUET = b"PAR1"  # how such a file begins
ROWS_AT_ONCE = 10_000
# Whatever a file asks for.
NOTHING_FETCHED: dict[str, Any] = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}


def held_out_of(folder: Path) -> tuple[Path, HeldOut] | None:
    """The file of a folder to be ingested, read; None where there is none. Raises BadInput, also for an overlap.

    Every row of every other file of the folder is one that training may see.
    """
    file = folder / HELD_OUT_FILE
    if not file.is_file():
        return None
    if file.stat().st_size > LARGEST_BYTES:
        raise bad(str(file), "size", file.stat().st_size, f"allowed: at most {LARGEST_BYTES} bytes")
    held_out = read_held_out(file.read_bytes(), str(file))
    seen = (
        (path.relative_to(folder).as_posix(), number, row)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != file
        for number, row in enumerate(_rows(path), 1)
    )
    if found := leaks(held_out, None, seen):
        raise BadInput(found)
    return file, held_out


def put_held_out(accounts: Accounts, workload: Workload, file: Path, held_out: HeldOut) -> None:
    """Upload a set under its digest, its requests by themselves beside it, and point `current.json` at it."""
    s3 = accounts.client("s3", "data")
    bucket, base = bucket_of(accounts, s3, "evaluation"), f"{workload.name}/{workload.data.dataset}"
    key = f"{base}/{held_out.sha256}/samples.jsonl"
    if not holds(s3, bucket, key, file, held_out.sha256):
        upload(s3, bucket, key, file, held_out.sha256)
    s3.put_object(Bucket=bucket, Key=requests_key(workload, held_out), Body=held_out.asked)
    pointer = json.dumps({"key": key, "sha256": held_out.sha256}).encode()
    s3.put_object(Bucket=bucket, Key=f"{base}/current.json", Body=pointer, ContentType="application/json")


def requests_key(workload: Workload, held_out: HeldOut) -> str:
    """Of the requests of a set without their answers: what the role of evaluations may read of the zone."""
    return f"{workload.name}/{workload.data.dataset}/{held_out.sha256}/{REQUESTS}"


def current_held_out(accounts: Accounts, workload: Workload) -> HeldOut:
    """The set that `current.json` points at; raises BadInput when there is none, or when its bytes are others."""
    s3 = accounts.client("s3", "data")
    bucket, base = accounts.names.lake_bucket("evaluation"), f"{workload.name}/{workload.data.dataset}"
    try:
        pointer: Any = json.loads(s3.get_object(Bucket=bucket, Key=f"{base}/current.json")["Body"].read())
        content: bytes = s3.get_object(Bucket=bucket, Key=pointer["key"])["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchKey", "NoSuchBucket"):
            raise
        how = f"put one there: groundplan ingest {workload.name} FOLDER, with FOLDER/{HELD_OUT_FILE}"
        raise bad(f"s3://{bucket}/{base}", "held-out set", "nothing", how) from None
    held_out = read_held_out(content, f"s3://{bucket}/{pointer['key']}")
    if held_out.sha256 != pointer["sha256"]:
        altered = f"it was altered: ingested with sha256 {pointer['sha256']}; ingest it again"
        raise bad(f"s3://{bucket}/{pointer['key']}", "sha256", held_out.sha256, altered)
    return held_out


def training_rows(accounts: Accounts, manifest: Manifest) -> Iterator[tuple[str, int, bytes | str]]:
    """Key, number and content of every row of a training set, as the manifest's versions have them."""
    s3 = accounts.client("s3", "data")
    for entry in manifest.entries:
        place = {"Bucket": manifest.bucket, "Key": f"{manifest.prefix}/{entry.key}", "VersionId": entry.version}
        if not entry.size:
            continue
        if s3.get_object(**place, Range=f"bytes=0-{len(PARQUET) - 1}")["Body"].read() != PARQUET:
            for number, line in enumerate(s3.get_object(**place)["Body"].iter_lines(), 1):
                yield entry.key, number, line
            continue
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "rows.parquet"
            with file.open("wb") as target:
                shutil.copyfileobj(s3.get_object(**place)["Body"], target)
            for number, row in enumerate(_rows(file), 1):
                yield entry.key, number, row


def _rows(path: Path) -> Iterator[bytes | str]:
    """Lines of text as they are; rows of Parquet by their values, the columns in the file's order."""
    with path.open("rb") as file:
        if file.read(len(PARQUET)) != PARQUET:
            file.seek(0)
            yield from file
            return
    with duckdb.connect(":memory:", config=NOTHING_FETCHED) as database:
        try:
            found = database.execute("SELECT COLUMNS(*)::VARCHAR FROM read_parquet(?)", [str(path)])
            while rows := found.fetchmany(ROWS_AT_ONCE):
                yield from map(values, rows)
        except duckdb.Error as error:
            allowed = "it begins like a Parquet file and cannot be read, so nobody can tell whether it overlaps"
            raise bad(str(path), "file", str(error).partition("\n")[0], allowed) from None
