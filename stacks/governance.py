"""The organisation's policies, made in its management account: they exist when the environment says which it is."""

import aws_cdk as cdk
from aws_cdk import aws_organizations as organizations
from constructs import Construct

from groundplan.catalogue import Catalogue
from groundplan.governance import policies
from groundplan.names import Names
from groundplan.organization import Organization


class Governance(cdk.Stack):
    """Service and resource control policies, attached to the organisation's targets.

    A person signed in to the management account deploys it: that account trusts no other and needs no bootstrap.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: Names,
        organization: Organization,
        catalogue: Catalogue | None,
    ) -> None:
        environment = names.environment
        super().__init__(
            scope,
            construct_id,
            stack_name=names.stack(construct_id),
            env=cdk.Environment(account=organization.management_account, region=environment.region),
            synthesizer=cdk.LegacyStackSynthesizer(),  # with the credentials at hand, the template in the call
            termination_protection=environment.retain_data,
            description="Service and resource control policies",
        )
        for policy in policies(names, organization, catalogue):
            organizations.CfnPolicy(
                self,
                policy.name,
                name=f"{names.stem}-{policy.name}",
                type=policy.type,
                description=policy.description,
                content=policy.document,
                target_ids=list(organization.targets),
            )
