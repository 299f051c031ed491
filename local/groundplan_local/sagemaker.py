"""SageMaker: training jobs that run here, and moto's control plane with the events that moto does not send."""

from groundplan_local.bridge import Answer, Call, Moto
from groundplan_local.training.operations import TrainingJobs


class SageMaker:
    """Answers every call of the SageMaker API."""

    def __init__(self, moto: Moto, training_jobs: TrainingJobs) -> None:
        self._moto = moto
        self._training_jobs = training_jobs

    def answer(self, call: Call) -> Answer:
        """From this package where it knows better, else from moto."""
        return self._training_jobs.answer(call) or self._moto.call(call)
