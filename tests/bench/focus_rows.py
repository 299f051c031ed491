"""FOCUS rows with a known answer: the same for the same seed, in the columns of a version, as CSV or Parquet.

    python tests/bench/focus_rows.py bill.parquet --rows 10000000

`rows` makes them one by one, with awkward ones among them, and `answer` adds them up in plain Python. `large` has
DuckDB make millions by a formula, whose sums `large_answer` knows without adding.
"""

import argparse
import csv
import gzip
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import duckdb

Row = dict[str, str]
COMMON = """
    AvailabilityZone BilledCost BillingAccountId BillingAccountName BillingCurrency BillingPeriodEnd
    BillingPeriodStart ChargeCategory ChargeClass ChargeDescription ChargeFrequency ChargePeriodEnd ChargePeriodStart
    CommitmentDiscountCategory CommitmentDiscountId CommitmentDiscountName CommitmentDiscountStatus
    CommitmentDiscountType ConsumedQuantity ConsumedUnit ContractedCost ContractedUnitPrice EffectiveCost
    InvoiceIssuerName ListCost ListUnitPrice PricingCategory PricingQuantity PricingUnit RegionId RegionName
    ResourceId ResourceName ResourceType ServiceCategory ServiceName SkuId SkuPriceId SubAccountId SubAccountName Tags
""".split()
OLD_NAMES = ["ProviderName", "PublisherName"]
NEW_NAMES = ["ServiceProviderName", "HostProviderName"]
IN_1_1 = "CapacityReservationId CapacityReservationStatus ServiceSubcategory SkuMeter SkuPriceDetails".split()
IN_1_2 = "BillingAccountType InvoiceId PricingCurrency SubAccountType".split()
COLUMNS = {
    "1.0": [*COMMON, *OLD_NAMES, "x_UsageType"],
    "1.1": [*COMMON, *OLD_NAMES, *IN_1_1],
    "1.2": [*COMMON, *OLD_NAMES, *IN_1_1, *IN_1_2, "x_Discounts"],
    "1.3": [*COMMON, *OLD_NAMES, *NEW_NAMES, *IN_1_1, *IN_1_2, "ContractApplied"],
    "1.4": [*COMMON, *NEW_NAMES, *IN_1_1, *IN_1_2, "ContractApplied", "InvoiceDetailId"],
}
MONEY = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
SERVICES = ("Amazon SageMaker", "Amazon Bedrock", "Amazon Simple Storage Service", "AWS Lambda")
WORKLOADS = ("digit-reader", "invoice-reader", "support-assistant", None)


@dataclass(frozen=True)
class Answer:
    """The sums of a group, as they must come out."""

    billed: Decimal
    effective: Decimal
    list: Decimal
    rows: int


def rows(
    count: int, seed: int = 7, *, provider: str = "AWS", currency: str = "USD", month: str = "2026-10"
) -> list[Row]:
    """Charges of a month: on demand, spot, under a commitment, its purchase, credits, taxes and corrections."""
    chance = random.Random(seed)  # noqa: S311 - the same rows again, no secret
    first = datetime.fromisoformat(f"{month}-01T00:00:00+00:00")
    return [_row(chance, at, seed, first, provider, currency) for at in range(count)]


def _row(chance: random.Random, at: int, seed: int, first: datetime, provider: str, currency: str) -> Row:
    start = first + timedelta(hours=chance.randrange(28 * 24))
    end = start + timedelta(hours=chance.choice((1, 1, 1, 24 * 40)))  # some reach into the months after
    listed = Decimal(chance.randrange(1, 10**14)).scaleb(-12)
    kind = chance.choices(("usage", "spot", "committed", "purchase", "credit", "tax"), (70, 8, 10, 4, 4, 4))[0]
    contracted = listed * Decimal(chance.choice(("1", "0.95", "0.9")))
    effective = billed = contracted
    if kind == "spot":
        effective = billed = contracted * Decimal("0.3")
    elif kind == "committed":
        effective, billed = contracted * Decimal("0.6"), Decimal(0)
    elif kind == "purchase":
        effective = Decimal(0)
    elif kind == "credit":
        listed, contracted, effective, billed = Decimal(0), Decimal(0), -listed, -listed
    workload, tenant = chance.choice(WORKLOADS), chance.choice(("archive", "museum", None))
    tags = {"workload": workload, "tenant": tenant, "feature": chance.choice(("forms", None)), "Name": f"<b>{at}</b>"}
    account = f"{chance.randrange(1, 4):012d}"
    service, region = chance.choice(SERVICES), chance.choice(("us-east-1", "eu-central-1"))
    committed = kind in ("committed", "purchase")
    return {
        "BilledCost": _plain(billed),
        "EffectiveCost": _plain(effective),
        "ListCost": _plain(listed),
        "ContractedCost": _plain(contracted),
        "BillingAccountId": "000000000009",
        "BillingAccountName": 'Our "payer", Ltd.',
        "BillingCurrency": currency,
        "BillingPeriodStart": _time(first),
        "BillingPeriodEnd": _time((first + timedelta(days=32)).replace(day=1)),
        "ChargeCategory": {"credit": "Credit", "tax": "Tax", "purchase": "Purchase"}.get(kind, "Usage"),
        "ChargeClass": "Correction" if chance.random() < 0.02 else "",
        "ChargeDescription": f"charge {seed}-{at}, with a comma\nand a line more",
        "ChargePeriodStart": _time(start),
        "ChargePeriodEnd": _time(end),
        "CommitmentDiscountId": "sp-1" if committed else "",
        "CommitmentDiscountStatus": "Used" if kind == "committed" else "",
        "ConsumedQuantity": "" if kind in ("tax", "credit", "purchase") else _plain(listed * 2),
        "ConsumedUnit": "Hours",
        "PricingCategory": {"spot": "Dynamic", "committed": "Committed", "tax": ""}.get(kind, "Standard"),
        "PricingCurrency": currency,
        "RegionId": region,
        "ResourceId": f"arn:aws:sagemaker:{region}:{account}:endpoint/e{chance.randrange(30)}",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": service,
        "SkuId": f"sku-{SERVICES.index(service)}",
        "SkuMeter": "Hosting:ml.m5.large",
        "x_UsageType": "Hosting:ml.m5.large",
        "SubAccountId": account,
        "Tags": json.dumps({key: value for key, value in tags.items() if value}),
        **dict.fromkeys(("ProviderName", "PublisherName", "ServiceProviderName", "HostProviderName"), provider),
    }


def answer(given: Iterable[Row], *by: str) -> dict[tuple[str | None, ...], Answer]:
    """The sums by dimension, added up in plain Python: workload, tenant, feature, account, service, day, month."""
    found: dict[tuple[str | None, ...], list[Row]] = defaultdict(list)
    for row in given:
        tags = json.loads(row["Tags"] or "{}")
        values = {
            **{key: tags.get(key) for key in ("workload", "tenant", "feature")},
            "account": row["SubAccountId"],
            "service": row["ServiceName"],
            "day": row["ChargePeriodStart"][:10],
            "month": row["BillingPeriodStart"][:10],
            "currency": row["BillingCurrency"],
        }
        found[tuple(values[name] for name in by)].append(row)
    return {
        key: Answer(_sum(own, "BilledCost"), _sum(own, "EffectiveCost"), _sum(own, "ListCost"), len(own))
        for key, own in found.items()
    }


def _sum(given: Iterable[Row], name: str) -> Decimal:
    return sum((Decimal(row[name]) for row in given), Decimal(0))


def write(path: Path, given: Sequence[Mapping[str, str]], version: str = "1.2", columns: Sequence[str] = ()) -> Path:
    """Rows as `.csv`, `.csv.gz` or `.parquet`, by the ending; what a row lacks is empty."""
    header = list(columns) or COLUMNS[version]
    if path.suffix == ".parquet":
        return _write_parquet(path, given, header)
    opened = partial(gzip.open, mode="wt") if path.suffix == ".gz" else partial(open, mode="w")
    with opened(path, newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, header, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(given)
    return path


def _write_parquet(path: Path, given: Sequence[Mapping[str, str]], header: Sequence[str]) -> Path:
    """As AWS writes it: money as DOUBLE, times as TIMESTAMP, tags as a map."""
    beside = write(path.with_suffix(".made.csv"), given, columns=header)
    types = dict.fromkeys(header, "VARCHAR") | dict.fromkeys({*MONEY, "ConsumedQuantity"} & {*header}, "DOUBLE")
    types |= {name: "TIMESTAMP" for name in header if name.endswith(("Start", "End"))}
    tags = ", Tags::JSON::MAP(VARCHAR, VARCHAR) AS Tags" if "Tags" in header else ""
    left = " EXCLUDE (Tags)" if tags else ""
    read = f"read_csv('{beside}', header=true, columns={types})"
    duckdb.connect().execute(f"COPY (SELECT *{left}{tags} FROM {read}) TO '{path}' (FORMAT parquet)")
    beside.unlink()
    return path


def large(path: Path, count: int, *, threads: int = 2) -> Path:
    """Millions of rows by a formula, as Parquet or CSV."""
    as_csv = path.suffix == ".csv"
    columns = """
        ((i * 7919 % 1000003) * 1000 + i % 1000)::DECIMAL(18, 0) / 100000000 AS BilledCost,
        ((i * 7919 % 1000003) * 900)::DECIMAL(18, 0) / 100000000 AS EffectiveCost,
        ((i * 7919 % 1000003) * 1100)::DECIMAL(18, 0) / 100000000 AS ListCost,
        ((i * 7919 % 1000003) * 1000)::DECIMAL(18, 0) / 100000000 AS ContractedCost,
        'USD' AS BillingCurrency, 'Usage' AS ChargeCategory, NULL::VARCHAR AS ChargeClass,
        TIMESTAMP '2026-10-01' + INTERVAL 1 HOUR * (i % 720) AS ChargePeriodStart,
        TIMESTAMP '2026-10-01' + INTERVAL 1 HOUR * (i % 720 + 1) AS ChargePeriodEnd,
        TIMESTAMP '2026-10-01' AS BillingPeriodStart, TIMESTAMP '2026-11-01' AS BillingPeriodEnd,
        'AWS' AS ProviderName, 'AWS' AS PublisherName, 'Amazon Web Services, Inc.' AS InvoiceIssuerName,
        'service-' || (i * 7 % 40) AS ServiceName, 'AI and Machine Learning' AS ServiceCategory,
        'sku-' || (i * 13 % 500) AS SkuId, 'Hosting:ml.m5.large' AS SkuMeter, 'charge ' || i AS ChargeDescription,
        'arn:aws:sagemaker:us-east-1:000000000001:endpoint/e' || (i * 31 % 20000) AS ResourceId,
        'us-east-1' AS RegionId, lpad((i * 3 % 4 + 1)::VARCHAR, 12, '0') AS SubAccountId,
        '000000000009' AS BillingAccountId, (i % 1000)::DOUBLE / 8 AS ConsumedQuantity, 'Hours' AS ConsumedUnit,
        'Standard' AS PricingCategory, NULL::VARCHAR AS CommitmentDiscountId,
        NULL::VARCHAR AS CommitmentDiscountStatus,
        '{"workload": "w' || (i * 11 % 50) || '", "tenant": "t' || (i * 17 % 20) || '"}' AS Tags"""
    kind = "FORMAT csv, HEADER" if as_csv else "FORMAT parquet"
    money = "" if as_csv else f"REPLACE ({', '.join(f'{name}::DOUBLE AS {name}' for name in MONEY)})"
    database = duckdb.connect(config={"threads": threads})
    database.execute("SET enable_progress_bar = false")
    database.execute(f"COPY (SELECT * {money} FROM (SELECT {columns} FROM range({count}) t(i))) TO '{path}' ({kind})")
    return path


def large_billed(count: int) -> Decimal:
    """What `large` bills in all, in whole numbers and without its file."""
    return Decimal(sum((at * 7919 % 1000003) * 1000 + at % 1000 for at in range(count))).scaleb(-8)


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _plain(amount: Decimal) -> str:
    return format(amount.normalize(), "f") if amount else "0"


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("path", type=Path)
    asked.add_argument("--rows", type=int, default=1_000_000)
    given = asked.parse_args()
    large(given.path, given.rows)
