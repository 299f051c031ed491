"""An account's export of its bill to the data account; its own, where no paying account exports everything."""

import aws_cdk as cdk
from constructs import Construct

from groundplan.names import Names
from groundplan.spend.focus_table import export_name
from groundplan_constructs import FocusExport, FocusExportProps

REGION = "us-east-1"  # of Data Exports, Cost Explorer and Budgets


class BillStack(cdk.Stack):
    """A person signed in to the account deploys it: what deploys everything else may not touch bills.

    us-east-1 needs no bootstrap for it. `account` None is whichever the person is signed in to.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, names: Names, account: str | None, description: str
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            stack_name=names.stack(construct_id),
            env=cdk.Environment(account=account, region=REGION),
            synthesizer=cdk.LegacyStackSynthesizer(),  # with the credentials at hand, the template in the call
            termination_protection=names.environment.retain_data,
            description=description,
        )
        FocusExport(
            self,
            "Export",
            props=FocusExportProps(
                export_name=export_name(names.stem),
                account=account or "",
                bucket_name=names.costs_bucket(),
                bucket_owner=names.environment.accounts.data,
                bucket_region=names.environment.region,
            ),
        )


class OwnBill(BillStack):
    """What an account itself pays for, once `CostReport` is there to take the bills."""

    def __init__(self, scope: Construct, construct_id: str, *, names: Names, account: str) -> None:
        description = "The account's own bill, for the environment's data account"
        super().__init__(scope, construct_id, names=names, account=account, description=description)
