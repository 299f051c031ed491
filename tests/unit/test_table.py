"""The declaration of a table: what it admits, and what it says about what it does not."""

from pathlib import Path
from typing import Any

import pytest

from groundplan.intake import Failure, RawFile, raw_file_of
from groundplan.names import catalogue_table
from groundplan.refusal import BadInput
from groundplan.table import Table, read_tables
from groundplan.workload import read_workload

ROOT = Path(__file__).parents[2]
WORKLOAD = read_workload(ROOT, "digit-reader")
DECLARATION = (ROOT / "workloads/digit-reader/tables/corrections.toml").read_text()


def declared(root: Path, text: str, name: str = "corrections") -> Table:
    """The table of a declaration in a repository of its own."""
    folder = root / "workloads/digit-reader/tables"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.toml").write_text(text)
    [table] = read_tables(root, WORKLOAD)
    return table


def test_the_declaration_in_the_catalogue_is_read_back_as_it_was(tmp_path: Path) -> None:
    table = declared(tmp_path, DECLARATION)
    assert Table.model_validate_json(table.model_dump_json(exclude_defaults=True)) == table
    assert list(table.columns) == ["image_id", "digit", "confidence", "source", "labelled_at"]


def test_a_workload_without_tables_has_none(tmp_path: Path) -> None:
    assert read_tables(tmp_path, WORKLOAD) == []


@pytest.mark.parametrize(
    ("change", "telling"),
    [
        (('name = "corrections"', 'name = "others"'), "name: 'others' is not allowed; allowed: \"corrections\""),
        (("freshness_hours = 168", "freshness_hours = 169"), "freshness_hours: 169 is not allowed"),
        (('type = "double"', 'type = "decimal"'), "columns.confidence.type: 'decimal' is not allowed"),
        (('type = "double"', 'type = "string"'), "minimum: 0.0 is not allowed; allowed for int, bigint, double"),
        (("maximum = 9", "maximum = -1"), "maximum: -1.0 is not allowed; allowed: at least the minimum, 0"),
        (("[columns.digit]", "[columns.Digit]"), "'Digit' is not allowed; allowed: 1 to 64 lower-case letters"),
        (("[columns.digit]", "[columns.created_time]"), "not created_time, which the lake adds"),
        (('["annotator", "customer"]', '["annotator", 7]'), "allowed: 7 is not allowed; allowed: texts for a string"),
        (("[a-z0-9-]{1,64}", "(?<=a)b"), "without look-around"),
        (
            ("[a-z0-9-]{1,64}", "[a-z"),
            "pattern: '[a-z' is not allowed; allowed: a regular expression",
        ),
        (('unique = ["image_id", "labelled_at"]', 'unique = ["image"]'), "unique: 'image' is not allowed"),
        (('entity = ["image_id"]', 'entity = ["confidence"]'), "features.entity: 'confidence' is not allowed"),
        (('event_time = "labelled_at"', 'event_time = "digit"'), "features.event_time: 'digit' is not allowed"),
        (("nullable = true", "nulable = true"), "columns.confidence.nulable: 'nulable' is not allowed; unknown key"),
    ],
)
def test_what_a_declaration_must_not_say_is_named(tmp_path: Path, change: tuple[str, str], telling: str) -> None:
    assert change[0] in DECLARATION
    with pytest.raises(BadInput) as refused:
        declared(tmp_path, DECLARATION.replace(*change))
    assert telling in str(refused.value)
    assert str(refused.value).startswith("workloads/digit-reader/tables/corrections.toml: ")


def test_a_table_does_not_take_the_place_of_the_data_set(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="the workload's data set has this place"):
        declared(tmp_path, DECLARATION.replace('name = "corrections"', 'name = "digits"'), "digits")


def test_no_two_tables_share_a_name_in_the_catalogue() -> None:
    pairs = [("a-b", "c"), ("a", "b_c"), ("ab", "c"), ("a-b-c", "d")]
    assert len({catalogue_table(*pair) for pair in pairs}) == len(pairs)


# A raw file ---------------------------------------------------------------------------------------------------------


def event(key: Any, bucket: str = "raw", **item: Any) -> dict[str, Any]:
    return {"detail": {"bucket": {"name": bucket}, "object": {"key": key, **item}}}


def test_the_same_version_has_the_same_place_and_another_version_another() -> None:
    one, two = RawFile("reader/rows/a.csv", "1"), RawFile("reader/rows/a.csv", "2")
    assert one.identity == RawFile("reader/rows/a.csv", "1").identity != two.identity
    # A key and a version are told apart, wherever the one ends.
    assert RawFile("reader/rows/a", "b1").identity != RawFile("reader/rows/ab", "1").identity


@pytest.mark.parametrize("key", ["a.csv", "reader/a.csv", "reader/rows/", "/rows/a.csv", "//a.csv"])
def test_a_key_outside_the_layout_has_no_place(key: str) -> None:
    assert RawFile(key, "1").place is None
    assert RawFile(key, "1").report_key().startswith("_unplaced/")


def test_an_event_names_key_and_version_and_a_folder_is_none() -> None:
    assert raw_file_of(event("w/t/a b.csv", **{"version-id": "7"}), bucket="raw") == RawFile("w/t/a b.csv", "7")
    assert raw_file_of(event("w/t/a.csv"), bucket="raw") == RawFile("w/t/a.csv", "")
    assert raw_file_of(event("w/t/"), bucket="raw") is None


@pytest.mark.parametrize("broken", [{}, {"detail": None}, event(7), event(""), event("w/t/a.csv", bucket="other")])
def test_what_is_no_event_of_the_raw_zone_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="event: detail"):
        raw_file_of(broken, bucket="raw")


def test_a_failure_reads_as_a_line() -> None:
    assert str(Failure(3, "digit", "12", "at most 9")) == "row 3, column digit: '12': at most 9"
    assert str(Failure(None, None, None, "it is empty")) == "it is empty"
