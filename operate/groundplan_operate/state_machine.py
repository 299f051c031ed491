"""Has the platform's state machine launch a run: it claims it and trains by its own role, not by that of a person."""

import json
import secrets
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, cast

from botocore.exceptions import ClientError

from groundplan.claim import Duplicate
from groundplan.refusal import Refused, bad
from groundplan_operate.accounts import Accounts
from groundplan_runtime.integrations.claimed_run import WantedRun
from groundplan_runtime.integrations.run_claims import RunClaims
from groundplan_runtime.integrations.sagemaker import NotKnown, SageMaker
from groundplan_runtime.integrations.waiting_executions import WaitingExecutions, evaluation_key

EVALUATION_SECONDS = 60  # from the end of a job until its execution waits for the gate


def launch_by_state_machine(accounts: Accounts, claims: RunClaims, wanted: WantedRun) -> str:
    """The name of the training job that SageMaker now has. Raises Duplicate, or Refused with what it says."""
    states, sagemaker = accounts.client("stepfunctions", "ai"), SageMaker(accounts.client("sagemaker", "ai"))
    launch_id = f"{datetime.now(UTC):%Y%m%d%H%M%S}-{secrets.token_hex(4)}"
    execution = _start(accounts, states, wanted, launch_id)
    pause = 0.2 if accounts.environment.embedded_aws else 3.0
    while True:
        told: dict[str, Any] = states.describe_execution(executionArn=execution)
        claim = claims.get(wanted.fingerprint)
        if claim and claim.launch_id == launch_id:
            try:
                sagemaker.describe("run", claim.training_job_name)
            except NotKnown:
                pass
            else:
                return claim.training_job_name
        if told["status"] != "RUNNING":
            if told.get("error") == "Duplicate" and claim:
                raise Duplicate(claim)
            raise Refused(f"execution {launch_id} of {accounts.names.training_machine()}: {_why(told)}")
        time.sleep(pause)


def wait_for_execution(accounts: Accounts, workload: str, training_job: str) -> bool:
    """Whether the execution that made a training job has come to wait for the gate, in time."""
    waiting = WaitingExecutions(accounts.client("s3", "ai"), accounts.names.artefacts_bucket())
    deadline = time.monotonic() + EVALUATION_SECONDS
    while waiting.get(evaluation_key(workload, training_job)) is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def _start(accounts: Accounts, states: Any, wanted: WantedRun, launch_id: str) -> str:
    environment, name = accounts.environment, accounts.names.training_machine()
    partition = accounts.session("ai").get_partition_for_region(environment.region)
    machine = f"arn:{partition}:states:{environment.region}:{environment.accounts.ai}:stateMachine:{name}"
    wish = {
        "workload": wanted.workload.name,
        "inputs": asdict(wanted.inputs),
        "spot": wanted.spot,
        "forced_reason": wanted.forced_reason,
        "launch_id": launch_id,
    }
    try:
        started = states.start_execution(stateMachineArn=machine, name=launch_id, input=json.dumps(wish))
    except ClientError as error:
        if error.response["Error"]["Code"] != "StateMachineDoesNotExist":
            raise
        deploy = f"deploy the environment first: make deploy ENV={environment.name}"
        raise bad("", "state machine", name, f"it does not exist; {deploy}") from None
    return str(started["executionArn"])


def _why(told: dict[str, Any]) -> str:
    cause = str(told.get("cause") or "")
    try:
        said: object = json.loads(cause)
    except ValueError:
        said = None
    if isinstance(said, dict):
        cause = str(cast(dict[str, object], said).get("errorMessage") or cause)
    return " ".join(part for part in (told["status"], told.get("error"), cause) if part)
