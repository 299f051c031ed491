"""Claims a run and makes its request: what the command line and the state machine do before SageMaker is asked."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from groundplan.claim import Claim, Launch
from groundplan.run_time import RunTime
from groundplan.training_request import Inputs, LaunchDefaults, build_request, fingerprint, job_name
from groundplan.workload import Workload
from groundplan_runtime.integrations.run_claims import RunClaims
from groundplan_runtime.integrations.training_request_check import refuse_invalid


@dataclass(frozen=True, kw_only=True)
class WantedRun:
    """A run that somebody wants done: of what, on what, for how long at most, and why again if it is forced."""

    workload: Workload
    environment: str
    defaults: LaunchDefaults
    inputs: Inputs
    run_time: RunTime
    spot: bool = True
    forced_reason: str | None = None

    @property
    def fingerprint(self) -> str:
        """What decides its result."""
        return fingerprint(self.workload, self.defaults, self.inputs)

    def request(self, claim: Claim | None = None) -> dict[str, Any]:
        """The request of CreateTrainingJob; without a claim one that shows what it will be like."""
        return build_request(
            self.workload,
            self.environment,
            self.defaults,
            self.inputs,
            job_suffix="0" * 17,
            spot=self.spot,
            claim=claim,
            max_runtime_seconds=self.run_time.seconds,
        )


@dataclass(frozen=True, kw_only=True)
class ClaimedRun:
    """A run that this launch alone may start. `held` is the claim that was there before."""

    claim: Claim
    held: Claim | None
    wish: Launch
    request: dict[str, Any]


def claim_run(claims: RunClaims, wanted: WantedRun, *, launch_id: str, now: datetime) -> ClaimedRun:
    """Take the claim. `launch_id` tells this launch from every other; asked again with the same one, it holds.

    Raises BadInput before anything is claimed when AWS would refuse the request, and Duplicate when the run was done
    or is under way.
    """
    refuse_invalid(wanted.request())
    training = wanted.workload.trained
    suffix = f"{now:%Y%m%d%H%M%S%f}"[:-3]
    wish = Launch(
        fingerprint=wanted.fingerprint,
        workload=wanted.workload.name,
        environment=wanted.environment,
        launch_id=launch_id,
        training_job_name=job_name(wanted.workload, wanted.fingerprint, suffix),
        seconds=training.max_wait_seconds if wanted.spot else wanted.run_time.seconds,
        forced_reason=wanted.forced_reason,
    )
    claim, before = claims.take(wish, now)
    held = before if before and before.launch_id != launch_id else None
    return ClaimedRun(claim=claim, held=held, wish=wish, request=wanted.request(claim))
