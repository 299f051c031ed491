"""What the functions of the stacks Spend are told by their environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from groundplan.refusal import bad
from groundplan.spend import Rules
from groundplan.spend.budgets import Stop


@dataclass(frozen=True)
class AlarmSettings:
    """How budgets' names begin, the environment's name and owner, where alarms go, and the page, if there is one.

    Read from STEM, ENVIRONMENT, OWNER, ALARM_TOPIC and PAGE.
    """

    stem: str
    environment: str
    owner: str
    alarm_topic: str
    page: str | None

    @classmethod
    def read(cls) -> "AlarmSettings":
        """From variables of these names in capitals; raises BadInput that names the one which is missing."""
        names = ("STEM", "ENVIRONMENT", "OWNER", "ALARM_TOPIC")
        return cls(*(_variable(name) for name in names), page=os.environ.get("PAGE") or None)


@dataclass(frozen=True)
class StopperSettings:
    """Also the rules of stopping, from which percentage on, and the lineage table, where acts are written down."""

    alarms: AlarmSettings
    lineage_table: str
    mode: Stop
    stop_at_percent: int
    rules: Rules

    @classmethod
    def read(cls) -> "StopperSettings":
        """From the variables that the stack Spend sets; raises BadInput that names the one which is missing."""
        alarms = AlarmSettings.read()
        return cls(
            alarms=alarms,
            lineage_table=_variable("LINEAGE_TABLE"),
            mode=cast(Stop, _variable("STOP")),
            stop_at_percent=int(_variable("STOP_AT_PERCENT")),
            rules=Rules(
                environment=alarms.environment,
                production=_variable("PRODUCTION") == "true",
                never_stop=frozenset(os.environ.get("NEVER_STOP", "").split()),
                stop_production=frozenset(os.environ.get("STOP_PRODUCTION", "").split()),
                cool_down=timedelta(minutes=int(_variable("COOL_DOWN_MINUTES"))),
            ),
        )


@dataclass(frozen=True)
class ObserverSettings:
    """The lineage table, the bucket of bills, and each workload's endpoint, whether there is one or not.

    Read from LINEAGE_TABLE, COSTS_BUCKET, WORKLOADS and ENDPOINT, which holds `{workload}` in the name's place.
    """

    lineage_table: str
    costs_bucket: str
    endpoints: Mapping[str, str]

    @classmethod
    def read(cls) -> "ObserverSettings":
        """From the variables that the stack Spend sets; raises BadInput that names the one which is missing."""
        endpoint = _variable("ENDPOINT")
        endpoints = {name: endpoint.replace("{workload}", name) for name in _variable("WORKLOADS").split()}
        return cls(_variable("LINEAGE_TABLE"), _variable("COSTS_BUCKET"), endpoints)


def _variable(name: str) -> str:
    if value := os.environ.get(name):
        return value
    raise bad("environment of the function", name, os.environ.get(name), "the stack Spend sets it: deploy it again")
