"""What the function that claims runs is told by its environment."""

import os
from dataclasses import dataclass

from groundplan.refusal import bad

REQUIRED = (
    "ENVIRONMENT",
    "LINEAGE_TABLE",
    "ARTEFACTS_BUCKET",
    "LAUNCH_PARAMETERS",
    "IMAGE_RUNS",
    "PRICES_MUST_BE_KNOWN",
)


@dataclass(frozen=True)
class Settings:
    """Names of the environment, its lineage table and its artefacts bucket, and what the environment asks for.

    `launch_parameters` is the name of a workload's launch defaults in SSM with `{workload}` in its place.
    """

    environment: str
    lineage_table: str
    artefacts_bucket: str
    launch_parameters: str
    image_runs: bool
    prices_must_be_known: bool

    @classmethod
    def read(cls) -> "Settings":
        """From the variables of REQUIRED; raises BadInput that names the one which is missing."""
        given = {name: _variable(name) for name in REQUIRED}
        return cls(
            environment=given["ENVIRONMENT"],
            lineage_table=given["LINEAGE_TABLE"],
            artefacts_bucket=given["ARTEFACTS_BUCKET"],
            launch_parameters=given["LAUNCH_PARAMETERS"],
            image_runs=given["IMAGE_RUNS"] == "true",
            prices_must_be_known=given["PRICES_MUST_BE_KNOWN"] == "true",
        )


def _variable(name: str) -> str:
    if value := os.environ.get(name):
        return value
    raise bad(
        "environment of the function", name, os.environ.get(name), "the stack Training sets it: deploy it again"
    )
