"""What only the account that pays can make: the export of all bills, anomaly monitors, budgets by tag."""

import json
from collections.abc import Sequence

from aws_cdk import aws_ce as ce
from constructs import Construct

from groundplan.names import Names
from groundplan.workload import Workload
from groundplan_constructs import MonthlyBudget, MonthlyBudgetProps
from stacks.own_bill import BillStack

LEAST_IMPACT_PERCENT = "50"  # of what was expected


class Billing(BillStack):
    """Of the paying account, which trusts no other.

    Cost allocation tags are activated by a command, not here: CloudFormation has no type for it (docs/cost.md).
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, names: Names, payer: str | None, workloads: Sequence[Workload]
    ) -> None:
        environment, self._names = names.environment, names
        description = "The organisation's bills, for the environment's data account"
        super().__init__(scope, construct_id, names=names, account=payer, description=description)
        self._emails = dict.fromkeys((*environment.budgets.email, *filter(None, [environment.alarm_email])))
        if not self._emails:
            return  # nobody would hear of a budget or an anomaly
        self._watch()
        self._budgets(workloads)

    def _watch(self) -> None:
        """By the tag `workload`, beside the detector in `groundplan.spend`."""
        ours = {"Tags": {"Key": "environment", "MatchOptions": ["EQUALS"], "Values": [self._names.environment.name]}}
        monitor = ce.CfnAnomalyMonitor(
            self,
            "Anomalies",
            monitor_name=f"{self._names.stem}-anomalies",
            monitor_type="CUSTOM",
            monitor_specification=json.dumps(ours),
        )
        impact = {"Key": "ANOMALY_TOTAL_IMPACT_PERCENTAGE", "MatchOptions": ["GREATER_THAN_OR_EQUAL"]}
        ce.CfnAnomalySubscription(
            self,
            "AnomalyReaders",
            subscription_name=f"{self._names.stem}-anomalies",
            frequency="DAILY",
            monitor_arn_list=[monitor.attr_monitor_arn],
            threshold_expression=json.dumps({"Dimensions": {**impact, "Values": [LEAST_IMPACT_PERCENT]}}),
            subscribers=[
                ce.CfnAnomalySubscription.SubscriberProperty(address=email, type="EMAIL") for email in self._emails
            ],
        )

    def _budgets(self, workloads: Sequence[Workload]) -> None:
        """Of each workload over all accounts: those in the accounts see only their own part."""
        given = self._names.environment.budgets
        group = Construct(self, "Workloads")
        for workload in workloads:
            MonthlyBudget(
                group,
                workload.name,
                props=MonthlyBudgetProps(
                    budget_name=self._names.budget("workload", workload.name),
                    limit_usd=workload.drivers.monthly_cost_ceiling_usd,
                    topic=None,
                    emails=list(self._emails),
                    actual_percent=given.actual_percent,
                    forecast_percent=given.forecast_percent,
                    tag=("workload", workload.name),
                    tags={"workload": workload.name, "owner": workload.owner, "cost-centre": workload.cost_centre},
                ),
            )
