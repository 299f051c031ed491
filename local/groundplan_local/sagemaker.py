"""SageMaker: training jobs and MLflow servers that run here, and moto's control plane with what moto leaves out."""

from groundplan_local.bridge import Answer, Call
from groundplan_local.control_plane import ControlPlane
from groundplan_local.mlflow_servers import MlflowServers
from groundplan_local.training.operations import TrainingJobs


class SageMaker:
    """Answers every call of the SageMaker API."""

    def __init__(self, control_plane: ControlPlane, training_jobs: TrainingJobs, mlflow: MlflowServers) -> None:
        self._control_plane = control_plane
        self._training_jobs = training_jobs
        self._mlflow = mlflow

    def answer(self, call: Call) -> Answer:
        """From this package where it knows better, else from moto."""
        return self._training_jobs.answer(call) or self._mlflow.answer(call) or self._control_plane.answer(call)
