"""The data perimeter: identities, resources, networks and regions of this organisation, and no others.

Service control policies bind the organisation's principals wherever they reach, resource control policies its
resources whoever asks. Neither binds service-linked roles or the management account. The patterns are AWS's:
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_data-perimeters.html
"""

from typing import Any

from groundplan.catalogue.permissions import INVOKE_MODEL
from groundplan.governance.statements import Statement, deny, role
from groundplan.names import Names
from groundplan.organization import GLOBAL_INFERENCE, Organization

# Where data can be carried off to: services whose resources may belong to another account.
REACHED = (
    "dynamodb:*",
    "ecr:*",
    "kms:*",
    "lambda:InvokeFunction",
    "s3:*",
    "secretsmanager:*",
    "sns:Publish",
    "sqs:*",
    "sts:AssumeRole",
)
# Services that resource control policies bind, of those in use here; sts:AssumeRole alone of STS, because federated
# callers have no organisation yet.
# https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html#rcp-supported-services
GUARDED = ("ecr:*", "kms:*", "s3:*", "secretsmanager:*", "sqs:*")
# Services whose one endpoint stands in us-east-1, whatever the region.
# https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_examples_general.html
GLOBAL_ACTIONS = """
    account:* aws-portal:* bcm-data-exports:* billing:* billingconductor:* budgets:* ce:* cloudfront:*
    consolidatedbilling:* cost-optimization-hub:* cur:* ec2:DescribeRegions ecr-public:* freetier:*
    globalaccelerator:* health:* iam:* invoicing:* networkmanager:* organizations:* payments:* pricing:* route53:*
    route53domains:* s3:GetAccountPublicAccessBlock s3:ListAllMyBuckets s3:PutAccountPublicAccessBlock shield:* sts:*
    support:* sustainability:* tax:* trustedadvisor:* waf:* wafv2:*
""".split()


def own_resources(organization: Organization) -> Statement:
    """Principals of the organisation reach its resources and those of trusted accounts. No organisation: refused."""
    other: dict[str, object] = {"aws:ResourceOrgID": organization.id}
    if organization.trusted_accounts:
        other["aws:ResourceAccount"] = list(organization.trusted_accounts)
    return deny("OwnResourcesOnly", REACHED, {"StringNotEqualsIfExists": other})


def regions(organization: Organization) -> list[Statement]:
    """Nothing outside the regions, but for global services; models also where inference may be served from.

    A request through a global inference profile is made to the region `unspecified`:
    https://docs.aws.amazon.com/bedrock/latest/userguide/global-cross-region-inference.html
    """
    everywhere = deny("RegionsOnly", [], {"StringNotEquals": {"aws:RequestedRegion": list(organization.regions)}})
    del everywhere["Action"]
    everywhere["NotAction"] = [*GLOBAL_ACTIONS, *INVOKE_MODEL]
    beyond = [
        "unspecified" if region == GLOBAL_INFERENCE else region
        for region in organization.inference_regions
        if region not in organization.regions
    ]
    allowed = [*organization.regions, *beyond]
    statements = [
        everywhere,
        deny("InferenceRegionsOnly", INVOKE_MODEL, {"StringNotEquals": {"aws:RequestedRegion": allowed}}),
    ]
    if beyond:
        through_no_profile = {"bedrock:InferenceProfileArn": "true"}
        statements.append(
            deny(
                "InferenceElsewhereByProfileOnly",
                INVOKE_MODEL,
                {"StringEquals": {"aws:RequestedRegion": beyond}, "Null": through_no_profile},
            )
        )
    return statements


def stay() -> Statement:
    """An account that leaves the organisation leaves its policies behind."""
    return deny("StayInTheOrganisation", ["organizations:LeaveOrganization"])


def guarded_resources(names: Names, organization: Organization) -> list[Statement]:
    """The statements of the resource control policy."""
    trusted: dict[str, object] = {}
    if organization.trusted_accounts:
        trusted = {"aws:PrincipalAccount": list(organization.trusted_accounts)}
    statements = [
        _guard(
            "OwnIdentitiesOnly",
            [*GUARDED, "sts:AssumeRole"],
            {
                "StringNotEqualsIfExists": {"aws:PrincipalOrgID": organization.id, **trusted},
                "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
            },
        ),
        # Only where the service says for whom it works; others pass a role, which is of the same account anyway.
        _guard(
            "ServicesForOwnAccountsOnly",
            [*GUARDED, "sts:*"],
            {
                "StringNotEqualsIfExists": {"aws:SourceOrgID": organization.id},
                "Null": {"aws:SourceAccount": "false"},
                "Bool": {"aws:PrincipalIsAWSService": "true"},
            },
        ),
        _guard("EncryptedInTransit", [*GUARDED, "sts:*"], {"Bool": {"aws:SecureTransport": "false"}}),
        _guard("RecentTls", ["s3:*"], {"NumericLessThan": {"s3:TlsVersion": "1.2"}}),
    ]
    if organization.networks:
        statements.append(_expected_networks(names, organization, trusted))
    return statements


def _expected_networks(names: Names, organization: Organization, trusted: dict[str, object]) -> Statement:
    """People come from an expected network or an endpoint of the organisation.

    The platform's own roles work inside AWS, SageMaker's and Lambda's among them, and come from AWS's addresses.
    """
    qualifier = names.environment.qualifier
    path = names.environment.conventions.iam_path.removeprefix("/")
    inside = [role(f"{path}{names.stem}-*"), role(f"cdk-{qualifier}-*"), role("aws-service-role/*")]
    return _guard(
        "ExpectedNetworksOnly",
        ["kms:*", "s3:*"],
        {
            "NotIpAddressIfExists": {"aws:SourceIp": list(organization.networks)},
            "StringNotEqualsIfExists": {"aws:VpceOrgID": organization.id, **trusted},
            "BoolIfExists": {"aws:PrincipalIsAWSService": "false", "aws:ViaAWSService": "false"},
            "ArnNotLikeIfExists": {"aws:PrincipalArn": inside},
        },
    )


def _guard(sid: str, actions: list[str], condition: dict[str, Any]) -> Statement:
    return deny(sid, actions, condition) | {"Principal": "*"}
