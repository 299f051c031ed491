"""What AWS Budgets does by itself when a ceiling is passed: it takes named roles the right to begin anything new."""

from collections.abc import Sequence
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

from groundplan.spend.denial import denial
from groundplan_constructs.budget_notices import budgets_of
from groundplan_constructs.permissions import Permissions


@dataclass(frozen=True, kw_only=True)
class DenySpendingProps:
    """`role_names` are of this account; `role_arns` the same roles with their paths."""

    policy_name: str
    budget: budgets.CfnBudget
    budget_name: str
    percent: int
    role_names: Sequence[str]
    role_arns: Sequence[str]
    topic: sns.ITopic

    def __post_init__(self) -> None:
        if not self.role_names or len(self.role_names) != len(self.role_arns):
            raise ValueError(f"role_names must name at least one role, and role_arns the same, got {self.role_names}")


class DenySpending(Construct):
    """A policy that denies, the role that attaches it, and the action that has it attached.

    AWS detaches it when the month is over. The role may attach and detach this one policy, to and from these roles.
    https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-action-role.html
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: DenySpendingProps) -> None:
        super().__init__(scope, construct_id)
        self.policy = iam.ManagedPolicy(
            self,
            "Policy",
            managed_policy_name=props.policy_name,
            description="Attached by AWS Budgets to roles that may begin nothing new this month",
            statements=[iam.PolicyStatement.from_json(denial())],
        )
        what = "Attaches the policy that denies new spending"
        self.role = iam.Role(
            self,
            "Role",
            description=what,
            assumed_by=iam.ServicePrincipal("budgets.amazonaws.com", conditions=budgets_of(cdk.Stack.of(self))),
        )
        self.permissions = Permissions(self, "Permissions", role=self.role, description=what)
        self.permissions.allow(
            "DenySpending",
            ["iam:AttachRolePolicy", "iam:DetachRolePolicy"],
            list(props.role_arns),
            conditions={"ArnEquals": {"iam:PolicyARN": self.policy.managed_policy_arn}},
        )
        action = budgets.CfnBudgetsAction(
            self,
            "Resource",
            action_type="APPLY_IAM_POLICY",
            approval_model="AUTOMATIC",
            notification_type="ACTUAL",
            action_threshold=budgets.CfnBudgetsAction.ActionThresholdProperty(type="PERCENTAGE", value=props.percent),
            budget_name=props.budget_name,
            definition=budgets.CfnBudgetsAction.DefinitionProperty(
                iam_action_definition=budgets.CfnBudgetsAction.IamActionDefinitionProperty(
                    policy_arn=self.policy.managed_policy_arn, roles=list(props.role_names)
                )
            ),
            execution_role_arn=self.role.role_arn,
            subscribers=[budgets.CfnBudgetsAction.SubscriberProperty(address=props.topic.topic_arn, type="SNS")],
        )
        action.add_resource_dependency(props.budget)
        action.node.add_dependency(self.permissions)
