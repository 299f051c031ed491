"""What one role may do: named actions on named resources, and a reason for every wildcard."""

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from groundplan_constructs.acknowledgement import acknowledge


class Permissions(Construct):
    """One customer-managed policy of one role; with a `name` where another name shall make another policy."""

    def __init__(
        self, scope: Construct, construct_id: str, *, role: iam.IRole, description: str, name: str | None = None
    ) -> None:
        super().__init__(scope, construct_id)
        self.policy = iam.ManagedPolicy(
            self, "Resource", description=description, roles=[role], managed_policy_name=name
        )

    def allow(
        self,
        sid: str,
        actions: Sequence[str],
        resources: Sequence[str],
        *,
        conditions: Mapping[str, Mapping[str, object]] | None = None,
        wildcard: str | None = None,
    ) -> None:
        """Add a statement.

        `wildcard` says why a `*` in a resource is needed; it becomes the acknowledgement of cdk-nag's finding on
        this policy. Raises ValueError for a `*` without a reason, a reason without a `*`, and a `*` in an action.
        """
        stack = cdk.Stack.of(self)
        arns = [str(stack.resolve(resource)) for resource in resources]
        wide = [arn for arn in arns if "*" in arn]
        if bool(wide) != bool(wildcard):
            raise ValueError(
                f"{self.node.path}: statement {sid}: a wildcard and its reason come together, got {wide}"
            )
        if any("*" in action for action in actions):
            raise ValueError(f"{self.node.path}: statement {sid}: actions are named one by one, got {list(actions)}")
        self.policy.add_statements(
            iam.PolicyStatement(sid=sid, actions=actions, resources=resources, conditions=conditions)
        )
        for arn in wide:
            acknowledge(self.policy, str(wildcard), f"AwsSolutions-IAM5[Resource::{arn}]")

    def deny(
        self, sid: str, actions: Sequence[str], conditions: Mapping[str, Mapping[str, object]] | None = None
    ) -> None:
        """Refuse actions on everything under conditions, whatever else this or another policy allows the role."""
        self.policy.add_statements(
            iam.PolicyStatement(
                sid=sid, effect=iam.Effect.DENY, actions=actions, resources=["*"], conditions=conditions
            )
        )
