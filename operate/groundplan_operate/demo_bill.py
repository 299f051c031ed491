"""The bill that the demo shows: a month made up from the plans, and what really ran on this machine, priced."""

import csv
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from groundplan.focus.report import Report
from groundplan.focus.workloads import Charged
from groundplan.planner import Market, plan
from groundplan.workload import Workload, read_workloads
from groundplan_operate.accounts import Accounts
from groundplan_operate.report import bill_beside, deployed, write_report
from groundplan_operate.train import price_book

PAID = Decimal("0.97")  # of the list price, after a discount that was agreed on
WEEKDAY, WEEKEND = Decimal("1.12"), Decimal("0.7")
SHARED_STORAGE_USD = Decimal("1.35")  # a day, of nobody's


def show_bill(accounts: Accounts, page: Path) -> Report:
    """Make the export, report it beside what the environment knows, and write the page."""
    workloads, now = read_workloads(accounts.root), datetime.now(UTC)
    known = deployed(accounts, workloads)
    export = page.with_name("demo-bill.csv")
    with export.open("w", newline="", encoding="utf-8") as file:
        made = csv.DictWriter(file, list(_row(accounts, now.date(), None, "", Decimal(0))), lineterminator="\n")
        made.writeheader()
        made.writerows(_made_up(accounts, workloads, now.date()))
        made.writerows(_ran(accounts, known.use.charged if known.use else ()))
    report, _ = bill_beside([export], known)
    write_report(page, report)
    return report


def _made_up(accounts: Accounts, workloads: Sequence[Workload], today: date) -> Iterator[dict[str, str]]:
    """Every day of the month before today: a thirtieth of each plan's month, more on weekdays."""
    market = Market(price_book(accounts))
    plans = [(workload, plan(workload, market).chosen) for workload in workloads]
    for number in range(1, today.day):
        day = today.replace(day=number)
        busy = WEEKEND if day.weekday() > 4 else WEEKDAY
        for workload, chosen in plans:
            if chosen is None:
                continue
            service = "Amazon Bedrock" if "bedrock" in chosen.option.architecture else "Amazon SageMaker"
            usd = chosen.cost.average.most / 30 * busy
            yield _row(accounts, day, workload, service, usd)
        yield _row(accounts, day, None, "Amazon Simple Storage Service", SHARED_STORAGE_USD)


def _ran(accounts: Accounts, used: Sequence[Charged]) -> Iterator[dict[str, str]]:
    """What the demo just did: its billable seconds times the price."""
    by_name = {workload.name: workload for workload in read_workloads(accounts.root)}
    for one in used:
        row = _row(accounts, one.day, by_name.get(one.workload), one.service or "Amazon SageMaker", one.effective)
        quantity = "" if one.quantity is None else str(one.quantity)
        yield row | {
            "BilledCost": str(one.billed),
            "EffectiveCost": str(one.effective),
            "ContractedCost": str(one.effective),
            "SkuMeter": one.meter or "",
            "ConsumedQuantity": quantity,
            "ConsumedUnit": one.unit or "",
        }


def _row(accounts: Accounts, day: date, workload: Workload | None, service: str, usd: Decimal) -> dict[str, str]:
    """One charge, in FOCUS 1.4's columns."""
    tags = {"workload": workload.name, "owner": workload.owner} if workload else {}
    paid = str((usd * PAID).quantize(Decimal("1e-10")))
    return {
        "BillingPeriodStart": f"{day.replace(day=1)}T00:00:00Z",
        "ChargePeriodStart": f"{day}T00:00:00Z",
        "ChargePeriodEnd": f"{day + timedelta(days=1)}T00:00:00Z",
        "BilledCost": paid,
        "EffectiveCost": paid,
        "ContractedCost": paid,
        "ListCost": str(usd.quantize(Decimal("1e-10"))),
        "BillingCurrency": "USD",
        "ChargeCategory": "Usage",
        "PricingCategory": "Standard",
        "ServiceProviderName": "AWS",
        "ServiceName": service,
        "BillingAccountId": accounts.environment.accounts.tooling,
        "SubAccountId": accounts.environment.accounts.ai,
        "SkuMeter": "",
        "ConsumedQuantity": "",
        "ConsumedUnit": "",
        "Tags": json.dumps(tags),
    }
