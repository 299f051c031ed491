"""A table that a workload brings into the lake, read from `workloads/<name>/tables/<table>.toml`.

From this one declaration come the schema that files are validated with, the columns of the catalogue, the freshness
alarm and, for features, what a read as of a point in time goes by.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from groundplan.refusal import BadInput, Disallowed, Finding, bad
from groundplan.text import matching
from groundplan.toml_file import Values, read_toml
from groundplan.workload import Workload

# Spelled as the Glue catalogue and Athena spell them; all of them exist in Parquet.
ColumnType = Literal["boolean", "int", "bigint", "double", "string", "date", "timestamp"]
NUMBERS = ("int", "bigint", "double")
ARRIVED = "arrived"  # partition of every table: the day on which a file came in
CREATED_TIME = "created_time"  # of a feature: when the lake came to know it
# CloudWatch looks back seven days at most:
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
LONGEST_FRESHNESS_HOURS = 7 * 24

_NAME = r"[a-z][a-z0-9]*(_[a-z0-9]+)*"
TableName = Annotated[
    str,
    matching(
        rf"(?=.{{2,64}}$){_NAME}",
        "allowed: 2 to 64 lower-case letters, digits and single _, a letter first",
    ),
]


def _column_name(value: str) -> str:
    if not re.fullmatch(rf"(?=.{{1,64}}$){_NAME}", value) or value in (ARRIVED, CREATED_TIME):
        raise ValueError(
            "allowed: 1 to 64 lower-case letters, digits and single underscores, a letter first; "
            f"not {ARRIVED} and not {CREATED_TIME}, which the lake adds"
        )
    return value


def _pattern(value: str) -> str:
    # What Python and the engine's linear-time expressions have in common.
    if re.search(r"\(\?(?!:)|\\[0-9]", value):
        raise ValueError("allowed: a regular expression without look-around, flags and back-references")
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"allowed: a regular expression; this one fails: {error}") from None
    return value


ColumnName = Annotated[str, AfterValidator(_column_name)]


class Column(Values):
    """One column: its type, and what its values must be like."""

    type: ColumnType
    nullable: bool = Field(default=False, description="an empty field of a CSV file is a null")
    minimum: float | None = None
    maximum: float | None = None
    allowed: Annotated[tuple[str | int, ...], Field(strict=False, max_length=1000)] = ()
    pattern: Annotated[str, AfterValidator(_pattern)] | None = Field(
        default=None, description="regular expression that the whole text matches"
    )
    description: Annotated[str, Field(max_length=255)] = ""

    @field_validator("minimum", "maximum")
    @classmethod
    def _bounds_are_for_numbers(cls, value: float | None, info: ValidationInfo) -> float | None:
        kind, minimum = info.data.get("type"), info.data.get("minimum")
        if value is not None and kind not in NUMBERS:
            raise Disallowed(value, f"allowed for {', '.join(NUMBERS)}; this column is a {kind}")
        if info.field_name == "maximum" and value is not None and minimum is not None and value < minimum:
            raise Disallowed(value, f"allowed: at least the minimum, {minimum}")
        return value

    @field_validator("allowed")
    @classmethod
    def _allowed_fit_the_type(cls, value: tuple[str | int, ...], info: ValidationInfo) -> tuple[str | int, ...]:
        kind = info.data.get("type")
        fitting = str if kind == "string" else int if kind in ("int", "bigint") else None
        for entry in value:
            if type(entry) is not fitting:
                told = "allowed: texts for a string, whole numbers for int and bigint"
                raise Disallowed(entry, f"{told}; this column is a {kind}")
        return value

    @field_validator("pattern")
    @classmethod
    def _patterns_are_for_texts(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("type") != "string":
            raise Disallowed(value, f"allowed for string; this column is a {info.data.get('type')}")
        return value


class Features(Values):
    """What makes a table's rows features: facts about an entity, each true from a point in time on."""

    entity: Annotated[tuple[str, ...], Field(strict=False, min_length=1, max_length=8)]
    event_time: str


class Table(Values):
    """One table. Its name is the name of its file."""

    name: TableName
    description: Annotated[str, Field(min_length=10, max_length=300)]
    classification: Literal["public", "internal", "confidential", "restricted"]
    freshness_hours: Annotated[int, Field(ge=1, le=LONGEST_FRESHNESS_HOURS)] | None = Field(
        default=None, description="an alarm rings when nothing newer than this was accepted for as long as this"
    )
    columns: dict[ColumnName, Column] = Field(min_length=1, max_length=400)
    unique: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        default=(), description="columns whose values together stand at most once in a file"
    )
    features: Features | None = None

    @field_validator("unique")
    @classmethod
    def _unique_columns_exist(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        columns: dict[str, Column] = info.data.get("columns", {})
        for name in value:
            if columns and name not in columns:
                raise Disallowed(name, f"allowed: a column of the table: {', '.join(columns)}")
        return value

    @field_validator("features")
    @classmethod
    def _features_are_about_columns(cls, value: Features | None, info: ValidationInfo) -> Features | None:
        columns: dict[str, Column] = info.data.get("columns", {})
        if value is None or not columns:
            return value
        for field, names, kinds in (
            ("features.entity", value.entity, ("string", "int", "bigint")),
            ("features.event_time", (value.event_time,), ("timestamp",)),
        ):
            fitting = [name for name, column in columns.items() if column.type in kinds and not column.nullable]
            for name in names:
                if name not in fitting or names.count(name) > 1:
                    raise Disallowed(
                        name,
                        f"allowed: once, a column that is not nullable, of type {' or '.join(kinds)}: "
                        f"{', '.join(fitting) or 'there is none'}",
                        field=field,
                    )
        return value


def read_tables(root: Path, workload: Workload) -> Sequence[Table]:
    """The tables that a workload declares, sorted by name; raises one BadInput with the findings of all."""
    folder = Path("workloads") / workload.name / "tables"
    tables: list[Table] = []
    findings: list[Finding] = []
    for relative in sorted(path.relative_to(root) for path in (root / folder).glob("*.toml")):
        try:
            table = read_toml(root, relative, Table)
            if table.name != relative.stem:
                raise bad(str(relative), "name", table.name, f'allowed: "{relative.stem}", the name of the file')
            if table.name == workload.data.dataset:
                raise bad(str(relative), "name", table.name, "the workload's data set has this place in the lake")
            tables.append(table)
        except BadInput as error:
            findings += error.findings
    if findings:
        raise BadInput(findings)
    return tables
