"""One set of questions in two spellings: DuckDB's, as files are read, and Athena's, over a table of the same export.

Athena does not run here. Its spelling is run by DuckDB, in which the one function that the two understand differently
(`element_at`) is made to answer as Athena's; what Athena alone would refuse is not seen by this.
https://docs.aws.amazon.com/athena/latest/ug/functions.html, https://trino.io/docs/current/functions/map.html
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from focus_rows import COLUMNS, answer, rows, write
from groundplan.focus.columns import layout
from groundplan.focus.queries import DIMENSIONS, athena, charges, cube, grouped
from groundplan.focus.report import Group, gather
from groundplan_runtime.integrations.bill import Bill

MONTH = rows(500, 11)


def by_athena(file: Path, by: Sequence[str]) -> list[Group]:
    """The groups as Athena's spelling has them, over the columns in lower case, as the catalogue names them."""
    database = duckdb.connect()
    database.execute("SET enable_progress_bar = false")
    database.execute("CREATE MACRO at_key(tags, key) AS tags[key]")
    names = ", ".join(f'"{name}" AS {name.lower()}' for name in COLUMNS["1.2"])
    database.execute(f"CREATE VIEW export AS SELECT {names} FROM '{file}'")  # noqa: S608
    spelling = athena({name: own.lower() for name, own in layout(COLUMNS["1.2"]).names.items()})
    asked = cube(f"({charges('export', spelling)})", by, spelling)
    database.execute(f"CREATE TABLE cube AS {asked.replace('element_at(', 'at_key(')}")
    return gather(database.execute(grouped(by)).fetchall(), by)


def by_duckdb(file: Path, by: Sequence[str]) -> list[Group]:
    """The groups as a file's are."""
    with Bill([file]) as bill:
        return list(bill.report(by).groups)


def told(groups: Sequence[Group]) -> dict[Any, Any]:
    """Key to sums, with empty texts as nothing, and savings that are nothing left out."""
    return {
        tuple(value or None for value in group.key.values()): (
            group.sums.billed,
            group.sums.effective,
            group.sums.list,
            group.sums.rows,
            {cause: amount for cause, amount in group.sums.savings.items() if amount},
        )
        for group in groups
    }


@pytest.mark.parametrize("by", [[one] for one in DIMENSIONS] + [["workload", "service", "day"], ["month", "region"]])
def test_both_spellings_agree(tmp_path: Path, by: list[str]) -> None:
    file = write(tmp_path / "bill.parquet", MONTH)
    assert told(by_athena(file, by)) == told(by_duckdb(file, by))


def test_both_spellings_have_the_known_answer(tmp_path: Path) -> None:
    file = write(tmp_path / "bill.parquet", MONTH)
    (expected,) = answer(MONTH).values()
    for groups in (by_athena(file, ["service"]), by_duckdb(file, ["service"])):
        billed = sum((group.sums.billed for group in groups), Decimal(0))
        assert abs(billed - expected.billed) < Decimal("1e-9")


def test_athenas_spelling_asks_nothing_that_only_duckdb_has() -> None:
    spelling = athena({name: own.lower() for name, own in layout(COLUMNS["1.2"]).names.items()})
    asked = cube(f"({charges('export', spelling)})", DIMENSIONS, spelling) + grouped(DIMENSIONS)
    only_duckdb = r"::|\[|\bEXCLUDE\b|GROUP BY ALL|ORDER BY ALL|ILIKE|json_extract_string|lpad|read_|TRY_CAST|hash\("
    assert not re.search(only_duckdb, asked)
    assert "element_at(tags, 'workload')" in asked
