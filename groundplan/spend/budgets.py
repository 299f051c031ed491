"""What an environment may cost a month, who is told, and what is stopped: `[budgets]` of its file."""

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from groundplan.quantity import PositiveQuantity
from groundplan.refusal import Disallowed
from groundplan.text import EmailAddress, WorkloadName, matching
from groundplan.toml_file import Values

MOST_THRESHOLDS = 5  # of each kind: AWS takes ten notifications a budget
Percent = Annotated[int, Field(ge=1, le=1000)]
Percents = Annotated[tuple[Percent, ...], Field(strict=False, max_length=MOST_THRESHOLDS)]
Stop = Literal["off", "dry-run", "on"]
Hour = Annotated[str, matching(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]", "allowed: a time of day in UTC, such as 19:00")]
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
RoleName = Annotated[
    str,
    matching(
        r"(?:[A-Za-z0-9_+=,.@-]+/)*[A-Za-z0-9_+=,.@-]{1,64}",
        "allowed: the name of a role of the ai account, with its path before it and no slash first",
    ),
]
Page = Annotated[str, matching(r"https://[!-~]{4,500}", "allowed: an address that begins with https://")]


class OutOfHours(Values):
    """From Monday to Friday between `end` and `begin`, UTC, endpoints and notebooks run; otherwise nothing does."""

    begin: Hour
    end: Hour

    @model_validator(mode="after")
    def _a_day_has_hours(self) -> "OutOfHours":
        if self.end >= self.begin:
            raise Disallowed(self.end, f"allowed: earlier than begin, {self.begin}", field="budgets.out_of_hours.end")
        return self


class Budgets(Values):
    """Ceilings besides those of the workloads, thresholds in percent of a ceiling, and what is stopped.

    `production` says that people depend on the endpoints: the stopper leaves them alone, but for those of the
    workloads in `stop_production`. `never_stop` are workloads of which nothing is stopped.
    """

    email: Annotated[tuple[EmailAddress, ...], Field(strict=False, max_length=10)] = ()
    page: Page | None = Field(default=None, description="where people read the cost report")
    accounts: dict[Literal["application", "ai", "data"], PositiveQuantity] = Field(
        default={}, description="US dollars a month; left out, the environment's ceiling"
    )
    tenants: dict[WorkloadName, PositiveQuantity] = Field(default={}, description="US dollars a month, by tag tenant")
    actual_percent: Percents = (50, 80, 100)
    forecast_percent: Percents = (100,)
    production: bool = Field(default=True, description="false: endpoints may be stopped")
    stop: Stop = "dry-run"
    stop_at_percent: Percent = Field(default=100, validate_default=True)
    never_stop: Annotated[tuple[WorkloadName, ...], Field(strict=False)] = ()
    stop_production: Annotated[tuple[WorkloadName, ...], Field(strict=False)] = ()
    cool_down_minutes: Annotated[int, Field(ge=0, le=44_640)] = 240
    deny_at_percent: Percent = 100
    deny_roles: Annotated[tuple[RoleName, ...], Field(strict=False, max_length=50)] = ()
    out_of_hours: OutOfHours | None = None

    @field_validator("actual_percent", "forecast_percent")
    @classmethod
    def _each_once(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if sorted(set(value)) != list(value):
            raise ValueError("allowed: percentages from the lowest to the highest, each once")
        return value

    @field_validator("stop_at_percent")
    @classmethod
    def _told_when_it_stops(cls, value: int, info: ValidationInfo) -> int:
        told: tuple[int, ...] = info.data.get("actual_percent", (value,))
        if value not in told and info.data.get("stop") != "off":
            given = ", ".join(map(str, told)) or 'none is given; or stop = "off"'
            raise Disallowed(value, f"allowed: one of actual_percent: {given}")
        return value

    @field_validator("out_of_hours")
    @classmethod
    def _production_has_no_hours(cls, value: OutOfHours | None, info: ValidationInfo) -> OutOfHours | None:
        if value and info.data.get("production", True):
            raise ValueError("production has no closing hours; allowed: where production = false")
        return value

    def stops_serving(self) -> bool:
        """Whether the stopper may end any endpoint at all."""
        return not self.production or bool(self.stop_production)

    def unknown(self, workloads: Collection[str]) -> tuple[str, ...]:
        """Names in `never_stop` and `stop_production` that are no workload: slips of the pen."""
        return tuple(sorted({*self.never_stop, *self.stop_production} - {*workloads}))
