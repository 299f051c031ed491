"""One set of questions in two spellings: DuckDB's, as files are read, and Athena's, over a table of the same export.

A third asks them in its own words: ibis, which writes both languages from expressions and knows nothing of ours.

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
import ibis
import pytest

from focus_rows import COLUMNS, MONEY, answer, rows, write
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


def test_athenas_spelling_asks_nothing_that_only_duckdb_has() -> None:
    spelling = athena({name: own.lower() for name, own in layout(COLUMNS["1.2"]).names.items()})
    asked = cube(f"({charges('export', spelling)})", DIMENSIONS, spelling) + grouped(DIMENSIONS)
    only_duckdb = r"::|\[|\bEXCLUDE\b|GROUP BY ALL|ORDER BY ALL|ILIKE|json_extract_string|lpad|read_|TRY_CAST|hash\("
    assert not re.search(only_duckdb, asked)
    assert "element_at(tags, 'workload')" in asked
