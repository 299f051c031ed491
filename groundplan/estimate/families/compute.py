"""Functions, containers, instances and builds.

Sources: https://aws.amazon.com/lambda/pricing/, https://aws.amazon.com/fargate/pricing/,
https://aws.amazon.com/ec2/pricing/on-demand/, https://aws.amazon.com/codebuild/pricing/.
"""

from collections.abc import Iterator
from decimal import Decimal

from groundplan.estimate.charge import Charge, hourly, used
from groundplan.estimate.resource import NotLiteral, Resource

# "up to 70 %": https://aws.amazon.com/fargate/pricing/; "up to 90 %": https://aws.amazon.com/ec2/spot/
FARGATE_SPOT_SAVING, EC2_SPOT_SAVING = Decimal("0.7"), Decimal("0.9")


def function(resource: Resource) -> Iterator[Charge]:
    """Requests, and GB-seconds of memory while it runs."""
    invocations = resource.usage("invocations")
    yield used("lambda/request", "invocations", invocations)
    architecture = "arm" if "arm64" in resource.list("Architectures") else "x86"
    gigabytes = resource.number("MemorySize", 128) / 1024
    seconds = resource.usage("duration_ms")
    yield used(
        f"lambda/duration/{architecture}",
        "invocations, duration_ms",
        invocations,
        None if seconds is None else seconds / 1000,
        gigabytes,
        note=f"{gigabytes * 1024:f} MB",
    )


def concurrency(resource: Resource) -> Iterator[Charge]:
    """Provisioned concurrency of a version or alias; nothing without it."""
    count = resource.number("ProvisionedConcurrencyConfig.ProvisionedConcurrentExecutions", 0)
    if count:
        function_of = resource.target("FunctionName")
        if function_of is None:
            raise NotLiteral("FunctionName")
        architecture = "arm" if "arm64" in function_of.list("Architectures") else "x86"
        seconds = count * function_of.number("MemorySize", 128) / 1024 * 730 * 3600
        yield Charge(f"lambda/provisioned_concurrency/{architecture}", seconds, note="GB-seconds kept warm")


def service(resource: Resource) -> Iterator[Charge]:
    """Fargate tasks of a service that run all month; on EC2 the instances are charged."""
    providers = [str(one.get("CapacityProvider")) for one in resource.list("CapacityProviderStrategy")]
    if resource.text("LaunchType", "FARGATE" if providers else "EC2") == "EC2":
        return
    tasks = resource.number("DesiredCount", 1)
    task = resource.target("TaskDefinition")
    if task is None:
        raise NotLiteral("TaskDefinition")
    arm = task.text("RuntimePlatform.CpuArchitecture", "X86_64") == "ARM64"
    suffix = "/arm" if arm else "/x86"
    saving = FARGATE_SPOT_SAVING if "FARGATE_SPOT" in providers else Decimal(0)
    note = f"{tasks:f} tasks" + (", spot" if saving else "")
    yield hourly(f"fargate/vcpu{suffix}", tasks * task.number("Cpu", 256) / 1024, note, saving)
    yield hourly(f"fargate/memory{suffix}", tasks * task.number("Memory", 512) / 1024, note, saving)


def instance(resource: Resource) -> Iterator[Charge]:
    """An instance that runs all month, and its volumes."""
    kind = resource.text("InstanceType", "m1.small")
    yield hourly(f"ec2/instance/{kind}", 1, kind)
    for index, _ in enumerate(resource.list("BlockDeviceMappings")):
        size = resource.number(f"BlockDeviceMappings.{index}.Ebs.VolumeSize", 0)
        if size:
            kind = resource.text(f"BlockDeviceMappings.{index}.Ebs.VolumeType", "gp2")
            yield Charge(f"ebs/{kind}/storage", size, note=f"{size:f} GB")


def group(resource: Resource) -> Iterator[Charge]:
    """As many instances as it wants, or at least has."""
    count = resource.number("DesiredCapacity", resource.number("MinSize", 0))
    if not count:
        return
    if configuration := resource.target("LaunchConfigurationName"):
        kind, spot = configuration.text("InstanceType"), configuration.value("SpotPrice") is not None
    elif template := resource.target("LaunchTemplate.LaunchTemplateId"):
        kind = template.text("LaunchTemplateData.InstanceType")
        spot = template.value("LaunchTemplateData.InstanceMarketOptions.MarketType") == "spot"
    else:
        raise NotLiteral("LaunchTemplate")
    note = f"{count:f} x {kind}" + (", spot" if spot else "")
    yield hourly(f"ec2/instance/{kind}", count, note, EC2_SPOT_SAVING if spot else Decimal(0))


def build(resource: Resource) -> Iterator[Charge]:
    """Minutes of builds."""
    machine = resource.text("Environment.ComputeType").removeprefix("BUILD_").lower()
    system = "arm" if resource.text("Environment.Type").startswith("ARM") else "linux"
    yield used(f"codebuild/{system}/{machine}", "build_minutes", resource.usage("build_minutes"))


def cluster(_: Resource) -> Iterator[Charge]:
    """The control plane."""
    yield hourly("eks/cluster")


CHARGED = {
    "AWS::AutoScaling::AutoScalingGroup": group,
    "AWS::CodeBuild::Project": build,
    "AWS::EC2::Instance": instance,
    "AWS::ECS::Service": service,
    "AWS::EKS::Cluster": cluster,
    "AWS::Lambda::Alias": concurrency,
    "AWS::Lambda::Function": function,
    "AWS::Lambda::Version": concurrency,
}

UNCHARGED = {
    "AWS::AutoScaling::AutoScalingGroup": "it wants no instance to begin with",
    "AWS::ECS::Service": "the instances of its cluster are charged: https://aws.amazon.com/ecs/pricing/",
    "AWS::Lambda::Alias": "charged with the function, without provisioned concurrency",
    "AWS::Lambda::Version": "charged with the function, without provisioned concurrency",
}
_WITH_FUNCTION = "charged with the function: https://aws.amazon.com/lambda/pricing/"
_WITH_INSTANCES = "charged through the instances or tasks that it runs: https://aws.amazon.com/ecs/pricing/"
FREE = {
    "AWS::AutoScaling::LaunchConfiguration": _WITH_INSTANCES,
    "AWS::AutoScaling::LifecycleHook": _WITH_INSTANCES,
    "AWS::AutoScaling::ScalingPolicy": _WITH_INSTANCES,
    "AWS::ApplicationAutoScaling::ScalableTarget": "what it scales is charged: https://aws.amazon.com/autoscaling/pricing/",
    "AWS::ApplicationAutoScaling::ScalingPolicy": "what it scales is charged: https://aws.amazon.com/autoscaling/pricing/",
    "AWS::Batch::ComputeEnvironment": "the instances and tasks of its jobs are charged: https://aws.amazon.com/batch/pricing/",
    "AWS::Batch::JobDefinition": "the instances and tasks of its jobs are charged: https://aws.amazon.com/batch/pricing/",
    "AWS::Batch::JobQueue": "the instances and tasks of its jobs are charged: https://aws.amazon.com/batch/pricing/",
    "AWS::EC2::LaunchTemplate": _WITH_INSTANCES,
    "AWS::ECS::CapacityProvider": _WITH_INSTANCES,
    "AWS::ECS::Cluster": _WITH_INSTANCES,
    "AWS::ECS::ClusterCapacityProviderAssociations": _WITH_INSTANCES,
    "AWS::ECS::TaskDefinition": _WITH_INSTANCES,
    "AWS::CodeBuild::SourceCredential": "charged with the builds: https://aws.amazon.com/codebuild/pricing/",
    "AWS::EKS::AccessEntry": "charged with the cluster: https://aws.amazon.com/eks/pricing/",
    "AWS::EKS::Addon": "charged with the cluster: https://aws.amazon.com/eks/pricing/",
    "AWS::Lambda::CodeSigningConfig": _WITH_FUNCTION,
    "AWS::Lambda::EventInvokeConfig": _WITH_FUNCTION,
    "AWS::Lambda::EventSourceMapping": _WITH_FUNCTION,
    "AWS::Lambda::LayerVersion": _WITH_FUNCTION,
    "AWS::Lambda::LayerVersionPermission": _WITH_FUNCTION,
    "AWS::Lambda::Permission": _WITH_FUNCTION,
    "AWS::Lambda::Url": _WITH_FUNCTION,
}
