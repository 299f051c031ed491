"""Around the training job of a state machine: claims the run and makes its request, then settles the claim."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from groundplan.claim import Claim
from groundplan.prices import PriceBook, read_prices
from groundplan.run_time import run_time
from groundplan_runtime.integrations.claimed_run import WantedRun, claim_run
from groundplan_runtime.integrations.lineage_recorder import CONFIG, cost_of
from groundplan_runtime.integrations.run_claims import RunClaims
from groundplan_runtime.integrations.sagemaker import SageMaker
from groundplan_runtime.integrations.stored_launch import StoredLaunch, inputs_of
from groundplan_runtime.launch_settings import Settings

logger = Logger()


@dataclass(frozen=True)
class _Account:
    settings: Settings
    book: PriceBook
    claims: RunClaims
    stored: StoredLaunch


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
    )


def _boto3() -> Any:
    return boto3


@logger.inject_lambda_context
def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 - the decorator reads it
    """`{"claim": WISH}` gives `{"claim", "held", "request"}`; `{"settle": {"claim", "held", "failure"}}` ends it.

    Raises Duplicate for a run that was done or is under way: the execution fails with that word and the pointer.
    """
    if wish := event.get("claim"):
        return _claim(wish)
    return _settle(event["settle"])


def _claim(wish: Mapping[str, Any]) -> dict[str, Any]:
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
    claimed = claim_run(account.claims, wanted, launch_id=str(wish["launch_id"]), now=datetime.now(UTC))
    logger.info("claimed", training_job=claimed.claim.training_job_name, run_time=wanted.run_time.arithmetic)
    return {"claim": asdict(claimed.claim), "held": claimed.held and asdict(claimed.held), "request": claimed.request}


def _settle(claimed: Mapping[str, Any]) -> dict[str, Any]:
    claims = _account().claims
    claim = Claim.from_item(claimed["claim"])
    held = Claim.from_item(claimed["held"]) if claimed.get("held") else None
    now = claims.settle_or_release(claim, held, str(claimed.get("failure") or "SageMaker does not know the job"))
    logger.info("settled", training_job=claim.training_job_name, status=now.status)
    return {"status": now.status}
