"""Bills in their bucket: how old the newest is, whose is missing, and the report that is made of them."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import pytest
from botocore.exceptions import ClientError

from focus_rows import rows, write
from groundplan.focus.metered_sum import MeteredSum
from groundplan.focus.report import Report
from groundplan.focus.use import STALE_HOURS, Use, machine_hours, use_as_json
from groundplan.focus.workloads import Charged, Idle, Observed, Ran
from groundplan.refusal import Refused
from groundplan.spend.focus_table import AGE_METRIC, COLUMNS, OLDEST_HOURS, QUERY, USE, USE_AGE_METRIC
from groundplan.spend.news import Watch
from groundplan_runtime.handlers.cost_report import make_report
from groundplan_runtime.integrations.bill import Bill
from groundplan_runtime.integrations.bill_report import write_report
from groundplan_runtime.integrations.cost_exports import NEVER_HOURS, CostExports
from groundplan_runtime.integrations.spend_people import People
from groundplan_runtime.integrations.spend_topic import Topic
from groundplan_runtime.integrations.told_alarms import ToldAlarms

NOW = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)
PAYER, OTHER = "111122223333", "444455556666"


class Bucket:
    """Keys to when they were written."""

    def __init__(self, objects: Mapping[str, datetime], use: bytes | None = None, bill: str = "") -> None:
        self.objects, self.kept, self._use, self._bill = objects, dict[str, bytes](), use, bill

    def list_objects_v2(self, **request: Any) -> Mapping[str, Any]:
        keys = sorted(key for key in self.objects if key.startswith(request["Prefix"]))
        start = int(request.get("ContinuationToken", "0"))
        page = [{"Key": key, "LastModified": self.objects[key]} for key in keys[start : start + 2]]
        more = start + 2 < len(keys)
        return {"Contents": page, "IsTruncated": more, **({"NextContinuationToken": str(start + 2)} if more else {})}

    def get_object(self, **request: Any) -> Mapping[str, Any]:
        if request["Key"] == USE and self._use is not None:
            return {"Body": io.BytesIO(self._use)}
        raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")

    def download_file(self, bucket: str, key: str, target: str) -> None:
        Path(target).write_text(self._bill or f"{bucket}/{key}")

    def put_object(self, **request: Any) -> Mapping[str, Any]:
        self.kept[request["Key"]] = request["Body"]
        return {"ETag": "one"}


class Metrics:
    def __init__(self) -> None:
        self.told: list[float] = []
        self.use: list[float] = []

    def put_metric_data(self, **request: Any) -> None:
        self.told += [one["Value"] for one in request["MetricData"] if one["MetricName"] == AGE_METRIC]
        self.use += [one["Value"] for one in request["MetricData"] if one["MetricName"] == USE_AGE_METRIC]


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

    def read(files: Sequence[Path], into: Path, *_: object, **__: object) -> tuple[Report, list[Charged]]:
        seen.extend(file.read_text() for file in files)
        (into / "report.html").write_text("page")
        return Report([], [], [], []), []

    made = make_report(exports(bucket), read, people(bucket), NOW)
    assert sorted(seen) == sorted(f"costs/{one}" for one in objects if "2026-09" not in one)
    assert made == {"ages": {PAYER: 0}, "files": 6, "report": ["report/report.html"], "told": []}
    assert bucket.kept == {"report/report.html": b"page"}


def test_the_report_says_what_its_bills_cannot_tell() -> None:
    said, objects = list[str](), {key(PAYER, "2026-11", "a.parquet"): NOW}

    def read(
        _files: object, _into: object, _designed: object, notes: Sequence[str], **_: object
    ) -> tuple[Report, list[Charged]]:
        said[:] = notes
        return Report([], [], [], []), []

    def notes(*accounts: str) -> list[str]:
        make_report(exports(Bucket(objects), accounts), read, people(Bucket({})), NOW)
        return [one for one in said if "ceilings" not in one and "idle endpoints" not in one]

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
    def fails(files: Sequence[Path], into: Path, *_: object, **__: object) -> NoReturn:
        raise RuntimeError(f"unreadable: {files} for {into}")

    made = exports(Bucket({key(PAYER, "2026-11", "a.parquet"): NOW}))
    with pytest.raises(RuntimeError):
        make_report(made, fails, people(Bucket({})), NOW)
    assert told(made) == [0]
    assert make_report(exports(Bucket({})), fails, people(Bucket({})), NOW)["report"] == []


def looked(hours_ago: float) -> bytes:
    """What the ai account wrote so long ago."""
    seen = Observed([Ran("run-1", NOW.date(), Decimal("0.5"), 3600, 1800, spot=True)], 2, Decimal(1), 0, 6000)
    idle = replace(seen, idle=[Idle("endpoint", "no request in 7 days", Decimal(80))])
    hours = machine_hours("digit-reader", "Host:ml.m5.large", NOW.date(), Decimal(9), Decimal("1.25"))
    use = Use(NOW - timedelta(hours=hours_ago), {"digit-reader": idle}, [hours])
    return json.dumps(use_as_json(use)).encode()


def test_the_report_has_what_the_platform_saw_and_says_how_old_that_is(tmp_path: Path) -> None:
    bill = [row | {"Tags": '{"workload": "digit-reader"}'} for row in rows(40, month="2026-11")]
    file = write(tmp_path / "bill.csv", bill)

    bucket = Bucket({key(PAYER, "2026-11", "a.csv"): NOW}, looked(0.25), file.read_text())
    made = exports(bucket)
    make_report(made, write_report, people(bucket), NOW)
    [line] = (whole := json.loads(bucket.kept["report/cost.json"]))["workloads"]
    assert line["training_runs"] == {"runs": 1, "usd": "0.5", "of_unknown_cost": 0}
    assert line["refused_runs"] == {"runs": 2, "would_have_cost_usd": "1", "of_unknown_cost": 0}
    assert [one["monthly_usd"] for one in line["idle"]] == ["80"]
    assert line["spot"]["saving"] == "0.5"
    assert [one["later_usd"] for one in whole["same_day"]] == ["1.25"]
    page = bucket.kept["report/cost.html"].decode()
    for words in ("Training runs: 1, $0.50", "Idle: endpoint, $80.00 a month", "$1.00 not spent", "Same-day view"):
        assert words in page
    assert "as of 03 November 2026, 09:15 UTC, 0.2 hours ago" in page
    [sheet] = csv.DictReader(io.StringIO(bucket.kept["report/cost-workloads.csv"].decode()))
    assert (sheet["refused_runs"], sheet["idle_monthly_usd"], sheet["same_day_later_usd"]) == ("2", "80", "1.25")


@pytest.mark.parametrize(
    ("written", "says", "hours"),
    [
        (None, "is not to be had (NoSuchKey)", NEVER_HOURS),
        (b"{", "cannot be read", NEVER_HOURS),
        (b'{"schema": "groundplan.platform-use/2"}', "this reads groundplan.platform-use/1", NEVER_HOURS),
        (looked(STALE_HOURS + 6), f"{STALE_HOURS + 6} hours ago: runs", STALE_HOURS + 6),
    ],
)
def test_what_the_platform_did_not_say_is_no_silent_zero(written: bytes | None, says: str, hours: float) -> None:
    said = list[str]()

    def read(_files: object, _into: object, _known: object, notes: Sequence[str]) -> tuple[Report, list[Charged]]:
        said[:] = notes
        return Report([], [], [], []), []

    bucket = Bucket({key(PAYER, "2026-11", "a.parquet"): NOW}, written)
    made = exports(bucket)
    make_report(made, read, people(bucket), NOW)
    [note] = [one for one in said if "idle endpoints" in one]
    assert says in note
    metrics: Any = made.cloudwatch
    assert metrics.use == [hours]


def test_until_a_bill_comes_the_report_is_the_same_day_view() -> None:
    bucket = Bucket({}, looked(0.25))
    made = make_report(exports(bucket), write_report, people(bucket), NOW)
    assert (made["files"], "report/cost.html" in made["report"]) == (0, True)
    whole = json.loads(bucket.kept["report/cost.json"])
    assert [(one["provider"], one["billed"]) for one in whole["totals"]] == [("AWS, not billed yet", "1.25")]
    page = bucket.kept["report/cost.html"].decode()
    assert f"no bill of account {PAYER} came" in page
    assert made["told"] == [], "nobody is told of a ceiling before a bill says so"


def test_the_export_asks_for_every_column_of_the_table() -> None:
    assert len(COLUMNS) == 60, "57 of FOCUS 1.2 and three of AWS"
    assert all(f" {name}" in QUERY for name in COLUMNS)
    assert QUERY.endswith(" FROM FOCUS_1_2_AWS")


METERED = MeteredSum("2026-11", "retail", "help-page", "desk", "nova", 1, 0, 2, 3, 0, 0, Decimal("0.5"))


class Meter:
    """What was metered, or why that cannot be read."""

    def __init__(self, wrong: Exception | None = None) -> None:
        self.wrong = wrong

    def month(self, month: str) -> list[MeteredSum]:
        if self.wrong:
            raise self.wrong
        return [METERED] if month == METERED.month else []


def test_the_report_holds_what_the_gateway_metered_this_month_and_is_made_without_it(tmp_path: Path) -> None:
    bill = write(tmp_path / "bill.csv", rows(3)).read_bytes()

    class Bills(Bucket):
        def download_file(self, bucket: str, key: str, target: str) -> None:  # noqa: ARG002 - S3's own
            Path(target).write_bytes(bill)

    def report(meter: Meter | None) -> dict[str, Any]:
        bucket = Bills({key(PAYER, "2026-11", "a.csv"): NOW})
        make_report(exports(bucket), write_report, people(bucket), NOW, meter)
        return json.loads(bucket.kept["report/cost.json"])

    assert report(Meter())["metered"] == [METERED.as_json()]
    denied = ClientError({"Error": {"Code": "AccessDenied"}}, "ListObjectsV2")
    for wrong in (denied, OSError(28, "No space left on device"), Refused("no line of the meter: one.gz")):
        without = report(Meter(wrong))
        assert without["metered"] == []
        [note] = [note for note in without["notes"] if note.startswith("what the gateway metered is not in this")]
        assert str(wrong) in note
        assert without["totals"]
    assert not [note for note in report(None)["notes"] if "gateway" in note]
