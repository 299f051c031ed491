"""What all stacks have in common: an account, a region, a name, protection, the company's IAM path."""

import aws_cdk as cdk
from constructs import Construct

from groundplan.environment import AccountName
from groundplan.names import Names
from groundplan_constructs import keep_iam_path


class AccountStack(cdk.Stack):
    """A stack of one of the environment's accounts, deployed by its bootstrap roles."""

    def __init__(
        self, scope: Construct, construct_id: str, *, names: Names, account: AccountName, description: str
    ) -> None:
        environment = names.environment
        super().__init__(
            scope,
            construct_id,
            stack_name=names.stack(construct_id),
            env=cdk.Environment(account=environment.account_ids()[account], region=environment.region),
            synthesizer=cdk.DefaultStackSynthesizer(qualifier=environment.qualifier),
            termination_protection=environment.retain_data,
            permissions_boundary=cdk.PermissionsBoundary.from_name(names.boundary()),
            description=description,
        )
        self.names = names
        keep_iam_path(self, environment.conventions.iam_path)
