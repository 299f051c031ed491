"""Writes records where the functions of the Lineage stack keep them."""

import os
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3

from groundplan.lineage import Record
from groundplan_runtime.integrations.event_store import EventStore
from groundplan_runtime.integrations.lineage_table import LineageTable
from groundplan_runtime.integrations.sagemaker import SageMaker

_boto3: Any = boto3  # untyped


@dataclass(frozen=True)
class Settings:
    """The functions' environment variables."""

    lineage_table: str
    event_bucket: str

    @classmethod
    def read(cls) -> "Settings":
        """Raises RuntimeError that names the variable which is missing."""
        try:
            return cls(lineage_table=os.environ["LINEAGE_TABLE"], event_bucket=os.environ["EVENT_BUCKET"])
        except KeyError as error:
            raise RuntimeError(
                f"environment variable {error.args[0]} is missing; the Lineage stack sets it"
            ) from None


@dataclass(frozen=True)
class Recorder:
    """The three services that recording needs."""

    sagemaker: SageMaker
    table: LineageTable
    events: EventStore

    def record(self, record: Record) -> bool:
        """Store the event, then the node; whether the node was news. Doing it twice does it once."""
        self.events.put(record)
        return self.table.put(record)


@cache
def recorder() -> Recorder:
    """The function's own; made at the first call, so that importing needs no AWS and no environment."""
    settings = Settings.read()
    return Recorder(
        sagemaker=SageMaker(_boto3.client("sagemaker")),
        table=LineageTable(_boto3.resource("dynamodb").Table(settings.lineage_table)),
        events=EventStore(_boto3.client("s3"), settings.event_bucket),
    )
