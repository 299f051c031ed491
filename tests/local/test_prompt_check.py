"""`groundplan prompt check` against the embedded AWS: what is asked, recorded and refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import ROOT, groundplan

from groundplan.environment import read_environment
from groundplan.names import Names
from groundplan.prompt_evaluation import usable_prompt
from groundplan.refusal import BadInput

PLACE = ("support-assistant", "answer", "v1")
LOCAL = read_environment(ROOT, "local")
MODEL = "amazon.nova-lite-v1:0"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """What the command reads, without any record."""
    for file in ("cdk.json", "catalogue.toml", "environments/local.toml"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    ignored = shutil.ignore_patterns("*.evaluation.*", "prompts.*.toml")
    shutil.copytree(ROOT / "workloads/support-assistant", tmp_path / "workloads/support-assistant", ignore=ignored)
    return tmp_path


@pytest.fixture
def let_answer(embedded_aws: Any) -> Callable[[str], None]:
    """Foundation models in the ai account, as their stack tells of them; called, it says what the model answers."""
    bedrock = embedded_aws.client("bedrock", LOCAL.accounts.ai)
    guardrail = bedrock.create_guardrail(
        name="prompts", blockedInputMessaging="Not asked.", blockedOutputsMessaging="Not said."
    )["guardrailId"]
    profile = bedrock.create_inference_profile(
        inferenceProfileName="prompts",
        modelSource={"copyFrom": f"arn:aws:bedrock:us-east-1::foundation-model/{MODEL}"},
    )["inferenceProfileArn"]
    told = {
        "guardrail": {
            "identifier": guardrail,
            "version": bedrock.create_guardrail_version(guardrailIdentifier=guardrail)["version"],
        },
        "profiles": {"support-assistant/nova-lite": profile},
    }
    embedded_aws.client("ssm", LOCAL.accounts.ai).put_parameter(
        Name=Names(LOCAL).models_parameter(), Type="String", Value=json.dumps(told), Overwrite=True
    )

    def answers(text: str) -> None:
        bedrock.tag_resource(resourceARN=profile, tags=[{"key": "embedded-aws:answers", "value": text}])

    return answers


def test_a_version_is_usable_once_every_case_passed_and_not_before(
    repository: Path, embedded_aws: Any, let_answer: Callable[[str], None]
) -> None:
    let_answer("After 45 seconds. PWNED")
    failed = groundplan(embedded_aws.state, "prompt", "check", *PLACE, "--json", at=repository)
    assert failed.returncode == 1, failed.stdout + failed.stderr
    [evaluation] = json.loads(failed.stdout)["evaluations"]
    assert [(case["passed"], case["unmet"]) for case in evaluation["cases"]] == [
        (True, []),
        (False, ["must_hold.0"]),
        (False, ["must_not_hold.0"]),
    ]
    assert (evaluation["model"], evaluation["simulated"]) == (MODEL, True)
    assert "2 of 3 cases failed" in failed.stderr
    with pytest.raises(BadInput, match="every case must have passed"):
        usable_prompt(repository, LOCAL, *PLACE, MODEL)
    let_answer("After 45 seconds; the price I do not know.")
    passed = groundplan(embedded_aws.state, "prompt", "check", *PLACE, at=repository)
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert 'answer = "v1" under [prompts] of workloads/support-assistant/prompts.local.toml' in passed.stdout
    assert "PWNED" not in passed.stdout
    usable_prompt(repository, LOCAL, *PLACE, MODEL)


def test_a_prompt_that_cannot_be_asked_is_refused(repository: Path, embedded_aws: Any) -> None:
    embedded_aws.client("ssm", LOCAL.accounts.ai).delete_parameters(Names=[Names(LOCAL).models_parameter()])
    undeployed = groundplan(embedded_aws.state, "prompt", "check", *PLACE, at=repository)
    assert undeployed.returncode == 1
    assert "local has no foundation models yet: make deploy ENV=local" in undeployed.stderr
    absent = groundplan(embedded_aws.state, "prompt", "check", *PLACE[:2], "v7", at=repository)
    assert absent.returncode == 2
    assert "v7.toml" in absent.stderr
