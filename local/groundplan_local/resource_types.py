"""CloudFormation types that ministack lacks, as a table: which calls make, show and end a resource.

A type that stands neither here nor in ministack fails a deployment by name before anything is created. A row goes
as soon as ministack has the type.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


def last_part(reference: str) -> str:
    """`arn:aws:sagemaker:…:model-package-group/name` -> `name`."""
    return reference.rpartition("/")[2]


@dataclass(frozen=True)
class ResourceType:
    """One row. Properties and attributes are spelled as CloudFormation and the API both spell them."""

    service: str
    create: str
    describe: str
    delete: str
    name: str  # the property that names a resource, in all three calls; CloudFormation invents it when it is absent
    ref: str  # what Ref returns, read off the answer of `describe`
    arn: str  # the attribute by which it is tagged
    attributes: tuple[str, ...]  # what GetAtt returns, likewise
    name_of: Callable[[str], str] = last_part  # what Ref returned -> its name
    not_emulated: Mapping[str, str] = field(
        default_factory=dict[str, str]
    )  # property -> why a template must not set it


RESOURCE_TYPES = {
    "AWS::SageMaker::MlflowTrackingServer": ResourceType(
        service="sagemaker",
        create="create_mlflow_tracking_server",
        describe="describe_mlflow_tracking_server",
        delete="delete_mlflow_tracking_server",
        name="TrackingServerName",
        ref="TrackingServerName",
        arn="TrackingServerArn",
        attributes=("TrackingServerArn",),
        not_emulated={
            "MlflowVersion": "the version is that of local/mlflow.lock",
            "AutomaticModelRegistration": "models of MLflow are not registered with SageMaker",
        },
    ),
    "AWS::SageMaker::ModelPackageGroup": ResourceType(
        service="sagemaker",
        create="create_model_package_group",
        describe="describe_model_package_group",
        delete="delete_model_package_group",
        name="ModelPackageGroupName",
        ref="ModelPackageGroupArn",
        arn="ModelPackageGroupArn",
        attributes=("ModelPackageGroupArn", "ModelPackageGroupStatus", "CreationTime"),
        not_emulated={"ModelPackageGroupPolicy": "moto has no policies of model package groups"},
    ),
}
