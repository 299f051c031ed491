"""A bill in files, asked with DuckDB: whatever version of FOCUS, CSV or Parquet, each charge counted once.

Files of one layout are read together and never held: a question goes over them once and keeps sums. A file with a
value that cannot be read is refused as a whole, with row, column and value; the others are counted.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from groundplan.focus.queries import MONEY, TAGS, charges, cleaned, cube, summed, tag
from groundplan.focus.report import BillFile, Group, Reconciled, Report, without_line
from groundplan.focus.workloads import Charged
from groundplan.refusal import Finding, Refused, bad
from groundplan_runtime.integrations import bill_cube
from groundplan_runtime.integrations.bill_export import (
    CSV,
    QUICK_BELOW,
    Export,
    first_line,
    quick_spelling,
    spelling,
    text,
    wrong_types,
    wrong_values,
)
from groundplan_runtime.integrations.bill_files import Source, look
from groundplan_runtime.integrations.bill_repeats import repeated_rows, telling

# By these a charge is known again in an export of other columns; tags come on top.
ALIKE = {
    "provider": "ServiceProviderName",
    "currency": "BillingCurrency",
    "account": "SubAccountId",
    "start": "ChargePeriodStart",
    "service": "ServiceName",
    "category": "ChargeCategory",
    "sku": "SkuId",
    "unit": "ConsumedUnit",
    "resource": "ResourceId",
    "region": "RegionId",
    "quantity": "ConsumedQuantity",
    "billed": "BilledCost",
    "effective": "EffectiveCost",
}
KEPT_KEYS_BYTES = 1 << 30  # of CSV; of some 400 bytes a row eight are kept


@dataclass(frozen=True)
class Limits:
    """What DuckDB may take: threads, and MiB of memory, beyond which it keeps things on disk for the while."""

    threads: int | None = None
    memory_mib: int | None = None


class Bill:
    """The files of a bill. With `rows_once` a row that equals another in every column counts once."""

    def __init__(self, files: Sequence[Path], *, limits: Limits | None = None, rows_once: bool = True) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="groundplan-bill-")
        self._links: dict[Path, str] = {}
        self._limits = limits or Limits()
        self._database = _connect(Path(self._folder.name), self._limits)
        self._rows_once = rows_once
        looked = look(files, lambda path: [name for name, _ in self._described(path)])
        self.findings: list[Finding] = list(looked.findings)
        self._left_out: list[BillFile] = list(looked.left_out)
        self._notes: list[str] = list(looked.notes)
        self._held: list[tuple[Any, ...]] = []
        self._repeated: list[tuple[Any, ...]] = []
        self._exports = self._laid_out(looked.sources)

    def close(self) -> None:
        """Give memory and disk back."""
        self._database.close()
        self._folder.cleanup()

    def __enter__(self) -> "Bill":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def report(self, *by: Sequence[str]) -> Report:
        """Totals, and groups by each of `by`; without any by each dimension alone, and `charged` then answers."""
        wanted, dimensions, measures = bill_cube.asked(by)
        self._sum_by(dimensions, measures)
        totals, groups = bill_cube.totals(self._all), bill_cube.groups(self._all, wanted)
        counted = [source.as_file() for export in self._exports for source in export.sources]
        notes = [*self._notes, *without_line(groups)]
        return Report(totals, groups, self._reconciled(totals), [*counted, *self._left_out], notes)

    def charged(self) -> list[Charged]:
        """What each workload was charged in US dollars, day by day and meter by meter."""
        return bill_cube.charged(self._all)

    def _sum_by(self, by: Sequence[str], measures: Sequence[str]) -> None:
        """Make the table `cube` of sums by these dimensions."""
        bill_cube.make(self._all, by, measures)
        self._held, self._repeated = [], []
        read: list[Export] = []
        for export in self._exports:
            read += self._read(export, by, measures, read)
        self._exports = read

    def _read(
        self, export: Export, by: Sequence[str], measures: Sequence[str], before: Sequence[Export]
    ) -> list[Export]:
        """Add an export to the cube, without its files that cannot be read; nothing when there are no others."""
        while export.sources:
            why: duckdb.Error | str = "it holds charges without a price, currency or day"
            try:
                export = self._viewed(export)
                repeated = self._part(export, by, measures, before)
                if not self._all("SELECT 1 FROM part WHERE unpriced > 0 OR currency IS NULL LIMIT 1"):
                    self._held += self._all(_sums(export.view if repeated else "part"))
                    self._all("INSERT INTO cube SELECT * FROM part")
                    self._repeated += repeated
                    return [export]
            except duckdb.Error as error:
                why = error
            export = self._without_wrong(export, why)
        return []

    def _viewed(self, export: Export) -> Export:
        """The export, whose view stands."""
        scan = self._scan(export.sources, export.types)
        if self._rows_once:
            export = replace(export, key=telling(self._database, export, scan))
        self._all(f"CREATE OR REPLACE VIEW {export.view} AS {charges(f'{scan} AS source', spelling(export))}")
        return export

    def _part(
        self, export: Export, by: Sequence[str], measures: Sequence[str], before: Sequence[Export]
    ) -> list[tuple[Any, ...]]:
        """Make the table `part` of an export's sums; (provider, currency, billed, rows) of what was there already."""
        if self._rows_once and not before and 0 < export.csv_bytes <= KEPT_KEYS_BYTES:
            # Text is slow to read: what tells its rows apart is kept from the one time that it is.
            asked = summed(export.view, by, spelling(export), measures, ", list(key) AS keys")
            self._all(f"CREATE OR REPLACE TABLE summed AS {asked}")
            kept = "(SELECT unnest(keys) AS key FROM summed)"
            twice = self._all(f"SELECT 1 FROM {kept} HAVING count(*) > count(DISTINCT key)")
            if not twice:
                self._all(f"CREATE OR REPLACE TABLE part AS {cleaned('summed', by, spelling(export), measures)}")
                return []
        relation, repeated = self._once(export, before) if self._rows_once else (export.view, [])
        own = spelling(export)
        # Where rows are left out, what is held, left out and counted must agree to the last digit.
        for way in (quick_spelling(export), own) if relation == export.view else (own,):
            self._all(f"CREATE OR REPLACE TABLE part AS {cube(relation, by, way, measures)}")
            if not self._all(f"SELECT 1 FROM part WHERE abs(billed) + abs(list) >= {QUICK_BELOW} LIMIT 1"):
                break
        return repeated

    def _once(self, export: Export, before: Sequence[Export]) -> tuple[str, list[tuple[Any, ...]]]:
        """A relation of the charges that were not counted yet; (provider, currency, billed, rows) of the others."""
        relation, repeated = export.view, list[tuple[Any, ...]]()
        again = f"again_{export.number}"
        if repeated_rows(self._database, export, again, self._limits.memory_mib):
            # The hash of a row finds it; that it is the same row these columns confirm.
            numbered = f"""(SELECT *, row_number() OVER (PARTITION BY whole, start, billed, resource, sku) AS nth
                FROM {relation} WHERE whole IN (SELECT whole FROM {again}))"""
            repeated += self._all(_sums(f"{numbered} WHERE nth > 1"))
            relation = f"""(SELECT * FROM {relation} WHERE whole NOT IN (SELECT whole FROM {again})
                UNION ALL SELECT * EXCLUDE (nth) FROM {numbered} WHERE nth = 1)"""
        shared = "SELECT provider, currency, month FROM {}"
        others = [
            other
            for other in before
            if self._all(f"{shared.format(export.view)} INTERSECT {shared.format(other.view)} LIMIT 1")
        ]
        if others:
            relation, found = self._new_beside(export, relation, others)
            repeated += found
        return relation, repeated

    def _new_beside(
        self, export: Export, relation: str, others: Sequence[Export]
    ) -> tuple[str, list[tuple[Any, ...]]]:
        """Charges that no other export, of other columns, holds as often; sums of those that one does."""
        seen, row = f"seen_{export.number}", "whole, start, billed"
        self._all(f"CREATE OR REPLACE TABLE {seen} AS SELECT {row} FROM {relation} LIMIT 0")
        for other in others:
            mine, theirs = _alike(export, other)
            # In one order for all others: the first of equal charges is what each of them holds.
            self._all(f"""INSERT INTO {seen} SELECT {row} FROM
                (SELECT *, row_number() OVER (PARTITION BY alike ORDER BY whole) AS turn
                FROM (SELECT {row}, {mine} AS alike FROM {relation})
                JOIN (SELECT {theirs} AS alike, count(*) AS times FROM {other.view} GROUP BY 1) USING (alike))
                WHERE turn <= times""")
        repeated = self._all(_sums(f"{relation} SEMI JOIN {seen} USING ({row})"))
        return f"(SELECT * FROM {relation} ANTI JOIN {seen} USING ({row}))", repeated

    def _reconciled(self, totals: Sequence[Group]) -> list[Reconciled]:
        """Per provider and currency what files held, what of it was there already, and what is counted."""
        counted = {(one.provider, one.currency): one.sums.billed for one in totals}
        found: list[Reconciled] = []
        for key in sorted(counted, key=str):
            held = [row for row in self._held if row[:2] == key]
            again = [row for row in self._repeated if row[:2] == key]
            found.append(
                Reconciled(
                    provider=key[0],
                    currency=key[1],
                    held=sum((row[2] for row in held), Decimal(0)),
                    held_rows=int(sum(row[3] for row in held)),
                    left_out=sum((row[2] for row in again), Decimal(0)),
                    left_out_rows=int(sum(row[3] for row in again)),
                    counted=counted[key],
                )
            )
        return found

    def _without_wrong(self, export: Export, why: object) -> Export:
        """The export without the files in which something is wrong, each of which is told."""
        good: list[Source] = []
        for source in export.sources:

            def scan(more: str, of: Source = source) -> str:
                return self._scan([of], export.types, more)

            wrong = list(wrong_values(self._database, export, source, scan))
            if wrong:
                self._refuse(source, wrong)
            else:
                good.append(source)
        if len(good) == len(export.sources):
            names = ", ".join(str(source.path) for source in good)
            raise Refused(f"{names} cannot be read: {first_line(why)}")
        return replace(export, sources=tuple(good))

    def _refuse(self, source: Source, wrong: Sequence[Finding]) -> None:
        self.findings += wrong
        self._left_out.append(source.as_file("refused", str(wrong[0])))

    # -- from files to exports --------------------------------------------------------------------------------------

    def _laid_out(self, sources: Sequence[Source]) -> list[Export]:
        """Files by layout. A file with a column of a type that cannot be read is refused."""
        alike: dict[tuple[tuple[object, ...], tuple[str, ...]], list[Source]] = {}
        for source in sources:
            types = ("VARCHAR",) * len(source.header)
            if source.format == "parquet":
                types = tuple(kind for _, kind in self._described(source.path))
            export = Export(0, (source,), types)
            wrong = list(wrong_types(export))
            if wrong:
                self._refuse(source, wrong)
            else:
                alike.setdefault(((source.format, source.gzipped, source.header), types), []).append(source)
        return [Export(at, tuple(own), types) for at, ((_, types), own) in enumerate(alike.items())]

    def _described(self, path: Path) -> list[tuple[str, str]]:
        try:
            rows = self._all(f"DESCRIBE SELECT * FROM read_parquet('{self._link(path)}')")
        except duckdb.Error as error:
            why = first_line(error).replace(self._link(path), path.name)
            raise bad(str(path), "", why, "it must be whole Parquet: fetch it again") from None
        return [(str(row[0]), str(row[1])) for row in rows]

    def _link(self, path: Path) -> str:
        """A name of the file without anything that SQL or a pattern takes for its own."""
        if path not in self._links:
            link = Path(self._folder.name, f"{len(self._links)}.file")
            link.symlink_to(path.resolve())
            self._links[path] = str(link)
        return self._links[path]

    def _scan(self, sources: Sequence[Source], types: Sequence[str], more: str = "") -> str:
        """The table function over files of one layout."""
        first = sources[0]
        files = ", ".join(f"'{self._link(source.path)}'" for source in sources)
        if first.format == "parquet":
            return f"read_parquet([{files}]{more})"
        columns = ", ".join(f"{text(name)}: '{kind}'" for name, kind in zip(first.header, types, strict=True))
        compression = "gzip" if first.gzipped else "none"
        return f"read_csv([{files}], {CSV}, compression='{compression}', columns={{{columns}}}{more})"

    def _all(self, statement: str) -> list[tuple[Any, ...]]:
        return self._database.execute(statement).fetchall()


def _connect(folder: Path, limits: Limits) -> duckdb.DuckDBPyConnection:
    settings: dict[str, Any] = {
        "temp_directory": str(folder / "spilled"),
        "autoinstall_known_extensions": False,  # nothing is fetched, whatever a file asks for
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
    }
    if limits.threads:
        settings["threads"] = limits.threads
    if limits.memory_mib:
        settings["memory_limit"] = f"{limits.memory_mib}MiB"
    database = duckdb.connect(":memory:", config=settings)
    database.execute("SET TimeZone = 'UTC'")
    database.execute("SET enable_progress_bar = false")  # it would be drawn into what is printed
    database.execute("SET disable_parquet_prefetching = true")  # files are near: it costs memory and saves nothing
    return database


def _alike(export: Export, other: Export) -> tuple[str, str]:
    """What makes a charge of one the charge of the other, as each spells it."""
    names = export.names & other.names
    shared = [name for name, column in ALIKE.items() if column in names]

    def spelled(one: Export) -> str:
        # The same amount is a decimal here and a binary fraction there.
        own = {name: f"round(CAST({name} AS {MONEY}), 9)" for name in ("quantity", "billed", "effective")}
        own["account"] = spelling(one).clean("account")
        tags = [tag(key, spelling(one)) for key in TAGS] if "Tags" in names else []
        return f"hash({', '.join([*(own.get(name, name) for name in shared), *tags])})"

    return spelled(export), spelled(other)


def _sums(relation: str) -> str:
    rows = "sum(charges)" if relation == "part" else "count(*)"
    billed = f"sum(CAST(billed AS {MONEY}))"
    return f"SELECT provider, currency, {billed}, {rows} FROM {relation} GROUP BY provider, currency"
