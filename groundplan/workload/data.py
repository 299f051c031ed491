"""What a workload's data is: how secret, from where, how fresh, kept how long, and who may see it."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from groundplan.refusal import Disallowed
from groundplan.text import FileName, WorkloadName, matching
from groundplan.toml_file import Values

Sentence = Annotated[
    str,
    matching(r"[\x20-\x7e\u00a0-\uffff]{10,300}", "allowed: one sentence of 10 to 300 characters on one line"),
]
Classification = Literal["public", "internal", "confidential", "restricted"]


class Data(Values):
    """What the workload works on; `dataset` and `channels` are what a training learns from."""

    classification: Classification
    source: Sentence = Field(description="the system that the data comes from")
    freshness_hours: Annotated[int, Field(ge=1, le=87600, description="how old the data may be when it is used")]
    retention_days: Annotated[int, Field(ge=1, le=36500, description="after which the data is deleted")]
    readers: Annotated[
        tuple[WorkloadName, ...],
        Field(strict=False, min_length=1, max_length=20, description="groups of people who may see it"),
    ]
    dataset: WorkloadName | None = Field(
        default=None, description="name of the data set below the workload's prefix in the lake"
    )
    channels: Annotated[tuple[FileName, ...], Field(strict=False, min_length=1, max_length=19)] = ()

    @field_validator("channels")
    @classmethod
    def _channels_differ(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if value.count(name) > 1 or name == "code":
                raise Disallowed(name, "allowed: each name once, and not code, which is the channel of the script")
        return value
