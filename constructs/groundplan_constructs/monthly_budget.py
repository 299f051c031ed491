"""A ceiling that AWS watches: what is spent in a month, and what AWS forecasts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import aws_cdk as cdk
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_sns as sns
from constructs import Construct


@dataclass(frozen=True, kw_only=True)
class MonthlyBudgetProps:
    """`tag` is key and value of a cost allocation tag; without one everything in the account counts.

    Percentages are of the limit. A budget by tag shows nothing until the payer has activated the tag.
    """

    budget_name: str
    limit_usd: Decimal
    topic: sns.ITopic | None
    actual_percent: Sequence[int]
    forecast_percent: Sequence[int]
    emails: Sequence[str] = ()
    tag: tuple[str, str] | None = None
    tags: dict[str, str] = field(default_factory=dict[str, str])  # of the budget itself: whose it is

    def __post_init__(self) -> None:
        if self.limit_usd <= 0:
            raise ValueError(f"limit_usd must be above zero, got {self.limit_usd}")
        if not self.topic and not self.emails:
            raise ValueError(f"{self.budget_name} must have a topic or emails: a budget that tells nobody is none")
        if not self.actual_percent:
            raise ValueError("actual_percent must name a threshold, got none")


class MonthlyBudget(Construct):
    """A cost budget, which writes to a topic at each threshold."""

    def __init__(self, scope: Construct, construct_id: str, *, props: MonthlyBudgetProps) -> None:
        super().__init__(scope, construct_id)
        thresholds = [("ACTUAL", percent) for percent in props.actual_percent]
        thresholds += [("FORECASTED", percent) for percent in props.forecast_percent]
        self.budget = budgets.CfnBudget(
            self,
            "Resource",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_name=props.budget_name,
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=float(props.limit_usd), unit="USD"),
                cost_filters={"TagKeyValue": ["user:{}${}".format(*props.tag)]} if props.tag else None,
            ),
            notifications_with_subscribers=[_notification(kind, percent, props) for kind, percent in thresholds],
        )
        for key, value in props.tags.items():
            cdk.Tags.of(self.budget).add(key, value, priority=200)  # above the stack's


def _notification(
    kind: str, percent: int, props: MonthlyBudgetProps
) -> budgets.CfnBudget.NotificationWithSubscribersProperty:
    read_by = [("SNS", props.topic.topic_arn)] if props.topic else []
    read_by += [("EMAIL", email) for email in props.emails]
    return budgets.CfnBudget.NotificationWithSubscribersProperty(
        notification=budgets.CfnBudget.NotificationProperty(
            comparison_operator="GREATER_THAN",
            notification_type=kind,
            threshold=percent,
            threshold_type="PERCENTAGE",
        ),
        subscribers=[
            budgets.CfnBudget.SubscriberProperty(address=address, subscription_type=how) for how, address in read_by
        ],
    )
