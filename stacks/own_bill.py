"""Where no paying account exports everything: an account's export of its own bill."""

import aws_cdk as cdk
from constructs import Construct

from groundplan.names import Names
from groundplan.spend.focus_table import export_name
from groundplan_constructs import FocusExport, FocusExportProps

REGION = "us-east-1"  # of Data Exports


class OwnBill(cdk.Stack):
    """A person signed in to the account deploys it, once `CostReport` is there to take the bills.

    What deploys everything else may not touch bills, and us-east-1 needs no bootstrap for it.
    """

    def __init__(self, scope: Construct, construct_id: str, *, names: Names, account: str) -> None:
        environment = names.environment
        super().__init__(
            scope,
            construct_id,
            stack_name=names.stack(construct_id),
            env=cdk.Environment(account=account, region=REGION),
            synthesizer=cdk.LegacyStackSynthesizer(),  # with the credentials at hand, the template in the call
            termination_protection=environment.retain_data,
            description="The account's own bill, for the environment's data account",
        )
        export_bill(self, names, account)


def export_bill(stack: cdk.Stack, names: Names, account: str) -> None:
    """What the account pays for, delivered to the data account's bucket of bills."""
    FocusExport(
        stack,
        "Export",
        props=FocusExportProps(
            export_name=export_name(names.stem),
            account=account,
            bucket_name=names.costs_bucket(),
            bucket_owner=names.environment.accounts.data,
            bucket_region=names.environment.region,
        ),
    )
