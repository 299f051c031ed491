"""CloudFormation's types about serving that ministack lacks. A new name makes a new one; the old one stays.

The platform's templates keep what an update replaces (UpdateReplacePolicy), so that an update never deletes here.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

Properties = Mapping[str, Any]
Provisioned = tuple[str, dict[str, Any]]
Connect = Callable[[str], Any]
LOOK_SECONDS = 0.05
LONGEST_SECONDS = 600.0
CHANGING = ("Creating", "Updating", "RollingBack")
CREATE_ONLY = ("RetainAllVariantProperties", "ExcludeRetainedVariantProperties", "RetainDeploymentConfig")


class ServingType:
    """Three functions of a type; `connect` gives the client of a service."""

    def create(self, properties: Properties, connect: Connect) -> Provisioned:
        """What Ref returns, and the attributes of GetAtt."""
        raise NotImplementedError

    def update(self, reference: str, old: Properties, new: Properties, connect: Connect) -> Provisioned:
        """The same after a change; by itself, what is new is made."""
        del reference, old
        return self.create(new, connect)

    def delete(self, reference: str, properties: Properties, connect: Connect) -> None:
        """It is gone."""
        raise NotImplementedError


class Named(ServingType):
    """A model or a configuration: never changed, only made anew under another name."""

    def __init__(self, kind: str) -> None:
        self._kind, self._call = kind, "model" if kind == "Model" else "endpoint_config"

    def create(self, properties: Properties, connect: Connect) -> Provisioned:
        made = getattr(connect("sagemaker"), f"create_{self._call}")(**properties)
        name = f"{self._kind}Name"
        return made[f"{self._kind}Arn"], {name: properties[name]}

    def update(self, reference: str, old: Properties, new: Properties, connect: Connect) -> Provisioned:
        name = f"{self._kind}Name"
        if old[name] != new[name]:
            return self.create(new, connect)
        if {**old, "Tags": 0} != {**new, "Tags": 0}:
            raise ValueError(f"{self._kind} {new[name]} already exists: a change needs another name")
        return reference, {name: new[name]}

    def delete(self, reference: str, properties: Properties, connect: Connect) -> None:
        del properties
        name = f"{self._kind}Name"
        getattr(connect("sagemaker"), f"delete_{self._call}")(**{name: reference.rpartition("/")[2]})


class EndpointType(ServingType):
    """An endpoint; CloudFormation waits for its deployment, and fails with it."""

    def create(self, properties: Properties, connect: Connect) -> Provisioned:
        client = connect("sagemaker")
        client.create_endpoint(**{name: value for name, value in properties.items() if name not in CREATE_ONLY})
        return _settled(client, properties)

    def update(self, reference: str, old: Properties, new: Properties, connect: Connect) -> Provisioned:
        del reference
        client = connect("sagemaker")
        if old["EndpointConfigName"] != new["EndpointConfigName"]:
            client.update_endpoint(**{name: value for name, value in new.items() if name != "Tags"})
        return _settled(client, new)

    def delete(self, reference: str, properties: Properties, connect: Connect) -> None:
        del properties
        connect("sagemaker").delete_endpoint(EndpointName=reference.rpartition("/")[2])


class InferenceComponentType(ServingType):
    """Copies of a model on an endpoint; its update is a rolling one, and CloudFormation fails with it."""

    def create(self, properties: Properties, connect: Connect) -> Provisioned:
        client = connect("sagemaker")
        client.create_inference_component(**_without(properties, "DeploymentConfig", "EndpointArn"))
        return _component_settled(client, properties)

    def update(self, reference: str, old: Properties, new: Properties, connect: Connect) -> Provisioned:
        del reference
        client, fixed = connect("sagemaker"), ("InferenceComponentName", "EndpointName", "VariantName")
        if changed := [name for name in fixed if old.get(name) != new.get(name)]:
            raise ValueError(f"inference component: a change of {', '.join(changed)} is not emulated")
        if _without(old, "Tags") != _without(new, "Tags"):
            client.update_inference_component(**_without(new, "EndpointName", "EndpointArn", "VariantName", "Tags"))
        return _component_settled(client, new)

    def delete(self, reference: str, properties: Properties, connect: Connect) -> None:
        del properties
        name = reference.rpartition("/")[2]
        connect("sagemaker").delete_inference_component(InferenceComponentName=name)


def _without(properties: Properties, *names: str) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if name not in names}


def _component_settled(client: Any, properties: Properties) -> Provisioned:
    name, until = properties["InferenceComponentName"], time.monotonic() + LONGEST_SECONDS
    describe = client.describe_inference_component
    while (found := describe(InferenceComponentName=name))["InferenceComponentStatus"] in CHANGING:
        if time.monotonic() > until:
            raise TimeoutError(f"inference component {name} is still {found['InferenceComponentStatus']}")
        time.sleep(LOOK_SECONDS)
    if found["InferenceComponentStatus"] != "InService" or "FailureReason" in found:
        raise RuntimeError(found.get("FailureReason", f"inference component {name} failed"))
    return found["InferenceComponentArn"], {"InferenceComponentArn": found["InferenceComponentArn"]}


def _settled(client: Any, properties: Properties) -> Provisioned:
    name, until = properties["EndpointName"], time.monotonic() + LONGEST_SECONDS
    while (found := client.describe_endpoint(EndpointName=name))["EndpointStatus"] in CHANGING:
        if time.monotonic() > until:
            raise TimeoutError(f"endpoint {name} is still {found['EndpointStatus']}")
        time.sleep(LOOK_SECONDS)
    if found["EndpointStatus"] != "InService" or found["EndpointConfigName"] != properties["EndpointConfigName"]:
        raise RuntimeError(found.get("FailureReason", f"endpoint {name} is {found['EndpointStatus']}"))
    return found["EndpointArn"], {"EndpointName": name}


class ScalableTarget(ServingType):
    """What Application Auto Scaling may change, with its hours. Nothing is scaled here."""

    def create(self, properties: Properties, connect: Connect) -> Provisioned:
        client, scheduled = connect("application-autoscaling"), properties.get("ScheduledActions", [])
        given = {name: value for name, value in properties.items() if name not in ("ScheduledActions", "Tags")}
        client.register_scalable_target(**given)
        which = _which(properties)
        for action in scheduled:
            client.put_scheduled_action(**which, **action)
        reference = f"{which['ResourceId']}|{which['ScalableDimension']}|{which['ServiceNamespace']}"
        return reference, {"Id": reference}

    def delete(self, reference: str, properties: Properties, connect: Connect) -> None:
        del reference
        connect("application-autoscaling").deregister_scalable_target(**_which(properties))


class ScalingPolicy(ServingType):
    """A policy of a target."""

    def create(self, properties: Properties, connect: Connect) -> Provisioned:
        given = {name: value for name, value in properties.items() if name != "ScalingTargetId"}
        made = connect("application-autoscaling").put_scaling_policy(**_target(properties), **given)
        return made["PolicyARN"], {"Arn": made["PolicyARN"], "PolicyName": properties["PolicyName"]}

    def delete(self, reference: str, properties: Properties, connect: Connect) -> None:
        del reference
        client = connect("application-autoscaling")
        client.delete_scaling_policy(PolicyName=properties["PolicyName"], **_target(properties))


def _which(properties: Properties) -> dict[str, str]:
    return {name: properties[name] for name in ("ServiceNamespace", "ResourceId", "ScalableDimension")}


def _target(properties: Properties) -> dict[str, str]:
    resource, dimension, namespace = properties["ScalingTargetId"].split("|")
    return {"ServiceNamespace": namespace, "ResourceId": resource, "ScalableDimension": dimension}


class CompositeAlarm(ServingType):
    """An alarm over alarms."""

    def create(self, properties: Properties, connect: Connect) -> Provisioned:
        client, name = connect("cloudwatch"), properties["AlarmName"]
        client.put_composite_alarm(**properties)
        [found] = client.describe_alarms(AlarmNames=[name], AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
        return name, {"Arn": found["AlarmArn"]}

    def delete(self, reference: str, properties: Properties, connect: Connect) -> None:
        del properties
        connect("cloudwatch").delete_alarms(AlarmNames=[reference])


SERVING_TYPES: dict[str, ServingType] = {
    "AWS::ApplicationAutoScaling::ScalableTarget": ScalableTarget(),
    "AWS::ApplicationAutoScaling::ScalingPolicy": ScalingPolicy(),
    "AWS::CloudWatch::CompositeAlarm": CompositeAlarm(),
    "AWS::SageMaker::Endpoint": EndpointType(),
    "AWS::SageMaker::EndpointConfig": Named("EndpointConfig"),
    "AWS::SageMaker::InferenceComponent": InferenceComponentType(),
    "AWS::SageMaker::Model": Named("Model"),
}
