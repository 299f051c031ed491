"""A guardrail of Bedrock from its policy, its pinned version, and its enforcement on the whole account."""

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_bedrock as bedrock
from aws_cdk import aws_kms as kms
from constructs import Construct

from groundplan import guardrail as policy


@dataclass(frozen=True, kw_only=True)
class GuardrailProps:
    """`enforced`: AWS applies it to every invocation in the account and region, also where the caller names none."""

    name: str
    policy: policy.Guardrail
    encryption_key: kms.IKey
    enforced: bool = True


class Guardrail(Construct):
    """`guardrail_id` and `version` are what callers name; `identifier` is its ARN, `versioned` what policies compare.

    A version is a snapshot: one is made whenever the policy changes, and old ones stay, for whoever still names them.
    AWS keeps at most 20; the next is refused until one is deleted by hand.
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: GuardrailProps) -> None:
        super().__init__(scope, construct_id)
        props.policy.refuse_weak()
        self._policy = props.policy
        stack = cdk.Stack.of(self)
        self.guardrail = bedrock.CfnGuardrail(
            self,
            "Resource",
            name=props.name,
            description=f"For data up to {props.policy.data_class}",
            blocked_input_messaging=props.policy.blocked_input,
            blocked_outputs_messaging=props.policy.blocked_output,
            kms_key_arn=props.encryption_key.key_arn,
            content_policy_config=self._filters(),
            topic_policy_config=self._topics(),
            word_policy_config=self._words(),
            sensitive_information_policy_config=self._sensitive(),
            contextual_grounding_policy_config=self._grounding(),
            cross_region_config=bedrock.CfnGuardrail.GuardrailCrossRegionConfigProperty(
                guardrail_profile_arn=stack.format_arn(
                    service="bedrock", resource="guardrail-profile", resource_name=_profile(stack.region)
                )
            )
            if props.policy.tier == "STANDARD"
            else None,
        )
        made = bedrock.CfnGuardrailVersion(
            self,
            f"Version{props.policy.fingerprint}",
            guardrail_identifier=self.guardrail.attr_guardrail_id,
            description=f"Policy {props.policy.fingerprint}",
        )
        made.cfn_options.deletion_policy = cdk.CfnDeletionPolicy.RETAIN
        made.cfn_options.update_replace_policy = cdk.CfnDeletionPolicy.RETAIN
        self.identifier, self.version = self.guardrail.attr_guardrail_arn, made.attr_version
        self.guardrail_id = self.guardrail.attr_guardrail_id
        self.versioned = f"{self.identifier}:{self.version}"
        if props.enforced:
            bedrock.CfnEnforcedGuardrailConfiguration(
                self, "Enforced", guardrail_identifier=self.identifier, guardrail_version=self.version
            )

    def _filters(self) -> bedrock.CfnGuardrail.ContentPolicyConfigProperty | None:
        found = [
            bedrock.CfnGuardrail.ContentFilterConfigProperty(
                type=name, input_strength=strength, output_strength="NONE" if name == "PROMPT_ATTACK" else strength
            )
            for name, strength in sorted(self._policy.filters.items())
            if strength != "NONE"
        ]
        tier = bedrock.CfnGuardrail.ContentFiltersTierConfigProperty(tier_name=self._policy.tier)
        if not found:
            return None
        return bedrock.CfnGuardrail.ContentPolicyConfigProperty(
            filters_config=found, content_filters_tier_config=tier
        )

    def _topics(self) -> bedrock.CfnGuardrail.TopicPolicyConfigProperty | None:
        found = [
            bedrock.CfnGuardrail.TopicConfigProperty(
                name=topic.name, definition=topic.definition, examples=list(topic.examples), type="DENY"
            )
            for topic in self._policy.topics
        ]
        tier = bedrock.CfnGuardrail.TopicsTierConfigProperty(tier_name=self._policy.tier)
        if not found:
            return None
        return bedrock.CfnGuardrail.TopicPolicyConfigProperty(topics_config=found, topics_tier_config=tier)

    def _words(self) -> bedrock.CfnGuardrail.WordPolicyConfigProperty | None:
        words = self._policy.words
        if not (words.profanity or words.blocked):
            return None
        managed = [bedrock.CfnGuardrail.ManagedWordsConfigProperty(type="PROFANITY")] if words.profanity else None
        named = [bedrock.CfnGuardrail.WordConfigProperty(text=text) for text in words.blocked] or None
        return bedrock.CfnGuardrail.WordPolicyConfigProperty(managed_word_lists_config=managed, words_config=named)

    def _sensitive(self) -> bedrock.CfnGuardrail.SensitiveInformationPolicyConfigProperty | None:
        entities = [
            bedrock.CfnGuardrail.PiiEntityConfigProperty(type=kind, action=action)
            for kind, action in sorted(self._policy.pii.items())
        ]
        regexes = [
            bedrock.CfnGuardrail.RegexConfigProperty(name=one.name, pattern=one.pattern, action=one.action)
            for one in self._policy.regexes
        ]
        if not (entities or regexes):
            return None
        return bedrock.CfnGuardrail.SensitiveInformationPolicyConfigProperty(
            pii_entities_config=entities or None, regexes_config=regexes or None
        )

    def _grounding(self) -> bedrock.CfnGuardrail.ContextualGroundingPolicyConfigProperty | None:
        found = [
            bedrock.CfnGuardrail.ContextualGroundingFilterConfigProperty(type=name, threshold=float(threshold))
            for name, threshold in sorted(self._policy.grounding.items())
        ]
        return bedrock.CfnGuardrail.ContextualGroundingPolicyConfigProperty(filters_config=found) if found else None


def _profile(region: str) -> str:
    """The guardrail profile of a region's geography.

    https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-cross-region-support.html
    """
    geography = {"us": "us", "eu": "eu", "ap": "apac"}.get(region.partition("-")[0])
    if geography is None:
        raise policy.refused_tier(region)
    return f"{geography}.guardrail.v1:0"
