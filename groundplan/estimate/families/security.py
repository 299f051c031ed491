"""Identities, keys, secrets, firewalls and guardrails of an organisation.

Sources: https://aws.amazon.com/kms/pricing/, https://aws.amazon.com/secrets-manager/pricing/,
https://aws.amazon.com/waf/pricing/, https://aws.amazon.com/cognito/pricing/, https://aws.amazon.com/iam/.
"""

from collections.abc import Iterator

from groundplan.estimate.charge import Charge, free, monthly, used
from groundplan.estimate.resource import Resource


def key(resource: Resource) -> Iterator[Charge]:
    """A key, and requests. Each of the first two rotations adds a dollar a month; that is not in here."""
    yield monthly("kms/key", note="rotations not counted")
    yield used("kms/request", "key_requests", resource.usage("key_requests"))


def secret(_: Resource) -> Iterator[Charge]:
    """A secret by the month."""
    yield monthly("secretsmanager/secret")


def web_acl(resource: Resource) -> Iterator[Charge]:
    """The list, each of its rules, and requests."""
    yield monthly("wafv2/web_acl")
    rules = len(resource.list("Rules"))
    if rules:
        yield monthly("wafv2/rule", rules, f"{rules} rules")
    yield used("wafv2/request", "requests", resource.usage("requests"))


def rule_group(_: Resource) -> Iterator[Charge]:
    """A group counts as a rule."""
    yield monthly("wafv2/rule")


def user_pool(resource: Resource) -> Iterator[Charge]:
    """Users that sign in."""
    tier = resource.text("UserPoolTier", "ESSENTIALS").lower()
    yield used(f"cognito/{tier}/active_user", "monthly_active_users", resource.usage("monthly_active_users"))


def parameter(resource: Resource) -> Iterator[Charge]:
    """Advanced parameters by the month; standard ones are free."""
    if resource.text("Tier", "Standard") == "Advanced":
        yield monthly("ssm/advanced_parameter")


def detector(resource: Resource) -> Iterator[Charge]:
    """Analysed events."""
    yield used("guardduty/event", "events", resource.usage("events"))


CHARGED = {
    "AWS::Cognito::UserPool": user_pool,
    "AWS::GuardDuty::Detector": detector,
    "AWS::KMS::Key": key,
    "AWS::KMS::ReplicaKey": key,
    "AWS::SSM::Parameter": parameter,
    "AWS::SecretsManager::Secret": secret,
    "AWS::WAFv2::RuleGroup": rule_group,
    "AWS::WAFv2::WebACL": web_acl,
}

UNCHARGED = {
    "AWS::SSM::Parameter": "standard parameters are free: https://aws.amazon.com/systems-manager/pricing/",
}
_IAM = "IAM has no charge: https://aws.amazon.com/iam/"
_POOL = "charged with the user pool: https://aws.amazon.com/cognito/pricing/"
FREE = {
    **free(
        "AWS::IAM",
        """
        Group GroupPolicy InstanceProfile ManagedPolicy OIDCProvider Policy Role RolePolicy
        SAMLProvider ServiceLinkedRole User UserPolicy UserToGroupAddition
        """,
        _IAM,
    ),
    **free(
        "AWS::Cognito",
        """
        IdentityPool IdentityPoolRoleAttachment UserPoolClient UserPoolDomain UserPoolGroup
        UserPoolIdentityProvider UserPoolResourceServer UserPoolUser
        """,
        _POOL,
    ),
    "AWS::AccessAnalyzer::Analyzer": "external access analysis is free: https://aws.amazon.com/iam/access-analyzer/pricing/",
    "AWS::CertificateManager::Certificate": "public certificates are free: https://aws.amazon.com/certificate-manager/pricing/",
    "AWS::KMS::Alias": "a name of a key that is charged: https://aws.amazon.com/kms/pricing/",
    "AWS::Organizations::Account": "AWS Organizations has no charge: https://aws.amazon.com/organizations/faqs/",
    "AWS::Organizations::OrganizationalUnit": "AWS Organizations has no charge: https://aws.amazon.com/organizations/faqs/",
    "AWS::Organizations::Policy": "AWS Organizations has no charge: https://aws.amazon.com/organizations/faqs/",
    "AWS::Organizations::ResourcePolicy": "AWS Organizations has no charge: https://aws.amazon.com/organizations/faqs/",
    "AWS::RAM::ResourceShare": "sharing has no charge: https://aws.amazon.com/ram/",
    "AWS::SSM::Association": "what it automates is charged: https://aws.amazon.com/systems-manager/pricing/",
    "AWS::SSM::Document": "what it automates is charged: https://aws.amazon.com/systems-manager/pricing/",
    "AWS::SecretsManager::ResourcePolicy": "charged with the secret: https://aws.amazon.com/secrets-manager/pricing/",
    "AWS::SecretsManager::RotationSchedule": "charged with the secret: https://aws.amazon.com/secrets-manager/pricing/",
    "AWS::SecretsManager::SecretTargetAttachment": "charged with the secret",
    "AWS::WAFv2::IPSet": "charged with the rules that use it: https://aws.amazon.com/waf/pricing/",
    "AWS::WAFv2::LoggingConfiguration": "the logs are charged where they land: https://aws.amazon.com/waf/pricing/",
    "AWS::WAFv2::WebACLAssociation": "charged with the list: https://aws.amazon.com/waf/pricing/",
}
