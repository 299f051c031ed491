"""The stack of foundation models: the guardrail's version, the profiles that cost is known by, and the log."""

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Template

from groundplan.catalogue import Catalogue
from groundplan.environment import read_environment
from groundplan.gateway.settings import Rules
from groundplan.guardrail import Guardrail as Policy
from groundplan.guardrail import read_guardrail
from groundplan.prompt_evaluation import Evaluation, Result, evaluation_file
from groundplan.prompts import read_prompt
from groundplan.refusal import BadInput
from groundplan.workload import read_workloads
from groundplan_constructs import Guardrail, GuardrailProps
from stacks.composition import models_of, rules_of

ROOT = Path(__file__).parents[2]


def made(policy: Policy) -> dict[str, Any]:
    stack = cdk.Stack(cdk.App(analytics_reporting=False), "Trial", env=cdk.Environment(region="us-east-1"))
    key = kms.Key.from_key_arn(stack, "Key", "arn:aws:kms:us-east-1:888888888888:key/one")
    Guardrail(stack, "Guardrail", props=GuardrailProps(name="trial", policy=policy, encryption_key=key))
    return Template.from_stack(stack).to_json()["Resources"]


def versions(resources: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in resources.items() if one["Type"] == "AWS::Bedrock::GuardrailVersion"}


def test_a_changed_policy_is_another_version_and_the_old_one_stays() -> None:
    policy = read_guardrail(ROOT)
    changed = policy.model_copy(update={"blocked_input": "Otherwise."})
    [(first, version)] = versions(made(policy)).items()
    [second] = versions(made(changed))
    assert first != second
    assert policy.fingerprint in first
    assert version["DeletionPolicy"] == version["UpdateReplacePolicy"] == "Retain"
    assert list(versions(made(policy))) == [first]


def test_a_weak_policy_is_not_synthesised() -> None:
    weak = read_guardrail(ROOT).model_copy(update={"pii": {}})
    with pytest.raises(BadInput, match=r"guardrail.toml: pii\.NAME: 'nothing' is not allowed; BLOCK or ANONYMIZE"):
        made(weak)


def test_a_prompt_is_shipped_once_it_passed_and_nothing_is_synthesised_before(tmp_path: Path) -> None:
    environment, workloads = read_environment(ROOT, "dev"), read_workloads(ROOT)
    catalogue = Catalogue.read(ROOT / "catalogue.toml")
    uses = models_of(tmp_path, environment, workloads, catalogue)
    [(assistant, _)] = uses
    assert rules_of(tmp_path, environment, catalogue, uses).features["help-page"].prompts == {}
    folder = Path("workloads") / assistant.name
    shutil.copytree(ROOT / folder / "prompts", tmp_path / folder / "prompts")
    (tmp_path / folder / "prompts.dev.toml").write_text('[prompts]\nanswer = "v1"\n')
    with pytest.raises(BadInput, match=r"v1\.evaluation\.dev\.json: 'no record' is not allowed"):
        rules_of(tmp_path, environment, catalogue, uses)
    prompt = read_prompt(tmp_path, assistant.name, "answer", "v1")
    passed = Evaluation(
        prompt_digest=prompt.digest,
        model=uses[0][1][0],
        on=date(2026, 11, 21),
        simulated=False,
        results=tuple(Result(name=case.name, passed=True) for case in prompt.evaluation),
    )
    (tmp_path / evaluation_file(assistant.name, "answer", "v1", environment)).write_text(passed.document())
    rules = rules_of(tmp_path, environment, catalogue, uses)
    shipped = Rules.model_validate_json(rules.model_dump_json())  # as the function reads it
    for feature in ("help-page", "agent-desk"):
        used = shipped.features[feature].prompts["answer"]
        assert (used.version, used.digest, used.template) == ("v1", prompt.digest, prompt.template)


def test_what_the_file_says_is_what_bedrock_is_told() -> None:
    policy = read_guardrail(ROOT)
    [told] = [one["Properties"] for one in made(policy).values() if one["Type"] == "AWS::Bedrock::Guardrail"]
    filters = {one["Type"]: one for one in told["ContentPolicyConfig"]["FiltersConfig"]}
    assert {name: one["InputStrength"] for name, one in filters.items()} == policy.filters
    assert filters["PROMPT_ATTACK"]["OutputStrength"] == "NONE"
    entities = told["SensitiveInformationPolicyConfig"]["PiiEntitiesConfig"]
    assert {one["Type"]: one["Action"] for one in entities} == policy.pii
    assert [one["Pattern"] for one in told["SensitiveInformationPolicyConfig"]["RegexesConfig"]] == [
        one.pattern for one in policy.regexes
    ]
    assert [one["Text"] for one in told["WordPolicyConfig"]["WordsConfig"]] == list(policy.words.blocked)
    assert [one["Name"] for one in told["TopicPolicyConfig"]["TopicsConfig"]] == [one.name for one in policy.topics]
    assert told["KmsKeyArn"].endswith("key/one")
    assert "CrossRegionConfig" not in told


def test_the_tier_standard_sends_to_the_profile_of_the_geography() -> None:
    standard = read_guardrail(ROOT).model_copy(update={"tier": "STANDARD"})
    [told] = [one["Properties"] for one in made(standard).values() if one["Type"] == "AWS::Bedrock::Guardrail"]
    assert "guardrail-profile/us.guardrail.v1:0" in str(told["CrossRegionConfig"])
    assert told["ContentPolicyConfig"]["ContentFiltersTierConfig"] == {"TierName": "STANDARD"}


def test_the_version_is_enforced_on_the_whole_account(assembly: Any) -> None:
    [(_, pinned, _)] = assembly.resources("AWS::Bedrock::GuardrailVersion")
    [(_, _, enforced)] = assembly.resources("AWS::Bedrock::EnforcedGuardrailConfiguration")
    assert enforced["Properties"]["GuardrailVersion"] == {"Fn::GetAtt": [pinned, "Version"]}


def test_each_workload_on_a_foundation_model_has_a_profile_a_model_with_its_tags(assembly: Any) -> None:
    catalogue = Catalogue.read(ROOT / "catalogue.toml")
    profiles = [one["Properties"] for _, _, one in assembly.resources("AWS::Bedrock::ApplicationInferenceProfile")]
    stem = assembly.names.stem
    assert {one["InferenceProfileName"] for one in profiles} == {
        f"{stem}-support-assistant-nova-lite",
        f"{stem}-support-assistant-nova-micro",  # its fallback
    }
    for one in profiles:
        tags = {tag["Key"]: tag["Value"] for tag in one["Tags"]}
        assert (tags["workload"], tags["owner"], tags["cost-centre"]) == (
            "support-assistant",
            "support-team",
            "support",
        )
        assert any(model.model_id in str(one["ModelSource"]) for model in catalogue.models.values())


def test_what_models_were_asked_is_forgotten_in_days(assembly: Any) -> None:
    [bucket] = [one["Properties"] for stack, _, one in assembly.resources("AWS::S3::Bucket") if stack == "Generative"]
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert rules["Forget"]["ExpirationInDays"] == 7
    assert rules["Forget"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}
