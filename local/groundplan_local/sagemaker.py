"""SageMaker: training jobs, endpoints and MLflow servers that run here, and moto's control plane with additions."""

from groundplan_local.bridge import Answer, Call
from groundplan_local.control_plane import ControlPlane
from groundplan_local.mlflow_servers import MlflowServers
from groundplan_local.serving.operations import Endpoints
from groundplan_local.training.operations import TrainingJobs


class SageMaker:
    """Answers every call of the SageMaker API."""

    def __init__(
        self,
        control_plane: ControlPlane,
        training_jobs: TrainingJobs,
        mlflow: MlflowServers,
        endpoints: Endpoints,
    ) -> None:
        self._control_plane = control_plane
        self._training_jobs = training_jobs
        self._mlflow = mlflow
        self._endpoints = endpoints

    def answer(self, call: Call) -> Answer:
        """From this package where it knows better, else from moto."""
        found = self._training_jobs.answer(call) or self._mlflow.answer(call) or self._endpoints.answer(call)
        return found or self._control_plane.answer(call)
