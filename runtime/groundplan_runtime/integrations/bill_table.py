"""A bill of any size in a table of the catalogue, asked with Athena: one reading sums it, DuckDB sums these further.

The table is that of exports which are overwritten: of each month it holds one delivery, and each of its rows counts.
"""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from groundplan.focus.columns import layout
from groundplan.focus.queries import athena, charges, cube
from groundplan.focus.report import BillFile, Group, Reconciled, Report, without_line
from groundplan.focus.workloads import Charged
from groundplan.refusal import Finding, Refused
from groundplan.spend.focus_table import COLUMNS, PARTITION, TABLE_NAME
from groundplan_runtime.integrations import bill_cube
from groundplan_runtime.integrations.bill_export import text

ASKS_AGAIN_AFTER_SECONDS = 1
GIB = Decimal(2**30)


@dataclass(frozen=True, kw_only=True)
class Catalogued:
    """Where the table is: boto3's clients, the workgroup that bounds what is read, the database, and the months."""

    athena: Any
    s3: Any
    workgroup: str
    database: str
    months: Sequence[str]


class BillTable:
    """The table's months. `wait` is called with seconds while Athena works."""

    def __init__(self, place: Catalogued, wait: Callable[[float], object] = time.sleep) -> None:
        self._place, self._wait = place, wait
        self._database = duckdb.connect(":memory:")
        self._database.execute("SET enable_progress_bar = false")
        self._read_bytes = 0
        self.findings: list[Finding] = []

    def close(self) -> None:
        """Give memory back."""
        self._database.close()

    def __enter__(self) -> "BillTable":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def report(self, *by: Sequence[str]) -> Report:
        """As `Bill.report`; what the table holds is summed a second time, by itself, to reconcile."""
        wanted, dimensions, measures = bill_cube.asked(by)
        spelling = athena({name: own.lower() for name, own in layout(COLUMNS).names.items()})
        months = ", ".join(f"'{month}'" for month in self._place.months)
        asked = charges(f"(SELECT * FROM {TABLE_NAME} WHERE {PARTITION} IN ({months}))", spelling)
        bill_cube.make(self._all, dimensions, measures)
        self._ask(cube(f"({asked})", dimensions, spelling, measures), "cube", bill_cube.columns(dimensions, measures))
        whole = {"provider": "VARCHAR", "currency": "VARCHAR", "billed": "DECIMAL(38, 18)", "charges": "HUGEINT"}
        sums = f"SELECT provider, currency, sum(billed) AS billed, count(*) AS charges FROM ({asked}) GROUP BY 1, 2"
        self._all(f"CREATE OR REPLACE TABLE whole ({', '.join(f'{name} {kind}' for name, kind in whole.items())})")
        self._ask(sums, "whole", whole)
        self._look_for_unpriced()
        totals, groups = bill_cube.totals(self._all), bill_cube.groups(self._all, wanted)
        files = [BillFile(f"{self._table}, {month}", "counted", "athena", "1.2") for month in self._place.months]
        read = f"Athena read {self._read_bytes / GIB:,.2f} GiB; rows that equal another count, too"
        return Report(totals, groups, self._reconciled(totals), files, [read, *without_line(groups)])

    def charged(self) -> list[Charged]:
        """What each workload was charged in US dollars, day by day and meter by meter."""
        return bill_cube.charged(self._all)

    def _look_for_unpriced(self) -> None:
        counted = "sum(CASE WHEN currency IS NULL THEN charges ELSE unpriced END)"
        [(wrong,)] = self._all(f"SELECT coalesce({counted}, 0) FROM cube")
        if wrong:
            allowed = "each charge must have a price, a currency and a day; these are not wholly in the sums"
            self.findings.append(Finding(self._table, "charges", f"{wrong:,} without", allowed))
            self._all("DELETE FROM cube WHERE currency IS NULL")

    @property
    def _table(self) -> str:
        return f"{self._place.database}.{TABLE_NAME}"

    def _reconciled(self, totals: Sequence[Group]) -> list[Reconciled]:
        held = {(provider, currency): (billed, rows) for provider, currency, billed, rows in self._all("FROM whole")}
        nothing = (Decimal(0), 0)
        return [
            Reconciled(
                provider=one.provider,
                currency=one.currency,
                held=held.get((one.provider, one.currency), nothing)[0],
                held_rows=int(held.get((one.provider, one.currency), nothing)[1]),
                left_out=Decimal(0),
                left_out_rows=0,
                counted=one.sums.billed,
            )
            for one in totals
        ]

    def _ask(self, question: str, table: str, columns: Mapping[str, str]) -> None:
        """Athena's answer, a file of CSV, into a table of these columns."""
        place = self._answer(question)
        bucket, _, key = place.removeprefix("s3://").partition("/")
        named = ", ".join(f"{text(name)}: '{kind}'" for name, kind in columns.items())
        with tempfile.TemporaryDirectory(prefix="groundplan-athena-") as folder:
            file = Path(folder, "answer.csv")
            self._place.s3.download_file(bucket, key, str(file))
            options = "header=true, auto_detect=false, delim=',', quote='\"', escape='\"', nullstr=''"
            self._all(f"INSERT INTO {table} FROM read_csv('{file}', {options}, columns={{{named}}})")

    def _answer(self, question: str) -> str:
        """Where the answer is; raises Refused with Athena's own words, as when the workgroup's limit is reached."""
        athena = self._place.athena
        begun = athena.start_query_execution(
            QueryString=question,
            QueryExecutionContext={"Database": self._place.database},
            WorkGroup=self._place.workgroup,
        )["QueryExecutionId"]
        while True:
            found = athena.get_query_execution(QueryExecutionId=begun)["QueryExecution"]
            state = found["Status"]["State"]
            if state == "SUCCEEDED":
                self._read_bytes += int(found.get("Statistics", {}).get("DataScannedInBytes") or 0)
                return str(found["ResultConfiguration"]["OutputLocation"])
            if state in ("FAILED", "CANCELLED"):
                why = found["Status"].get("StateChangeReason") or "no reason given"
                raise Refused(f"Athena, workgroup {self._place.workgroup}: {state.lower()}: {why}")
            self._wait(ASKS_AGAIN_AFTER_SECONDS)

    def _all(self, statement: str) -> list[tuple[Any, ...]]:
        return self._database.execute(statement).fetchall()
