"""Puts a run into SageMaker's hands, at most once: claims it, asks for the job, gives the claim back without one."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
)

from groundplan.claim import LAUNCH_WITHIN, Claim, Duplicate
from groundplan.lineage.records import Run
from groundplan.prices import PriceBook
from groundplan.refusal import Refused
from groundplan.run_cost import Cost, run_cost
from groundplan_operate.accounts import Accounts
from groundplan_runtime.integrations.claimed_run import WantedRun, claim_run
from groundplan_runtime.integrations.run_claims import RunClaims
from groundplan_runtime.integrations.sagemaker import SageMaker

THROTTLED = ("Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException")


def launch(
    accounts: Accounts, claims: RunClaims, wanted: WantedRun, *, create: Callable[..., object] | None = None
) -> str:
    """The name of the training job that SageMaker now has.

    `create` sends the request in place of boto3, for example a ModelTrainer of the SageMaker SDK. Raises Duplicate,
    BadInput for what AWS would refuse, or Refused when SageMaker refuses.
    """
    now = datetime.now(UTC)
    claimed = claim_run(claims, wanted, launch_id=f"{now:%Y%m%d%H%M%S}-{secrets.token_hex(4)}", now=now)
    claim, name = claimed.claim, claimed.claim.training_job_name
    try:
        (create or accounts.client("sagemaker", "ai").create_training_job)(**claimed.request)
    except (BotoCoreError, ClientError) as error:
        code, final = _verdict(error)
        if code == "ResourceInUse":
            # An answer that got lost on the way, or a launcher that was late: the job is there, and whose is it?
            present = claims.get(claim.fingerprint) or claim
            if present.launch_id != claim.launch_id:
                raise Duplicate(present) from error
        elif final:
            claims.release(claim, claimed.held, str(error))
            raise Refused(f"SageMaker refuses {name}: {error}; nothing runs, and it may be launched again") from error
        else:
            minutes = int(LAUNCH_WITHIN.total_seconds() // 60)
            raise Refused(
                f"it is not known whether SageMaker has {name} ({error}); if it has not, the same command launches "
                f"it in {minutes} minutes"
            ) from error
    claims.launched(claim, claimed.wish, now)
    return name


@dataclass(frozen=True)
class How:
    """How a run is launched: on spot capacity, why again if it is forced, whether it is followed, and by whom."""

    spot: bool = True
    forced_reason: str | None = None
    follows: bool = True
    launches: Callable[[Accounts, RunClaims, WantedRun], str] = launch
    tags: Mapping[str, str] = field(default_factory=dict[str, str])  # more of them on the job; no part of the run


def run_claims(accounts: Accounts, book: PriceBook) -> RunClaims:
    """The claims of the environment's ai account."""

    def cost(run: Run) -> Cost:
        return run_cost(book, run.instance_type, run.instance_count, run.billable_seconds)

    dynamodb = accounts.session("ai").resource("dynamodb", endpoint_url=accounts.endpoint_url)
    return RunClaims(
        dynamodb.Table(accounts.names.lineage_table()), SageMaker(accounts.client("sagemaker", "ai")), cost
    )


def claim_as_json(claim: Claim) -> dict[str, Any]:
    """As documented: the claim's fields, and how many duplicates of it were refused."""
    return {**asdict(claim), "refused": claim.refused}


def _verdict(error: Exception) -> tuple[str, bool]:
    """AWS's word for the error, and whether there is surely no job: SageMaker said no, or nothing was sent."""
    answer: Any = getattr(error, "response", None)
    if not answer:
        return "", isinstance(error, ParamValidationError | NoCredentialsError | EndpointConnectionError)
    code, status = str(answer["Error"]["Code"]), int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))
    return code, status < 500 and code not in THROTTLED
