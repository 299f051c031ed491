"""A held-out set beside training files of every kind: a sample that is a row of one of them is refused."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import duckdb
import pytest
from moto import mock_aws

from groundplan.canonical import file_digest
from groundplan.gate import leaks, read_held_out
from groundplan.manifest import Entry, Manifest
from groundplan.refusal import BadInput
from groundplan_operate.held_out import held_out_of, training_rows

ROWS = [(0, 0.5, "left"), (1, 0.1, "right, up"), (2, None, "down")]
APART = {"request": "x", "expected": "1", "row": "9,0.1,right"}
SEEN = {"request": "y", "expected": "1", "row": '1,0.10,"right, up"'}


def write(path: Path, kind: str = "DOUBLE") -> Path:
    """A file of training rows, of the kind that its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as database:
        database.execute(f"CREATE TABLE seen (digit INTEGER, ink {kind}, place VARCHAR)")
        database.executemany("INSERT INTO seen VALUES (?, ?, ?)", ROWS)
        form = "(FORMAT parquet)" if "parquet" in path.name else "(FORMAT csv, HEADER false)"
        database.execute(f"COPY seen TO '{path}' {form}")
    return path


def put(folder: Path, *samples: dict[str, str]) -> None:
    file = folder / "held-out/samples.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(json.dumps(sample) for sample in samples))


@pytest.mark.parametrize("kind", ["DOUBLE", "FLOAT", "DECIMAL(4, 2)"])
def test_a_row_of_a_parquet_file_is_a_leak_whatever_its_numbers_are_stored_as(tmp_path: Path, kind: str) -> None:
    write(tmp_path / "train/part-0.parquet", kind)
    put(tmp_path, APART)
    assert held_out_of(tmp_path)
    put(tmp_path, APART, SEEN)
    with pytest.raises(BadInput, match=r"sample 2.*part-0\.parquet, row 2"):
        held_out_of(tmp_path)


def test_what_a_file_is_does_not_depend_on_its_name(tmp_path: Path) -> None:
    write(tmp_path / "train/part-0.parquet").rename(tmp_path / "train/part-0.csv")
    put(tmp_path, SEEN)
    with pytest.raises(BadInput, match=r"part-0\.csv, row 2"):
        held_out_of(tmp_path)


def test_a_line_of_a_text_file_is_a_leak(tmp_path: Path) -> None:
    write(tmp_path / "train/part-0.csv")
    put(tmp_path, {**SEEN, "row": '1,0.1,"right, up"'})
    with pytest.raises(BadInput, match=r"part-0\.csv, line 2"):
        held_out_of(tmp_path)


def test_a_parquet_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "train/part-0.parquet")
    file.write_bytes(file.read_bytes()[:-9])
    put(tmp_path, APART)
    with pytest.raises(BadInput, match="nobody can tell whether it overlaps"):
        held_out_of(tmp_path)


def test_the_training_set_in_the_lake_is_read_by_rows_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "embedded")
    held_out = read_held_out(json.dumps(SEEN).encode(), "held-out")
    with mock_aws():
        s3: Any = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="lake")
        s3.put_bucket_versioning(Bucket="lake", VersioningConfiguration={"Status": "Enabled"})
        (tmp_path / "empty").touch()
        entries: list[Entry] = []
        for file in (write(tmp_path / "part-0.parquet"), write(tmp_path / "part-1.csv"), tmp_path / "empty"):
            version = s3.put_object(Bucket="lake", Key=f"digits/{file.name}", Body=file.read_bytes())["VersionId"]
            entries.append(Entry(file.name, version, file_digest(file), file.stat().st_size))
        s3.delete_object(Bucket="lake", Key="digits/part-0.parquet")  # the version stays
        manifest = Manifest.of("lake", "digits", entries)
        accounts: Any = SimpleNamespace(client=lambda *_: s3)
        found = list(training_rows(accounts, manifest))
        assert [(key, number) for key, number, _ in found] == [
            (name, number) for name in ("part-0.parquet", "part-1.csv") for number in (1, 2, 3)
        ]
        [leak] = leaks(held_out, manifest, found)
        assert "part-0.parquet, row 2" in str(leak)
