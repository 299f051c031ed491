"""Bills in their bucket: how old the newest is, whose is missing, and the report that is made of them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest
from botocore.exceptions import ClientError

from focus_rows import rows, write
from groundplan.focus.report import Report
from groundplan.focus.workloads import Charged
from groundplan.spend.focus_table import COLUMNS, OLDEST_HOURS, QUERY
from groundplan.spend.news import Watch
from groundplan_runtime.handlers.cost_report import make_report
from groundplan_runtime.integrations.bill import Bill
from groundplan_runtime.integrations.cost_exports import CostExports
from groundplan_runtime.integrations.spend_people import People
from groundplan_runtime.integrations.spend_topic import Topic
from groundplan_runtime.integrations.told_alarms import ToldAlarms

NOW = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)
PAYER, OTHER = "111122223333", "444455556666"


class Bucket:
    """Keys to when they were written."""

    def __init__(self, objects: Mapping[str, datetime]) -> None:
        self.objects, self.kept = objects, dict[str, bytes]()

    def list_objects_v2(self, **request: Any) -> Mapping[str, Any]:
        keys = sorted(key for key in self.objects if key.startswith(request["Prefix"]))
        start = int(request.get("ContinuationToken", "0"))
        page = [{"Key": key, "LastModified": self.objects[key]} for key in keys[start : start + 2]]
        more = start + 2 < len(keys)
        return {"Contents": page, "IsTruncated": more, **({"NextContinuationToken": str(start + 2)} if more else {})}

    def get_object(self, **_: Any) -> Mapping[str, Any]:
        raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")

    def download_file(self, bucket: str, key: str, target: str) -> None:
        Path(target).write_text(f"{bucket}/{key}")

    def put_object(self, **request: Any) -> Mapping[str, Any]:
        self.kept[request["Key"]] = request["Body"]
        return {"ETag": "one"}


class Metrics:
    def __init__(self) -> None:
        self.told: list[float] = []

    def put_metric_data(self, **request: Any) -> None:
        self.told += [one["Value"] for one in request["MetricData"]]


def exports(bucket: Bucket, accounts: Sequence[str] = (PAYER,)) -> CostExports:
    return CostExports(
        s3=bucket,
        cloudwatch=Metrics(),
        bucket="costs",
        accounts=accounts,
        export_name="groundplan-dev-focus",
        environment="groundplan-dev",
    )


def people(bucket: Bucket) -> People:
    """Who are told nothing: there is no news."""
    watch = Watch(environment="dev", owner="us", page=None, actual_percent=(), forecast_percent=())
    return People(watch, ToldAlarms(bucket, "costs"), Topic(None, ""))


def key(account: str, month: str, name: str) -> str:
    return f"exports/{account}/groundplan-dev-focus/data/BILLING_PERIOD={month}/{name}"


def told(made: CostExports) -> list[float]:
    metrics: Any = made.cloudwatch
    return metrics.told


def test_the_age_is_that_of_the_newest_file_of_the_account_whose_is_the_oldest() -> None:
    hours = {"2026-10": 50, "2026-11": 6}
    objects = {key(PAYER, month, "a.parquet"): NOW - timedelta(hours=old) for month, old in hours.items()}
    objects |= {key(OTHER, "2026-10", "a.parquet"): NOW - timedelta(hours=30)}
    made = exports(Bucket(objects), (PAYER, OTHER))
    assert made.tell_age(NOW) == {PAYER: 6, OTHER: 30}
    assert told(made) == [30]


def test_an_account_whose_bills_never_came_is_no_silent_zero() -> None:
    made = exports(Bucket({key(PAYER, "2026-11", "a.parquet"): NOW}), (PAYER, OTHER))
    assert made.tell_age(NOW)[OTHER] > OLDEST_HOURS
    assert told(made)[0] > OLDEST_HOURS


def test_manifests_and_old_months_are_no_bills() -> None:
    objects = [key(PAYER, "2026-11", "manifest.json"), key(PAYER, "2026-09", "a.parquet")]
    made = exports(Bucket(dict.fromkeys(objects, NOW)))
    assert made.tell_age(NOW)[PAYER] > OLDEST_HOURS


def test_the_report_is_made_of_this_month_and_the_last_one_page_by_page_and_kept() -> None:
    months = ("2026-09", "2026-10", "2026-11")
    objects = [key(PAYER, month, f"{number}.parquet") for month in months for number in range(3)]
    bucket, seen = Bucket(dict.fromkeys(objects, NOW)), list[str]()

    def read(files: Sequence[Path], into: Path, *_: object) -> tuple[Report, list[Charged]]:
        seen.extend(file.read_text() for file in files)
        (into / "report.html").write_text("page")
        return Report([], [], [], []), []

    made = make_report(exports(bucket), read, people(bucket), NOW)
    assert sorted(seen) == sorted(f"costs/{one}" for one in objects if "2026-09" not in one)
    assert made == {"ages": {PAYER: 0}, "files": 6, "report": ["report/report.html"], "told": []}
    assert bucket.kept == {"report/report.html": b"page"}


def test_the_report_says_what_its_bills_cannot_tell() -> None:
    said, objects = list[str](), {key(PAYER, "2026-11", "a.parquet"): NOW}

    def read(_files: object, _into: object, _designed: object, notes: Sequence[str]) -> tuple[Report, list[Charged]]:
        said[:] = notes
        return Report([], [], [], []), []

    def notes(*accounts: str) -> list[str]:
        make_report(exports(Bucket(objects), accounts), read, people(Bucket({})), NOW)
        return [one for one in said if "ceilings" not in one]

    assert notes(PAYER) == [], "the payer sees all"
    never, own = notes(PAYER, OTHER)
    assert never.startswith(f"no bill of account {OTHER} came")
    assert own.startswith("each account exports its own bill")
    objects[key(OTHER, "2026-11", "a.parquet")] = NOW - timedelta(hours=OLDEST_HOURS + 1)
    assert notes(PAYER, OTHER)[0].startswith(f"the newest bill of account {OTHER} is {OLDEST_HOURS + 1} hours old")


def test_of_an_export_that_keeps_its_deliveries_only_the_last_counts(tmp_path: Path) -> None:
    times = ("2026-11-01T02:00:00Z-1111", "2026-11-02T02:00:00Z-2222")
    objects = dict.fromkeys((key(PAYER, "2026-11", f"{time}/a.csv") for time in times), NOW)
    files = exports(Bucket(objects)).fetch(NOW, tmp_path)
    for file, amount in zip(files, ("1", "2"), strict=True):
        write(file, [row | {"BilledCost": amount} for row in rows(5)])
    with Bill(files) as bill:
        (total,) = bill.report().totals
    assert total.sums.billed == 10, "restated, and not counted twice"


def test_the_age_is_told_although_the_report_fails_and_without_a_bill_there_is_no_report() -> None:
    def fails(files: Sequence[Path], into: Path, *_: object) -> NoReturn:
        raise RuntimeError(f"unreadable: {files} for {into}")

    made = exports(Bucket({key(PAYER, "2026-11", "a.parquet"): NOW}))
    with pytest.raises(RuntimeError):
        make_report(made, fails, people(Bucket({})), NOW)
    assert told(made) == [0]
    assert make_report(exports(Bucket({})), fails, people(Bucket({})), NOW)["report"] == []


def test_the_export_asks_for_every_column_of_the_table() -> None:
    assert len(COLUMNS) == 60, "57 of FOCUS 1.2 and three of AWS"
    assert all(f" {name}" in QUERY for name in COLUMNS)
    assert QUERY.endswith(" FROM FOCUS_1_2_AWS")
