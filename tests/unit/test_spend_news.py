"""What the daily function tells people of a bill: ceilings passed and days that stand out, each once."""

import io
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Barrier, Lock
from typing import Any

import pytest
from botocore.exceptions import ClientError

from focus_rows import MONEY, Row, rows, write
from groundplan.focus.kept_design import designs_as_json
from groundplan.focus.report import Group, Sums
from groundplan.focus.use import Use, machine_hours, use_as_json
from groundplan.focus.workloads import Charged, Designed, Observed, workload_lines
from groundplan.spend import Alarm
from groundplan.spend.focus_table import DESIGNS, USE
from groundplan.spend.news import REST, News, Watch
from groundplan_runtime.handlers.cost_report import make_report
from groundplan_runtime.handlers.show_cost import NONE_YET, widget
from groundplan_runtime.integrations.bill_report import write_report
from groundplan_runtime.integrations.cost_exports import CostExports
from groundplan_runtime.integrations.spend_people import People
from groundplan_runtime.integrations.told_alarms import LEASE, ToldAlarms

WATCH = Watch(
    environment="dev",
    owner="platform",
    page="https://costs.example.com",
    actual_percent=(50, 80),
    forecast_percent=(100,),
)
NOW = datetime(2026, 11, 13, 9, 30, tzinfo=UTC)
DAY_12 = date(2026, 11, 12)
DIGITS = {"digit-reader": Designed("vision-team", Decimal(50))}
OWNERS = {"digit-reader": "vision-team"}


def charged(day: date, usd: float, workload: str = "digit-reader") -> Charged:
    amount = Decimal(str(usd))
    return Charged(workload, None, "S", "M", "Hours", day.replace(day=1), day, Decimal(1), amount, amount)


def daily(until: date, usd: float, days: int, workload: str = "digit-reader") -> list[Charged]:
    """A day's cost that hardly varies, on each of so many days, the last of them `until`."""
    return [charged(until - timedelta(days=ago), usd + ago % 3 / 10, workload) for ago in range(days)]


def by_day(of: Sequence[Charged], currency: str = "USD") -> list[Group]:
    """The groups of a report in which nothing else was billed."""
    days = sorted({one.day for one in of})
    costs = [sum((one.effective for one in of if one.day == day), Decimal(0)) for day in days]
    return [
        Group("AWS", currency, {"day": day}, Sums(cost, cost, cost, 1)) for day, cost in zip(days, costs, strict=True)
    ]


def passed(of: Sequence[Charged], told: Sequence[str] = (), designed: Mapping[str, Designed] = DIGITS) -> list[News]:
    return list(WATCH.passed(workload_lines(of, designed, {}), of, told))


def stood_out(of: Sequence[Charged], told: Sequence[str] = (), beside: Sequence[Group] = ()) -> list[News]:
    return list(WATCH.stood_out(of, [*by_day(of), *beside], OWNERS, told))


def test_a_workload_over_eighty_per_cent_on_day_twelve_is_told_in_plain_words() -> None:
    first, second = passed([charged(DAY_12 - timedelta(days=ago), 3.4) for ago in range(12)])
    assert first.key == "2026-11/workload/digit-reader/actual-80"
    assert first.alarm.text.splitlines() == [
        "digit-reader passed 80 % of its monthly ceiling on day 12; at this rate 2.0 × the ceiling",
        "Spent $40.80 of $50.00, environment dev",
        "Owner: vision-team",
        "Page: https://costs.example.com",
    ]
    assert second.key == "2026-11/workload/digit-reader/forecast-100"


def test_what_was_told_this_month_is_not_told_again_but_the_next_threshold_and_the_next_month_are() -> None:
    low, high = [charged(DAY_12, 30)], [charged(DAY_12, 45)]
    told = [one.key for one in passed(low)]
    assert "2026-11/workload/digit-reader/actual-50" in told
    assert passed(low, told) == []
    assert [one.key for one in passed(high, told)] == ["2026-11/workload/digit-reader/actual-80"]
    assert passed(low, ["2026-11/workload/digit-reader/actual-80", *told]) == [], "a credit is no news"
    assert passed(low, [key.replace("2026-11", "2026-10") for key in told])
    assert passed(low, [key.replace("digit-reader", "digit-reader-2") for key in told])


def test_one_dear_day_is_no_forecast() -> None:
    def forecasts(of: Sequence[Charged]) -> list[str]:
        return [one.key for one in passed(of) if "forecast" in one.key]

    assert forecasts([charged(DAY_12, 45)]) == []
    week = [charged(DAY_12 - timedelta(days=ago), 5) for ago in range(8)]
    assert forecasts(week[:-1]) == []
    assert forecasts(week) == ["2026-11/workload/digit-reader/forecast-100"]


def test_without_a_ceiling_nothing_is_passed_and_without_an_owner_the_environments_is_told() -> None:
    assert passed([charged(DAY_12, 900)], designed={}) == []
    [first, *_] = passed([charged(DAY_12, 45)], designed={"digit-reader": Designed(ceiling_usd=Decimal(50))})
    assert "Owner: platform" in first.alarm.text


def test_a_day_that_costs_unusually_much_is_told_once_with_what_was_expected() -> None:
    month = daily(DAY_12 - timedelta(days=1), 10, 40)
    assert stood_out(month) == []
    [found] = stood_out([*month, charged(DAY_12, 60)])
    assert found.key == "2026-11/workload/digit-reader/day-12"
    assert found.alarm.title == "digit-reader cost unusually much on 12 November"
    assert found.alarm.text.splitlines()[0] == (
        "digit-reader cost $60.00 on Thursday, 12 November; days like it cost about $10.10"
    )
    assert "Owner: vision-team" in found.alarm.text
    assert stood_out([*month, charged(DAY_12, 60)], [found.key]) == []


def test_a_day_whose_charges_come_late_is_still_seen_and_one_of_last_week_is_none() -> None:
    month = daily(DAY_12, 10, 40)
    for ago, seen in ((3, True), (4, False)):
        late = charged(DAY_12 - timedelta(days=ago), 50)
        assert bool(stood_out([*month, late])) is seen, ago


def test_what_no_workload_answers_for_is_judged_together_and_other_currencies_are_not() -> None:
    month = daily(DAY_12, 10, 40)
    costs = {DAY_12 - timedelta(days=ago): Decimal(5) for ago in range(40)} | {DAY_12: Decimal(80)}
    for currency, told in (("USD", [f"{REST} cost unusually much on 12 November"]), ("EUR", [])):
        rest = [Group("AWS", currency, {"day": day}, Sums(usd, usd, usd, 1)) for day, usd in costs.items()]
        assert [one.alarm.title for one in stood_out(month, beside=rest)] == told
    strange = daily(DAY_12, 10, 40, workload="../x\n")
    [found] = stood_out([*strange, charged(DAY_12, 90, "../x\n")])
    assert found.key == "2026-11/rest/day-12", "what a tag says becomes no key and no subject line"


@dataclass
class Bucket:
    """S3 as it keeps objects, with its conditional writes."""

    objects: dict[str, tuple[bytes, str]] = field(default_factory=dict[str, tuple[bytes, str]])
    lock: Lock = field(default_factory=Lock)
    writes: int = 0

    def list_objects_v2(self, *, Prefix: str, **_: Any) -> Mapping[str, Any]:  # noqa: N803 - boto3's
        found = [key for key in sorted(self.objects) if key.startswith(Prefix)]
        return {"Contents": [{"Key": key, "LastModified": NOW - timedelta(hours=5)} for key in found]}

    def get_object(self, *, Key: str, **_: Any) -> Mapping[str, Any]:  # noqa: N803
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")
        body, tag = self.objects[Key]
        return {"Body": io.BytesIO(body), "ETag": tag}

    def download_file(self, bucket: str, key: str, target: str) -> None:
        assert bucket
        Path(target).write_bytes(self.objects[key][0])

    def put_object(self, *, Key: str, Body: bytes, **condition: str) -> Mapping[str, Any]:  # noqa: N803
        with self.lock:
            known = self.objects.get(Key)
            lost = known and "IfNoneMatch" in condition
            if lost or ("IfMatch" in condition and (known is None or known[1] != condition["IfMatch"])):
                raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "PutObject")
            self.writes += 1
            self.objects[Key] = (Body, f'"{self.writes}"')
            return {"ETag": self.objects[Key][1]}


@dataclass
class Slow:
    """A bucket in which all have read before the first of them writes."""

    bucket: Bucket
    read: Barrier

    def list_objects_v2(self, **request: Any) -> Mapping[str, Any]:
        return self.bucket.list_objects_v2(**request)

    def get_object(self, **request: Any) -> Mapping[str, Any]:
        found = self.bucket.get_object(**request)
        self.read.wait(10)
        return found

    def put_object(self, **request: Any) -> Mapping[str, Any]:
        return self.bucket.put_object(**request)


class Metrics:
    def put_metric_data(self, **_: Any) -> None: ...


@dataclass
class Heard:
    """People; the first `deaf` alarms do not reach them."""

    alarms: list[Alarm] = field(default_factory=list[Alarm])
    deaf: int = 0

    def tell(self, alarm: Alarm) -> None:
        self.deaf -= 1
        if self.deaf >= 0:
            raise ConnectionError("no topic")
        self.alarms.append(alarm)


def test_many_at_once_tell_once() -> None:
    kept, heard = ToldAlarms(Bucket(), "costs"), list[str]()
    with ThreadPoolExecutor(16) as pool:
        told = list(pool.map(lambda _: kept.tell_once("2026-11/x", lambda: heard.append("x"), NOW), range(64)))
    assert (sum(told), heard) == (1, ["x"])
    assert kept.told("2026-11") == {"2026-11/x"}


def test_what_could_not_be_told_is_told_the_next_time() -> None:
    kept, heard = ToldAlarms(Bucket(), "costs"), Heard(deaf=1)
    with pytest.raises(ConnectionError):
        kept.tell_once("2026-11/x", lambda: heard.tell(Alarm("a", "b")), NOW)
    assert kept.told("2026-11") == set()
    assert kept.tell_once("2026-11/x", lambda: heard.tell(Alarm("a", "b")), NOW)
    assert len(heard.alarms) == 1


def test_who_was_ended_in_between_leaves_it_to_be_told_when_his_time_is_over() -> None:
    kept, heard = ToldAlarms(bucket := Bucket(), "costs"), list[str]()

    def ended() -> None:
        raise KeyboardInterrupt  # as a function that is taken away: nothing of it runs any more

    with pytest.raises(KeyboardInterrupt):
        kept.tell_once("2026-11/x", ended, NOW)
    assert not kept.tell_once("2026-11/x", lambda: heard.append("x"), NOW + LEASE)
    over, at_once = NOW + LEASE + timedelta(seconds=1), Barrier(8)

    def late(_: int) -> bool:
        return ToldAlarms(Slow(bucket, at_once), "costs").tell_once("2026-11/x", lambda: heard.append("x"), over)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(late, range(8))) == 1
    assert heard == ["x"]


PLACE = "exports/111122223333/groundplan-dev-focus/data/BILLING_PERIOD=2026-11"


def bill() -> list[Row]:
    """$45 of digit-reader by the twelfth, $5 a day."""
    [row] = rows(1, month="2026-11")
    row |= dict.fromkeys(MONEY, "5") | {"ChargeCategory": "Usage", "Tags": json.dumps({"workload": "digit-reader"})}
    return [row | {"ChargePeriodStart": f"2026-11-{of:02}T00:00:00Z"} for of in range(4, 13)]


def day(bucket: Bucket, heard: Heard) -> dict[str, Any]:
    exports = CostExports(
        s3=bucket,
        cloudwatch=Metrics(),
        bucket="costs",
        accounts=["111122223333"],
        export_name="groundplan-dev-focus",
        environment="groundplan-dev",
    )
    return make_report(exports, write_report, People(WATCH, ToldAlarms(bucket, "costs"), heard), NOW)


def test_the_daily_function_reports_ceiling_estimate_actual_and_forecast_and_tells_once(tmp_path: Path) -> None:
    file, bucket, heard = write(tmp_path / "bill.csv", bill()), Bucket(), Heard()
    bucket.put_object(Key=f"{PLACE}/one.csv", Body=file.read_bytes())
    nine = Decimal(9)
    designed = {"digit-reader": Designed("vision-team", Decimal(50), estimate_usd=nine, estimate_usd_at_most=nine)}
    bucket.put_object(Key=DESIGNS, Body=json.dumps(designs_as_json("dev", designed)).encode())
    found = day(bucket, heard)
    assert found["told"] == [f"2026-11/workload/digit-reader/{one}" for one in ("actual-80", "forecast-100")]
    [line] = json.loads(bucket.objects["report/cost.json"][0])["workloads"]
    assert (line["ceiling_usd"], line["estimate_usd"], line["actual_usd"]) == ("50", "9", "45")
    assert line["differs"]
    page = bucket.objects["report/cost.html"][0].decode()
    assert "Above the ceiling" in page
    assert "vision-team" in page
    assert widget(bucket, "costs") == bucket.objects["report/cost-widget.html"][0].decode()
    assert day(bucket, heard)["told"] == []
    assert [one.title for one in heard.alarms] == [
        "digit-reader passed 80 % of its monthly ceiling",
        "digit-reader is forecast to pass 100 % of its monthly ceiling",
    ]


def test_a_ceiling_that_is_passed_by_what_is_not_billed_yet_is_told_today(
    tmp_path: Path,
) -> None:
    file, bucket, heard = write(tmp_path / "bill.csv", bill()[:7]), Bucket(), Heard()
    bucket.put_object(Key=f"{PLACE}/one.csv", Body=file.read_bytes())  # $35 of $50, through the tenth
    bucket.put_object(Key=DESIGNS, Body=json.dumps(designs_as_json("dev", DIGITS)).encode())
    assert [key for key in day(bucket, heard)["told"] if "actual-80" in key] == []
    hours = [
        machine_hours("digit-reader", "Host:ml.m5.large", date(2026, 11, of), Decimal(24), Decimal(4))
        for of in (11, 12)
    ]
    bucket.put_object(Key=USE, Body=json.dumps(use_as_json(Use(NOW, {"digit-reader": Observed()}, hours))).encode())
    assert "2026-11/workload/digit-reader/actual-80" in day(bucket, heard)["told"]
    said = heard.alarms[-1].text.splitlines()
    assert said[0].startswith(f"digit-reader passed 80 % of its monthly ceiling on day {NOW.day}")
    assert said[1].startswith("Spent $43.00 of $50.00 ($8.00 of it is not billed yet: machines at list prices)")


def test_the_daily_function_tells_of_a_day_that_stands_out(tmp_path: Path) -> None:
    bucket, heard = Bucket(), Heard()
    costs = dict.fromkeys(MONEY, "90")
    dear = [row | (costs if row["ChargePeriodStart"].startswith("2026-11-12") else {}) for row in bill()]
    before = [row | {"ChargePeriodStart": f"2026-10-{of:02}T00:00:00Z"} for of in range(5, 32) for row in bill()[:1]]
    bucket.put_object(Key=f"{PLACE}/one.csv", Body=write(tmp_path / "bill.csv", [*before, *dear]).read_bytes())
    bucket.put_object(Key=DESIGNS, Body=json.dumps(designs_as_json("dev", {"digit-reader": Designed("us")})).encode())
    assert day(bucket, heard)["told"] == ["2026-11/workload/digit-reader/day-12"]
    assert [one.title for one in heard.alarms] == ["digit-reader cost unusually much on 12 November"]
    assert day(bucket, heard)["told"] == []


def test_the_report_is_kept_and_the_other_alarms_are_heard_although_one_could_not_be_told(tmp_path: Path) -> None:
    bucket, heard = Bucket(), Heard(deaf=1)
    bucket.put_object(Key=f"{PLACE}/one.csv", Body=write(tmp_path / "bill.csv", bill()).read_bytes())
    bucket.put_object(Key=DESIGNS, Body=json.dumps(designs_as_json("dev", DIGITS)).encode())
    with pytest.raises(ConnectionError):
        day(bucket, heard)
    assert len(heard.alarms) == 1
    assert "report/cost.html" in bucket.objects
    assert day(bucket, heard)["told"] == ["2026-11/workload/digit-reader/actual-80"], "when Lambda tries again"


@pytest.mark.parametrize(("kept", "why"), [(None, "AccessDenied"), (b"{", "is not JSON")])
def test_a_report_without_designs_says_so_and_tells_of_no_ceiling(
    tmp_path: Path, kept: bytes | None, why: str
) -> None:
    bucket, heard = Bucket(), Heard()
    bucket.put_object(Key=f"{PLACE}/one.csv", Body=write(tmp_path / "bill.csv", bill()).read_bytes())
    if kept:
        bucket.put_object(Key=DESIGNS, Body=kept)
    assert day(bucket, heard)["told"] == []
    assert f"no ceilings and no estimates: {DESIGNS}" in (page := bucket.objects["report/cost.html"][0].decode())
    assert why in page


def test_a_dashboard_without_a_report_says_so() -> None:
    assert widget(Bucket(), "costs") == NONE_YET
