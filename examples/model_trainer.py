"""Launches a workload with the SageMaker SDK's ModelTrainer: for notebooks of people who work with it anyway.

The request is the one of `groundplan train`, made by the same `build_request()`, and the run is claimed the same way.
The SDK weighs 730 MB, so it is an extra: pip install 'groundplan-operate[sagemaker]'; then, in a repository,

    python examples/model_trainer.py digit-reader -e local
"""

import os
from collections.abc import Mapping
from functools import partial
from typing import Any

import click
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.shapes import (
    Channel,
    CheckpointConfig,
    MetricDefinition,
    OutputDataConfig,
    StoppingCondition,
    Tag,
)
from sagemaker.core.training.configs import Compute, Networking
from sagemaker.core.utils.code_injection.codec import pascal_to_snake
from sagemaker.train import ModelTrainer

from groundplan.environment import read_environment
from groundplan.workload import read_trained_workload
from groundplan_operate.accounts import Accounts
from groundplan_operate.launch import How, launch
from groundplan_operate.options import in_environment, repository
from groundplan_operate.train import train_workload

# The SDK would report each call to its makers.
SETTINGS = {"SchemaVersion": "1.0", "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}}}


class PlatformTrainer(ModelTrainer):
    """A ModelTrainer with the job's name and entry point of a request; the SDK makes up its own for both."""

    request: dict[str, Any]

    def _create_training_job_args(self, *arguments: Any, **more: Any) -> dict[str, Any]:
        made = super()._create_training_job_args(*arguments, **more)
        made["training_job_name"] = self.request["TrainingJobName"]
        entry_point = self.request["AlgorithmSpecification"]["ContainerEntrypoint"]
        made["algorithm_specification"].container_entrypoint = entry_point
        return made


def model_trainer(request: dict[str, Any], boto_session: Any) -> PlatformTrainer:
    """The trainer that sends `request`, as build_request() makes it."""
    network = {
        "enable_network_isolation": request["EnableNetworkIsolation"],
        "enable_inter_container_traffic_encryption": request["EnableInterContainerTrafficEncryption"],
    }
    algorithm = request["AlgorithmSpecification"]
    # The SDK would ask IAM to simulate the role, which people here may not do; IAM judges it when the job begins.
    os.environ["SAGEMAKER_VALIDATE_ROLE"] = "false"
    trainer = PlatformTrainer(
        request=request,
        sagemaker_session=Session(boto_session=boto_session, sagemaker_config=SETTINGS),
        role=request["RoleArn"],
        training_image=algorithm["TrainingImage"],
        training_input_mode=algorithm["TrainingInputMode"],
        hyperparameters=request["HyperParameters"],
        input_data_config=[Channel(**_snake(channel)) for channel in request["InputDataConfig"]],
        output_data_config=OutputDataConfig(**_snake(request["OutputDataConfig"])),
        compute=Compute(
            **_snake(request["ResourceConfig"]), enable_managed_spot_training=request["EnableManagedSpotTraining"]
        ),
        networking=Networking(**_snake(request["VpcConfig"]), **network),
        stopping_condition=StoppingCondition(**_snake(request["StoppingCondition"])),
        checkpoint_config=CheckpointConfig(**_snake(request["CheckpointConfig"])),
        environment=request["Environment"],
        tags=[Tag(**_snake(tag)) for tag in request["Tags"]],
    )
    return trainer.with_metric_definitions(
        [MetricDefinition(**_snake(metric)) for metric in algorithm["MetricDefinitions"]]
    )


def _snake(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {pascal_to_snake(name): _snake(member) for name, member in value.items()}
    return [_snake(member) for member in value] if isinstance(value, list) else value


@click.command
@click.argument("workload_name", metavar="WORKLOAD")
@in_environment
def main(workload_name: str, environment_name: str) -> None:
    """Claim the run of WORKLOAD, let ModelTrainer ask for the job, and follow it."""
    root = repository()
    accounts = Accounts(root, read_environment(root, environment_name))
    if accounts.endpoint_url:
        os.environ["AWS_ENDPOINT_URL"] = accounts.endpoint_url

    def create(**request: Any) -> None:
        model_trainer(request, accounts.session("ai")).train(wait=False, logs=False)

    workload = read_trained_workload(root, workload_name)
    train_workload(accounts, workload, How(launches=partial(launch, create=create)), show=click.echo)


if __name__ == "__main__":
    main()
