"""Rows that are in an export more than once: looked for by few columns, told by all of them.

Rows that are equal are equal in each column. So as long as a few columns, which are quickly read, tell all rows
apart, the others need not be looked at; where they do not, only the rows that they confuse are compared whole.
"""

from collections.abc import Generator
from contextlib import contextmanager, nullcontext, suppress

import duckdb

from groundplan_runtime.integrations.bill_export import WHOLE, Export

# Columns by which rows are likely to differ, those that are quickest to read first.
TELLING = (
    ("BilledCost",),
    ("BilledCost", "EffectiveCost", "ChargePeriodStart", "ResourceId", "SkuId", "ConsumedQuantity", "Tags"),
)
SAMPLED_ROWS = 20_000
FEW = 0.01  # of the rows; more of them are not looked up one by one
# More memory is no quicker: hashes beyond it are on disk for the while. More rows would not do with it.
MIB_A_THREAD = 48
ROWS_A_PASS = 15_000_000
LEAST_BYTES_A_ROW = 200  # of CSV


def telling(database: duckdb.DuckDBPyConnection, export: Export, scan: str) -> str:
    """The fewest columns that tell the first rows apart, as one value; the whole row where no few do."""
    columns = [[export.column(name)[0] for name in names if name in export.names] for names in TELLING]
    keys = [f"hash({', '.join(own)})" for own in columns]
    kinds = ", ".join(f"count(DISTINCT {key})" for key in keys)
    some = f"(SELECT {', '.join(columns[-1])} FROM {scan} LIMIT {SAMPLED_ROWS})"
    ((rows, *found),) = database.execute(f"SELECT count(*), {kinds} FROM {some}").fetchall()
    return next((key for key, different in zip(keys, found, strict=True) if different == rows), WHOLE)


def repeated_rows(database: duckdb.DuckDBPyConnection, export: Export, table: str, memory_mib: int | None) -> bool:
    """Make a table of the hashes, `whole`, of rows that are there more than once. Whether there are any.

    `memory_mib` is what the database may take, and takes again afterwards.
    """
    # A CSV reader needs more for its own buffers.
    with _little_memory(database, memory_mib) if export.sources[0].format == "parquet" else nullcontext():
        passes = 1 + _about_rows(database, export) // ROWS_A_PASS
        turns = [f"key % {passes} = {at}" if passes > 1 else "true" for at in range(passes)]
        asked = [f"SELECT count(*), count(DISTINCT key) FROM {export.view} WHERE {turn}" for turn in turns]
        rows, kinds = map(sum, zip(*(database.execute(one).fetchall()[0] for one in asked), strict=True))
        if rows == kinds:
            return False
        database.execute(f"CREATE OR REPLACE TABLE {table} (whole UBIGINT)")
        for turn in turns:
            confused = f"key IN (SELECT key FROM {export.view} WHERE {turn} GROUP BY key HAVING count(*) > 1)"
            database.execute(f"""INSERT INTO {table} SELECT whole FROM {export.view}
                WHERE {confused if rows - kinds <= rows * FEW else turn} GROUP BY whole HAVING count(*) > 1""")
    return bool(database.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchall())


def _about_rows(database: duckdb.DuckDBPyConnection, export: Export) -> int:
    if export.csv_bytes:  # to count them is to read them
        return export.csv_bytes // LEAST_BYTES_A_ROW
    return database.execute(f"SELECT count(*) FROM {export.view}").fetchall()[0][0]


@contextmanager
def _little_memory(database: duckdb.DuckDBPyConnection, given_mib: int | None) -> Generator[None]:
    ((threads,),) = database.execute("SELECT current_setting('threads')").fetchall()
    little = threads * MIB_A_THREAD
    with suppress(duckdb.Error):  # tables of this bill may hold more already
        database.execute(f"SET memory_limit = '{min(little, given_mib or little)}MiB'")
    try:
        yield
    finally:
        database.execute(f"SET memory_limit = '{given_mib}MiB'" if given_mib else "RESET memory_limit")
