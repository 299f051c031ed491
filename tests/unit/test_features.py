"""Reads as of a point in time: never from the future, neither of what happened nor of what was known."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.refusal import BadInput
from groundplan.table import CREATED_TIME, Table
from groundplan_runtime.integrations.features import TIME, FeatureStore, latest, read_as_of

TABLE = Table.model_validate(
    {
        "name": "risk",
        "description": "What is known of a customer's risk.",
        "classification": "internal",
        "columns": {
            "customer": {"type": "string"},
            "shop": {"type": "bigint"},
            "seen": {"type": "timestamp"},
            "score": {"type": "int", "minimum": 0, "nullable": True},
        },
        "features": {"entity": ("customer", "shop"), "event_time": "seen"},
    }
)
START = datetime(2026, 11, 20, tzinfo=UTC)
Fact = tuple[str, int, int, int | None, int]  # customer, shop, seen, score, created


def at(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


def facts(rows: Sequence[Fact]) -> pl.DataFrame:
    """Feature rows as the store gives them."""
    names = {"customer": pl.String, "shop": pl.Int64, "seen": TIME, "score": pl.Int32, CREATED_TIME: TIME}
    told = [(customer, shop, at(seen), score, at(created)) for customer, shop, seen, score, created in rows]
    return pl.DataFrame(told, schema=names, orient="row")


def asked(rows: Sequence[tuple[str, int, int]]) -> pl.DataFrame:
    told = [(customer, shop, at(minute)) for customer, shop, minute in rows]
    return pl.DataFrame(told, schema={"customer": pl.String, "shop": pl.Int64, "as_of": TIME}, orient="row")


def scores(features: pl.DataFrame, *questions: tuple[str, int, int], as_known: bool = True) -> list[Any]:
    return read_as_of(TABLE, features, asked(questions), as_known=as_known)["score"].to_list()


def test_the_latest_fact_at_or_before_the_time_counts() -> None:
    features = facts([("a", 1, 10, 1, 10), ("a", 1, 20, 2, 20), ("b", 1, 15, 9, 15)])
    assert scores(features, ("a", 1, 9), ("a", 1, 10), ("a", 1, 19), ("a", 1, 20), ("a", 1, 99)) == [None, 1, 1, 2, 2]
    assert scores(features, ("b", 1, 16), ("a", 2, 16), ("c", 1, 16)) == [9, None, None]


def test_what_arrived_late_does_not_leak_into_the_past() -> None:
    features = facts([("a", 1, 10, 1, 10), ("a", 1, 20, 2, 50)])
    assert scores(features, ("a", 1, 30), ("a", 1, 50)) == [1, 2]
    assert scores(features, ("a", 1, 30), ("a", 1, 50), as_known=False) == [2, 2]


def test_an_older_fact_that_arrives_later_does_not_replace_a_newer_one() -> None:
    features = facts([("a", 1, 20, 2, 20), ("a", 1, 10, 1, 30)])
    assert scores(features, ("a", 1, 40)) == [2]


def test_a_correction_of_the_same_event_time_counts_once_it_is_known() -> None:
    told = [("a", 1, 10, 1, 10), ("a", 1, 10, 7, 30)]
    for features in (facts(told), facts(told[::-1])):
        assert scores(features, ("a", 1, 20), ("a", 1, 30)) == [1, 7]
        assert scores(features, ("a", 1, 20), as_known=False) == [7]


def test_a_latest_fact_that_says_nothing_is_not_passed_over_for_an_older_one() -> None:
    assert scores(facts([("a", 1, 10, 1, 10), ("a", 1, 20, None, 20)]), ("a", 1, 30)) == [None]


def test_the_question_keeps_its_rows_order_and_columns() -> None:
    question = asked([("b", 1, 30), ("a", 1, 30), ("b", 1, 30)]).with_columns(label=pl.Series([1, 2, 3]))
    answer = read_as_of(TABLE, facts([("a", 1, 10, 5, 10)]), question)
    assert answer.columns == ["customer", "shop", "as_of", "label", "seen", "score", CREATED_TIME]
    assert answer.select(question.columns).equals(question)
    assert answer["score"].to_list() == [None, 5, None]


def test_times_of_any_zone_and_narrower_entities_are_understood() -> None:
    elsewhere = datetime(2026, 11, 20, 1, 10, tzinfo=timezone(timedelta(hours=1)))
    times = pl.Series([elsewhere]).dt.cast_time_unit("ms")
    question = pl.DataFrame({"customer": ["a"], "shop": pl.Series([1], dtype=pl.Int16), "as_of": times})
    assert read_as_of(TABLE, facts([("a", 1, 10, 5, 10)]), question)["score"].to_list() == [5]


@pytest.mark.parametrize(
    ("question", "telling"),
    [
        (asked([("a", 1, 1)]).drop("shop"), "this column is needed: shop"),
        (asked([("a", 1, 1)]).drop("as_of"), "this column is needed: as_of"),
        (asked([("a", 1, 1)]).with_columns(score=1), "columns: 'score' is not allowed; the table has a column"),
        (asked([("a", 1, 1)]).with_columns(pl.col("as_of").dt.replace_time_zone(None)), "allowed: times with a zone"),
        (asked([("a", 1, 1)]).with_columns(pl.lit(None, pl.String).alias("customer")), "never null"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(question: pl.DataFrame, telling: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_as_of(TABLE, facts([]), question)
    assert telling in str(refused.value)


def test_a_table_without_entity_and_event_time_has_no_features() -> None:
    with pytest.raises(BadInput, match="no entity and no event time"):
        read_as_of(TABLE.model_copy(update={"features": None}), facts([]), asked([]))


# Against an oracle --------------------------------------------------------------------------------------------------

MINUTES = st.integers(0, 4)  # few, so that ties are many
FACTS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(1, 2), MINUTES, st.integers(0, 99), MINUTES), max_size=12
)
QUESTIONS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 2), MINUTES), max_size=8)


def brute_force(rows: Sequence[Fact], question: tuple[str, int, int], *, as_known: bool) -> int | None:
    customer, shop, minute = question
    best: tuple[int, int, int] | None = None
    score = None
    for number, (fact_customer, fact_shop, seen, fact_score, created) in enumerate(rows):
        if (fact_customer, fact_shop) != (customer, shop) or seen > minute or (as_known and created > minute):
            continue
        if best is None or (seen, created, number) > best:
            best, score = (seen, created, number), fact_score
    return score


@given(FACTS, QUESTIONS, st.booleans())
@settings(max_examples=150, deadline=None)
def test_every_answer_is_the_one_that_looking_at_every_fact_gives(
    rows: list[Fact], questions: list[tuple[str, int, int]], as_known: bool
) -> None:
    expected = [brute_force(rows, question, as_known=as_known) for question in questions]
    assert scores(facts(rows), *questions, as_known=as_known) == expected


@given(FACTS, QUESTIONS, MINUTES)
@settings(max_examples=40, deadline=None)
def test_training_sees_what_serving_saw(rows: list[Fact], questions: list[tuple[str, int, int]], now: int) -> None:
    """Serving at a moment knows the facts created by then; training asks later, for that moment."""
    question = asked([(customer, shop, now) for customer, shop, _ in questions])
    then = facts([row for row in rows if row[4] <= now])
    served = latest(TABLE, then, question.drop("as_of"), now=at(now))
    trained = read_as_of(TABLE, facts(rows), question).drop("as_of")
    assert served.equals(trained)


# The store ----------------------------------------------------------------------------------------------------------


class FakeS3:
    """A bucket that gives its list one key a page."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> None:  # noqa: N803
        assert Bucket == "features"
        self.objects[Key] = Body

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803, ARG002
        return {"Body": BytesIO(self.objects[Key])}

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> list[dict[str, Any]]:  # noqa: N803, ARG002
        return [{"Contents": [{"Key": key}]} for key in self.objects if key.startswith(Prefix)] or [{}]


@pytest.fixture
def store() -> FeatureStore:
    return FeatureStore(FakeS3(), bucket="features", workload="reader")


ROWS = facts([("a", 1, 10, 5, 0), ("b", 2, 20, 6, 0)]).drop(CREATED_TIME)


def test_what_is_written_is_read_with_the_time_it_became_known(store: FeatureStore) -> None:
    assert store.read(TABLE).is_empty()
    store.write_features(TABLE, ROWS, created=at(30))
    store.write_features(TABLE, ROWS.head(1), created=at(40))
    found = store.read(TABLE).sort(CREATED_TIME, "customer")
    assert found.columns == [*TABLE.columns, CREATED_TIME]
    assert found[CREATED_TIME].to_list() == [at(30), at(30), at(40)]
    assert read_as_of(TABLE, found, asked([("a", 1, 29), ("a", 1, 30)]))["score"].to_list() == [None, 5]


def test_the_same_rows_at_the_same_time_are_stored_once(store: FeatureStore) -> None:
    assert store.write_features(TABLE, ROWS, created=at(30)) == store.write_features(TABLE, ROWS, created=at(30))
    assert store.read(TABLE).height == 2


def test_a_column_that_was_declared_later_is_null_in_what_was_written_before(store: FeatureStore) -> None:
    store.write_features(TABLE, ROWS, created=at(30))
    columns = {name: column.model_dump() for name, column in TABLE.columns.items()}
    columns["tier"] = {"type": "string", "nullable": True}
    wider = Table.model_validate(TABLE.model_dump() | {"columns": columns})
    assert store.read(wider)["tier"].to_list() == [None, None]


@pytest.mark.parametrize(
    ("rows", "telling"),
    [
        (ROWS.drop("score"), "columns: "),
        (ROWS.with_columns(score=pl.lit(-1, pl.Int32)), "score: '-1' is not allowed; at least 0"),
        (ROWS.with_columns(score=pl.lit(1.5)), "score: 'Float64' is not allowed; allowed: int"),
        (ROWS.with_columns(shop=pl.lit(None, pl.Int64)), "shop: "),
    ],
)
def test_rows_that_break_the_declaration_are_not_written(
    store: FeatureStore, rows: pl.DataFrame, telling: str
) -> None:
    with pytest.raises(BadInput) as refused:
        store.write_features(TABLE, rows, created=at(30))
    assert telling in str(refused.value)
    assert store.read(TABLE).is_empty()
