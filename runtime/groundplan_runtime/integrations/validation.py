"""A file against the declaration of its table: read piece by piece, so that its size is bounded by time, not memory.

CSV is read by Python's own reader, which knows on which row a file stops being one; types, nulls, ranges, values and
patterns are judged by a Pandera schema over polars; what must be unique is judged over the whole file.
"""

import codecs
import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pandera.polars as pandera
import polars as pl
from pandera.errors import SchemaErrors

from groundplan.intake import Failure
from groundplan.table import Column, Table

CHUNK_ROWS = 100_000
CHUNK_CHARACTERS = 32 * 2**20
UNIQUE_ROWS_AT_ONCE = 1_000_000
LONGEST_LINE_BYTES = 2**20
LISTED_FAILURES = 1000  # more are counted
LONGEST_VALUE_LISTED = 200  # characters
ROW = "__row"  # no column of a table can be called so

POLARS_TYPES: Mapping[str, Any] = {
    "boolean": pl.Boolean(),
    "int": pl.Int32(),
    "bigint": pl.Int64(),
    "double": pl.Float64(),
    "string": pl.String(),
    "date": pl.Date(),
    "timestamp": pl.Datetime("us", "UTC"),
}
TYPE_RULES = {
    "boolean": "true or false",
    "int": f"a whole number from {-(2**31)} to {2**31 - 1}",
    "bigint": f"a whole number from {-(2**63)} to {2**63 - 1}",
    "double": "a finite number",
    "string": "a text",
    "date": "a date such as 2026-11-20",
    "timestamp": "a time with its zone, such as 2026-11-20T12:00:00Z",
}


class Unreadable(Exception):  # noqa: N818 - it names what happened
    """The file, or the rest of it, cannot be read: `failure` says where and why."""

    def __init__(self, row: int | None, rule: str, *, column: str | None = None, value: str | None = None) -> None:
        super().__init__(rule)
        self.failure = Failure(row, column, value, rule)


@dataclass
class Findings:
    """What was found wrong: all are counted, the first are kept."""

    failed: int = 0
    failures: list[Failure] = field(default_factory=list[Failure])

    def add(self, *failures: Failure) -> None:
        """Count these and keep them while there is room."""
        self.failed += len(failures)
        self.failures += failures[: max(0, LISTED_FAILURES - len(self.failures))]


@dataclass(frozen=True)
class Validated:
    """What a file holds. `newest` is the latest time of its features; None for a table without, or a bad file."""

    rows: int
    newest: datetime | None
    findings: Findings


def frame_schema(table: Table) -> pandera.DataFrameSchema:
    """The Pandera schema of a table, for a polars frame of its columns in their types."""
    columns = {
        name: pandera.Column(POLARS_TYPES[column.type], _checks(column), nullable=column.nullable)
        for name, column in table.columns.items()
    }
    return pandera.DataFrameSchema(columns, strict=True, unique=list(table.unique) or None, name=table.name)


def validate_file(path: Path, suffix: str, table: Table, *, output: Path, workspace: Path) -> Validated:
    """Judge the file at `path` and write its rows, in declared order and types, to `output` as one Parquet file.

    `suffix` is `.csv` or `.parquet`; `workspace` is an empty folder. `output` is complete when nothing was found.
    """
    findings, parts, rows = Findings(), list[Path](), 0
    try:
        for chunk in _chunks(path, suffix, table, findings):
            rows += chunk.height
            checked = _checked(chunk, table, findings)
            if not findings.failed:
                parts.append(workspace / f"{len(parts):06}.parquet")
                checked.write_parquet(parts[-1])
    except Unreadable as error:
        findings.add(error.failure)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        findings.add(Failure(None, None, None, f"it cannot be read: {str(error).partition(chr(10))[0]}"))
    if not (rows or findings.failed):
        findings.add(Failure(None, None, None, "it holds no rows"))
    accepted = pl.scan_parquet(parts) if parts else pl.LazyFrame()
    if not findings.failed:
        _unique(accepted, rows, table, findings)
    if findings.failed:
        findings.failures.sort(key=lambda failure: failure.row or 0)
        return Validated(rows, None, findings)
    accepted.drop(ROW).sink_parquet(output)
    newest = accepted.select(pl.col(table.features.event_time).max()).collect().item() if table.features else None
    return Validated(rows, newest, findings)


def _checks(column: Column) -> list[Any]:
    check: Any = pandera.Check  # partly untyped
    checks: list[Any] = []
    if column.minimum is not None:
        checks.append(check.ge(column.minimum, error=f"at least {column.minimum:g}"))
    if column.maximum is not None:
        checks.append(check.le(column.maximum, error=f"at most {column.maximum:g}"))
    if column.allowed:
        told = ", ".join(map(str, column.allowed[:10])) + (", …" if len(column.allowed) > 10 else "")
        checks.append(check.isin(list(column.allowed), error=f"one of {told}"))
    if column.pattern is not None:
        matches = f"a text that matches {column.pattern}"
        checks.append(check.str_matches(f"^(?:{column.pattern})$", error=matches))
    return checks


def _chunks(path: Path, suffix: str, table: Table, findings: Findings) -> Iterator[pl.DataFrame]:
    """Frames of the declared columns and of ROW; the columns are texts for CSV, and as they come for Parquet."""
    if path.stat().st_size == 0:
        raise Unreadable(None, "it is empty")
    if suffix == ".csv":
        yield from _csv_chunks(path, table, findings)
    elif suffix == ".parquet":
        yield from _parquet_chunks(path, table)
    else:
        raise Unreadable(None, "its name must end in .csv or .parquet")


def _parquet_chunks(path: Path, table: Table) -> Iterator[pl.DataFrame]:
    scan = pl.scan_parquet(path, hive_partitioning=False)
    _same_columns(scan.collect_schema().names(), table)
    rows = scan.select(pl.len()).collect().item()
    for start in range(0, rows, CHUNK_ROWS):
        yield scan.slice(start, CHUNK_ROWS).collect().select(*table.columns).with_row_index(ROW, offset=start + 1)


def _csv_chunks(path: Path, table: Table, findings: Findings) -> Iterator[pl.DataFrame]:
    records = _records(path)
    _, header = next(records, (1, list[str]()))
    _same_columns(header, table)
    rows, kept, characters = list[int](), list[list[str]](), 0
    for number, record in records:
        if len(record) != len(header):
            findings.add(Failure(number, None, None, f"it has {len(record)} fields, the header has {len(header)}"))
            continue
        rows.append(number)
        kept.append(record)
        characters += sum(map(len, record))
        if len(kept) >= CHUNK_ROWS or characters >= CHUNK_CHARACTERS:
            yield _texts(header, rows, kept, table)
            rows, kept, characters = [], [], 0
    if kept:
        yield _texts(header, rows, kept, table)


def _texts(header: Sequence[str], rows: list[int], kept: list[list[str]], table: Table) -> pl.DataFrame:
    schema = dict.fromkeys(header, pl.String)
    frame = pl.DataFrame(kept, schema=schema, orient="row").with_columns(pl.Series(ROW, rows, pl.UInt32))
    texts = pl.col(pl.String)
    return frame.with_columns(pl.when(texts != "").then(texts)).select(ROW, *table.columns)


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Row number and fields of every record that is not blank; raises Unreadable."""
    number = 0

    def lines() -> Iterator[str]:
        with path.open("rb") as file:
            if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                raise Unreadable(None, "it is UTF-16; it must be UTF-8 text")
            file.seek(0)
            if file.read(3) != codecs.BOM_UTF8:
                file.seek(0)
            while line := file.readline(LONGEST_LINE_BYTES + 1):
                if len(line) > LONGEST_LINE_BYTES:
                    raise Unreadable(number + 1, f"a line is longer than {LONGEST_LINE_BYTES:,} bytes")
                try:
                    yield line.decode()
                except UnicodeDecodeError as error:
                    told = f"byte {error.start + 1} of its line, 0x{line[error.start]:02x}, is not UTF-8"
                    raise Unreadable(number + 1, f"{told}; the file must be UTF-8 text") from None

    try:
        for record in csv.reader(lines(), strict=True):
            number += 1
            if record:
                yield number, record
    except csv.Error as error:
        raise Unreadable(number + 1, f"it is not CSV: {error}") from None


def _same_columns(found: Sequence[str], table: Table) -> None:
    """The columns are the declared ones, in any order."""
    missing = [name for name in table.columns if name not in found]
    extra = [name for name in found if name not in table.columns]
    twice = [name for name in found if found.count(name) > 1]
    for names, rule in (
        (missing, f"this column is missing; the file has {_listed(found)}"),
        (extra, f"this column is not declared; declared: {_listed(list(table.columns))}"),
        (twice, "this column stands more than once"),
    ):
        if names:
            raise Unreadable(None, rule, column=_short(names[0]))


def _checked(chunk: pl.DataFrame, table: Table, findings: Findings) -> pl.DataFrame:
    """The chunk in the declared types; what is wrong with it is added to `findings`, row by row."""
    for name, column in table.columns.items():
        if not can_become(chunk.schema[name], column):
            told = f"its type is {chunk.schema[name]}, which cannot become {column.type}"
            raise Unreadable(None, told, column=name)
    typed = chunk.select(ROW, *(_typed(name, column, chunk.schema[name]) for name, column in table.columns.items()))
    found: list[Failure] = []
    for name, column in table.columns.items():
        lost = chunk.select(ROW, name).filter(typed[name].is_null() & chunk[name].is_not_null())
        found += (Failure(row, name, _short(value), TYPE_RULES[column.type]) for row, value in lost.iter_rows())
    mistyped = {(failure.row, failure.column) for failure in found}
    numbers = chunk[ROW]
    for case in _cases(typed.drop(ROW), table):
        failure = Failure(numbers[case["index"]], case["column"], _value(case), _rule(case))
        if (failure.row, failure.column) not in mistyped:
            found.append(failure)
    findings.add(*found)
    return typed


@cache
def _row_schema(declaration: str) -> pandera.DataFrameSchema:
    # Uniqueness is judged over the whole file, not chunk by chunk.
    return frame_schema(Table.model_validate_json(declaration).model_copy(update={"unique": ()}))


def _cases(frame: pl.DataFrame, table: Table) -> list[dict[str, Any]]:
    try:
        _row_schema(table.model_dump_json()).validate(frame, lazy=True)
    except SchemaErrors as error:
        untyped: Any = error
        return untyped.failure_cases.to_dicts()
    return []


def _rule(case: Mapping[str, Any]) -> str:
    return "a value is required" if case["check"] == "not_nullable" else str(case["check"])


def _value(case: Mapping[str, Any]) -> str | None:
    return None if case["check"] == "not_nullable" else _short(case["failure_case"])


def can_become(given: pl.DataType, column: Column) -> bool:
    """Whether values of a file's type may be taken for the declared one without guessing."""
    if given == pl.String:
        return True
    kind = column.type
    if kind in ("int", "bigint"):
        return given.is_integer()
    if kind == "double":
        return given.is_numeric() and not given.is_decimal()
    if kind == "timestamp":
        return isinstance(given, pl.Datetime) and given.time_zone is not None
    return given == POLARS_TYPES[kind] or (kind == "string" and given == pl.Categorical)


def _typed(name: str, column: Column, given: pl.DataType) -> pl.Expr:
    """The column in its declared type; null where the value is none of it."""
    value, target = pl.col(name), POLARS_TYPES[column.type]
    if column.type == "double":
        number = value.cast(pl.Float64, strict=False)
        return pl.when(number.is_finite()).then(number).alias(name)
    if given == pl.String and column.type == "boolean":
        return value.replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean)
    if given == pl.String and column.type == "date":
        return value.str.to_date("%Y-%m-%d", strict=False)
    if given == pl.String and column.type == "timestamp":
        return value.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", time_unit="us", time_zone="UTC", strict=False)
    return value.cast(target, strict=False)


def _unique(accepted: pl.LazyFrame, rows: int, table: Table, findings: Findings) -> None:
    """Rows that say again what must be said once. Equal rows fall into one share, and a share fits into memory."""
    if not table.unique:
        return
    keys, shares = accepted.select(ROW, *table.unique), rows // UNIQUE_ROWS_AT_ONCE + 1
    for share in range(shares):
        repeated = (
            keys.filter(pl.struct(table.unique).hash() % shares == share)
            .group_by(table.unique)
            .agg(pl.col(ROW).min().alias("first"), pl.col(ROW).max().alias("last"), pl.len().alias("times"))
            .filter(pl.col("times") > 1)
            .collect(engine="streaming")
        )
        for row in repeated.iter_rows(named=True):
            value = ", ".join(_short(row[name]) for name in table.unique)
            rule = f"it stands {row['times']} times, first in row {row['first']}; it must be unique"
            findings.add(Failure(row["last"], ", ".join(table.unique), value, rule))


def _short(value: object) -> str:
    # What steers a terminal is shown, not sent.
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(value)[: LONGEST_VALUE_LISTED + 1])
    return text if len(text) <= LONGEST_VALUE_LISTED else text[: LONGEST_VALUE_LISTED - 1] + "…"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(_short(name) for name in names[:20]) + (", …" if len(names) > 20 else "")
