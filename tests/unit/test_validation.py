"""A file against its declaration: what passes is stored as declared, and what does not is named row by row."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.table import Table
from groundplan_runtime.integrations import validation
from groundplan_runtime.integrations.validation import Validated, frame_schema, validate_file

HEADER = "id,digit,weight,kind,seen\n"
GOOD = "a-1,3,0.5,x,2026-11-20T12:00:00Z\n"
TABLE = Table.model_validate(
    {
        "name": "rows",
        "description": "Rows that a test brings in.",
        "classification": "internal",
        "columns": {
            "id": {"type": "string", "pattern": "[a-z0-9-]{1,20}"},
            "digit": {"type": "int", "minimum": 0, "maximum": 9},
            "weight": {"type": "double", "nullable": True, "maximum": 1},
            "kind": {"type": "string", "allowed": ("x", "y")},
            "seen": {"type": "timestamp"},
        },
        "unique": ("id", "digit"),
        "features": {"entity": ("id",), "event_time": "seen"},
    }
)
KINDS = Table.model_validate(
    {
        "name": "kinds",
        "description": "One column of each type.",
        "classification": "internal",
        "columns": {
            kind: {"type": kind, "nullable": True}
            for kind in ("boolean", "int", "bigint", "double", "string", "date", "timestamp")
        },
    }
)
Judge = Callable[..., Validated]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "accepted.parquet"


@pytest.fixture
def judge(tmp_path: Path, output: Path) -> Judge:
    """Judges content as if it were a file; returns what was found."""

    def run(content: str | bytes, suffix: str = ".csv", table: Table = TABLE) -> Validated:
        source, workspace = tmp_path / "source", tmp_path / "parts"
        source.write_bytes(content.encode() if isinstance(content, str) else content)
        workspace.mkdir(exist_ok=True)
        return validate_file(source, suffix, table, output=output, workspace=workspace)

    return run


def lines(found: Validated) -> list[str]:
    return [str(failure) for failure in found.findings.failures]


def parquet(frame: pl.DataFrame) -> bytes:
    body = BytesIO()
    frame.write_parquet(body)
    return body.getvalue()


# What passes --------------------------------------------------------------------------------------------------------


def test_what_passes_is_stored_in_the_declared_order_and_types(judge: Judge, output: Path) -> None:
    found = judge("seen,kind,weight,digit,id\n2026-11-20T13:00:00+01:00,x,,3,a-1\n2026-11-21T00:00:00.25Z,y,1,4,b\n")
    assert (found.rows, found.findings.failed) == (2, 0)
    assert found.newest == datetime(2026, 11, 21, 0, 0, 0, 250000, UTC)
    stored = pl.read_parquet(output)
    assert stored.schema == pl.Schema({n: validation.POLARS_TYPES[c.type] for n, c in TABLE.columns.items()})
    assert stored.rows() == [
        ("a-1", 3, None, "x", datetime(2026, 11, 20, 12, tzinfo=UTC)),
        ("b", 4, 1.0, "y", datetime(2026, 11, 21, 0, 0, 0, 250000, UTC)),
    ]
    frame_schema(TABLE).validate(stored)


def test_a_byte_order_mark_quotes_and_blank_lines_are_no_fault(judge: Judge, output: Path) -> None:
    found = judge("\ufeff" + HEADER + '\r\n"a-1","3",0.5,x,2026-11-20T12:00:00Z\r\n\r\n')
    assert (found.rows, lines(found)) == (1, [])
    assert pl.read_parquet(output)["id"].to_list() == ["a-1"]


def test_every_type_is_read_from_text_and_from_parquet_alike(judge: Judge, output: Path) -> None:
    text = "true,-7,9223372036854775807,1e3,ü,2024-02-29,2026-01-01T00:00:00Z\n,,,,,,\n"
    assert lines(judge(",".join(KINDS.columns) + "\n" + text, table=KINDS)) == []
    from_text = pl.read_parquet(output)
    assert from_text.row(0) == (True, -7, 2**63 - 1, 1000.0, "ü", date(2024, 2, 29), datetime(2026, 1, 1, tzinfo=UTC))
    assert set(from_text.row(1)) == {None}
    narrow = from_text.with_columns(pl.col("int").cast(pl.Int8), pl.col("timestamp").dt.cast_time_unit("ms"))
    assert lines(judge(parquet(narrow), ".parquet", KINDS)) == []
    assert pl.read_parquet(output).equals(from_text)


# What does not ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "telling"),
    [
        ("a-1,12,0.5,x,2026-11-20T12:00:00Z", "row 2, column digit: '12': at most 9"),
        ("a-1,-1,0.5,x,2026-11-20T12:00:00Z", "row 2, column digit: '-1': at least 0"),
        ("a-1,3.0,0.5,x,2026-11-20T12:00:00Z", "row 2, column digit: '3.0': a whole number from -2147483648"),
        ("a-1,2147483648,0.5,x,2026-11-20T12:00:00Z", "column digit: '2147483648': a whole number"),
        ("a-1,,0.5,x,2026-11-20T12:00:00Z", "row 2, column digit: a value is required"),
        ("a-1,3,nan,x,2026-11-20T12:00:00Z", "row 2, column weight: 'nan': a finite number"),
        ("a-1,3,1e999,x,2026-11-20T12:00:00Z", "row 2, column weight: '1e999': a finite number"),
        ("a-1,3,0.5,z,2026-11-20T12:00:00Z", "row 2, column kind: 'z': one of x, y"),
        ("A_1,3,0.5,x,2026-11-20T12:00:00Z", "row 2, column id: 'A_1': a text that matches [a-z0-9-]{1,20}"),
        ("a-1 tail!,3,0.5,x,2026-11-20T12:00:00Z", "row 2, column id: 'a-1 tail!': a text that matches"),
        ("a-1,3,0.5,x,2026-11-20T12:00:00", "column seen: '2026-11-20T12:00:00': a time with its zone"),
        ("a-1,3,0.5,x,2026-02-30T12:00:00Z", "column seen: '2026-02-30T12:00:00Z': a time with its zone"),
        ("a-1,3,0.5,x", "row 2: it has 4 fields, the header has 5"),
        ("a-1,3,0.5,x,2026-11-20T12:00:00Z,more", "row 2: it has 6 fields, the header has 5"),
        ('a-1,"3,0.5,x,2026-11-20T12:00:00Z', "row 2: it is not CSV: unexpected end of data"),
    ],
)
def test_a_row_that_breaks_a_rule_is_named_with_column_value_and_rule(judge: Judge, row: str, telling: str) -> None:
    found = judge(HEADER + row + "\n")
    assert found.findings.failed == 1, lines(found)
    assert telling in lines(found)[0]


@pytest.mark.parametrize(
    ("content", "telling"),
    [
        (b"", "it is empty"),
        (HEADER, "it holds no rows"),
        ("\n\n", "column id: this column is missing"),
        (HEADER.replace("kind", "sort") + GOOD, "column kind: this column is missing; the file has id, digit"),
        (HEADER.strip() + ",extra\n", "column extra: this column is not declared; declared: id, digit"),
        (HEADER.strip() + ",digit\n", "column digit: this column stands more than once"),
        (HEADER.replace(",", ";"), "the file has id;digit;weight;kind;seen"),
        (HEADER.encode() + b"caf\xe9,3,0.5,x,z\n", "row 2: byte 4 of its line, 0xe9, is not UTF-8"),
        ((HEADER + GOOD).encode("utf-16"), "it is UTF-16; it must be UTF-8 text"),
        (HEADER + GOOD + "x" * 2**21, "row 3: a line is longer than 1,048,576 bytes"),
        ("\x1b[2J" + HEADER, "the file has \\x1b[2Jid, digit"),
    ],
)
def test_a_file_that_is_none_is_refused_with_one_line(judge: Judge, content: str | bytes, telling: str) -> None:
    found = judge(content)
    assert found.findings.failed == 1, lines(found)
    assert telling in lines(found)[0]
    assert lines(found)[0].isprintable()


def test_another_kind_of_file_is_refused(judge: Judge) -> None:
    assert lines(judge(GOOD, ".xlsx")) == ["its name must end in .csv or .parquet"]
    assert lines(judge(b"PAR1 and nonsense", ".parquet"))[0].startswith("it cannot be read: parquet: ")


def test_a_truncated_parquet_file_is_refused(judge: Judge) -> None:
    whole = parquet(pl.DataFrame({"id": ["a"] * 100}))
    assert lines(judge(whole[:-20], ".parquet"))[0].startswith("it cannot be read: ")


@pytest.mark.parametrize(
    ("column", "telling"),
    [
        (pl.Series("int", [2**31]), "row 1, column int: '2147483648': a whole number"),
        (pl.Series("int", [1.5]), "column int: its type is Float64, which cannot become int"),
        (pl.Series("double", [float("nan")]), "row 1, column double: 'NaN': a finite number"),
        (pl.Series("timestamp", [datetime(2026, 1, 1)]), "column timestamp: its type is Datetime"),  # noqa: DTZ001
        (pl.Series("string", [7]), "column string: its type is Int64, which cannot become string"),
    ],
)
def test_parquet_is_not_guessed_at(judge: Judge, column: pl.Series, telling: str) -> None:
    frame = pl.DataFrame({kind: [None] for kind in KINDS.columns}, schema_overrides=validation.POLARS_TYPES)
    found = judge(parquet(frame.with_columns(column)), ".parquet", KINDS)
    assert len(lines(found)) == 1
    assert telling.lower() in lines(found)[0].lower()


def test_one_bad_row_keeps_all_rows_out(judge: Judge, output: Path) -> None:
    assert judge(HEADER + GOOD + GOOD.replace(",3,", ",33,")).findings.failed == 1
    assert not output.exists()


# Files of any size --------------------------------------------------------------------------------------------------


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "CHUNK_ROWS", 3)
    monkeypatch.setattr(validation, "UNIQUE_ROWS_AT_ONCE", 2)


def rows(numbers: range) -> str:
    return HEADER + "".join(GOOD.replace("a-1", f"a-{number}") for number in numbers)


@pytest.mark.usefixtures("small_chunks")
def test_rows_are_counted_over_the_chunks_of_csv_and_of_parquet(judge: Judge, output: Path) -> None:
    assert (judge(rows(range(10))).rows, pl.read_parquet(output).height) == (10, 10)
    frame = pl.read_parquet(output)
    assert frame["id"].to_list() == [f"a-{number}" for number in range(10)]
    bad = frame.with_columns(digit=pl.when(pl.col("id") == "a-7").then(12).otherwise("digit"))
    assert lines(judge(parquet(bad), ".parquet")) == ["row 8, column digit: '12': at most 9"]
    assert lines(judge(rows(range(10)).replace("a-7,3", "a-7,12"))) == ["row 9, column digit: '12': at most 9"]


@pytest.mark.usefixtures("small_chunks")
def test_what_must_be_unique_is_so_across_chunks(judge: Judge) -> None:
    found = judge(rows(range(10)) + GOOD.replace("a-1", "a-2") + GOOD.replace("a-1", "a-2"))
    assert lines(found) == [
        "row 13, column id, digit: 'a-2, 3': it stands 3 times, first in row 4; it must be unique"
    ]


def test_all_failures_are_counted_and_the_first_are_kept(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "LISTED_FAILURES", 4)
    found = judge(rows(range(10)).replace(",3,", ",12,"))
    assert (found.findings.failed, [failure.row for failure in found.findings.failures]) == (10, [2, 3, 4, 5])


# Against an oracle --------------------------------------------------------------------------------------------------

CELLS = st.sampled_from(["", "0", "9", "10", "-1", "x", "1.0", "a", "y"])


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=12))
@settings(max_examples=40, deadline=None)
@pytest.mark.usefixtures("small_chunks")
def test_a_rowwise_oracle_finds_the_same_cells(tmp_path_factory: Any, cells: list[tuple[str, str]]) -> None:
    def broken(digit: str, kind: str) -> set[str]:
        wrong = set() if digit in ("0", "9") else {"digit"}
        return wrong if kind in ("x", "y") else wrong | {"kind"}

    columns = {name: TABLE.columns[name] for name in ("digit", "kind")}
    table = TABLE.model_copy(update={"unique": (), "features": None, "columns": columns})
    folder = tmp_path_factory.mktemp("oracle")
    (folder / "source").write_text("digit,kind\n" + "".join(f"{digit},{kind}\n" for digit, kind in cells))
    (folder / "parts").mkdir()
    found = validate_file(folder / "source", ".csv", table, output=folder / "out", workspace=folder / "parts")
    expected = {(row, name) for row, cell in enumerate(cells, start=2) for name in broken(*cell)}
    assert {(failure.row, failure.column) for failure in found.findings.failures} == expected
    assert found.findings.failed == len(expected)
    assert (folder / "out").exists() == (not expected)
