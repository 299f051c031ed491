"""What AWS offers and refuses of endpoints: each rule from both sides, and Inferentia2's limits."""

import re
from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from groundplan.serving import FEATURES, MODES, OFFERS, RULES, refuse_unoffered, violations
from groundplan.serving.neuron import IMAGES, MACHINES, Compiled, image_for, refuse_misfit
from groundplan.serving.page import renewed

ROOT = Path(__file__).parents[2]
REF = {"Ref": "Config"}


def good(kind: str = "real-time") -> dict[str, Any]:
    """Resources that AWS takes: an endpoint on instances, a serverless one, or one that hosts components."""
    variant: dict[str, Any] = {"VariantName": "Only", "ModelName": {"Fn::GetAtt": ["Model", "ModelName"]}}
    if kind == "serverless":
        variant["ServerlessConfig"] = {"MemorySizeInMB": 2048, "MaxConcurrency": 4}
    else:
        variant |= {"InstanceType": "ml.c5.xlarge", "InitialInstanceCount": 4}
    model: dict[str, Any] = {"PrimaryContainer": {"Image": "one"}}
    if kind != "serverless":
        model |= {"VpcConfig": {"Subnets": ["subnet-1"]}, "EnableNetworkIsolation": True}
    config: dict[str, Any] = {"ProductionVariants": [variant]}
    if kind == "components":
        del variant["ModelName"]
        variant["ManagedInstanceScaling"] = {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 2}
        config["ExecutionRoleArn"] = "arn:aws:iam::111122223333:role/one"
    if kind == "shadowed":
        config["ShadowProductionVariants"] = [SHADOW]
    if kind == "asynchronous":
        config["AsyncInferenceConfig"] = {"OutputConfig": {}}
    scaled = "ProvisionedConcurrency" if kind == "serverless" else "InstanceCount"
    return {
        "Model": {"Type": "AWS::SageMaker::Model", "Properties": model},
        "Config": {"Type": "AWS::SageMaker::EndpointConfig", "Properties": config},
        "Endpoint": {
            "Type": "AWS::SageMaker::Endpoint",
            "Properties": {"EndpointName": "one", "EndpointConfigName": {"Fn::GetAtt": ["Config", "Name"]}},
        },
        "Component": {
            "Type": "AWS::SageMaker::InferenceComponent",
            "Properties": {"Specification": {"ComputeResourceRequirements": {"MinMemoryRequiredInMb": 1024}}},
        },
        "Target": {
            "Type": "AWS::ApplicationAutoScaling::ScalableTarget",
            "Properties": {
                "ResourceId": "endpoint/one/variant/Only",
                "ScalableDimension": f"sagemaker:variant:Desired{scaled}",
                "MinCapacity": 0 if kind == "asynchronous" else 1,
            },
        },
    }


def canary(**changes: Any) -> dict[str, Any]:
    """A deployment that AWS takes, with changes of its traffic."""
    traffic: dict[str, Any] = {
        "Type": "CANARY",
        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 25},
        "WaitIntervalInSeconds": 300,
    }
    traffic |= changes
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {key: value for key, value in traffic.items() if value is not None},
            "TerminationWaitInSeconds": 120,
            "MaximumExecutionTimeoutInSeconds": 1800,
        }
    }


def rolling(share: int = 25, seconds: int = 1800) -> dict[str, Any]:
    """A rolling deployment."""
    return {
        "RollingUpdatePolicy": {
            "MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": share},
            "WaitIntervalInSeconds": 300,
            "MaximumExecutionTimeoutInSeconds": seconds,
        }
    }


SHADOW = {"VariantName": "Shadow", "ModelName": "two", "InstanceType": "ml.c5.xlarge", "InitialInstanceCount": 1}
LINEAR = {"Type": "LINEAR", "CanarySize": None}
SIZE = {"Type": "CAPACITY_PERCENT", "Value": 20}
ONE_OF_FOUR, THREE_OF_FOUR = ({"Type": "INSTANCE_COUNT", "Value": value} for value in (1, 3))

# rule, what is good to begin with, where (resource, path), what AWS takes there, what it refuses there
CASES: list[tuple[str, str, str, Any, Any]] = [
    ("serverless-or-instances", "serverless", "Config.ProductionVariants.0.InstanceType", None, "ml.m5.large"),
    ("serverless-or-instances", "serverless", "Config.ProductionVariants.0.InitialInstanceCount", None, 1),
    ("some-hardware", "real-time", "Config.ProductionVariants.0.InstanceType", "ml.m5.large", None),
    ("some-hardware", "serverless", "Config.ProductionVariants.0.ServerlessConfig", {"MemorySizeInMB": 1024}, None),
    ("variant-names", "real-time", "Config.ShadowProductionVariants", [SHADOW], [{**SHADOW, "VariantName": "Only"}]),
    (
        "shadow-pair",
        "real-time",
        "Config.ShadowProductionVariants",
        [SHADOW],
        [SHADOW, {**SHADOW, "VariantName": "Second"}],
    ),
    (
        "zero-instances",
        "real-time",
        "Config.ProductionVariants.0.ManagedInstanceScaling",
        {"MinInstanceCount": 1},
        {"MinInstanceCount": 0},
    ),
    ("zero-instances", "components", "Config.ProductionVariants.0.ModelName", None, "one"),
    ("elastic-inference", "real-time", "Config.ProductionVariants.0.AcceleratorType", None, "ml.eia2.medium"),
    ("component-role", "components", "Config.ExecutionRoleArn", "arn:aws:iam::111122223333:role/one", None),
    ("serverless-memory", "serverless", "Config.ProductionVariants.0.ServerlessConfig.MemorySizeInMB", 3072, 3000),
    ("serverless-memory", "serverless", "Config.ProductionVariants.0.ServerlessConfig.MemorySizeInMB", "6144", 7168),
    ("serverless-network", "serverless", "Model.VpcConfig", None, {"Subnets": ["subnet-1"]}),
    ("serverless-network", "serverless", "Model.EnableNetworkIsolation", False, True),
    ("serverless-network", "serverless", "Config.EnableNetworkIsolation", False, True),
    ("serverless-alone", "serverless", "Config.DataCaptureConfig", None, {"InitialSamplingPercentage": 10}),
    ("serverless-alone", "serverless", "Config.AsyncInferenceConfig", None, {"OutputConfig": {}}),
    ("serverless-alone", "serverless", "Config.ShadowProductionVariants", None, [SHADOW]),
    (
        "serverless-alone",
        "serverless",
        "Config.ProductionVariants.0.InferenceAmiVersion",
        None,
        "al2-ami-sagemaker-inference-gpu-2",
    ),
    (
        "provisioned-concurrency",
        "serverless",
        "Config.ProductionVariants.0.ServerlessConfig.ProvisionedConcurrency",
        4,
        5,
    ),
    ("shadow-model", "shadowed", "Model.Containers", None, [{"Image": "one"}, {"Image": "two"}]),
    ("shadow-model", "shadowed", "Model.PrimaryContainer.Mode", "SingleModel", "MultiModel"),
    ("shadow-pair", "shadowed", "Config.ProductionVariants.1", None, {**SHADOW, "VariantName": "Second"}),
    ("asynchronous-shadow", "asynchronous", "Config.ShadowProductionVariants", None, [SHADOW]),
    ("one-update-policy", "real-time", "Endpoint.DeploymentConfig", canary(), {**canary(), **rolling()}),
    ("step-size", "real-time", "Endpoint.DeploymentConfig", canary(), canary(CanarySize=None)),
    (
        "step-size",
        "real-time",
        "Endpoint.DeploymentConfig",
        canary(**LINEAR, LinearStepSize=SIZE),
        canary(**LINEAR),
    ),
    (
        "step-size",
        "real-time",
        "Endpoint.DeploymentConfig",
        canary(**LINEAR, LinearStepSize=SIZE),
        canary(LinearStepSize=SIZE),
    ),
    (
        "step-share",
        "real-time",
        "Endpoint.DeploymentConfig",
        canary(CanarySize={**SIZE, "Value": 50}),
        canary(CanarySize={**SIZE, "Value": 51}),
    ),
    (
        "step-share",
        "real-time",
        "Endpoint.DeploymentConfig",
        canary(CanarySize=ONE_OF_FOUR),
        canary(CanarySize=THREE_OF_FOUR),
    ),
    (
        "step-share",
        "real-time",
        "Endpoint.DeploymentConfig",
        canary(**LINEAR, LinearStepSize=SIZE),
        canary(**LINEAR, LinearStepSize={**SIZE, "Value": 9}),
    ),
    (
        "step-share",
        "real-time",
        "Endpoint.DeploymentConfig",
        canary(**LINEAR, LinearStepSize={**SIZE, "Value": 50}),
        canary(**LINEAR, LinearStepSize={**SIZE, "Value": 51}),
    ),
    ("step-share", "real-time", "Endpoint.DeploymentConfig", rolling(50), rolling(4)),
    ("step-share", "real-time", "Endpoint.DeploymentConfig", rolling(5, 28_800), rolling(51)),
    (
        "deployment-time",
        "real-time",
        "Endpoint.DeploymentConfig",
        canary(WaitIntervalInSeconds=600),
        canary(WaitIntervalInSeconds=1680),
    ),
    (
        "deployment-time",
        "real-time",
        "Endpoint.DeploymentConfig",
        canary(**LINEAR, LinearStepSize=SIZE),
        canary(**LINEAR, LinearStepSize=SIZE, WaitIntervalInSeconds=340),
    ),
    ("rolling-time", "real-time", "Endpoint.DeploymentConfig", rolling(25, 1201), rolling(25, 1200)),
    ("rolling-variants", "serverless", "Endpoint.DeploymentConfig", None, rolling()),
    (
        "serverless-shift",
        "serverless",
        "Endpoint.DeploymentConfig",
        canary(Type="ALL_AT_ONCE", CanarySize=None),
        canary(),
    ),
    ("one-container-kind", "real-time", "Model.Containers", None, [{"Image": "one"}]),
    ("component-resources", "real-time", "Component.Specification", {"BaseInferenceComponentName": "base"}, {}),
    ("scaled-dimension", "real-time", "Target.MinCapacity", 1, 0),
    ("scaled-dimension", "asynchronous", "Config.AsyncInferenceConfig", {"OutputConfig": {}}, None),
    (
        "scaled-dimension",
        "real-time",
        "Target.ScalableDimension",
        "sagemaker:variant:DesiredInstanceCount",
        "sagemaker:variant:DesiredProvisionedConcurrency",
    ),
    (
        "scaled-dimension",
        "serverless",
        "Target.ScalableDimension",
        "sagemaker:variant:DesiredProvisionedConcurrency",
        "sagemaker:variant:DesiredInstanceCount",
    ),
]


def put(resources: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with a value at a path; None takes it away."""
    changed = deepcopy(resources)
    logical_id, *parts, last = path.split(".")
    place = changed[logical_id]["Properties"]
    for part in parts:
        place = place[int(part) if part.isdigit() else part]
    if isinstance(place, list):
        place[int(last) :] = [] if value is None else [deepcopy(value)]
        return changed
    place.pop(last, None)
    if value is not None:
        place[last] = deepcopy(value)
    return changed


@pytest.mark.parametrize("kind", ["real-time", "serverless", "components", "asynchronous", "shadowed"])
def test_what_aws_takes_breaks_no_rule(kind: str) -> None:
    assert [one.reason for one in violations(good(kind))] == []


@pytest.mark.parametrize(("rule", "kind", "path", "taken", "refused"), CASES)
def test_each_rule_refuses_what_aws_refuses_and_nothing_else(
    rule: str, kind: str, path: str, taken: Any, refused: Any
) -> None:
    assert rule not in {one.rule.name for one in violations(put(good(kind), path, taken))}
    assert rule in {one.rule.name for one in violations(put(good(kind), path, refused))}


def test_every_rule_has_cases_a_remedy_and_a_page_of_aws() -> None:
    assert {rule.name for rule in RULES} == {case[0] for case in CASES}
    for rule in RULES:
        assert rule.remedy
        assert all(re.match(r"https://docs\.aws\.amazon\.com/", url) for url in rule.source.split())


def test_two_production_variants_roll_out_blue_green_only() -> None:
    resources = put(good(), "Endpoint.DeploymentConfig", rolling())
    variants = resources["Config"]["Properties"]["ProductionVariants"]
    variants.append({**variants[0], "VariantName": "Second"})
    assert {one.rule.name for one in violations(resources)} == {"rolling-variants"}


def test_what_only_the_deployment_knows_is_not_judged() -> None:
    unknown = {"Fn::ImportValue": "memory"}
    path = "Config.ProductionVariants.0.ServerlessConfig.MemorySizeInMB"
    assert list(violations(put(good("serverless"), path, unknown))) == []
    assert list(violations({"Odd": {"Type": "AWS::SageMaker::EndpointConfig", "Properties": "none"}})) == []


def test_every_mode_says_of_every_feature_whether_aws_offers_it_and_where_it_says_so() -> None:
    for mode in MODES:
        assert set(OFFERS[mode]) == set(FEATURES)
        for offer in OFFERS[mode].values():
            assert offer.source.startswith("https://docs.aws.amazon.com/")
            assert offer.offered is not (re.match(r"(no|not)\b", offer.says) is not None)


def test_what_a_mode_lacks_is_refused_by_name_with_the_modes_that_have_it() -> None:
    refuse_unoffered("real-time", "VPC", "shadow variant")
    with pytest.raises(ValueError, match=r"serverless has no VPC .*; allowed with it: real-time, asynchronous"):
        refuse_unoffered("serverless", "VPC")


# Inferentia2 -----------------------------------------------------------------------------------------------------

LLAMA = {
    "framework": "vllm-neuronx",
    "neuron_sdk": "2.26.1",
    "parameters_billion": Decimal(8),
    "bytes_per_parameter": Decimal(2),
    "kv_bytes_per_token": 131_072,
    "cores": 2,
    "sequence_length": 4096,
    "batch_size": 8,
}


def compiled(**changes: Any) -> Compiled:
    """A language model of 8 billion parameters, compiled for two cores."""
    return Compiled(**{**LLAMA, **changes})


def test_a_model_that_fits_is_served_on_inferentia2() -> None:
    refuse_misfit("ml.inf2.8xlarge", compiled(), image_for("vllm-neuronx", "2.26.1", "us-east-1"))


@pytest.mark.parametrize(
    ("machine", "changes", "reason"),
    [
        ("ml.inf2.xlarge", {}, "host memory; ml.inf2.xlarge has 16; machines that fit: ml.inf2.8xlarge"),
        ("ml.inf2.8xlarge", {"cores": 12}, "compiled for 12 NeuronCores; ml.inf2.8xlarge has 2"),
        ("ml.inf2.8xlarge", {"sequence_length": 131_072}, "exceed the 32.0 GiB of 2 cores"),
        ("ml.inf2.8xlarge", {"batch_size": 64}, "batch 64 x 4096 tokens"),
        ("ml.inf2.8xlarge", {"batch_size": 0}, "at least 1 x 1"),
        ("ml.inf2.8xlarge", {"neuron_sdk": "2.26.0"}, "compiled with Neuron SDK 2.26.0, the image has 2.26.1"),
        ("ml.inf2.8xlarge", {"parameters_billion": Decimal(900)}, "none: compile it for more cores"),
        ("ml.g5.xlarge", {}, "'ml.g5.xlarge' is no Inferentia2; allowed: ml.inf2.xlarge"),
    ],
)
def test_a_model_that_does_not_go_onto_its_machine_is_refused(
    machine: str, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        refuse_misfit(machine, compiled(**changes), image_for("vllm-neuronx", "2.26.1", "us-east-1"))


def test_a_model_of_another_neuron_sdk_has_no_image() -> None:
    with pytest.raises(
        ValueError, match=r"compiled with Neuron SDK '2\.20'.*allowed: 2\.26\.0, 2\.26\.1\. Compile it"
    ):
        image_for("vllm-neuronx", "2.20", "us-east-1")
    assert image_for("vllm-neuronx", "2.26", "us-east-1").neuron_sdk == "2.26.1"
    assert image_for("vllm-neuronx", "2.26.0", "us-east-1").neuron_sdk == "2.26.0"


def test_a_region_or_framework_without_an_image_is_refused() -> None:
    with pytest.raises(ValueError, match=r"is not in af-south-1; allowed: ap-northeast-1"):
        image_for("vllm-neuronx", "2.26", "af-south-1")
    with pytest.raises(ValueError, match=r"no Neuron image for 'xgboost'; allowed: pytorch-neuronx, vllm-neuronx"):
        image_for("xgboost", "2.26", "us-east-1")


def test_every_image_names_its_sdk_in_its_tag_and_every_machine_its_size() -> None:
    for image in IMAGES:
        assert f"sdk{image.neuron_sdk}-" in image.tag
        assert image.uri("us-east-1").endswith(f".amazonaws.com/{image.repository}:{image.tag}")
    assert [machine.cores for machine in MACHINES.values()] == [2, 2, 12, 24]


def test_the_page_of_serving_holds_the_tables_of_the_code() -> None:
    page = (ROOT / "docs/serving.md").read_text()
    assert renewed(page) == page, "run `make pages`"
