"""Writes down what SageMaker says of one run, package or endpoint. Events and the sweep both come here."""

from collections.abc import Callable
from typing import Any

import boto3
from aws_lambda_powertools import Logger

from groundplan.lineage.open_lineage import open_lineage_events
from groundplan.lineage.records import (
    Endpoint,
    Kind,
    Record,
    Run,
    endpoint_from_description,
    package_from_description,
    run_from_description,
)
from groundplan.lineage.rows import Relation, as_recorded, items
from groundplan.prices import PriceBook, read_prices
from groundplan.run_cost import Cost, run_cost
from groundplan_runtime.integrations.client_config import CONFIG
from groundplan_runtime.integrations.event_store import EventStore
from groundplan_runtime.integrations.lineage_table import LineageTable
from groundplan_runtime.integrations.run_claims import RunClaims
from groundplan_runtime.integrations.run_records import RunRecords
from groundplan_runtime.integrations.sagemaker import Description, NotKnown, SageMaker, Served
from groundplan_runtime.lineage_settings import Settings

_WITH_ANCESTORS = ("model/", "package/")
logger = Logger()


class LineageRecorder:
    """Reads the present state, stores its events, then its rows.

    The state's own row is written last: whatever fails before leaves it missing or old, and the sweep tries again.
    """

    def __init__(
        self, sagemaker: SageMaker, table: LineageTable, events: EventStore, claims: RunClaims, records: RunRecords
    ) -> None:
        self.sagemaker = sagemaker
        self.table = table
        self.events = events
        self.claims = claims
        self.records = records

    def record(self, kind: Kind, name: str, *, at: str | None = None) -> int:
        """1 when what SageMaker says is what now stands in the table, 0 when something newer stood there.

        `name` is a job's or endpoint's name or a package's ARN. A name that SageMaker does not know raises
        NotKnown, unless it is recorded: then it has been deleted since. Its record stays; only of an endpoint is
        it written down, `at` that time, that it serves nothing any more.
        """
        try:
            record = self._read(kind, name)
        except NotKnown:
            state = self.table.get(f"{kind}/{name}")
            if state is None:
                raise
            logger.warning("deleted since it was recorded", node=state.node)
            if kind != "endpoint" or at is None:
                return 0
            record = Endpoint(**state.record).gone(at)
        for key, event in open_lineage_events(record).items():
            self.events.put(event, key)
        if isinstance(record, Run):
            self.claims.settle(record)
        *rows, state = items(record, self._above(record), self._below(record))
        self.table.put(rows)
        recorded = self.table.put([state])
        if kind == "endpoint":
            self.table.close_past(record.node)
        logger.info("recorded" if recorded else "already newer", node=record.node, status=record.status)
        return recorded

    def _read(self, kind: Kind, name: str) -> Record:
        described = self.sagemaker.describe(kind, name)
        if kind == "run":
            run = run_from_description(described)
            known = as_recorded(run, self.table.get(run.node)) if run.has_ended else None
            return known or self.records.keep(run, described)
        if kind == "package":
            return package_from_description(described)
        served = self._served(name, described)
        if served.unexplained:
            logger.warning("variants whose models are not known", endpoint=name, variants=list(served.unexplained))
        return endpoint_from_description(described, serves=served.nodes, unexplained=served.unexplained)

    def _served(self, name: str, described: Description) -> Served:
        config: str | None = described.get("EndpointConfigName")
        try:
            return self.sagemaker.served_by(config) if config else Served((), ("*",))
        except NotKnown:
            # A config may be deleted while its endpoint serves on: what was read of it earlier still holds.
            state = self.table.get(f"endpoint/{name}")
            if state and state.record["config"] == config:
                return Served(tuple(state.record["serves"]), tuple(state.record["unexplained"]))
            return Served((), ("*",))

    def _above(self, record: Record) -> dict[str, tuple[Relation, ...]]:
        targets = dict.fromkeys(target for _, target in record.edges() if target.startswith(_WITH_ANCESTORS))
        return {target: self.table.ancestors(target) for target in targets}

    def _below(self, record: Record) -> tuple[Relation, ...]:
        return self.table.descendants(record.product) if record.product else ()


def connect(settings: Settings) -> LineageRecorder:
    """A recorder with boto3's clients of the function's own account and region."""
    api: Any = boto3
    sagemaker, s3 = SageMaker(api.client("sagemaker", config=CONFIG)), api.client("s3", config=CONFIG)
    rows = api.resource("dynamodb", config=CONFIG).Table(settings.lineage_table)
    book = read_prices(None, api.session.Session().region_name)
    return LineageRecorder(
        sagemaker,
        LineageTable(rows),
        EventStore(s3, settings.event_bucket),
        RunClaims(rows, sagemaker, cost_of(book)),
        RunRecords(s3, settings.artefacts_bucket, settings.instance_types),
    )


def cost_of(book: PriceBook) -> Callable[[Run], Cost]:
    """What a run cost, at the prices of a region."""
    return lambda run: run_cost(book, run.instance_type, run.instance_count, run.billable_seconds)
