"""What carries the meter to the lake delivers at least once, in any order: sums of it do not change."""

import gzip
import json
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from groundplan.focus.metered_sum import MeteredSum
from groundplan.focus.page import page
from groundplan.focus.report import Report, text_lines
from groundplan.gateway.meter import PROCESS_DIED, Metered, read_event, totals
from groundplan.gateway.meter_table import COLUMNS
from groundplan.gateway.token_cost import Usage
from groundplan.refusal import Refused
from groundplan_gateway.telemetry import metered
from groundplan_runtime.integrations.metered import MeterLake, summed
from stub_gateway import delivered

OWN = Metered(
    request_id="r1",
    time="2026-11-21T23:59:59.999+00:00",
    operation="chat",
    status=200,
    tenant="retail",
    feature="help-page",
    workload="support-assistant",
    model="nova-lite",
    guardrail="masked",
    usage=Usage(10, 20, 30, 40),
    usd=Decimal("0.0000000000000001"),
)
DIED = Metered(
    request_id="r1",
    time="2026-11-21T23:59:59.999+00:00",
    operation="chat",
    status=500,
    code=PROCESS_DIED,
    tenant="retail",
    feature="help-page",
    workload="support-assistant",
    model="nova-lite",
    usd=Decimal("0.5"),
    estimated=True,
)


def lines(records: Iterable[Metered], end: str = "\n") -> bytes:
    return "".join(json.dumps(metered(one, "shop"), separators=(",", ":")) + end for one in records).encode()


def files(folder: Path, *contents: bytes) -> list[Path]:
    paths = [folder / f"{number}.gz" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(gzip.compress(content))
    return paths


class Bucket:
    """S3 with a few objects, two a page."""

    def __init__(self, objects: Mapping[str, bytes]) -> None:
        self.objects = dict(sorted(objects.items()))

    def list_objects_v2(self, **request: Any) -> Mapping[str, Any]:
        after = request.get("ContinuationToken") or request.get("StartAfter", "")
        keys = [key for key in self.objects if key > after and key.startswith(request["Prefix"])]
        page: dict[str, Any] = {"Contents": [{"Key": key} for key in keys[:2]], "IsTruncated": len(keys) > 2}
        return page | ({"NextContinuationToken": keys[1]} if len(keys) > 2 else {})

    def download_file(self, bucket: str, key: str, target: str, /) -> None:
        assert bucket == "meter"
        Path(target).write_bytes(self.objects[key])


def test_the_lake_sums_exactly_what_the_meter_sums_under_duplicates_in_any_order(tmp_path: Path) -> None:
    records = [*delivered(3000), *delivered(1000)]
    random.Random(3).shuffle(records)  # noqa: S311
    found = summed(files(tmp_path, lines(records[:1500]), lines(records[1500:])), tmp_path)
    expected = totals(records)
    assert {(one.tenant, one.feature, one.workload, one.model): one.usd for one in found} == {
        group: one.usd for group, one in expected.items()
    }
    assert sum(one.requests for one in found) == 3000
    assert sum(one.input_tokens for one in found) == sum(number % 997 for number in range(3000))


@pytest.mark.parametrize("order", [(OWN, DIED), (DIED, OWN), (DIED, OWN, DIED, OWN)])
def test_a_request_that_seemed_dead_counts_by_its_own_line(order: Sequence[Metered], tmp_path: Path) -> None:
    [own] = totals(order).values()
    assert (own.requests, own.usd, own.interventions) == (1, OWN.usd, 1)
    assert summed(files(tmp_path, *(lines([one]) for one in order)), tmp_path) == [
        MeteredSum(
            month="2026-11",
            tenant="retail",
            feature="help-page",
            workload="support-assistant",
            model="nova-lite",
            requests=1,
            interventions=1,
            input_tokens=10,
            output_tokens=20,
            cache_read_tokens=30,
            cache_write_tokens=40,
            usd=OWN.usd,
        )
    ]


def test_a_request_that_died_counts_once_at_the_most_that_it_cost(tmp_path: Path) -> None:
    [one] = totals([DIED, DIED]).values()
    assert (one.requests, one.usd) == (1, DIED.usd)
    [kept] = summed(files(tmp_path, lines([DIED, DIED])), tmp_path)
    assert (kept.requests, kept.usd) == (1, DIED.usd)


def test_lines_without_a_newline_between_them_are_not_lost(tmp_path: Path) -> None:
    [one] = summed(files(tmp_path, lines(delivered(1), end="") + lines([OWN], end="")), tmp_path)[1:]
    assert one.requests == 1


def test_what_logs_say_to_see_whether_anybody_listens_is_no_line(tmp_path: Path) -> None:
    asks = b"CWL CONTROL MESSAGE: Checking health of destination Firehose."
    for between in (b"", b"\n"):
        [one] = summed(files(tmp_path, asks + between + lines([OWN], end="") + between, asks), tmp_path)
        assert (one.requests, one.usd) == (1, OWN.usd)


def test_what_is_no_line_of_the_meter_is_not_counted(tmp_path: Path) -> None:
    other = {"schema": "groundplan.feedback/1", "request_id": "r1", "usd": "9"}
    [one] = summed(files(tmp_path, json.dumps(other).encode(), lines([OWN])), tmp_path)
    assert one.usd == OWN.usd


def test_every_column_of_the_table_is_in_a_line_and_the_whole_record_in_the_columns() -> None:
    line = json.loads(lines([OWN]))
    of_the_table = {name: line[name] for name in COLUMNS}
    assert read_event(of_the_table) == OWN
    kinds = {"string": str, "bigint": int, "double": float, "boolean": bool}
    assert {name: type(value) for name, value in of_the_table.items()} == {
        name: kinds[kind] for name, kind in COLUMNS.items()
    }


def test_a_month_holds_what_was_asked_in_it_whenever_it_arrived() -> None:
    def at(time: str, name: str) -> bytes:
        return gzip.compress(lines([Metered(request_id=name, time=time, operation="chat", status=200)]))

    lake = MeterLake(
        Bucket(
            {
                "failed/one": b"no line",
                "requests/arrived=2026-10-31/a.gz": at("2026-10-31T23:00:00.000+00:00", "a"),
                "requests/arrived=2026-11-01/b.gz": at("2026-10-31T23:59:59.999+00:00", "b"),
                "requests/arrived=2026-11-01/c.gz": at("2026-11-01T00:00:00.000+00:00", "c"),
                "requests/arrived=2026-12-05/d.gz": at("2026-11-30T23:59:59.999+00:00", "d"),
                "requests/arrived=2026-12-05/e.gz": at("2026-12-01T00:00:00.000+00:00", "e"),
            }
        ),
        "meter",
    )
    assert [(one.month, one.requests) for one in lake.month("2026-11")] == [("2026-11", 2)]
    assert lake.month("2027-01") == []


@pytest.mark.parametrize("content", [gzip.compress(lines([OWN]))[:-9], b"no gzip", gzip.compress(b"{broken")])
def test_an_object_that_is_cut_off_or_something_else_is_refused_by_name_and_not_left_out(content: bytes) -> None:
    kept = {
        "requests/arrived=2026-11-21/a.gz": gzip.compress(lines([OWN])),
        "requests/arrived=2026-11-22/b.gz": content,
    }
    with pytest.raises(Refused, match=r"s3://meter holds what is no line of the meter: .*b\.gz"):
        MeterLake(Bucket(kept), "meter").month("2026-11")


SUM = MeteredSum(
    "2026-11", "retail", "help-page", "support-assistant", "nova-lite", 1200, 3, 10, 20, 30, 40, Decimal(2)
)


def test_the_report_has_the_gateways_count_by_tenant_and_feature_the_dearest_first() -> None:
    small = replace(SUM, tenant="wholesale", usd=Decimal("0.0000000000000001"))
    found = Report([], [], [], [], metered=[small, SUM])
    text = "\n".join(text_lines(found))
    assert text.index("retail, help-page") < text.index("wholesale, help-page")
    assert re.search(r"retail, help-page, support-assistant, nova-lite +1,200 +100 +\$2\.00", text)
    assert found.as_json()["metered"][0]["usd"] == "0.0000000000000001"
    assert "the gateway" not in "\n".join(text_lines(Report([], [], [], [])))


def test_the_page_shows_the_count_and_its_total_and_runs_nothing_that_a_tenant_says() -> None:
    many = [replace(SUM, feature=f"feature-{number}") for number in range(150)]
    shown = page(Report([], [], [], [], metered=[replace(SUM, tenant="<script>"), *many]), title="t", written="w")
    assert "<script>" not in shown
    assert "&lt;script&gt;, help-page" in shown
    assert re.search(r"total</th>.*>181,200<.*>15,100<.*>\$302\.00<", shown)
    assert "and 51 more" in shown
    assert "Metered" not in page(Report([], [], [], []), title="t", written="w")
