"""What the platform knows of a month: runs and refused ones, endpoints, and what these were asked. Reads only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError

from groundplan.claim import Claim
from groundplan.focus.same_day import IDLE_DAYS, Fleet, charges_of_fleet, charges_of_run, idle, ran
from groundplan.focus.use import Use
from groundplan.focus.workloads import Charged, Observed
from groundplan.prices import PriceBook, Unknown
from groundplan_runtime.integrations.lineage_table import LineageTable, Table
from groundplan_runtime.integrations.run_claims import KIND, SORT


@dataclass(frozen=True)
class Platform:
    """Where it is asked: boto3's table of the lineage, and clients of the ai account."""

    table: Table
    sagemaker: Any
    cloudwatch: Any
    prices: PriceBook

    def use(self, endpoints: Mapping[str, str], now: datetime) -> Use:
        """This month's use of workloads; `endpoints` maps each to the name that its endpoint has, if it has one."""
        observed: dict[str, Observed] = {}
        charged: list[Charged] = []
        unpriced: list[str] = []
        for workload, endpoint in sorted(endpoints.items()):
            records = [state.record for state in LineageTable(self.table).runs_of(workload)]
            fleets = self._fleets(workload, endpoint, now)
            charged += [one for record in records for one in charges_of_run(workload, record)]
            charged += [one for fleet in fleets for one in charges_of_fleet(fleet, self.prices, now)]
            observed[workload] = self._observed(endpoint, records, fleets, now)
            unpriced += [f"{fleet.endpoint}, {fleet.instance_type}" for fleet in fleets if not self._priced(fleet)]
            unpriced += [f"the run {run.name}" for run in observed[workload].runs if run.cost_usd is None]
        month = now.astimezone(UTC).date().replace(day=1)
        return Use(now, observed, [one for one in charged if one.day >= month], unpriced)

    def _priced(self, fleet: Fleet) -> bool:
        return not isinstance(self.prices.find(f"sagemaker/hosting/{fleet.instance_type}"), Unknown)

    def _observed(
        self, endpoint: str, records: Sequence[Mapping[str, Any]], fleets: Sequence[Fleet], now: datetime
    ) -> Observed:
        month = now.astimezone(UTC).date().replace(day=1)
        runs = [run for run in map(ran, records) if run and run.day >= month]
        claims = [self._claim(one) for one in {record.get("fingerprint") for record in records} if one]
        refused = [(claim.refused_in.get(f"{month:%Y-%m}", 0), claim.cost_usd) for claim in claims if claim]
        begin = datetime(month.year, month.month, 1, tzinfo=UTC)
        inferences = self._measured("AWS/SageMaker", "Invocations", "Sum", endpoint, begin, now) if fleets else None
        return Observed(
            runs=runs,
            refused_runs=sum(times for times, _ in refused),
            refused_usd=sum((times * Decimal(cost) for times, cost in refused if cost is not None), Decimal(0)),
            refused_unknown=sum(times for times, cost in refused if cost is None),
            inferences=None if inferences is None else int(inferences),
            idle=[one for fleet in fleets for one in idle(fleet, self.prices)],
        )

    def _claim(self, fingerprint: str) -> Claim | None:
        item = self.table.get_item(Key={"node": f"{KIND}{fingerprint}", "relation": SORT}).get("Item")
        return Claim.from_item(item) if item else None

    def _fleets(self, workload: str, endpoint: str, now: datetime) -> list[Fleet]:
        """The machines of an endpoint; none where there is no endpoint, or it has none."""
        try:
            described = self.sagemaker.describe_endpoint(EndpointName=endpoint)
        except ClientError as error:
            answer: Any = error.response  # pyright: ignore[reportUnknownMemberType]
            if answer["Error"]["Code"] in ("ValidationException", "ResourceNotFound"):
                return []
            raise
        name = described["EndpointConfigName"]
        configured = self.sagemaker.describe_endpoint_config(EndpointConfigName=name)["ProductionVariants"]
        counts = {
            one["VariantName"]: one["CurrentInstanceCount"]
            for one in described.get("ProductionVariants", ())
            if "CurrentInstanceCount" in one  # while it is made or changed it may not say
        }
        begin = max(now - timedelta(days=IDLE_DAYS), described["CreationTime"])
        young = described["CreationTime"] > now - timedelta(days=IDLE_DAYS)
        asked = None if young else self._measured("AWS/SageMaker", "Invocations", "Sum", endpoint, begin, now)
        busy = (
            None
            if young
            else self._measured("/aws/sagemaker/Endpoints", "CPUUtilization", "Average", endpoint, begin, now)
        )
        return [
            Fleet(
                endpoint=endpoint,
                workload=workload,
                instance_type=one["InstanceType"],
                instances=int(counts.get(one["VariantName"], one.get("InitialInstanceCount", 0))),
                since=described["CreationTime"],
                requests=None if young else int(asked or 0),
                cpu_percent=busy,
            )
            for one in configured
            if "InstanceType" in one
        ]

    def _measured(
        self, namespace: str, metric: str, statistic: str, endpoint: str, begin: datetime, end: datetime
    ) -> Decimal | None:
        """A metric of an endpoint over a time, of all its variants; None where nothing was measured."""
        names = self.cloudwatch.list_metrics(
            Namespace=namespace, MetricName=metric, Dimensions=[{"Name": "EndpointName", "Value": endpoint}]
        )["Metrics"]
        values: list[Decimal] = []
        for one in names:
            if {dimension["Name"] for dimension in one["Dimensions"]} == {"EndpointName", "VariantName"}:
                found = self.cloudwatch.get_metric_statistics(
                    Namespace=namespace,
                    MetricName=metric,
                    Dimensions=one["Dimensions"],
                    StartTime=begin,
                    EndTime=end,
                    Period=86400,
                    Statistics=[statistic],
                )["Datapoints"]
                values += [Decimal(str(point[statistic])) for point in found]
        if not values:
            return None
        return sum(values, Decimal(0)) / (len(values) if statistic == "Average" else 1)
