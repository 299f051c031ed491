"""What the catalogue lets invoke, as statements of IAM policies. Arguments may hold CloudFormation's tokens.

A request through an inference profile is judged on the profile and on the model in the region that it is routed to,
so both are named: https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-prereq.html
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from groundplan.catalogue.catalogue import Catalogue
from groundplan.catalogue.geography import GLOBAL

# Converse and ConverseStream are authorised as these two.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonbedrock.html
INVOKE_MODEL = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where requests are made from."""

    partition: str
    region: str
    account: str

    def model(self, model_id: str, region: str) -> str:
        """ARN of a model where it answers. A global profile's is asked for without a region.

        https://docs.aws.amazon.com/bedrock/latest/userguide/global-cross-region-inference.html
        """
        return f"arn:{self.partition}:bedrock:{'' if region == GLOBAL else region}::foundation-model/{model_id}"

    def profile(self, profile_id: str) -> str:
        """ARN of a cross-region inference profile here."""
        return f"arn:{self.partition}:bedrock:{self.region}:{self.account}:inference-profile/{profile_id}"

    def source(self, catalogue: Catalogue, target: str) -> str:
        """ARN of what is invoked by this id: a model, or a cross-region profile."""
        return self.profile(target) if target in _profiles(catalogue) else self.model(target, self.region)


def models_by_themselves(catalogue: Catalogue, place: Place, region: str) -> list[str]:
    """ARNs of the models that are invoked by their own id in `region`, which is the place's own, untokened."""
    return [place.model(model.model_id, region) for model in catalogue.models.values() if region in model.regions]


def models_through_profiles(catalogue: Catalogue, place: Place, region: str) -> list[str]:
    """ARNs of the models where the profiles of a region route to. A global profile routes from its region as well."""
    found: list[str] = []
    for model in catalogue.models.values():
        for profile, regions in model.profiles.items():
            if profile in model.targets(region):
                routed = (region, GLOBAL) if GLOBAL in regions else regions
                found += [place.model(model.model_id, one) for one in routed]
    return list(dict.fromkeys(found))


def profiles_here(catalogue: Catalogue, place: Place, region: str) -> list[str]:
    """ARNs of the cross-region profiles that are approved in a region."""
    return [
        place.profile(profile)
        for model in catalogue.models.values()
        for profile in model.profiles
        if profile in model.targets(region)
    ]


def only_under(guardrails: Sequence[str]) -> dict[str, Any]:
    """The condition that a request names one of these guardrails, `<arn>:<version>` each.

    https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-permissions-id.html
    """
    return {"StringEquals": {"bedrock:GuardrailIdentifier": list(guardrails)}}


def under_no_other_than(guardrails: Sequence[str]) -> dict[str, Any]:
    """The condition of a refusal: another guardrail, another version, or none at all."""
    return {"StringNotEquals": {"bedrock:GuardrailIdentifier": list(guardrails)}}


def _profiles(catalogue: Catalogue) -> set[str]:
    return {profile for model in catalogue.models.values() for profile in model.profiles}
