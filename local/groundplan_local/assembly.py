"""Puts ministack, moto and what this package adds together. Imported after the settings are in place."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundplan_local import (
    bridge,
    bucket_policies,
    canned_models,
    cloudformation,
    enforcement,
    function_code,
    function_roles,
    guardrails,
    image_builds,
    invocations,
    log_delivery,
    settled_stacks,
    state_machine_task,
    web_functions,
)
from groundplan_local.bridge import Answer, Call, Moto
from groundplan_local.control_plane import ControlPlane
from groundplan_local.joints import joint
from groundplan_local.mlflow_servers import MlflowServers
from groundplan_local.queue_alarms import QueueAlarms
from groundplan_local.sagemaker import SageMaker
from groundplan_local.serving import measures, scaling
from groundplan_local.serving.operations import Endpoints
from groundplan_local.training.operations import TrainingJobs


@dataclass(frozen=True)
class Assembly:
    """The application to serve, and what to end when it ends."""

    application: Callable[[Any, Any, Any], Awaitable[None]]
    training_jobs: TrainingJobs
    mlflow_servers: MlflowServers
    queue_alarms: QueueAlarms
    endpoints: Endpoints

    def start(self) -> None:
        """Begin what runs beside the answering of requests."""
        self.queue_alarms.start()
        self.endpoints.start()

    def close(self) -> None:
        """End everything that the server started."""
        self.queue_alarms.close()
        self.endpoints.close()
        self.training_jobs.close()
        self.mlflow_servers.close()


def assemble(state: Path, enforce_iam: bool) -> Assembly:
    """The embedded AWS; training jobs, endpoints and MLflow servers live below `state`."""
    moto = Moto()
    training_jobs = TrainingJobs(state / "training")
    mlflow_servers = MlflowServers(state / "mlflow")
    endpoints = Endpoints(state / "serving")
    sagemaker = SageMaker(ControlPlane(moto), training_jobs, mlflow_servers, endpoints)

    def answer(call: Call) -> Answer:
        if call.service.startswith("sagemaker"):
            return sagemaker.answer(call)
        answered = moto.call(call)
        return endpoints.scaling.noticed(call, answered) if call.service == "application-autoscaling" else answered

    bridge.install(answer)
    bucket_policies.install()
    cloudformation.install()
    function_code.install()
    function_roles.install()
    guardrails.install()
    canned_models.install()
    image_builds.install()
    invocations.install()
    log_delivery.install()
    measures.install()
    scaling.install()
    settled_stacks.install()
    state_machine_task.install()
    web_functions.install()
    if enforce_iam:
        enforcement.install()
    return Assembly(joint("ministack.app", "app"), training_jobs, mlflow_servers, QueueAlarms(), endpoints)
