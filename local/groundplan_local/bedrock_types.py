"""CloudFormation's types of Bedrock that ministack lacks, by the calls of Bedrock that it has."""

from collections.abc import Mapping
from typing import Any, cast

from groundplan_local.resource_types import last_part
from groundplan_local.serving_types import Connect, Properties, Provisioned, ServingType

# CloudFormation's name of a property -> the API's, where more than its first letter differs
_RENAMED = {
    "KmsKeyArn": "kmsKeyId",
    "ContentFiltersTierConfig": "tierConfig",
    "TopicsTierConfig": "tierConfig",
    "GuardrailProfileArn": "guardrailProfileIdentifier",
}


def in_camel_case(value: Any) -> Any:
    """`{"TopicPolicyConfig": …}` -> `{"topicPolicyConfig": …}`, all the way down."""
    if isinstance(value, Mapping):
        known = cast(Mapping[str, Any], value)
        return {_RENAMED.get(key) or key[0].lower() + key[1:]: in_camel_case(inner) for key, inner in known.items()}
    return [in_camel_case(inner) for inner in cast(list[Any], value)] if isinstance(value, list) else value


class GuardrailType(ServingType):
    """A guardrail; its draft changes, its versions do not."""

    def create(self, properties: Properties, connect: Connect) -> Provisioned:
        made = connect("bedrock").create_guardrail(**in_camel_case(properties))
        return _guardrail(made)

    def update(self, reference: str, old: Properties, new: Properties, connect: Connect) -> Provisioned:
        del old
        changed = {name: value for name, value in new.items() if name != "Tags"}
        return _guardrail(
            connect("bedrock").update_guardrail(guardrailIdentifier=last_part(reference), **in_camel_case(changed))
        )

    def delete(self, reference: str, properties: Properties, connect: Connect) -> None:
        del properties
        connect("bedrock").delete_guardrail(guardrailIdentifier=last_part(reference))


class GuardrailVersionType(ServingType):
    """A version; it goes with its guardrail."""

    def create(self, properties: Properties, connect: Connect) -> Provisioned:
        made = connect("bedrock").create_guardrail_version(**in_camel_case(properties))
        guardrail, version = made["guardrailId"], made["version"]
        return f"{guardrail}|{version}", {"GuardrailId": guardrail, "Version": version}

    def update(self, reference: str, old: Properties, new: Properties, connect: Connect) -> Provisioned:
        if {**old, "Description": ""} == {**new, "Description": ""}:
            guardrail, _, version = reference.partition("|")
            return reference, {"GuardrailId": guardrail, "Version": version}
        return self.create(new, connect)

    def delete(self, reference: str, properties: Properties, connect: Connect) -> None:
        del reference, properties, connect


class InferenceProfileType(ServingType):
    """An application inference profile."""

    def create(self, properties: Properties, connect: Connect) -> Provisioned:
        made = connect("bedrock").create_inference_profile(**in_camel_case(properties))
        arn = made["inferenceProfileArn"]
        identifier = arn.rpartition("/")[2]
        return identifier, {"InferenceProfileArn": arn, "InferenceProfileId": identifier, "Status": made["status"]}

    def update(self, reference: str, old: Properties, new: Properties, connect: Connect) -> Provisioned:
        if {**old, "Tags": 0} == {**new, "Tags": 0}:
            found = connect("bedrock").get_inference_profile(inferenceProfileIdentifier=reference)
            return reference, {"InferenceProfileArn": found["inferenceProfileArn"], "InferenceProfileId": reference}
        return self.create(new, connect)

    def delete(self, reference: str, properties: Properties, connect: Connect) -> None:
        del properties
        connect("bedrock").delete_inference_profile(inferenceProfileIdentifier=reference)


class EnforcedType(ServingType):
    """What AWS would apply to every invocation of the account. Here nothing does: local/README.md says so."""

    def create(self, properties: Properties, connect: Connect) -> Provisioned:
        connect("bedrock").get_guardrail(
            guardrailIdentifier=last_part(properties["GuardrailIdentifier"]),
            guardrailVersion=properties["GuardrailVersion"],
        )
        return f"enforced-{properties['GuardrailVersion']}", {"ConfigId": "enforced"}

    def delete(self, reference: str, properties: Properties, connect: Connect) -> None:
        del reference, properties, connect


def _guardrail(made: Mapping[str, Any]) -> Provisioned:
    arn, identifier = made["guardrailArn"], made["guardrailId"]
    return arn, {"GuardrailArn": arn, "GuardrailId": identifier, "Status": "READY", "Version": "DRAFT"}


BEDROCK_TYPES: Mapping[str, ServingType] = {
    "AWS::Bedrock::ApplicationInferenceProfile": InferenceProfileType(),
    "AWS::Bedrock::EnforcedGuardrailConfiguration": EnforcedType(),
    "AWS::Bedrock::Guardrail": GuardrailType(),
    "AWS::Bedrock::GuardrailVersion": GuardrailVersionType(),
}
