"""What serves: an image and an archive under a role, and as SageMaker's model with a name that carries its hash."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from groundplan.canonical import digest
from groundplan_constructs.acknowledgement import acknowledge
from groundplan_constructs.replaced import keep_replaced
from groundplan_constructs.sagemaker_permissions import Placement
from groundplan_constructs.serving_role import ServingRole

HASH_LENGTH = 10
_NOT_ISOLATED = "AWS offers serverless endpoints neither a VPC nor network isolation."


@dataclass(frozen=True, kw_only=True)
class Served:
    """An image, the archive of the model, the role that reads it, and where it runs.

    Without a `placement` (serverless) there is no VPC; with one the container is isolated from every network.
    """

    image: str
    model_data_url: str
    role: ServingRole
    placement: Placement | None
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        if not cdk.Token.is_unresolved(self.model_data_url) and not self.model_data_url.startswith("s3://"):
            raise ValueError(f"model_data_url must begin with s3://, got '{self.model_data_url}'")


class ServedModel(Construct):
    """A model called `<name>-<hash>`: whatever changes, a new one is made before the old one goes.

    An old one is kept when it is replaced: AWS patches an endpoint's machines from the model that they began with.
    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/realtime-endpoints-delete-resources.html
    """

    def __init__(self, scope: Construct, construct_id: str, *, name: str, served: Served) -> None:
        super().__init__(scope, construct_id)
        place = served.placement
        properties: dict[str, Any] = {
            "execution_role_arn": served.role.role.role_arn,
            "enable_network_isolation": place is not None,
            "primary_container": sagemaker.CfnModel.ContainerDefinitionProperty(
                image=served.image, model_data_url=served.model_data_url, environment=dict(served.environment)
            ),
            "vpc_config": place
            and sagemaker.CfnModel.VpcConfigProperty(
                subnets=list(place.subnet_ids), security_group_ids=list(place.security_group_ids)
            ),
        }
        self.name = hashed(self, name, {**properties, "role": served.role.name})
        self.resource = sagemaker.CfnModel(self, "Resource", model_name=self.name, **properties)
        keep_replaced(self.resource)
        if place is None:
            acknowledge(self.resource, _NOT_ISOLATED, "CKV_AWS_370")
        self.resource.node.add_dependency(served.role.permissions)


def hashed(scope: Construct, name: str, properties: Mapping[str, Any]) -> str:
    """`<name>-<hash>` of properties, so that other properties make another name.

    What only the deployment knows does not count: whoever refers to what is replaced gives its name.
    """
    return f"{name}-{digest(cdk.Stack.of(scope).resolve(properties))[:HASH_LENGTH]}"
