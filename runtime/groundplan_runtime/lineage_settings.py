"""What the functions of the lineage are told by their environment."""

import os
from dataclasses import dataclass

from groundplan.refusal import bad


@dataclass(frozen=True)
class Settings:
    """Prefix and name of the environment, its table and buckets, and the types that jobs may run on."""

    environment: str
    lineage_table: str
    event_bucket: str
    artefacts_bucket: str
    instance_types: tuple[str, ...]

    @classmethod
    def read(cls) -> "Settings":
        """From variables of the same names in capitals; raises BadInput that names the one which is missing."""
        return cls(
            environment=_variable("ENVIRONMENT"),
            lineage_table=_variable("LINEAGE_TABLE"),
            event_bucket=_variable("EVENT_BUCKET"),
            artefacts_bucket=_variable("ARTEFACTS_BUCKET"),
            instance_types=tuple(_variable("INSTANCE_TYPES").split()),
        )


def _variable(name: str) -> str:
    if value := os.environ.get(name):
        return value
    raise bad("environment of the function", name, os.environ.get(name), "the stack Lineage sets it: deploy it again")
