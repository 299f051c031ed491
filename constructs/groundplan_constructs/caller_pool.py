"""Who may call the gateway: a Cognito user pool whose tokens say a tenant and, as groups, what they open."""

from collections.abc import Sequence
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_cognito as cognito
from constructs import Construct

from groundplan_constructs.acknowledgement import acknowledge

TENANT = "tenant"  # the claim custom:tenant


@dataclass(frozen=True, kw_only=True)
class CallerPoolProps:
    """`groups` are the groups that there are; who is in which, and of which tenant, an administrator says."""

    pool_name: str
    groups: Sequence[str]
    retain: bool


class CallerPool(Construct):
    """Nobody signs up by himself, and nobody can write his own tenant: the client may write his name alone."""

    def __init__(self, scope: Construct, construct_id: str, *, props: CallerPoolProps) -> None:
        super().__init__(scope, construct_id)
        self.pool = cognito.UserPool(
            self,
            "Resource",
            user_pool_name=props.pool_name,
            self_sign_up_enabled=False,
            sign_in_aliases=cognito.SignInAliases(username=True),
            sign_in_case_sensitive=False,
            custom_attributes={TENANT: cognito.StringAttribute(mutable=True, min_len=1, max_len=64)},
            password_policy=cognito.PasswordPolicy(
                min_length=16,
                require_digits=True,
                require_lowercase=True,
                require_symbols=True,
                require_uppercase=True,
                temp_password_validity=cdk.Duration.days(3),
            ),
            mfa=cognito.Mfa.OPTIONAL,
            mfa_second_factor=cognito.MfaSecondFactor(otp=True, sms=False),
            feature_plan=cognito.FeaturePlan.ESSENTIALS,
            account_recovery=cognito.AccountRecovery.NONE,
            deletion_protection=props.retain,
            removal_policy=cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
            if props.retain
            else cdk.RemovalPolicy.DESTROY,
        )
        self.client = self.pool.add_client(
            "Client",
            # People by SRP; an application's server by its IAM role.
            auth_flows=cognito.AuthFlow(user_srp=True, admin_user_password=True),
            disable_o_auth=True,
            prevent_user_existence_errors=True,
            enable_token_revocation=True,
            id_token_validity=cdk.Duration.hours(1),
            access_token_validity=cdk.Duration.hours(1),
            refresh_token_validity=cdk.Duration.days(1),
            write_attributes=cognito.ClientAttributes().with_standard_attributes(fullname=True),
        )
        acknowledge(
            self.pool,
            "Most callers are applications' servers, which have no second factor; people may have one.",
            "AwsSolutions-COG2",
        )
        acknowledge(
            self.pool,
            "Threat protection judges how people sign in; servers have one place, and it costs by the caller.",
            "AwsSolutions-COG8",
        )
        for group in props.groups:
            cognito.CfnUserPoolGroup(
                self, group.rpartition("/")[2], group_name=group, user_pool_id=self.pool.user_pool_id
            )

    @property
    def issuer(self) -> str:
        """What its tokens have as `iss`."""
        stack = cdk.Stack.of(self)
        return f"https://cognito-idp.{stack.region}.{stack.url_suffix}/{self.pool.user_pool_id}"
