"""The cost report as a page, as a widget, and beside it as CSV and Parquet."""

import csv
import io
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from focus_rows import Row, answer, rows, write
from groundplan.focus.known import Known
from groundplan.focus.page import fragment, page
from groundplan.focus.report import BillFile, Group, Report, Sums
from groundplan.focus.sheet import write_csv
from groundplan.focus.workloads import Charged, Designed, Observed, workload_lines
from groundplan.refusal import BadInput
from groundplan_operate.command_line import groundplan
from groundplan_runtime.integrations.bill import Bill
from groundplan_runtime.integrations.bill_report import write_report
from groundplan_runtime.integrations.bill_sheet import write_parquet

SCRIPT = "<script>document.title='run'</script>"
MONTH = rows(200)
LARGEST_BYTES = 150_000


def tagged(given: Sequence[Row], **tags: str) -> list[Row]:
    """Rows with these tags and no others."""
    return [row | {"Tags": json.dumps(tags)} for row in given]


def report(folder: Path, given: Sequence[Row]) -> Report:
    """The report of rows."""
    with Bill([write(folder / "bill.csv", given)]) as bill:
        found = bill.report()
        lines = workload_lines(bill.charged(), {"digit-reader": Designed("vision", Decimal(50))}, {})
    return Report(found.totals, found.groups, found.reconciliation, found.files, found.notes, lines)


def shown(found: Report) -> str:
    """The page."""
    return page(found, title="What it cost", written="today")


def test_the_page_loads_nothing_and_runs_nothing(tmp_path: Path) -> None:
    text = shown(report(tmp_path, tagged(MONTH, workload=SCRIPT, tenant='"><img src=x onerror=y>')))
    assert "&lt;img src=x" in text
    assert not re.search(r"<(script|img|link|iframe|object)|href=|url\(|@import", text)
    assert "default-src 'none'" in text


def test_every_table_of_the_page_ends_with_the_total_of_the_bill(tmp_path: Path) -> None:
    text = shown(report(tmp_path, MONTH))
    billed = answer(MONTH)[()].billed
    totals = re.findall(r'<tr class="total"><th scope="row">total</th><td class="spare"></td><td[^>]*>([^<]+)', text)
    assert len(totals) == 6
    assert set(totals) == {f"${billed:,.2f}"}


def test_what_nobody_answers_for_is_on_the_page_also_when_it_is_little(tmp_path: Path) -> None:
    many = [row for at in range(40) for row in tagged(MONTH[at * 4 : at * 4 + 4], workload=f"w{at}")]
    text = shown(report(tmp_path, [*many, MONTH[-1] | {"Tags": "", "EffectiveCost": "0.01"}]))
    assert "(unallocated)" in text
    assert re.search(r"\d+ others", text)


def test_a_workload_above_its_ceiling_is_told_in_words(tmp_path: Path) -> None:
    text = shown(report(tmp_path, tagged(MONTH, workload="digit-reader")))
    assert "Above the ceiling" in text
    assert re.search(r"digit-reader: [0-9.]+ × the ceiling", text)


def test_refused_files_and_notes_are_on_the_page() -> None:
    text = shown(Report([], [], [], [BillFile("bad.csv", "refused", reason="row 7 <b>")], ["look here"]))
    assert "bad.csv: refused; row 7 &lt;b&gt;" in text
    assert "look here" in text


def test_a_thousand_workloads_fit_into_the_page() -> None:
    month, sums = date(2026, 11, 1), Sums(Decimal(10) / 3, Decimal(10) / 3, Decimal(4), 9)
    names = [f"workload-with-a-long-name-{at:04d}" for at in range(1000)]
    own = [Charged(name, name, "SageMaker", "m", "u", month, month, None, Decimal(9), Decimal(9)) for name in names]
    lines = workload_lines(own, {name: Designed("team", Decimal(10)) for name in names}, {names[0]: Observed()})
    groups = [
        Group("AWS", "USD", {by: name}, sums)
        for by in ("workload", "tenant", "feature", "account", "service")
        for name in names
    ]
    text = shown(Report([Group("AWS", "USD", {}, sums)], groups, [], [], ["a note"] * 1000, lines))
    assert len(text.encode()) <= LARGEST_BYTES
    assert "and 900 more workloads" in text


def test_many_providers_fit_into_the_page_and_none_is_added_to_another(tmp_path: Path) -> None:
    sellers = [
        row | {"ServiceName": f"{row['ServiceName']} {at % 30}", "SubAccountId": f"{at % 30:012}"}
        for number in range(40)
        for at, row in enumerate(rows(60, number, provider=f"Seller {number:02d}"))
    ]
    made = shown(report(tmp_path, sellers))
    assert len(made.encode()) <= LARGEST_BYTES
    assert made.count("<h3>by workload</h3>") == 3
    assert "and 22 more; the JSON has them all" in made


def test_the_widget_is_the_page_without_a_page_around_it(tmp_path: Path) -> None:
    found = report(tmp_path, MONTH)
    inner = fragment(found, title="What it cost", written="today")
    assert inner in shown(found)
    assert "<html" not in inner
    # Whatever a dashboard is styled with stays as it is.
    style = re.sub(r"@media [^{]+", "", inner.partition("</style>")[0].partition("<style>")[2])
    assert all(
        rule.strip().lstrip("}").startswith(".bill") for rule in re.findall(r"[^{}]+(?=\{)", style) if rule.strip()
    )


def test_the_widget_is_read_on_its_own_ground_whatever_the_dashboards_is(tmp_path: Path) -> None:
    inner = fragment(report(tmp_path, MONTH), title="What it cost", written="today")
    [first] = re.findall(r"^\.bill\{(.+?)\}", inner, re.MULTILINE | re.DOTALL)
    assert "background:var(--paper);color:var(--ink)" in first, "a dark browser may show a light dashboard"
    for theme in re.findall(r"--ink:[^}]+", inner):
        assert "--paper:" in theme


@pytest.mark.skipif(not shutil.which("chromium"), reason="no Chromium on this machine")
def test_a_browser_shows_the_page_and_runs_nothing_of_it(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(shown(report(tmp_path, tagged(MONTH, workload=SCRIPT))), encoding="utf-8")
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run([*command, "--dump-dom", file.as_uri()], capture_output=True, text=True, timeout=120)
    assert "<title>What it cost</title>" in done.stdout
    assert "&lt;script&gt;" in done.stdout


def test_a_spreadsheet_runs_nothing_that_a_tag_says(tmp_path: Path) -> None:
    sheet = io.StringIO()
    formulas = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\uff1d1"]
    given = [row for at, text in enumerate(formulas) for row in tagged(MONTH[at * 9 : at * 9 + 9], tenant=f"{text}")]
    write_csv(report(tmp_path, given), sheet)
    found = list(csv.DictReader(io.StringIO(sheet.getvalue())))
    tenants = {row["tenant"] for row in found if row["grouped_by"] == "tenant"}
    assert tenants == {f"'{text}" for text in formulas}
    assert all(Decimal(row["billed"]) is not None for row in found)


def test_amounts_below_zero_are_no_formulas(tmp_path: Path) -> None:
    sheet = io.StringIO()
    write_csv(report(tmp_path, [row | {"BilledCost": "-3.5"} for row in MONTH[:2]]), sheet)
    assert "'-7" not in sheet.getvalue()
    assert ",-7," in sheet.getvalue()


def test_parquet_has_exact_decimals_dates_and_texts_as_they_are(tmp_path: Path) -> None:
    given = tagged(MONTH, workload="=1", tenant="a\nb")
    write_parquet(report(tmp_path, given), tmp_path / "out.parquet")
    asked = (
        f"SELECT tenant, day, sum(billed) FROM '{tmp_path / 'out.parquet'}' WHERE grouped_by = 'tenant' GROUP BY ALL"  # noqa: S608
    )
    assert duckdb.connect().execute(asked).fetchall() == [("a\nb", None, answer(given)[()].billed)]


def test_the_command_writes_the_page_and_both_beside_it(tmp_path: Path) -> None:
    bill = write(tmp_path / "bill.csv", MONTH)
    groundplan(["report", "--focus", str(bill), "--html", str(tmp_path / "cost.html")], standalone_mode=False)
    assert {"cost.html", "cost.csv", "cost.parquet"} <= {file.name for file in tmp_path.iterdir()}


def test_the_function_writes_page_sheets_and_json_and_names_what_it_could_not_read(tmp_path: Path) -> None:
    good, bad = write(tmp_path / "good.csv", MONTH), tmp_path / "bad.csv"
    bad.write_text("nothing of FOCUS\n")
    (tmp_path / "made").mkdir()
    found, charged = write_report(
        [good, bad], tmp_path / "made", Known({"digit-reader": Designed("us", Decimal(7))}), ["so"]
    )
    endings = ("html", "csv", "parquet", "json")
    made = {file.name for file in (tmp_path / "made").iterdir()}
    assert made == {"cost-widget.html", "cost-workloads.csv", *(f"cost.{ending}" for ending in endings)}
    told = {one["workload"]: one for one in json.loads((tmp_path / "made/cost.json").read_text())["workloads"]}
    assert (told["digit-reader"]["owner"], told["digit-reader"]["ceiling_usd"]) == ("us", "7")
    assert {one.workload for one in charged} == set(told)
    assert found.notes[0] == "so"
    widget = (tmp_path / "made/cost-widget.html").read_text(encoding="utf-8")
    assert "7.00" in widget
    assert "<html" not in widget
    assert found.totals[0].sums.billed == answer(MONTH)[()].billed
    assert "bad.csv: refused" in (tmp_path / "made/cost.html").read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    bill = write(tmp_path / "bill.csv", MONTH)
    with pytest.raises(BadInput, match="a file in a folder that is there"):
        groundplan(["report", "--focus", str(bill), "--html", str(tmp_path / "no/cost.html")], standalone_mode=False)
