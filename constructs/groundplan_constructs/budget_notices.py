"""Where AWS Budgets writes: a topic that functions read, not people."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct


def budgets_of(stack: cdk.Stack) -> dict[str, dict[str, str]]:
    """The condition under which AWS Budgets speaks for this account's budgets and for no other's."""
    everything = stack.format_arn(
        service="budgets", region="", resource="*", arn_format=cdk.ArnFormat.NO_RESOURCE_NAME
    )
    return {"StringEquals": {"aws:SourceAccount": stack.account}, "ArnLike": {"aws:SourceArn": everything}}


class BudgetNotices(Construct):
    """An encrypted topic that admits AWS Budgets on behalf of its own account.

    https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-sns-policy.html
    """

    def __init__(self, scope: Construct, construct_id: str, *, topic_name: str, encryption_key: kms.IKey) -> None:
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(self, "Resource", topic_name=topic_name, master_key=encryption_key, enforce_ssl=True)
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="Budgets",
                actions=["sns:Publish"],
                principals=[iam.ServicePrincipal("budgets.amazonaws.com")],
                resources=[self.topic.topic_arn],
                conditions=budgets_of(cdk.Stack.of(self)),
            )
        )
