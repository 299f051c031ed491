"""What one workload's tables need in the data account: their place in the catalogue, and their freshness alarms."""

from collections.abc import Sequence

from constructs import Construct

from groundplan.names import Names, Zone, catalogue_table
from groundplan.table import CREATED_TIME, Table
from groundplan.workload import Workload
from groundplan_constructs import CataloguedTable, CataloguedTableProps, FreshnessAlarm
from stacks.account_stack import AccountStack
from stacks.data_lake import DataLake


class Tables(AccountStack):
    """The tables of one workload. A file for a table that is not here is quarantined."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: Names,
        lake: DataLake,
        workload: Workload,
        tables: Sequence[Table],
    ) -> None:
        description = f"Tables of {workload.name}"
        super().__init__(scope, construct_id, names=names, account="data", description=description)
        self.workload = workload
        # The catalogue's databases are named, not referred to: they must be there first.
        self.add_stack_dependency(lake)
        for table in tables:
            title = "".join(part.capitalize() for part in table.name.split("_"))
            self._catalogue(f"{title}Curated", "curated", table, {})
            if table.features:
                self._catalogue(f"{title}Features", "features", table, {CREATED_TIME: "timestamp"})
            if table.freshness_hours:
                FreshnessAlarm(
                    self,
                    f"{title}Freshness",
                    workload=workload.name,
                    table=table.name,
                    hours=table.freshness_hours,
                    alarm_topic=lake.alarms,
                )

    def _catalogue(self, construct_id: str, zone: Zone, table: Table, added: dict[str, str]) -> None:
        CataloguedTable(
            self,
            construct_id,
            props=CataloguedTableProps(
                database=self.names.catalogue_database(zone),
                name=catalogue_table(self.workload.name, table.name),
                location=f"s3://{self.names.lake_bucket(zone)}/{self.workload.name}/{table.name}/",
                table=table,
                added=added,
            ),
        )
