"""What the functions of the cost report are told by their environment."""

import os
from dataclasses import dataclass

from groundplan.refusal import bad
from groundplan.spend.news import Watch
from groundplan_runtime.spend_settings import AlarmSettings


@dataclass(frozen=True)
class Settings:
    """The bucket, the accounts that export into it, the export's name, and who is told at which percentages.

    `meter_bucket` is empty where nothing is metered: no gateway.
    """

    bucket: str
    meter_bucket: str
    exporters: tuple[str, ...]
    export_name: str
    alarms: AlarmSettings
    watch: Watch

    @classmethod
    def read(cls) -> "Settings":
        """From the variables that the stack CostReport sets; raises BadInput that names a missing one."""
        alarms = AlarmSettings.read()
        return cls(
            bucket=costs_bucket(),
            meter_bucket=os.environ.get("METER_BUCKET", ""),
            exporters=tuple(_variable("EXPORTERS").split()),
            export_name=_variable("EXPORT_NAME"),
            alarms=alarms,
            watch=Watch(
                environment=alarms.environment,
                owner=alarms.owner,
                page=alarms.page,
                actual_percent=_percents("ACTUAL_PERCENT"),
                forecast_percent=_percents("FORECAST_PERCENT"),
            ),
        )


def costs_bucket() -> str:
    """COSTS_BUCKET, which is all that the widget's function is told; raises BadInput without it."""
    return _variable("COSTS_BUCKET")


def _percents(name: str) -> tuple[int, ...]:
    # None at all is allowed: nothing is told then.
    return tuple(int(percent) for percent in os.environ.get(name, "").split())


def _variable(name: str) -> str:
    if value := os.environ.get(name):
        return value
    raise bad(
        "environment of the function", name, os.environ.get(name), "the stack CostReport sets it: deploy it again"
    )
