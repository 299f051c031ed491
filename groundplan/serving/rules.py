"""What AWS refuses of an endpoint although CloudFormation's schemas let it pass, found in the template.

Each rule looks at one resource of a template as CDK writes it. What is an intrinsic function and not known before
deployment is not judged.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from groundplan.json_value import mapping, sequence

_GUIDE = "https://docs.aws.amazon.com/sagemaker/latest/dg"
_API = "https://docs.aws.amazon.com/sagemaker/latest/APIReference"
_VARIANT = f"{_API}/API_ProductionVariant.html"
_CONFIG = f"{_API}/API_CreateEndpointConfig.html"
_EXCLUDED = f"{_GUIDE}/serverless-endpoints.html#serverless-endpoints-how-it-works-exclusions"
_ZERO = f"{_GUIDE}/endpoint-auto-scaling-zero-instances.html"
_BLUE_GREEN = f"{_API}/API_BlueGreenUpdatePolicy.html"
_TRAFFIC = f"{_API}/API_TrafficRoutingConfig.html"
_ROLLING = f"{_API}/API_RollingUpdatePolicy.html"
_LEAST_MEMORY, _MOST_MEMORY, _GIB = 1024, 6144, 1024

Resources = Mapping[str, Mapping[str, Any]]
Check = Callable[["Found"], Iterator[str]]


@dataclass(frozen=True)
class Found:
    """A resource and its template."""

    logical_id: str
    type: str
    properties: Mapping[str, Any]
    resources: Resources

    def referred(self, value: object) -> "Found | None":
        """The resource of the same template that a value refers to."""
        named = mapping(value).get("Ref") or next(iter(sequence(mapping(value).get("Fn::GetAtt"))), None)
        found = self.resources.get(named) if isinstance(named, str) else None
        return _found(named, found, self.resources) if found and isinstance(named, str) else None

    @property
    def variants(self) -> list[Mapping[str, Any]]:
        """Production variants of an endpoint's configuration."""
        return [mapping(one) for one in sequence(self.properties.get("ProductionVariants"))]

    @property
    def shadows(self) -> list[Mapping[str, Any]]:
        """Its shadow variants."""
        return [mapping(one) for one in sequence(self.properties.get("ShadowProductionVariants"))]

    @property
    def serverless(self) -> bool:
        """Whether a variant is serverless."""
        return any("ServerlessConfig" in one for one in (*self.variants, *self.shadows))

    @property
    def policies(self) -> Mapping[str, Any]:
        """How an endpoint is deployed."""
        return mapping(self.properties.get("DeploymentConfig"))


@dataclass(frozen=True)
class Rule:
    """One thing that AWS refuses: for which type, what must hold, what to do, and where AWS says so."""

    name: str
    type: str
    says: str
    remedy: str
    source: str
    check: Check


@dataclass(frozen=True)
class Violation:
    """A rule that a resource breaks, and how."""

    rule: Rule
    logical_id: str
    reason: str


def violations(resources: Resources) -> Iterator[Violation]:
    """Everything in a template's resources that AWS would refuse at deployment."""
    for logical_id, resource in resources.items():
        found = _found(logical_id, resource, resources)
        for rule in RULES:
            if rule.type == found.type:
                yield from (Violation(rule, logical_id, reason) for reason in rule.check(found))


def _found(logical_id: str, resource: Mapping[str, Any], resources: Resources) -> Found:
    return Found(logical_id, str(resource.get("Type")), mapping(resource.get("Properties")), resources)


def _whole(value: object) -> int | None:
    """A number that is known before deployment; CloudFormation takes it as text, too."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() else None


def _name(variant: Mapping[str, Any]) -> str:
    return str(variant.get("VariantName", "without a name"))


# Variants --------------------------------------------------------------------------------------------------------


def _hardware(found: Found) -> Iterator[str]:
    for variant in (*found.variants, *found.shadows):
        on_instances = [name for name in ("InstanceType", "InstancePools", "InitialInstanceCount") if name in variant]
        if "ServerlessConfig" in variant and on_instances:
            yield f"variant {_name(variant)} has ServerlessConfig and {', '.join(on_instances)}"


def _some_hardware(found: Found) -> Iterator[str]:
    for variant in (*found.variants, *found.shadows):
        if not {"ServerlessConfig", "InstanceType", "InstancePools"} & variant.keys():
            yield f"variant {_name(variant)} has neither InstanceType nor ServerlessConfig"


def _names_differ(found: Found) -> Iterator[str]:
    names = Counter(str(one.get("VariantName")) for one in (*found.variants, *found.shadows))
    for name, count in names.items():
        if count > 1:
            yield f"{count} variants are called {name}"


def _shadow_pair(found: Found) -> Iterator[str]:
    if found.shadows and (len(found.variants), len(found.shadows)) != (1, 1):
        yield f"{len(found.variants)} production and {len(found.shadows)} shadow variants"


def _zero(found: Found) -> Iterator[str]:
    for variant in (*found.variants, *found.shadows):
        least = _whole(mapping(variant.get("ManagedInstanceScaling")).get("MinInstanceCount"))
        if least == 0 and "ModelName" in variant:
            yield f"variant {_name(variant)} has MinInstanceCount 0 and a model of its own"


def _elastic_inference(found: Found) -> Iterator[str]:
    for variant in (*found.variants, *found.shadows):
        if "AcceleratorType" in variant:
            yield f"variant {_name(variant)} asks for {variant['AcceleratorType']}"


def _component_role(found: Found) -> Iterator[str]:
    hosts = [_name(one) for one in found.variants if "ModelName" not in one]
    if hosts and "ExecutionRoleArn" not in found.properties:
        yield f"variant {hosts[0]} has no model, and the configuration no ExecutionRoleArn"


# Serverless ------------------------------------------------------------------------------------------------------


def _memory(found: Found) -> Iterator[str]:
    for variant in found.variants:
        given = mapping(variant.get("ServerlessConfig")).get("MemorySizeInMB")
        memory = _whole(given)
        if memory is not None and (memory % _GIB or not _LEAST_MEMORY <= memory <= _MOST_MEMORY):
            yield f"variant {_name(variant)} has {memory} MB"


def _serverless_network(found: Found) -> Iterator[str]:
    if not found.serverless:
        return
    places = [("the configuration", found.properties)]
    for variant in found.variants:
        if model := found.referred(variant.get("ModelName")):
            places.append((f"the model {model.logical_id}", model.properties))
    for place, properties in places:
        for name in ("VpcConfig", "EnableNetworkIsolation"):
            if properties.get(name) not in (None, False, "false"):
                yield f"{place} sets {name}"


def _serverless_alone(found: Found) -> Iterator[str]:
    if not found.serverless:
        return
    if len(found.variants) > 1:
        yield f"{len(found.variants)} production variants"
    for name in ("DataCaptureConfig", "AsyncInferenceConfig", "ShadowProductionVariants", "ExplainerConfig"):
        if name in found.properties:
            yield f"{name} is set"
    for variant in found.variants:
        if "InferenceAmiVersion" in variant or "ManagedInstanceScaling" in variant:
            yield f"variant {_name(variant)} describes instances"


def _provisioned(found: Found) -> Iterator[str]:
    for variant in found.variants:
        serverless = mapping(variant.get("ServerlessConfig"))
        kept, most = _whole(serverless.get("ProvisionedConcurrency")), _whole(serverless.get("MaxConcurrency"))
        if kept is not None and most is not None and kept > most:
            yield f"variant {_name(variant)} keeps {kept} warm of at most {most}"


def _async_shadow(found: Found) -> Iterator[str]:
    if "AsyncInferenceConfig" in found.properties and found.shadows:
        yield "AsyncInferenceConfig and ShadowProductionVariants"


def _shadow_model(found: Found) -> Iterator[str]:
    for variant in (*found.variants, *found.shadows) if found.shadows else ():
        model = found.referred(variant.get("ModelName"))
        container = mapping(model.properties.get("PrimaryContainer") if model else None)
        if model and ("Containers" in model.properties or container.get("Mode") == "MultiModel"):
            yield f"the model {model.logical_id} of variant {_name(variant)} is of several containers or models"


# Deployment ------------------------------------------------------------------------------------------------------


def _traffic(found: Found) -> Mapping[str, Any]:
    return mapping(mapping(found.policies.get("BlueGreenUpdatePolicy")).get("TrafficRoutingConfiguration"))


def _one_policy(found: Found) -> Iterator[str]:
    if {"BlueGreenUpdatePolicy", "RollingUpdatePolicy"} <= found.policies.keys():
        yield "BlueGreenUpdatePolicy and RollingUpdatePolicy are both set"


def _step_sizes(found: Found) -> Iterator[str]:
    traffic = _traffic(found)
    for kind, size in (("CANARY", "CanarySize"), ("LINEAR", "LinearStepSize")):
        if traffic.get("Type") == kind and size not in traffic:
            yield f"{kind} without {size}"
        if traffic.get("Type") != kind and size in traffic:
            yield f"{traffic.get('Type')} with {size}"


def _instances(found: Found) -> int | None:
    configuration = found.referred(found.properties.get("EndpointConfigName"))
    counts = [_whole(one.get("InitialInstanceCount")) for one in configuration.variants] if configuration else []
    return counts[0] if len(counts) == 1 else None


def _share(found: Found, size: object) -> Decimal | None:
    """Per cent of the instances that a capacity size is, where that is known."""
    value, kind = _whole(mapping(size).get("Value")), mapping(size).get("Type")
    if value is None or kind == "CAPACITY_PERCENT":
        return None if value is None else Decimal(value)
    instances = _instances(found)
    return Decimal(100 * value) / instances if instances and kind == "INSTANCE_COUNT" else None


def _shares(found: Found) -> Iterator[str]:
    rolling = mapping(found.policies.get("RollingUpdatePolicy"))
    for name, size, least in (
        ("CanarySize", _traffic(found).get("CanarySize"), 0),
        ("LinearStepSize", _traffic(found).get("LinearStepSize"), 10),
        ("MaximumBatchSize", rolling.get("MaximumBatchSize"), 5),
    ):
        share = _share(found, size)
        if share is not None and not least <= share <= 50:
            bounds = f"{least} to 50 %" if least else "at most 50 %"
            yield f"{name} is {share.normalize():f} % of the instances; allowed: {bounds}"


def _waits(found: Found) -> Iterator[str]:
    policy = mapping(found.policies.get("BlueGreenUpdatePolicy"))
    most = _whole(policy.get("MaximumExecutionTimeoutInSeconds"))
    between = _whole(_traffic(found).get("WaitIntervalInSeconds")) or 0
    if most is None:
        return
    steps = 1
    if _traffic(found).get("Type") == "LINEAR":
        share = _share(found, _traffic(found).get("LinearStepSize"))
        steps = -int(-100 // share) if share else 1
    waits = steps * between + (_whole(policy.get("TerminationWaitInSeconds")) or 0)
    if most <= waits:
        yield f"MaximumExecutionTimeoutInSeconds is {most}, the waits together are {waits} seconds"


def _rolling_waits(found: Found) -> Iterator[str]:
    policy = mapping(found.policies.get("RollingUpdatePolicy"))
    most, wait = _whole(policy.get("MaximumExecutionTimeoutInSeconds")), _whole(policy.get("WaitIntervalInSeconds"))
    share = _share(found, policy.get("MaximumBatchSize"))
    if most is not None and wait and share and most <= wait * -int(-100 // share):
        yield f"MaximumExecutionTimeoutInSeconds is {most}, the waits together are {wait * -int(-100 // share)}"


def _rolling_variants(found: Found) -> Iterator[str]:
    configuration = found.referred(found.properties.get("EndpointConfigName"))
    if "RollingUpdatePolicy" not in found.policies or configuration is None:
        return
    if configuration.serverless:
        yield "RollingUpdatePolicy on a serverless endpoint"
    if len(configuration.variants) > 1:
        yield f"RollingUpdatePolicy with {len(configuration.variants)} variants"


def _serverless_shift(found: Found) -> Iterator[str]:
    configuration = found.referred(found.properties.get("EndpointConfigName"))
    kind = _traffic(found).get("Type")
    if configuration and configuration.serverless and kind in ("CANARY", "LINEAR"):
        yield f"{kind} on a serverless endpoint"


# Models, components, scaling ---------------------------------------------------------------------------------------


def _one_container_kind(found: Found) -> Iterator[str]:
    if {"PrimaryContainer", "Containers"} <= found.properties.keys():
        yield "PrimaryContainer and Containers are both set"


def _component_resources(found: Found) -> Iterator[str]:
    specification = mapping(found.properties.get("Specification"))
    adapter = "BaseInferenceComponentName" in specification
    if adapter == ("ComputeResourceRequirements" in specification):
        yield ("an adapter has ComputeResourceRequirements" if adapter else "it says no ComputeResourceRequirements")


def _endpoint_of_target(found: Found) -> tuple[Found, Found] | None:
    """The endpoint that a scalable target names, by Ref, GetAtt or its name, and its configuration."""
    named = repr(found.properties.get("ResourceId"))
    for logical_id, resource in found.resources.items():
        if resource.get("Type") != "AWS::SageMaker::Endpoint":
            continue
        endpoint = _found(logical_id, resource, found.resources)
        name = endpoint.properties.get("EndpointName")
        if f"'{logical_id}'" in named or (isinstance(name, str) and f"endpoint/{name}/" in named):
            configuration = endpoint.referred(endpoint.properties.get("EndpointConfigName"))
            return (endpoint, configuration) if configuration else None
    return None


def _target_of_kind(found: Found) -> Iterator[str]:
    together, dimension = _endpoint_of_target(found), str(found.properties.get("ScalableDimension"))
    if together is None:
        return
    configuration = together[1]
    if dimension == "sagemaker:variant:DesiredInstanceCount":
        if configuration.serverless:
            yield "instances of a serverless endpoint are scaled"
        elif _whole(found.properties.get("MinCapacity")) == 0 and (
            "AsyncInferenceConfig" not in configuration.properties
        ):
            yield "MinCapacity is 0 for the instances of a real-time variant"
    if dimension == "sagemaker:variant:DesiredProvisionedConcurrency" and not configuration.serverless:
        yield "provisioned concurrency of an endpoint on instances is scaled"


_EC = "AWS::SageMaker::EndpointConfig"
_EP = "AWS::SageMaker::Endpoint"
RULES = (
    Rule(
        "serverless-or-instances",
        _EC,
        "A variant is serverless or on instances.",
        "remove ServerlessConfig, or InstanceType and InitialInstanceCount",
        _VARIANT,
        _hardware,
    ),
    Rule(
        "some-hardware",
        _EC,
        "A variant says on what it runs.",
        "give it InstanceType and InitialInstanceCount, or ServerlessConfig",
        _VARIANT,
        _some_hardware,
    ),
    Rule(
        "variant-names",
        _EC,
        "Variants of an endpoint have names of their own.",
        "rename all but one",
        _VARIANT,
        _names_differ,
    ),
    Rule(
        "shadow-pair",
        _EC,
        "A shadow variant stands beside exactly one production variant.",
        "keep one ProductionVariants entry and one ShadowProductionVariants entry",
        _CONFIG,
        _shadow_pair,
    ),
    Rule(
        "zero-instances",
        _EC,
        "Only a variant whose models are inference components goes down to no instance.",
        "carry the model by an inference component, or set MinInstanceCount to 1",
        _ZERO,
        _zero,
    ),
    Rule(
        "elastic-inference",
        _EC,
        "Elastic Inference is no longer available.",
        "remove AcceleratorType; take an instance type with an accelerator",
        _VARIANT,
        _elastic_inference,
    ),
    Rule(
        "component-role",
        _EC,
        "A variant that hosts inference components takes its role from the endpoint's configuration.",
        "set ExecutionRoleArn, or give the variant a ModelName",
        _CONFIG,
        _component_role,
    ),
    Rule(
        "serverless-memory",
        _EC,
        "Serverless memory is 1024, 2048, 3072, 4096, 5120 or 6144 MB.",
        "round it up to the next of these",
        f"{_API}/API_ProductionVariantServerlessConfig.html",
        _memory,
    ),
    Rule(
        "serverless-network",
        _EC,
        "A serverless endpoint has neither VPC nor network isolation.",
        "remove VpcConfig and EnableNetworkIsolation, or serve on instances",
        _EXCLUDED,
        _serverless_network,
    ),
    Rule(
        "serverless-alone",
        _EC,
        "A serverless endpoint has one variant, no data capture, no queue, no shadow, no accelerator.",
        "remove it, or serve on instances",
        _EXCLUDED,
        _serverless_alone,
    ),
    Rule(
        "provisioned-concurrency",
        _EC,
        "Provisioned concurrency is at most MaxConcurrency.",
        "lower ProvisionedConcurrency or raise MaxConcurrency",
        f"{_API}/API_ProductionVariantServerlessConfig.html",
        _provisioned,
    ),
    Rule(
        "asynchronous-shadow",
        _EC,
        "An asynchronous endpoint has no shadow variant.",
        "remove ShadowProductionVariants, or try the candidate on an endpoint of its own",
        f"{_GUIDE}/shadow-tests-exclusions.html",
        _async_shadow,
    ),
    Rule(
        "shadow-model",
        _EC,
        "A shadow test is of one container with one model.",
        "remove ShadowProductionVariants, or serve one model from one container",
        f"{_GUIDE}/shadow-tests-exclusions.html",
        _shadow_model,
    ),
    Rule(
        "one-update-policy",
        _EP,
        "A deployment is blue/green or rolling.",
        "remove one of the two",
        f"{_API}/API_DeploymentConfig.html",
        _one_policy,
    ),
    Rule(
        "step-size",
        _EP,
        "CANARY has a CanarySize, LINEAR a LinearStepSize, and neither has the other's.",
        "set the size of the shift's own type and remove the other",
        _TRAFFIC,
        _step_sizes,
    ),
    Rule(
        "step-share",
        _EP,
        "A canary is at most 50 % of the instances, a linear step 10 to 50 %, a rolling batch 5 to 50 %.",
        "take a share within these, of the instances that there are",
        f"{_TRAFFIC} {_ROLLING}",
        _shares,
    ),
    Rule(
        "deployment-time",
        _EP,
        "A deployment's time limit is longer than its waits together.",
        "raise MaximumExecutionTimeoutInSeconds or shorten the waits",
        _BLUE_GREEN,
        _waits,
    ),
    Rule(
        "rolling-time",
        _EP,
        "A rolling deployment's time limit is longer than the bakes of its batches together.",
        "raise MaximumExecutionTimeoutInSeconds, shorten WaitIntervalInSeconds or take larger batches",
        _ROLLING,
        _rolling_waits,
    ),
    Rule(
        "rolling-variants",
        _EP,
        "A rolling deployment is for one variant on instances.",
        "deploy blue/green",
        f"{_GUIDE}/deployment-guardrails-exclusions.html",
        _rolling_variants,
    ),
    Rule(
        "serverless-shift",
        _EP,
        "Canary and linear steps are shares of instances, of which a serverless endpoint has none.",
        "take ALL_AT_ONCE, or serve on instances",
        _TRAFFIC,
        _serverless_shift,
    ),
    Rule(
        "one-container-kind",
        "AWS::SageMaker::Model",
        "A model has one container or a pipeline of them.",
        "remove PrimaryContainer or Containers",
        f"{_API}/API_CreateModel.html",
        _one_container_kind,
    ),
    Rule(
        "component-resources",
        "AWS::SageMaker::InferenceComponent",
        "An inference component says what it needs of a machine; an adapter uses what its base has.",
        "set ComputeResourceRequirements, or BaseInferenceComponentName, and not both",
        f"{_API}/API_InferenceComponentSpecification.html",
        _component_resources,
    ),
    Rule(
        "scaled-dimension",
        "AWS::ApplicationAutoScaling::ScalableTarget",
        "Instances are scaled of what has instances, provisioned concurrency of what is serverless, and only an "
        "asynchronous variant goes down to no instance.",
        "scale what the endpoint has, from 1 up; or serve asynchronously or by inference components",
        f"{_ZERO} {_GUIDE}/async-inference-autoscale.html",
        _target_of_kind,
    ),
)
