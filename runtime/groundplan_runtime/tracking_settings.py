"""What the function that logs runs is told by its environment."""

import os
from dataclasses import dataclass

from groundplan.refusal import bad


@dataclass(frozen=True)
class Settings:
    """Where the records lie, and the ARN of the tracking server."""

    artefacts_bucket: str
    mlflow_arn: str

    @classmethod
    def read(cls) -> "Settings":
        """From ARTEFACTS_BUCKET and MLFLOW_ARN; raises BadInput that names the one which is missing."""
        return cls(artefacts_bucket=_variable("ARTEFACTS_BUCKET"), mlflow_arn=_variable("MLFLOW_ARN"))


def _variable(name: str) -> str:
    if value := os.environ.get(name):
        return value
    raise bad(
        "environment of the function", name, os.environ.get(name), "the stack Tracking sets it: deploy it again"
    )
