"""What the functions of the lineage are told by their environment."""

import os
from dataclasses import dataclass

from groundplan.refusal import bad


@dataclass(frozen=True)
class Settings:
    """The lineage table's name and the event bucket's."""

    lineage_table: str
    event_bucket: str

    @classmethod
    def read(cls) -> "Settings":
        """From LINEAGE_TABLE and EVENT_BUCKET; raises BadInput that names the one which is missing."""
        return cls(lineage_table=_variable("LINEAGE_TABLE"), event_bucket=_variable("EVENT_BUCKET"))


def _variable(name: str) -> str:
    if value := os.environ.get(name):
        return value
    raise bad("environment of the function", name, os.environ.get(name), "the stack Lineage sets it: deploy it again")
