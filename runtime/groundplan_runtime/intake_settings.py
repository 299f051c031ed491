"""What the function that validates raw files is told by its environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from groundplan.names import INTAKE_ZONES
from groundplan.refusal import bad


@dataclass(frozen=True)
class Settings:
    """Zone to bucket, the Glue database of the curated zone, and the size above which a file is quarantined."""

    buckets: Mapping[str, str]
    database: str
    largest_mib: int

    @classmethod
    def read(cls) -> "Settings":
        """From RAW_BUCKET and its like, DATABASE and LARGEST_MIB; raises BadInput that names what is missing."""
        return cls(
            buckets={zone: _variable(f"{zone.upper()}_BUCKET") for zone in INTAKE_ZONES},
            database=_variable("DATABASE"),
            largest_mib=int(_variable("LARGEST_MIB")),
        )


def _variable(name: str) -> str:
    if value := os.environ.get(name):
        return value
    raise bad("environment of the function", name, os.environ.get(name), "the stack Intake sets it: deploy it again")
