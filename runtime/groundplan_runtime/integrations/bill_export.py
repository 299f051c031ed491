"""Files of one layout as DuckDB reads them: the spelling of each column, and what is wrong when it cannot be read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from groundplan.focus.columns import READ, Column, Kind
from groundplan.focus.queries import MEASURES, MONEY, Spelling
from groundplan.refusal import Finding
from groundplan_runtime.integrations.bill_files import Source

WHOLE = "hash(source)"  # of a row of the relation `source`
MOST_FINDINGS = 20  # of a column in a file
CSV = "auto_detect=false, header=true, delim=',', quote='\"', escape='\"', nullstr=['', 'NULL', 'null']"
QUICK_BELOW = 10**9  # of a currency in a group; credits may hide as much again, and more
_SPLIT = f"{1.5 * 2**32}::DOUBLE"  # added and taken away again, it rounds to 2**-20
_NUMBERS = (
    "DECIMAL",
    "DOUBLE",
    "FLOAT",
    "BIGINT",
    "INTEGER",
    "HUGEINT",
    "SMALLINT",
    "TINYINT",
    "UBIGINT",
    "UINTEGER",
)
_EMPTY = '"NULL"'  # the type of a column in which a writer never saw a value
_TYPES: dict[Kind, tuple[str, ...]] = {
    "money": ("VARCHAR", _EMPTY, *_NUMBERS),
    "quantity": ("VARCHAR", _EMPTY, *_NUMBERS),
    "time": ("VARCHAR", "TIMESTAMP", "DATE"),
    "text": ("VARCHAR", _EMPTY, *_NUMBERS),
    "tags": (
        "VARCHAR",
        "JSON",
        "MAP(VARCHAR, VARCHAR)",
        _EMPTY,
        "INTEGER",
    ),  # INTEGER: never a value, as others write it
}
_ALLOWED: dict[Kind, str] = {
    "money": "allowed: a number such as -1.25",
    "quantity": "allowed: a number such as 0.5, or nothing",
    "time": "allowed: a time such as 2026-11-01T00:00:00Z; without a zone it is UTC",
    "text": "allowed: text",
    "tags": 'allowed: a JSON object such as {"workload": "digit-reader"}, or nothing',
}
_NEVER_NULL = ("BilledCost", "EffectiveCost", "BillingCurrency", "ChargePeriodStart")


@dataclass(frozen=True)
class Export:
    """Files of one layout; `types` are those of the columns, in the order of the header."""

    number: int
    sources: tuple[Source, ...]
    types: tuple[str, ...]
    key: str = WHOLE  # what tells its rows apart, or most of them

    @property
    def view(self) -> str:
        """The view of its charges."""
        return f"charges_{self.number}"

    @property
    def names(self) -> set[str]:
        """FOCUS names of the columns that it has."""
        return set(self.sources[0].layout.names)

    @property
    def binary(self) -> bool:
        """Whether amounts are kept as binary fractions."""
        money = (one.name for one in READ if one.kind == "money")
        return all(self.column(name)[1] == "DOUBLE" for name in money)

    @property
    def csv_bytes(self) -> int:
        """About so much text is in its files; zero in those of Parquet."""
        text = (one for one in self.sources if one.format == "csv")
        return sum(one.path.stat().st_size * (10 if one.gzipped else 1) for one in text)

    def column(self, name: str) -> tuple[str, str]:
        """The file's own name of a column, quoted, and its type."""
        source = self.sources[0]
        own = source.layout.names[name]
        return quoted(own), self.types[source.header.index(own)]


def spelling(export: Export) -> Spelling:
    """How the questions are written over an export."""
    read = [one for one in READ if one.name in export.names]
    maps = "Tags" in export.names and export.column("Tags")[1].startswith("MAP")
    columns = {one.name: _cast(*export.column(one.name), one.kind) for one in read}
    for name in ("SubAccountId", "CommitmentDiscountId"):  # whether there is one decides more than a name
        if name in columns:
            columns[name] = f"nullif(nullif({columns[name]}, ''), 'NULL')"
    if "Tags" in columns and not maps:
        columns["Tags"] = f"nullif({columns['Tags']}, 'NULL')"
    if export.binary:
        columns |= {one.name: export.column(one.name)[0] for one in read if one.kind == "money"}
    return Spelling(
        columns=columns,
        tag=(lambda tags, key: f"{tags}['{key}']")
        if maps
        else (lambda tags, key: f"json_extract_string({tags}, '$.\"{key}\"')"),
        clean=_clean,
        sum=lambda name: f"sum(CAST({name} AS {MONEY}))",
        whole=WHOLE,
        key=export.key,
    )


def quick_spelling(export: Export) -> Spelling:
    """The same; sums of binary fractions take a third of the time, exact to 1e-9 while below `QUICK_BELOW`."""
    own = spelling(export)

    def quick(name: str) -> str:
        return _binary_sum(name) if name in MEASURES else own.sum(name)

    return replace(own, sum=quick) if export.binary else own


def _binary_sum(name: str) -> str:
    """Amounts are split at 2**-20. Multiples of that are summed without any error while they are below 2**33 in all;
    of what is left, below 2**-21 each, the error of a million is below 1e-10."""
    large = f"({name} + {_SPLIT} - {_SPLIT})"

    def decimal(amount: str) -> str:  # a cast of it all would have the error of its first digits
        return f"CAST(CAST(trunc({amount}) AS HUGEINT) AS {MONEY}) + CAST({amount} - trunc({amount}) AS {MONEY})"

    return f"{decimal(f'sum{large}')} + {decimal(f'sum({name} - {large})')}"


def _clean(name: str) -> str:
    some = f"nullif(nullif({name}, ''), 'NULL')"
    if name != "account":
        return some
    # A reader that takes AWS's twelve digits for a number loses the zeros before them.
    digits = f"provider ILIKE 'a%w%s%' AND regexp_full_match({name}, '[0-9]{{1,12}}(\\.0)?')"
    return f"CASE WHEN {digits} THEN lpad(split_part({name}, '.', 1), 12, '0') ELSE {some} END"


def wrong_types(export: Export) -> Iterator[Finding]:
    """A finding for each column of a type that cannot be read as what FOCUS says it is."""
    for one in READ:
        if one.name in export.names:
            own, kind = export.column(one.name)
            if not kind.startswith(_TYPES[one.kind]):
                where = f"column {own.strip(chr(34))}"
                yield Finding(str(export.sources[0].path), where, f"type {kind}", _ALLOWED[one.kind])


def wrong_values(
    database: duckdb.DuckDBPyConnection, export: Export, source: Source, scan: Callable[[str], str]
) -> Iterator[Finding]:
    """A finding for each row or value of a file that cannot be read. `scan` reads it with more options.

    The header of a CSV file is row 1; the first row of a Parquet file is row 1.
    """
    name = str(source.path)
    try:
        if source.format == "csv":
            yield from _ragged(database, name, scan)
            rows = f"(SELECT *, row_number() OVER () + 1 AS file_row FROM {scan(', ignore_errors=true')})"
        else:
            rows = f"(SELECT *, file_row_number + 1 AS file_row FROM {scan(', file_row_number=true')})"
        for one in READ:
            if one.name in export.names:
                yield from _of_column(database, export, name, rows, one)
    except duckdb.Error as error:
        yield Finding(name, "", first_line(error), "the file must be whole: fetch it again")


def first_line(error: object) -> str:
    """What DuckDB says, without the query."""
    return str(error).strip().splitlines()[0]


def quoted(name: str) -> str:
    """A name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A value as SQL text."""
    return "'" + value.replace("'", "''") + "'"


def _cast(own: str, type_: str, kind: Kind) -> str:
    if kind in ("money", "quantity"):
        given = f"nullif(nullif({own}, ''), 'NULL')" if type_ == "VARCHAR" else own
        return f"CAST({given} AS {MONEY})"
    if kind == "time":
        if type_ != "VARCHAR":
            return f"CAST({own} AS TIMESTAMP)"
        # Nearly every time ends with Z or without a zone, and needs no calendar of zones.
        utc = f"ends_with({own}, 'Z') OR length({own}) = 10 OR (length({own}) = 19 AND {own}[17] = ':')"
        return f"CASE WHEN {utc} THEN CAST({own} AS TIMESTAMP) ELSE CAST(CAST({own} AS TIMESTAMPTZ) AS TIMESTAMP) END"
    return own if type_.startswith(("MAP", "JSON", "VARCHAR")) else f"CAST({own} AS VARCHAR)"


def _ragged(database: duckdb.DuckDBPyConnection, name: str, scan: Callable[[str], str]) -> Iterator[Finding]:
    for table in ("rejected", "scanned"):
        database.execute(f"DROP TABLE IF EXISTS {table}")
    more = ", store_rejects=true, rejects_table='rejected', rejects_scan='scanned'"
    database.execute(f"SELECT count(COLUMNS(*)) FROM {scan(more)}").fetchall()
    # The first thing that is wrong in a row makes others of it.
    found = (
        "SELECT DISTINCT ON (line) line, column_name, csv_line, error_message FROM rejected ORDER BY line, column_idx"
    )
    for line, column, given, message in database.execute(found).fetchmany(MOST_FINDINGS):
        where = f"row {line}" + (f", column {column}" if column else "")
        yield Finding(name, where, str(given).strip(), str(message).splitlines()[0].rstrip("."))


def _of_column(
    database: duckdb.DuckDBPyConnection, export: Export, name: str, rows: str, column: Column
) -> Iterator[Finding]:
    own, type_ = export.column(column.name)
    wrong: list[str] = []
    if column.name in _NEVER_NULL:
        empty = f"{own} IS NULL OR CAST({own} AS VARCHAR) IN ('', 'NULL')"
        wrong.append(empty)
    if column.kind == "tags" and type_ in ("VARCHAR", "JSON"):
        wrong.append(f"NOT json_valid(nullif(nullif({own}, ''), 'NULL'))")
    elif column.kind in ("money", "quantity", "time"):
        value = _cast(own, type_, column.kind).replace("CAST(", "TRY_CAST(")
        wrong.append(f"({own} IS NOT NULL AND CAST({own} AS VARCHAR) NOT IN ('', 'NULL') AND {value} IS NULL)")
    if wrong:
        asked = f"SELECT file_row, CAST({own} AS VARCHAR) FROM {rows} WHERE {' OR '.join(wrong)} ORDER BY 1"
        for row, given in database.execute(asked).fetchmany(MOST_FINDINGS):
            value: Any = "nothing" if given is None or given == "" else given
            yield Finding(name, f"row {row}, column {column.name}", value, _ALLOWED[column.kind])
