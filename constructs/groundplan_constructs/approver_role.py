"""The role of the people who approve models: it reads the registry and decides, and nothing else."""

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from groundplan.names import APPROVER_TAG
from groundplan_constructs.permissions import Permissions


@dataclass(frozen=True, kw_only=True)
class ApproverRoleProps:
    """Its name, the tag's value by which its people are known, and how the names of model package groups begin."""

    role_name: str
    approves: str
    group_prefix: str


class ApproverRole(Construct):
    """Assumed by people of this account whose role carries the tag `model-approver`, and by no service.

    It cannot register: who makes a model and who lets it out are two.
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: ApproverRoleProps) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        self.role = iam.Role(
            self,
            "Resource",
            role_name=props.role_name,
            description="People who approve models for release",
            assumed_by=iam.AccountPrincipal(stack.account).with_conditions(
                {"StringEquals": {f"aws:PrincipalTag/{APPROVER_TAG}": props.approves}}
            ),
            max_session_duration=cdk.Duration.hours(1),
        )
        self.permissions = Permissions(self, "Permissions", role=self.role, description="What approvers may do")
        packages = stack.format_arn(
            service="sagemaker", resource="model-package", resource_name=f"{props.group_prefix}*"
        )
        why = "Every version of every workload's models: approvers decide for the whole platform."
        self.permissions.allow("Read", ["sagemaker:DescribeModelPackage"], [packages], wildcard=why)
        self.permissions.allow(
            "Decide",
            ["sagemaker:UpdateModelPackage"],
            [packages],
            conditions={"StringEquals": {"sagemaker:ModelApprovalStatus": ["Approved", "Rejected"]}},
            wildcard=why,
        )
