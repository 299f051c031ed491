"""Features as of a point in time: one way to read them, for training and for serving.

A feature table is append-only. Each row is a fact about an entity, true from its event time on, and known to the lake
from its `created_time` on. A read asks, for an entity and a time, for the latest fact that was true by then and,
unless told otherwise, known by then: what training sees is what serving would have seen.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import polars as pl
from pandera.errors import SchemaErrors

from groundplan.refusal import bad
from groundplan.table import ARRIVED, CREATED_TIME, Features, Table
from groundplan_runtime.integrations.validation import POLARS_TYPES, can_become, frame_schema

TIME = pl.Datetime("us", "UTC")


class FeatureStore:
    """The feature tables of one workload, in the features bucket below its name."""

    def __init__(self, s3: Any, *, bucket: str, workload: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._workload = workload

    def write_features(self, table: Table, rows: pl.DataFrame, *, created: datetime) -> str:
        """Append rows, known from `created` on (with a zone); the key under which they lie.

        The same rows with the same time lie under the same key. Raises BadInput with what the declaration forbids.
        """
        _features_of(table)
        if created.tzinfo is None:
            raise bad("features", "created", created, "allowed: a time with its zone")
        try:
            valid: Any = frame_schema(table).validate(_in_declared_types(table, rows), lazy=True)
        except SchemaErrors as error:
            untyped: Any = error
            first: Mapping[str, Any] = untyped.failure_cases.row(0, named=True)
            where, column = f"features {table.name}", str(first["column"])
            raise bad(where, column, first["failure_case"], str(first["check"])) from None
        when = created.astimezone(UTC)
        body = BytesIO()
        valid.with_columns(pl.lit(when).cast(TIME).alias(CREATED_TIME)).write_parquet(body)
        digest = hashlib.sha256(body.getvalue()).hexdigest()[:32]
        key = f"{self._workload}/{table.name}/{ARRIVED}={when.date().isoformat()}/{digest}.parquet"
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=body.getvalue())
        return key

    def read(self, table: Table) -> pl.DataFrame:
        """Every row of the table, with `created_time`, in the order of their keys. Empty when there is none yet."""
        prefix = f"{self._workload}/{table.name}/{ARRIVED}="
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        keys = sorted(item["Key"] for page in pages for item in page.get("Contents", []))
        columns = {name: POLARS_TYPES[column.type] for name, column in table.columns.items()} | {CREATED_TIME: TIME}
        frames = [pl.DataFrame(schema=columns)]
        for key in keys:
            body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            # A column that was declared later is null in older files.
            found = pl.read_parquet(BytesIO(body), hive_partitioning=False)
            frames.append(found.select(name for name in columns if name in found.columns))
        return pl.concat(frames, how="diagonal")


def read_as_of(table: Table, features: pl.DataFrame, asked: pl.DataFrame, *, as_known: bool = True) -> pl.DataFrame:
    """`asked` with the columns of the table beside it, in its own order: for each entity and time the latest fact.

    `features` is what FeatureStore.read gives. `asked` has the table's entity columns, a column `as_of` of times with
    a zone, and whatever else; it names none of the other columns of the table. A fact counts when its event time is
    at or before `as_of`; with `as_known`, its created time as well, so that nothing which arrived late leaks into the
    past. Among facts of one event time the one created last wins, then the one that stands later in `features`.
    Columns are null where there is no fact. Raises BadInput for an `asked` that cannot be answered.
    """
    declared = _features_of(table)
    entity, event_time = list(declared.entity), declared.event_time
    _check(table, declared, asked)
    # For each entity, in the order in which facts become visible: the best so far is the answer from then on.
    visible = pl.max_horizontal(event_time, CREATED_TIME) if as_known else pl.col(event_time)
    ranked = features.with_row_index("__row").sort(event_time, CREATED_TIME, "__row").with_row_index("__rank")
    best = ranked.with_columns(visible.alias("__visible")).sort("__visible", "__rank")
    best = best.select(*entity, "__visible", pl.col("__rank").cum_max().over(entity)).unique(
        [*entity, "__visible"], keep="last", maintain_order=True
    )
    spine = asked.with_row_index("__asked").with_columns(pl.col("as_of").cast(TIME).alias("__as_of"))
    spine = spine.with_columns(pl.col(name).cast(POLARS_TYPES[table.columns[name].type]) for name in entity)
    found = spine.sort("__as_of").join_asof(
        best.sort("__visible"), left_on="__as_of", right_on="__visible", by=entity, strategy="backward"
    )
    facts = ranked.drop("__row", *entity)
    answered = found.join(facts, on="__rank", how="left", maintain_order="left").sort("__asked")
    return answered.select(*asked.columns, *(name for name in facts.columns if name != "__rank"))


def latest(table: Table, features: pl.DataFrame, asked: pl.DataFrame, *, now: datetime) -> pl.DataFrame:
    """What serving asks: `read_as_of` with one time for all, which is left out of the answer."""
    at = asked.with_columns(pl.lit(now).cast(TIME).alias("as_of"))
    return read_as_of(table, features, at).drop("as_of")


def _features_of(table: Table) -> Features:
    if table.features is None:
        raise bad(f"table {table.name}", "features", "nothing", "its declaration says no entity and no event time")
    return table.features


def _check(table: Table, declared: Features, asked: pl.DataFrame) -> None:
    where = f"features {table.name}"
    for name in (*declared.entity, "as_of"):
        if name not in asked.columns:
            raise bad(where, "columns", ", ".join(asked.columns), f"this column is needed: {name}")
        if asked[name].null_count():
            raise bad(where, name, None, "an entity and its time are never null")
    taken = [name for name in asked.columns if name in {*table.columns, CREATED_TIME} - {*declared.entity}]
    if taken:
        raise bad(where, "columns", taken[0], "the table has a column of this name; give yours another")
    kind = asked.schema["as_of"]
    if not (isinstance(kind, pl.Datetime) and kind.time_zone):
        raise bad(where, "as_of", str(kind), "allowed: times with a zone")


def _in_declared_types(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    where = f"features {table.name}"
    if sorted(rows.columns) != sorted(table.columns):
        raise bad(where, "columns", ", ".join(rows.columns), f"allowed: {', '.join(table.columns)}")
    for name, column in table.columns.items():
        if not can_become(rows.schema[name], column):
            raise bad(where, name, str(rows.schema[name]), f"allowed: {column.type}, or what becomes it without loss")
    try:
        return rows.select(pl.col(name).cast(POLARS_TYPES[column.type]) for name, column in table.columns.items())
    except pl.exceptions.PolarsError as error:
        raise bad(where, "values", str(error).partition("\n")[0], "the declared types") from None
