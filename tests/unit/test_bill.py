"""`groundplan report --focus`: any FOCUS export, exact sums, each charge once, and a clear line for what is wrong."""

import json
import shutil
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import focus_rows
from focus_rows import Row, answer, rows, write
from groundplan.focus.queries import DIMENSIONS
from groundplan.refusal import BadInput
from groundplan_operate.command_line import groundplan
from groundplan_runtime.integrations import bill_repeats
from groundplan_runtime.integrations.bill import Bill

MONTH = rows(400)


def report(*files: Path, by: Sequence[Sequence[str]] = ()) -> dict[str, Any]:
    """The report of files in which nothing is wrong."""
    with Bill(files) as bill:
        found = bill.report(*by).as_json()
        assert not bill.findings
    return found


def refused(*files: Path) -> tuple[dict[str, Any], list[str]]:
    """The report of files, and what is said of those that are refused."""
    with Bill(files) as bill:
        found = bill.report().as_json()
        return found, [str(finding) for finding in bill.findings]


def billed(found: dict[str, Any], **of: str) -> Decimal:
    """The total of a provider and currency."""
    asked = {"billing_currency": "USD", **of}
    (total,) = [one for one in found["totals"] if asked.items() <= one.items()]
    return Decimal(total["billed"])


def of_rows(given: Sequence[Row]) -> Decimal:
    """What rows bill, added up."""
    return sum((Decimal(row["BilledCost"]) for row in given), Decimal(0))


@pytest.mark.parametrize("version", focus_rows.COLUMNS)
@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
def test_every_grouping_of_every_version_has_the_known_answer(tmp_path: Path, version: str, ending: str) -> None:
    found = report(write(tmp_path / f"bill.{ending}", MONTH, version))
    assert found["files"][0]["focus_version"] == version
    for by in DIMENSIONS:
        expected = answer(MONTH, by)
        groups = {(group[by],): group for group in found["groups"] if group["by"] == by}
        assert groups.keys() == expected.keys()
        for key, group in groups.items():
            assert group["rows"] == expected[key].rows
            for name in ("billed", "effective", "list"):
                assert abs(Decimal(group[name]) - getattr(expected[key], name)) < Decimal("1e-9")


def test_amounts_of_text_are_exact_to_the_last_digit(tmp_path: Path) -> None:
    found = report(write(tmp_path / "bill.csv", MONTH))
    assert billed(found) == of_rows(MONTH)


@pytest.mark.parametrize("billed_each", ["0.1", "1e-13", "999999.99", "4000000000.01"])
def test_binary_fractions_are_summed_to_a_thousand_millionth(tmp_path: Path, billed_each: str) -> None:
    own = [row | {"BilledCost": billed_each, "InvoiceId": str(at)} for at, row in enumerate(MONTH)]
    found = report(write(tmp_path / "a.parquet", own), by=[["service"]])
    kept = len(MONTH) * Decimal(float(billed_each))  # what the file holds, to its last binary digit
    assert abs(billed(found) - kept) < Decimal("1e-9") + kept * Decimal("1e-16")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), count=st.integers(0, 60), by=st.permutations(DIMENSIONS))
def test_the_sum_of_groups_is_the_sum_of_rows(tmp_path: Path, seed: int, count: int, by: list[str]) -> None:
    own = rows(count, seed)
    found = report(write(tmp_path / "bill.csv", own), by=[by[:1], by[:3], by])
    for names in (by[:1], by[:3], by):
        groups = [group for group in found["groups"] if group["by"] == ",".join(names)]
        assert sum((Decimal(group["billed"]) for group in groups), Decimal(0)) == of_rows(own)
        assert sum(group["rows"] for group in groups) == count


def test_savings_by_cause_are_all_that_lies_between_list_and_effective_cost(tmp_path: Path) -> None:
    found = report(write(tmp_path / "bill.csv", MONTH))
    for group in (*found["totals"], *found["groups"]):
        saved = sum(map(Decimal, group["savings"].values()))
        assert saved == Decimal(group["list"]) - Decimal(group["effective"])
    spot = [row for row in MONTH if row["PricingCategory"] == "Dynamic"]
    expected = sum(Decimal(row["ContractedCost"]) - Decimal(row["EffectiveCost"]) for row in spot)
    assert Decimal(found["totals"][0]["savings"]["spot"]) == expected


def test_what_files_hold_is_reconciled_with_what_is_counted(tmp_path: Path) -> None:
    found = report(write(tmp_path / "bill.csv", [*MONTH, *MONTH[:30]]))
    (one,) = found["reconciliation"]
    assert one["held_rows"] == 430
    assert one["left_out_rows"] == 30
    assert Decimal(one["left_out"]) == of_rows(MONTH[:30])
    assert Decimal(one["counted"]) == of_rows(MONTH)
    assert one["difference"] == "0"


# -- each charge once ------------------------------------------------------------------------------------------------


def _equal_rows(folder: Path) -> list[Path]:
    return [write(folder / "a.csv", [*MONTH, *MONTH])]


def _same_bytes(folder: Path) -> list[Path]:
    first = write(folder / "a.parquet", MONTH)
    return [first, Path(shutil.copy(first, folder / "b.parquet"))]


def _longer_delivery(folder: Path) -> list[Path]:
    return [write(folder / "on-the-10th.csv", MONTH[:250]), write(folder / "on-the-20th.csv", MONTH)]


def _csv_and_parquet(folder: Path) -> list[Path]:
    return [write(folder / "a.csv", MONTH), write(folder / "a.parquet", MONTH)]


def _two_versions(folder: Path) -> list[Path]:
    return [write(folder / "old.csv", MONTH[:300], "1.0"), write(folder / "new.parquet", MONTH, "1.4")]


def _restated_delivery(folder: Path) -> list[Path]:
    """An earlier delivery whose amounts were estimates: no row of it is equal to one of the last."""
    base = folder / "ours/data/BILLING_PERIOD=2026-10"
    places = [base / "2026-10-10T02:00:00Z-1111/ours-1.csv", base / "2026-10-20T02:00:00Z-2222/ours-1.csv"]
    for place in places:
        place.parent.mkdir(parents=True)
    return [write(places[0], [row | {"BilledCost": "1"} for row in MONTH]), write(places[1], MONTH)]


@pytest.mark.parametrize(
    "deliver", [_equal_rows, _same_bytes, _longer_delivery, _csv_and_parquet, _two_versions, _restated_delivery]
)
def test_no_charge_is_counted_twice(tmp_path: Path, deliver: Callable[[Path], list[Path]]) -> None:
    found = report(*deliver(tmp_path))
    assert abs(billed(found) - of_rows(MONTH)) < Decimal("1e-9")
    assert [one["difference"] for one in found["reconciliation"]] == ["0"]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_rows_that_few_columns_confuse_are_compared_whole(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bill_repeats, "SAMPLED_ROWS", 10)  # a bill of which the first rows say too little
    monkeypatch.setattr(bill_repeats, "ROWS_A_PASS", 100)
    own = [row for row in MONTH if row["BilledCost"] != "0"]
    alike = own[0] | {"ChargeDescription": "of the same amount"}
    found = report(write(tmp_path / f"a.{ending}", [*own, alike, own[0]]))
    assert abs(billed(found) - of_rows([*own, alike])) < Decimal("1e-9")
    assert [one["left_out_rows"] for one in found["reconciliation"]] == [1]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_bill_of_equal_amounts_counts_each_charge(tmp_path: Path, ending: str) -> None:
    equal = [row | {"BilledCost": "1"} for row in MONTH]
    found = report(write(tmp_path / f"a.{ending}", [*equal, *equal[:50]]))
    assert billed(found) == len(MONTH)


def test_of_three_exports_the_one_that_holds_a_charge_most_often_counts(tmp_path: Path) -> None:
    twice = [*MONTH[:50], MONTH[0] | {"InvoiceId": "another"}]
    old = [write(tmp_path / f"{version}.csv", MONTH[:50], version) for version in ("1.0", "1.1")]
    found = report(*old, write(tmp_path / "new.csv", twice))
    assert billed(found) == of_rows(twice)
    assert [one["difference"] for one in found["reconciliation"]] == ["0"]


def test_rows_that_differ_in_a_column_that_is_not_read_are_two_charges(tmp_path: Path) -> None:
    twins = [row | {"ChargeDescription": f"{row['ChargeDescription']}!"} for row in MONTH]
    assert billed(report(write(tmp_path / "a.csv", [*MONTH, *twins]))) == 2 * of_rows(MONTH)


def test_chunks_of_an_export_are_added_up(tmp_path: Path) -> None:
    write(tmp_path / "ours-1.csv.gz", MONTH[:150])
    write(tmp_path / "ours-2.csv.gz", MONTH[150:])
    assert billed(report(tmp_path)) == of_rows(MONTH)


def test_every_row_counts_where_that_is_asked_for(tmp_path: Path) -> None:
    with Bill(_equal_rows(tmp_path), rows_once=False) as bill:
        assert billed(bill.report().as_json()) == 2 * of_rows(MONTH)


# -- what is awkward, and right --------------------------------------------------------------------------------------


def test_currencies_and_providers_are_never_added_up(tmp_path: Path) -> None:
    euros = rows(50, 8, currency="EUR")
    others = rows(50, 9, provider="Microsoft")
    found = report(
        write(tmp_path / "a.csv", [*MONTH, *euros]), write(tmp_path / "b.csv", others, "1.3"), by=[["service"]]
    )
    assert billed(found, provider="AWS") == of_rows(MONTH)
    assert billed(found, provider="AWS", billing_currency="EUR") == of_rows(euros)
    assert billed(found, provider="Microsoft") == of_rows(others)
    assert len(found["totals"]) == 3


def test_times_without_a_zone_are_utc_and_others_are_moved_there(tmp_path: Path) -> None:
    times = {
        "2026-10-05 23:30:00": "2026-10-05",
        "2026-10-06T23:30:00.000Z": "2026-10-06",
        "2026-10-07T23:30:00-05:00": "2026-10-08",
        "2026-10-09 00:30:00+02:00": "2026-10-08",
        "2026-10-10": "2026-10-10",
    }
    own = [row | {"ChargePeriodStart": time} for row, time in zip(MONTH, times, strict=False)]
    found = report(write(tmp_path / "a.csv", own), by=[["day"]])
    assert [group["day"] for group in found["groups"]] == sorted(set(times.values()))


def test_a_charge_belongs_to_the_month_of_its_invoice(tmp_path: Path) -> None:
    straddling = MONTH[0] | {"ChargePeriodStart": "2026-09-30T23:00:00Z", "ChargePeriodEnd": "2026-10-01T01:00:00Z"}
    found = report(write(tmp_path / "a.csv", [straddling]), by=[["month", "day"]])
    assert [(group["month"], group["day"]) for group in found["groups"]] == [("2026-10-01", "2026-09-30")]


@pytest.mark.parametrize("given", ["34", "34.0", "000000000034"])
def test_account_ids_that_were_taken_for_numbers_get_their_zeros_back(tmp_path: Path, given: str) -> None:
    found = report(write(tmp_path / "a.csv", [MONTH[0] | {"SubAccountId": given}]), by=[["account"]])
    assert [group["account"] for group in found["groups"]] == ["000000000034"]


def test_a_byte_order_mark_null_as_text_and_a_missing_contracted_cost_are_read(tmp_path: Path) -> None:
    nulls = {"ContractedCost": "NULL", "Tags": "NULL", "CommitmentDiscountId": "NULL", "ChargeCategory": "Usage"}
    file = write(tmp_path / "a.csv", [MONTH[0] | nulls])
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    (total,) = report(file)["totals"]
    assert Decimal(total["billed"]) == Decimal(MONTH[0]["BilledCost"])
    assert total["savings"]["negotiated"] == "0"


@pytest.mark.parametrize("prefix", ["", "user:", "user_", "resourceTags/"])
def test_a_tag_is_found_under_the_prefix_of_an_export(tmp_path: Path, prefix: str) -> None:
    tags = json.dumps({f"{prefix}workload": "digit-reader"})
    found = report(write(tmp_path / "a.csv", [MONTH[0] | {"Tags": tags}]), by=[["workload"]])
    assert [group["workload"] for group in found["groups"]] == ["digit-reader"]


def test_columns_that_are_not_focus_are_ignored_with_a_line(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", MONTH, columns=[*focus_rows.COLUMNS["1.2"], "Comment", "x_ours"])
    found = report(file)
    assert found["notes"] == [f"{file}: ignored, for they are not of FOCUS: Comment"]
    assert billed(found) == of_rows(MONTH)


def test_a_provider_without_commitments_needs_no_column_for_them(tmp_path: Path) -> None:
    columns = [name for name in focus_rows.COLUMNS["1.2"] if not name.startswith("Commitment")]
    found = report(write(tmp_path / "a.csv", MONTH, columns=columns))
    assert billed(found) == of_rows(MONTH)
    assert "without CommitmentDiscountId" in found["notes"][0]


def test_a_bill_says_which_of_its_charges_are_in_no_workloads_line(tmp_path: Path) -> None:
    untagged = [row | {"Tags": ""} for row in MONTH]
    assert "activated them as cost allocation tags" in report(write(tmp_path / "a.csv", untagged))["notes"][0]
    assert report(write(tmp_path / "b.csv", [*untagged, MONTH[0]]))["notes"] == []
    euros = write(tmp_path / "c.csv", [*MONTH, *rows(20, 8, currency="EUR")])
    assert report(euros)["notes"][0].startswith("what is billed in EUR is in no workload's line")


def test_an_export_without_charges_is_nothing_billed(tmp_path: Path) -> None:
    assert report(write(tmp_path / "a.csv", []))["totals"] == []


def test_a_file_name_is_only_a_name(tmp_path: Path) -> None:
    assert billed(report(write(tmp_path / "it's [1] * ?.csv", MONTH))) == of_rows(MONTH)


# -- what is wrong ---------------------------------------------------------------------------------------------------


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def _not_parquet(file: Path) -> None:
    file.write_bytes(b"PARQ" + file.read_bytes()[4:])


def _rotten(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[:4] + b"\0" * (len(content) - 12) + content[-8:])


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (_cut, "was cut off"),
        (_not_parquet, "begins and ends with PAR1"),
        (_rotten, "Parquet"),
    ],
)
def test_a_damaged_parquet_file_is_named_and_the_others_are_reported(
    tmp_path: Path, damage: Callable[[Path], None], says: str
) -> None:
    good, wrong = write(tmp_path / "good.parquet", MONTH), write(tmp_path / "wrong.parquet", rows(50, 9))
    damage(wrong)
    found, said = refused(good, wrong)
    assert abs(billed(found) - of_rows(MONTH)) < Decimal("1e-9")
    assert len(said) == 1
    assert str(wrong) in said[0]
    assert says in said[0]
    assert {"counted", "refused"} == {one["status"] for one in found["files"]}


@pytest.mark.parametrize(
    ("column", "value", "ending"),
    [
        ("BilledCost", "1,5", "csv"),
        ("BilledCost", "$5", "csv"),
        ("BilledCost", "nan", "csv"),
        ("BilledCost", "nan", "parquet"),
        ("BilledCost", "1e40", "parquet"),
        ("BilledCost", "", "csv"),
        ("EffectiveCost", "NULL", "csv"),
        ("ListCost", "free", "csv"),
        ("BillingCurrency", "", "csv"),
        ("ChargePeriodStart", "yesterday", "csv"),
        ("ChargePeriodStart", "2026-13-01T00:00:00Z", "csv"),
        ("Tags", "{workload: x}", "csv"),
    ],
)
def test_a_value_that_cannot_be_read_is_told_with_file_row_and_column(
    tmp_path: Path, column: str, value: str, ending: str
) -> None:
    wrong = [dict(row) for row in rows(50, 9)]
    wrong[20][column] = value
    good, bad = write(tmp_path / "good.csv", MONTH), write(tmp_path / f"bad.{ending}", wrong)
    found, said = refused(good, bad)
    row = 22 if ending == "csv" else 21
    assert [line.startswith(f"{bad}: row {row}, column {column}: ") for line in said] == [True]
    assert billed(found) == of_rows(MONTH)


@pytest.mark.parametrize("line", ["too,short", "x" + ",y" * 80, '"never closed'])
def test_a_ragged_row_is_told_with_file_and_row(tmp_path: Path, line: str) -> None:
    good, bad = write(tmp_path / "good.csv", MONTH), tmp_path / "bad.csv"
    plain = [row | {"ChargeDescription": ""} for row in rows(3, 9)]
    lines = write(bad, plain).read_text().splitlines()
    bad.write_text("\n".join([*lines[:3], line, *lines[3:]]) + "\n")
    found, said = refused(good, bad)
    assert said[0].startswith(f"{bad}: row 4")
    assert billed(found) == of_rows(MONTH)


@pytest.mark.parametrize("column", ["BilledCost", "EffectiveCost", "ServiceName", "ChargePeriodStart"])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_missing_column_is_told_with_file_and_column(tmp_path: Path, column: str, ending: str) -> None:
    columns = [name for name in focus_rows.COLUMNS["1.2"] if name != column]
    good, bad = write(tmp_path / "good.csv", MONTH), write(tmp_path / f"bad.{ending}", rows(50, 9), columns=columns)
    found, said = refused(good, bad)
    assert [line.startswith(f"{bad}: column {column}: ") for line in said] == [True]
    assert billed(found) == of_rows(MONTH)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 zip", b"a,b\0c\n", b"BilledCost\xff\n", b"\x1f\x8bnot gzip"])
def test_what_is_no_bill_is_refused_with_a_line(tmp_path: Path, content: bytes) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_bytes(content)
    found, said = refused(bad)
    assert found["totals"] == []
    assert all(line.startswith(str(bad)) for line in said)
    assert said


def test_a_byte_that_is_not_utf8_is_told_with_its_row_not_its_line(tmp_path: Path) -> None:
    over_lines = [row | {"ChargeDescription": "one\ntwo"} for row in rows(5, 9)]
    bad = write(tmp_path / "bad.csv", over_lines)
    content = bad.read_bytes()
    at = content.rindex(b"one\ntwo")
    bad.write_bytes(content[:at] + b"\xe9" + content[at:])
    assert refused(bad)[1][0].startswith(f"{bad}: row 6: ")


def test_a_gzipped_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    bad = write(tmp_path / "bad.csv.gz", MONTH)
    _cut(bad)
    found, said = refused(bad)
    assert found["totals"] == []
    assert str(bad) in said[0]


# -- the command -----------------------------------------------------------------------------------------------------


def run(*arguments: object) -> None:
    """The command, with its own exceptions."""
    groundplan(["report", *map(str, arguments)], standalone_mode=False)


def test_the_command_takes_many_files_and_prints_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [write(tmp_path / f"{at}.csv", rows(20, at)) for at in range(3)]
    run("--focus", *files, "--json")
    found = json.loads(capsys.readouterr().out)
    assert {"totals", "groups", "workloads"} <= found.keys()
    assert found["totals"][0]["rows"] == 60


def test_the_command_reports_good_files_and_ends_with_bad_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write(tmp_path / "good.csv", MONTH)
    with pytest.raises(BadInput, match=r"nothing\.csv"):
        run("--focus", good, tmp_path / "nothing.csv", "--json")
    assert billed(json.loads(capsys.readouterr().out)) == of_rows(MONTH)


def test_the_table_shows_what_nobody_answers_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("--focus", write(tmp_path / "a.csv", MONTH))
    shown = capsys.readouterr().out
    assert "(unallocated)" in shown
    assert "a difference of $0.00" in shown


def test_a_dimension_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="allowed: each once"):
        run("--focus", write(tmp_path / "a.csv", MONTH), "--by", "service,colour")
