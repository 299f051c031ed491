"""Around the jobs of the training state machine: looks for prepared data, claims a run, settles the claim."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from groundplan.claim import Claim
from groundplan.preparation import (
    InvalidData,
    Preparation,
    failure_reason,
    invalid,
    preparation_request,
    trains_on,
)
from groundplan.prices import PriceBook, read_prices
from groundplan.refusal import Refused
from groundplan.run_time import run_time
from groundplan_runtime.integrations.claimed_run import WantedRun, claim_run
from groundplan_runtime.integrations.client_config import CONFIG
from groundplan_runtime.integrations.lineage_recorder import cost_of
from groundplan_runtime.integrations.preparations import Preparations
from groundplan_runtime.integrations.run_claims import RunClaims
from groundplan_runtime.integrations.sagemaker import SageMaker
from groundplan_runtime.integrations.stored_launch import StoredLaunch, inputs_of
from groundplan_runtime.integrations.waiting_executions import WaitingExecutions, evaluation_key
from groundplan_runtime.launch_settings import Settings

logger = Logger()


@dataclass(frozen=True)
class _Account:
    settings: Settings
    book: PriceBook
    claims: RunClaims
    stored: StoredLaunch
    preparations: Preparations
    waiting: WaitingExecutions


@cache
def _account() -> _Account:
    # Lazy: importing this module must not need AWS or an environment.
    settings, api = Settings.read(), _boto3()
    book = read_prices(None, api.session.Session().region_name)
    table = api.resource("dynamodb", config=CONFIG).Table(settings.lineage_table)
    return _Account(
        settings,
        book,
        RunClaims(table, SageMaker(api.client("sagemaker", config=CONFIG)), cost_of(book)),
        StoredLaunch(
            api.client("ssm", config=CONFIG),
            api.client("s3", config=CONFIG),
            parameters=settings.launch_parameters,
            bucket=settings.artefacts_bucket,
            image_runs=settings.image_runs,
        ),
        Preparations(api.client("s3", config=CONFIG), settings.artefacts_bucket),
        WaitingExecutions(api.client("s3", config=CONFIG), settings.artefacts_bucket),
    )


def _boto3() -> Any:
    return boto3


@logger.inject_lambda_context
def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 - the decorator reads it
    """`{STEP: what it needs}`, with one of the steps of `groundplan.training_states`.

    Raises InvalidData for data that may not be trained on, and Duplicate for a run that was done or is under way: the
    execution fails with that word and the pointer.
    """
    [(step, given)] = event.items()
    return STEPS[step](given)


def _prepare(wish: Mapping[str, Any]) -> dict[str, Any]:
    """Where the data lie that are trained on, or the request of the job that makes them."""
    wanted, preparation = _wanted(wish)
    done = _account().preparations.data_uri(preparation)
    logger.info("prepared before" if done else "to be prepared", digest=preparation.digest, data_uri=done)
    if done:
        return {"wish": _with_data(wish, done), "request": None}
    request = preparation_request(
        wanted.workload,
        wanted.environment,
        wanted.defaults,
        wanted.inputs,
        preparation,
        job_suffix=f"{datetime.now(UTC):%Y%m%d%H%M%S%f}"[:-3],
        max_runtime_seconds=wanted.run_time.seconds,
    )
    return {"wish": wish, "request": request}


def _prepared(done: Mapping[str, Any]) -> dict[str, Any]:
    wish = done["wish"]
    wanted, preparation = _wanted(wish)
    data_uri = str(done["artefacts"]) if wanted.inputs.preprocesses else wanted.inputs.data_uri
    _account().preparations.keep(preparation, data_uri, training_job=str(done["training_job_name"]))
    return {"wish": _with_data(wish, data_uri)}


def _unprepared(failed: Mapping[str, Any]) -> dict[str, Any]:
    wanted, preparation = _wanted(failed["wish"])
    reason, job = failure_reason(str(failed["cause"])), str(failed["training_job_name"])
    why = invalid(reason)
    if not why:
        raise Refused(f"training job {job}: {reason}")
    _account().preparations.quarantine(preparation, why, data_uri=wanted.inputs.data_uri, training_job=job)
    raise InvalidData(f"{wanted.inputs.data_uri} is now in quarantine: {why}")


def _with_data(wish: Mapping[str, Any], data_uri: str) -> dict[str, Any]:
    return {**wish, "inputs": asdict(trains_on(inputs_of(wish["inputs"]), data_uri))}


def _wanted(wish: Mapping[str, Any]) -> tuple[WantedRun, Preparation]:
    account, name, inputs = _account(), str(wish["workload"]), inputs_of(wish["inputs"])
    workload = account.stored.workload(name, inputs)
    wanted = WantedRun(
        workload=workload,
        environment=account.settings.environment,
        defaults=account.stored.defaults(name),
        inputs=inputs,
        run_time=run_time(workload, account.book, require_known_prices=account.settings.prices_must_be_known),
        spot=bool(wish["spot"]),
        forced_reason=wish.get("forced_reason"),
    )
    return wanted, Preparation.of(workload, wanted.defaults, inputs)


def _claim(wish: Mapping[str, Any]) -> dict[str, Any]:
    wanted, _ = _wanted(wish)
    launch_id = str(wish["launch_id"])
    claimed = claim_run(_account().claims, wanted, launch_id=launch_id, now=datetime.now(UTC))
    logger.info("claimed", training_job=claimed.claim.training_job_name, run_time=wanted.run_time.arithmetic)
    return {"claim": asdict(claimed.claim), "held": claimed.held and asdict(claimed.held), "request": claimed.request}


def _settle(claimed: Mapping[str, Any]) -> dict[str, Any]:
    claims = _account().claims
    claim = Claim.from_item(claimed["claim"])
    held = Claim.from_item(claimed["held"]) if claimed.get("held") else None
    now = claims.settle_or_release(claim, held, str(claimed.get("failure") or "SageMaker does not know the job"))
    logger.info("settled", training_job=claim.training_job_name, status=now.status)
    return {"status": now.status}


def _evaluate(waiting: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the token of an execution that waits for the gate's word on a job."""
    key = evaluation_key(str(waiting["workload"]), str(waiting["training_job_name"]))
    _account().waiting.put(key, str(waiting["task_token"]))
    return {}


STEPS = {
    "prepare": _prepare,
    "prepared": _prepared,
    "unprepared": _unprepared,
    "claim": _claim,
    "settle": _settle,
    "evaluate": _evaluate,
}
