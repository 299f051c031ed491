"""What the function of the cost report is told by its environment."""

import os
from dataclasses import dataclass

from groundplan.refusal import bad


@dataclass(frozen=True)
class Settings:
    """The bucket, the accounts that export into it, the export's name, and how the environment's names begin."""

    bucket: str
    exporters: tuple[str, ...]
    export_name: str
    environment: str

    @classmethod
    def read(cls) -> "Settings":
        """From COSTS_BUCKET, EXPORTERS, EXPORT_NAME and ENVIRONMENT; raises BadInput that names a missing one."""
        return cls(
            bucket=_variable("COSTS_BUCKET"),
            exporters=tuple(_variable("EXPORTERS").split()),
            export_name=_variable("EXPORT_NAME"),
            environment=_variable("ENVIRONMENT"),
        )


def _variable(name: str) -> str:
    if value := os.environ.get(name):
        return value
    raise bad(
        "environment of the function", name, os.environ.get(name), "the stack CostReport sets it: deploy it again"
    )
