"""The role that invokes foundation models: approved ones, under one version of one guardrail, for one caller."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from groundplan.catalogue import Catalogue
from groundplan.catalogue.permissions import (
    INVOKE_MODEL,
    Place,
    models_by_themselves,
    models_through_profiles,
    only_under,
    profiles_here,
    under_no_other_than,
)
from groundplan_constructs.guardrail import Guardrail
from groundplan_constructs.permissions import Permissions

SESSION_TAGS = ("tenant", "feature")


@dataclass(frozen=True, kw_only=True)
class ModelsRoleProps:
    """`trusted_role` is the ARN of the role that may become it, of `trusted_account`; `profiles` are the ARNs of
    application inference profiles; `region` is the stack's own, for what the catalogue says of it."""

    role_name: str
    trusted_account: str
    trusted_role: str
    catalogue: Catalogue
    region: str
    guardrail: Guardrail
    profiles: Sequence[str]


class ModelsRole(Construct):
    """Each session says for which tenant and feature it is; CloudTrail and the bill know it by these tags."""

    def __init__(self, scope: Construct, construct_id: str, *, props: ModelsRoleProps) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        # The account's root, narrowed: AWS refuses a policy that names a role which is not there yet.
        trusted = iam.AccountPrincipal(props.trusted_account).with_conditions(
            {
                "ArnEquals": {"aws:PrincipalArn": props.trusted_role},
                "StringLike": {f"aws:RequestTag/{tag}": "?*" for tag in SESSION_TAGS},
                "ForAllValues:StringEquals": {"aws:TagKeys": list(SESSION_TAGS)},
            }
        )
        self.role = iam.Role(
            self,
            "Resource",
            role_name=props.role_name,
            description="Invokes foundation models for the gateway",
            assumed_by=trusted.with_session_tags(),
            max_session_duration=cdk.Duration.hours(1),
        )
        self.permissions = Permissions(self, "Permissions", role=self.role, description="Which models, and how")
        place = Place(partition=stack.partition, region=stack.region, account=stack.account)
        here = props.catalogue, place, props.region
        self._allow("Invoke", [*models_by_themselves(*here), *profiles_here(*here), *props.profiles], props)
        through = [*profiles_here(*here), *props.profiles]
        if routed := models_through_profiles(*here):
            self._allow(
                "InvokeThroughProfiles", routed, props, {"ArnEquals": {"bedrock:InferenceProfileArn": through}}
            )
        self.permissions.deny(
            "OnlyUnderTheGuardrail", list(INVOKE_MODEL), under_no_other_than([props.guardrail.versioned])
        )
        self.permissions.allow("ApplyGuardrail", ["bedrock:ApplyGuardrail"], [props.guardrail.identifier])

    def _allow(
        self,
        sid: str,
        resources: Sequence[str],
        props: ModelsRoleProps,
        conditions: Mapping[str, Mapping[str, object]] | None = None,
    ) -> None:
        if resources:
            guarded = {**only_under([props.guardrail.versioned]), **(conditions or {})}
            self.permissions.allow(sid, list(INVOKE_MODEL), resources, conditions=guarded)
