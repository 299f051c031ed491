"""What the gate tolerates when a new model is compared with the one that serves."""

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from groundplan.text import matching
from groundplan.toml_file import Values
from groundplan.workload.drivers import Fraction
from groundplan.workload.training import TrainingInstanceType


class Gate(Values):
    """Falls of the key metric against the version in service, as fractions: 0.02 is two points in a hundred."""

    tolerance: Fraction = Field(default=Decimal(0), description="how far the metric over all may fall")
    slice_tolerance: Fraction = Field(default=Decimal("0.02"), description="how far a slice's may fall")
    slice_tolerances: dict[str, Fraction] = Field(default={}, max_length=100, description="of slices by name")
    least_samples: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=30, description="slices with fewer are shown and not judged"
    )
    content_type: Annotated[
        str, matching(r"[a-z]+/[A-Za-z0-9.+-]{1,60}", "allowed: a content type such as text/csv")
    ] = Field(default="text/csv", description="of the held-out set's requests, and of the answers")
    instance_type: TrainingInstanceType | None = Field(
        default=None, description="on which models answer it; left out: the training's"
    )
