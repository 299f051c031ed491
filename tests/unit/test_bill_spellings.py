"""One set of questions in two spellings: DuckDB's, as files are read, and Athena's, over a table of the same export.

A third asks them in its own words: ibis, which writes both languages from expressions and knows nothing of ours.

Athena does not run here. Its spelling is run by DuckDB, in which the one function that the two understand differently
(`element_at`) is made to answer as Athena's; what Athena alone would refuse is not seen by this.
https://docs.aws.amazon.com/athena/latest/ug/functions.html, https://trino.io/docs/current/functions/map.html
"""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pytest

from focus_rows import COLUMNS, MONEY, answer, rows, write
from groundplan.focus.columns import layout
from groundplan.focus.queries import DIMENSIONS, athena, charges, cube, grouped
from groundplan.focus.report import Group
from groundplan.focus.workloads import Charged
from groundplan.refusal import BadInput, Refused
from groundplan_operate.command_line import groundplan
from groundplan_runtime.integrations.bill import Bill
from groundplan_runtime.integrations.bill_table import BillTable, Catalogued

MONTH = rows(500, 11)


class Athena:
    """Answers with files, as Athena does, of a table `focus` whose columns are called as in the catalogue."""

    def __init__(self, file: Path, state: str = "SUCCEEDED") -> None:
        self.asked: list[str] = []
        self._folder, self._state, self._looks = file.parent, state, 0
        self._database = duckdb.connect()
        self._database.execute("SET enable_progress_bar = false")
        self._database.execute("CREATE MACRO at_key(tags, key) AS tags[key]")
        names = ", ".join(f'"{name}" AS {name.lower()}' for name in COLUMNS["1.2"])
        month = "strftime(BillingPeriodStart::TIMESTAMP, '%Y-%m') AS billing_period"
        self._database.execute(f"CREATE VIEW focus AS SELECT {names}, {month} FROM '{file}'")  # noqa: S608

    def start_query_execution(self, **request: Any) -> Mapping[str, str]:
        assert (request["WorkGroup"], request["QueryExecutionContext"]) == ("costs", {"Database": "bills"})
        self.asked.append(request["QueryString"])
        name = f"{len(self.asked)}.csv"
        if self._state == "SUCCEEDED":
            sql = self.asked[-1].replace("element_at(", "at_key(")
            self._database.execute(f"COPY ({sql}) TO '{self._folder / name}' (HEADER, FORCE_QUOTE *)")
        return {"QueryExecutionId": name}

    def get_query_execution(self, **request: Any) -> Mapping[str, Any]:
        self._looks += 1
        status = {"State": "RUNNING" if self._looks == 1 else self._state, "StateChangeReason": "Bytes scanned limit"}
        place = {"OutputLocation": f"s3://costs/answers/{request['QueryExecutionId']}"}
        scanned = {"DataScannedInBytes": 2**29}
        return {"QueryExecution": {"Status": status, "ResultConfiguration": place, "Statistics": scanned}}

    def download_file(self, bucket: str, key: str, target: str) -> None:
        assert bucket == "costs"
        shutil.copy(self._folder / Path(key).name, target)


def table(engine: Athena, months: Sequence[str] = ("2026-10",)) -> BillTable:
    """The bill in the catalogue; nobody really waits."""
    place = Catalogued(athena=engine, s3=engine, workgroup="costs", database="bills", months=months)
    return BillTable(place, wait=lambda _: None)


def by_athena(file: Path, by: Sequence[str]) -> list[Group]:
    """The groups as Athena's spelling has them."""
    with table(Athena(file)) as bill:
        return list(bill.report(by).groups)


def by_duckdb(file: Path, by: Sequence[str]) -> list[Group]:
    """The groups as a file's are."""
    with Bill([file]) as bill:
        return list(bill.report(by).groups)


def written_by_ibis(by: Sequence[str], dialect: str) -> str:
    """Billed, effective and list cost, what was negotiated, what else was saved and why, and how many charges."""
    texts = "BillingAccountId ChargeCategory CommitmentDiscountId PricingCategory RegionId ServiceName SubAccountId"
    types = dict.fromkeys(texts.split(), "string") | dict.fromkeys(MONEY, "decimal(38, 18)")
    types |= dict.fromkeys(("BillingPeriodStart", "ChargePeriodStart"), "timestamp")
    row: Any = ibis.table(types | {"Tags": "map<string, string>"}, name="export")
    discounted = row.CommitmentDiscountId.nullif("").notnull()
    credit, prepaid = row.ChargeCategory == "Credit", (row.ChargeCategory == "Purchase") & discounted
    cause = ibis.cases(
        (credit, "credit"),
        (prepaid, "prepaid"),
        (row.PricingCategory == "Dynamic", "spot"),
        ((row.PricingCategory == "Committed") | discounted, "commitment"),
        else_="other",
    )
    listed, contracted = row.ListCost.fill_null(row.ContractedCost), row.ContractedCost.fill_null(row.ListCost)
    no_price = credit | prepaid
    dimensions: dict[str, Any] = {
        "account": row.SubAccountId.nullif("").fill_null(row.BillingAccountId),
        "service": row.ServiceName,
        "region": row.RegionId,
        "day": row.ChargePeriodStart.date(),
        "month": row.BillingPeriodStart.truncate("M").date(),
        **{name: row.Tags.get(name).strip() for name in ("workload", "tenant", "feature")},
    }
    charged = row.select(
        *(dimensions[name].name(f"by_{name}") for name in by),
        cause=cause,
        billed=row.BilledCost,
        effective=row.EffectiveCost,
        listed=listed,
        negotiated=ibis.ifelse(no_price, listed - listed, listed - contracted),
        saved=ibis.ifelse(no_price, listed, contracted) - row.EffectiveCost,
    )
    sums = (charged[name].sum() for name in ("billed", "effective", "listed", "negotiated", "saved"))
    asked = charged.group_by([*(f"by_{name}" for name in by), "cause"]).aggregate(*sums, charges=charged.count())
    return str(ibis.to_sql(asked, dialect=dialect))


def by_ibis(file: Path, by: Sequence[str], dialect: str) -> dict[Any, Any]:
    """As `told`."""
    database = duckdb.connect()
    database.execute("SET enable_progress_bar = false")
    database.execute("CREATE MACRO at_key(tags, key) AS tags[key]")
    exact = ", ".join(f"CAST({name} AS DECIMAL(38, 18)) AS {name}" for name in MONEY)
    database.execute(f"CREATE VIEW export AS SELECT * REPLACE ({exact}) FROM '{file}'")  # noqa: S608
    sql = written_by_ibis(by, dialect)
    sums, savings = dict[Any, list[Any]](), dict[Any, dict[str, Any]]()
    for row in database.execute(sql.replace("ELEMENT_AT(", "at_key(") if dialect == "athena" else sql).fetchall():
        *values, cause, billed, effective, listed, negotiated, saved, charges = row
        key = tuple(value or None for value in values)
        known = sums.setdefault(key, [0, 0, 0, 0])
        sums[key] = [one + more for one, more in zip(known, (billed, effective, listed, charges), strict=True)]
        causes = savings.setdefault(key, {})
        for name, amount in (("negotiated", negotiated), (cause, saved)):
            causes[name] = causes.get(name, 0) + amount
    some = {key: {name: round(usd, 9) for name, usd in own.items() if round(usd, 9)} for key, own in savings.items()}
    return {key: (*(round(amount, 9) for amount in own), some[key]) for key, own in sums.items()}


def told(groups: Sequence[Group]) -> dict[Any, Any]:
    """Key to sums to 1e-9, with empty texts as nothing, and savings that are nothing left out."""
    return {
        tuple(value or None for value in group.key.values()): (
            round(group.sums.billed, 9),
            round(group.sums.effective, 9),
            round(group.sums.list, 9),
            group.sums.rows,
            {cause: round(amount, 9) for cause, amount in group.sums.savings.items() if round(amount, 9)},
        )
        for group in groups
    }


def rounded(charged: Sequence[Charged]) -> list[Charged]:
    """With sums to 1e-9."""
    return [
        replace(
            one,
            quantity=None if one.quantity is None else round(one.quantity, 9),
            effective=round(one.effective, 9),
            billed=round(one.billed, 9),
        )
        for one in charged
    ]


@pytest.mark.parametrize("by", [[one] for one in DIMENSIONS] + [["workload", "service", "day"], ["month", "region"]])
def test_both_spellings_agree(tmp_path: Path, by: list[str]) -> None:
    file = write(tmp_path / "bill.parquet", MONTH)
    assert told(by_athena(file, by)) == told(by_duckdb(file, by))


@pytest.mark.parametrize("dialect", ["duckdb", "athena"])
@pytest.mark.parametrize("by", [["workload", "tenant", "feature", "account"], ["service", "day", "month", "region"]])
def test_ibis_has_the_same_answers_in_both_languages(tmp_path: Path, by: list[str], dialect: str) -> None:
    file = write(tmp_path / "bill.parquet", MONTH)
    assert by_ibis(file, by, dialect) == told(by_duckdb(file, by))


def test_both_spellings_have_the_known_answer(tmp_path: Path) -> None:
    file = write(tmp_path / "bill.parquet", MONTH)
    (expected,) = answer(MONTH).values()
    for groups in (by_athena(file, ["service"]), by_duckdb(file, ["service"])):
        billed = sum((group.sums.billed for group in groups), Decimal(0))
        assert abs(billed - expected.billed) < Decimal("1e-9")


def test_a_table_gives_the_report_that_its_file_gives_but_for_where_it_was_read(tmp_path: Path) -> None:
    file = write(tmp_path / "bill.parquet", MONTH)
    with table(engine := Athena(file)) as of_table, Bill([file]) as of_file:
        here, there = of_table.report(), of_file.report()
        assert told(here.groups) == told(there.groups)
        assert told(here.totals) == told(there.totals)
        assert rounded(of_table.charged()) == rounded(of_file.charged())
    for one, other in zip(here.reconciliation, there.reconciliation, strict=True):
        assert (one.held_rows, round(one.held, 9)) == (other.held_rows, round(other.held, 9))
        assert round(one.counted, 9) == round(other.counted, 9)
        assert one.difference == 0
    assert "Athena read 1.00 GiB" in here.notes[0]
    assert len(engine.asked) == 2, "one reading for all groups, and one to reconcile"


def test_of_a_table_only_the_months_that_are_asked_for_are_read(tmp_path: Path) -> None:
    file = write(tmp_path / "bill.parquet", [*MONTH, *rows(20, month="2026-11")])
    with table(Athena(file), ("2026-11",)) as bill:
        assert [total.sums.rows for total in bill.report().totals] == [20]


def test_a_charge_of_a_table_without_a_price_is_told_and_not_called_nothing(tmp_path: Path) -> None:
    file = write(
        tmp_path / "bill.parquet", [*MONTH, MONTH[0] | {"BilledCost": ""}, MONTH[1] | {"BillingCurrency": ""}]
    )
    with table(Athena(file)) as bill:
        assert {total.currency for total in bill.report().totals} == {"USD"}
        assert "2 without" in str(bill.findings[0])


def test_what_athena_refuses_is_told_in_its_own_words(tmp_path: Path) -> None:
    file = write(tmp_path / "bill.parquet", MONTH)
    with table(Athena(file, "FAILED")) as bill, pytest.raises(Refused, match="costs: failed: Bytes scanned limit"):
        bill.report()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (["--athena"], "without -e"),
        (["--athena", "-e", "dev", "--focus", "x.csv"], "with --focus"),
        (["--month", "2026-11", "--focus", "x.csv"], "with --athena"),
    ],
)
def test_what_does_not_go_with_a_table_is_refused(given: list[str], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        groundplan(["report", *given], standalone_mode=False)


def test_athenas_spelling_asks_nothing_that_only_duckdb_has() -> None:
    spelling = athena({name: own.lower() for name, own in layout(COLUMNS["1.2"]).names.items()})
    asked = cube(f"({charges('export', spelling)})", DIMENSIONS, spelling) + grouped(DIMENSIONS)
    only_duckdb = r"::|\[|\bEXCLUDE\b|GROUP BY ALL|ORDER BY ALL|ILIKE|json_extract_string|lpad|read_|TRY_CAST|hash\("
    assert not re.search(only_duckdb, asked)
    assert "element_at(tags, 'workload')" in asked
