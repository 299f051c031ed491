"""A data set's root names its bytes and versions, wherever they lie and in whatever order they were listed."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundplan.canonical import canonical_json, left_out, tree_digest
from groundplan.manifest import Entry, Manifest
from groundplan.refusal import BadInput

ENTRIES = [
    Entry("train/part-0.csv", "v1", "a" * 64, 10),
    Entry("train/part-1.csv", "v2", "b" * 64, 20),
    Entry("validation/part-0.csv", "v3", "c" * 64, 30),
]
MANIFEST = Manifest.of("lake", "digit-reader/digits/1", ENTRIES)


@given(st.permutations(ENTRIES))
def test_the_order_of_listing_does_not_matter(entries: list[Entry]) -> None:
    assert Manifest.of("lake", "digit-reader/digits/1", entries) == MANIFEST


def test_the_place_does_not_change_the_root() -> None:
    assert Manifest.of("other", "elsewhere", ENTRIES).root == MANIFEST.root


@pytest.mark.parametrize("change", [{"key": "train/x.csv"}, {"version": "v9"}, {"sha256": "d" * 64}])
def test_a_key_a_version_or_a_byte_changes_the_root(change: dict[str, str]) -> None:
    entries = [replace(ENTRIES[0], **change), *ENTRIES[1:]]
    assert Manifest.of("lake", "digit-reader/digits/1", entries).root != MANIFEST.root


def test_a_manifest_reads_back_as_it_was_written() -> None:
    assert Manifest.from_json(json.loads(MANIFEST.to_json())) == MANIFEST


def test_a_manifest_whose_entries_were_changed_is_refused() -> None:
    document = json.loads(MANIFEST.to_json())
    document["entries"][0]["sha256"] = "0" * 64
    with pytest.raises(BadInput, match="the entries have the root"):
        Manifest.from_json(document)


@pytest.mark.parametrize("key", ["../x", "/x", "train/../../x"])
def test_a_key_that_climbs_out_is_refused(key: str) -> None:
    with pytest.raises(BadInput, match="a path below the prefix"):
        Manifest.of("lake", "p", [Entry(key, "v", "a" * 64, 1)])


def test_no_files_and_a_key_twice_are_refused() -> None:
    with pytest.raises(BadInput, match="at least one file"):
        Manifest.of("lake", "p", [])
    with pytest.raises(BadInput, match="once"):
        Manifest.of("lake", "p", [ENTRIES[0], replace(ENTRIES[0], version="v9")])


def test_canonical_json_has_one_spelling_and_no_nan() -> None:
    assert canonical_json({"b": 1, "a": ["é"]}) == b'{"a":["\\u00e9"],"b":1}'
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(float("nan"))


def test_a_link_or_a_name_that_is_not_utf_8_is_refused_rather_than_followed_or_lost(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(BadInput, match="copy what a link points at"):
        tree_digest(tmp_path)
    (tmp_path / "link").unlink()
    Path(os.fsdecode(bytes(tmp_path) + b"/\xff")).write_text("x")
    with pytest.raises(BadInput, match="a name in UTF-8"):
        tree_digest(tmp_path)


def test_a_tree_is_its_files_without_caches_and_hidden_ones(tmp_path: Path) -> None:
    for name in ("b.py", "a/c.py", "__pycache__/b.pyc", ".hidden", "a/.x/y"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    assert list(tree_digest(tmp_path)) == ["a/c.py", "b.py"]
    assert left_out(tmp_path) == [".hidden", "__pycache__/b.pyc", "a/.x/y"]
