"""SageMaker and Bedrock.

Sources: https://aws.amazon.com/sagemaker/ai/pricing/, https://aws.amazon.com/bedrock/pricing/.
"""

from collections.abc import Iterator
from decimal import Decimal

from groundplan.estimate.charge import Charge, free, hourly, used
from groundplan.estimate.resource import NotLiteral, Resource


def endpoint(resource: Resource) -> Iterator[Charge]:
    """The instances of its configuration, or what a serverless one computes; shadow variants run and cost too."""
    configuration = resource.target("EndpointConfigName")
    if configuration is None:
        raise NotLiteral("EndpointConfigName")
    for kind in ("ProductionVariants", "ShadowProductionVariants"):
        for index, _ in enumerate(configuration.list(kind)):
            yield from _variant(resource, configuration, f"{kind}.{index}")


def _variant(endpoint: Resource, configuration: Resource, variant: str) -> Iterator[Charge]:
    memory = configuration.number(f"{variant}.ServerlessConfig.MemorySizeInMB", 0)
    if memory:
        yield from _serverless(endpoint, configuration, variant, memory)
        return
    kind = configuration.text(f"{variant}.InstanceType")
    count = configuration.number(f"{variant}.InitialInstanceCount", 1)
    yield hourly(f"sagemaker/hosting/{kind}", count, f"{count:f} x {kind}, as many as at the start")
    size = configuration.number(f"{variant}.VolumeSizeInGB", 0)
    if size:
        yield Charge("sagemaker/endpoint_storage", size * count, note=f"{size * count:f} GB")
    payload = endpoint.usage("payload_gb")
    yield used("sagemaker/inference_data", "payload_gb", payload, note="data in and out")


def _serverless(endpoint: Resource, configuration: Resource, variant: str, memory: Decimal) -> Iterator[Charge]:
    gigabytes = memory / 1024
    requests, duration = endpoint.usage("requests"), endpoint.usage("inference_ms")
    seconds = None if duration is None else duration / 1000
    yield used(f"sagemaker/serverless/{gigabytes:f}gb", "requests, inference_ms", requests, seconds)
    yield used("sagemaker/inference_data", "payload_gb", endpoint.usage("payload_gb"), note="data in and out")
    kept = configuration.number(f"{variant}.ServerlessConfig.ProvisionedConcurrency", 0)
    if kept:
        yield Charge(f"sagemaker/serverless/provisioned/{gigabytes:f}gb", kept * 730 * 3600, note="seconds kept warm")


def notebook(resource: Resource) -> Iterator[Charge]:
    """An instance that runs until somebody stops it, and its volume."""
    kind = resource.text("InstanceType")
    yield hourly(f"sagemaker/notebook/{kind}", 1, f"{kind}, unless stopped")
    yield Charge("sagemaker/notebook_storage", resource.number("VolumeSizeInGB", 5))


def app(resource: Resource) -> Iterator[Charge]:
    """An instance, while the app runs."""
    kind = resource.text("ResourceSpec.InstanceType", "system")
    if kind != "system":
        yield used(f"sagemaker/studio/{kind}", "hours", resource.usage("hours"))


def tracking_server(resource: Resource) -> Iterator[Charge]:
    """A server by size and hour, and what it stores."""
    yield hourly(f"sagemaker/mlflow/{resource.text('TrackingServerSize', 'Small').lower()}")
    yield used("sagemaker/mlflow/storage", "storage_gb", resource.usage("storage_gb"))


def cluster(resource: Resource) -> Iterator[Charge]:
    """Instances of every group, all month."""
    for index, _ in enumerate(resource.list("InstanceGroups")):
        kind = resource.text(f"InstanceGroups.{index}.InstanceType")
        count = resource.number(f"InstanceGroups.{index}.InstanceCount")
        yield hourly(f"sagemaker/cluster/{kind}", count, f"{count:f} x {kind}")


def feature_group(resource: Resource) -> Iterator[Charge]:
    """Requests and storage of the online store; the offline one is a bucket."""
    if resource.value("OnlineStoreConfig"):
        for unit in ("read", "write"):
            yield used(f"sagemaker/feature_store/{unit}", f"{unit}_units", resource.usage(f"{unit}_units"))
        yield used("sagemaker/feature_store/storage", "storage_gb", resource.usage("storage_gb"))


def monitoring(resource: Resource) -> Iterator[Charge]:
    """The instances of its jobs."""
    name = f"{resource.type.rpartition('::')[2]}"
    prefix = "MonitoringScheduleConfig.MonitoringJobDefinition.MonitoringResources" if "Schedule" in name else ""
    path = f"{prefix or 'JobResources'}.ClusterConfig.InstanceType"
    yield used(f"sagemaker/processing/{resource.text(path)}", "hours", resource.usage("hours"))


def guardrail(resource: Resource) -> Iterator[Charge]:
    """Text units of a thousand characters, for each kind of policy."""
    for policy in ("ContentPolicyConfig", "TopicPolicyConfig", "ContextualGroundingPolicyConfig"):
        if resource.value(policy):
            name = policy.removesuffix("PolicyConfig")
            key = {"Content": "content", "Topic": "topic", "ContextualGrounding": "grounding"}[name]
            yield used(f"bedrock_guardrail/{key}", "text_units", resource.usage("text_units"))
    if resource.value("SensitiveInformationPolicyConfig.PiiEntitiesConfig"):
        yield used("bedrock_guardrail/pii", "text_units", resource.usage("text_units"))


def inference_profile(resource: Resource) -> Iterator[Charge]:
    """Tokens of the model or profile that it copies."""
    model = resource.text("ModelSource.CopyFrom").rpartition("/")[2]
    yield used(f"bedrock/{model}/input", "input_tokens", resource.usage("input_tokens"))
    yield used(f"bedrock/{model}/output", "output_tokens", resource.usage("output_tokens"))


def knowledge_base(resource: Resource) -> Iterator[Charge]:
    """Tokens that are embedded; the store is charged by itself."""
    configuration = "KnowledgeBaseConfiguration.VectorKnowledgeBaseConfiguration.EmbeddingModelArn"
    model = resource.text(configuration).rpartition("/")[2]
    yield used(f"bedrock/{model}/input", "embedded_tokens", resource.usage("embedded_tokens"))


CHARGED = {
    "AWS::Bedrock::ApplicationInferenceProfile": inference_profile,
    "AWS::Bedrock::Guardrail": guardrail,
    "AWS::Bedrock::KnowledgeBase": knowledge_base,
    "AWS::SageMaker::App": app,
    "AWS::SageMaker::Cluster": cluster,
    "AWS::SageMaker::DataQualityJobDefinition": monitoring,
    "AWS::SageMaker::Endpoint": endpoint,
    "AWS::SageMaker::FeatureGroup": feature_group,
    "AWS::SageMaker::MlflowTrackingServer": tracking_server,
    "AWS::SageMaker::MonitoringSchedule": monitoring,
    "AWS::SageMaker::NotebookInstance": notebook,
}

UNCHARGED = {
    "AWS::Bedrock::Guardrail": "word filters and regular expressions are free: https://aws.amazon.com/bedrock/pricing/",
    "AWS::SageMaker::App": "system apps have no instance: https://aws.amazon.com/sagemaker/ai/pricing/",
    "AWS::SageMaker::FeatureGroup": "an offline store is charged as a bucket: https://aws.amazon.com/sagemaker/ai/pricing/",
}
_SAGEMAKER = "a definition; the instances that it runs on are charged: https://aws.amazon.com/sagemaker/ai/pricing/"
_BEDROCK = "a definition; the tokens of the models behind it are charged: https://aws.amazon.com/bedrock/pricing/"
FREE = {
    **free(
        "AWS::SageMaker",
        """
        AppImageConfig CodeRepository Device DeviceFleet Domain EndpointConfig Image ImageVersion
        InferenceComponent Model ModelCard ModelPackage ModelPackageGroup
        NotebookInstanceLifecycleConfig Pipeline Project Space StudioLifecycleConfig UserProfile
        Workteam
        """,
        _SAGEMAKER,
    ),
    **free(
        "AWS::Bedrock",
        """
        Agent AgentAlias DataSource EnforcedGuardrailConfiguration Flow FlowAlias FlowVersion
        GuardrailVersion Prompt PromptVersion
        """,
        _BEDROCK,
    ),
}
