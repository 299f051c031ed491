"""The claims of runs, one item a fingerprint in the lineage table: of any number of launches at once one wins.

Partition key `claim/<fingerprint>`, sort key `CLAIM`; attributes are those of `groundplan.claim.Claim`.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, Protocol

from boto3.dynamodb.conditions import Attr, ConditionExpressionBuilder
from botocore.exceptions import ClientError

from groundplan.claim import Claim, Duplicate, JobStatus, Launch, lease_of_a_job, take
from groundplan.lineage.records import Run, run_from_description
from groundplan.run_cost import Cost
from groundplan_runtime.integrations.sagemaker import NotKnown, SageMaker

KIND = "claim/"
SORT = "CLAIM"
_A: Any = Attr  # boto3 is untyped
_Builder: Any = ConditionExpressionBuilder
_OPEN = ("CLAIMED", "RUNNING")
_ENDED: Mapping[str, str] = {"Completed": "SUCCEEDED", "Failed": "FAILED", "Stopped": "FAILED"}


class Table(Protocol):
    """What is used of boto3's table resource."""

    def get_item(self, **request: Any) -> Mapping[str, Any]: ...
    def update_item(self, **request: Any) -> object: ...


class RunClaims:
    """Takes, keeps and settles claims; `cost` says what a run that ended cost."""

    def __init__(self, table: Table, sagemaker: SageMaker, cost: Callable[[Run], Cost]) -> None:
        self._table = table
        self._sagemaker = sagemaker
        self._cost = cost

    def get(self, fingerprint: str) -> Claim | None:
        """What was written last of a fingerprint; None when nobody ever claimed it."""
        item = self._table.get_item(Key=_key(fingerprint), ConsistentRead=True).get("Item")
        return Claim.from_item(item) if item else None

    def take(self, launch: Launch, now: datetime) -> tuple[Claim, Claim | None]:
        """The claim, now held by this launch, and the one that it replaced.

        Raises Duplicate, which is counted, when the run was done, is being done, or another launch was faster.
        """
        held = self.get(launch.fingerprint)
        job: JobStatus = "unknown"
        if held and held.live:
            job, held = self._look(held)
        try:
            claim = take(launch, held, job, now)
            same = (
                _A("launch_id").eq(held.launch_id) & _A("status").eq(held.status) if held else _A("node").not_exists()
            )
            if not self._set(launch.fingerprint, _fields(claim), same):
                raise Duplicate(self.get(launch.fingerprint) or claim)
        except Duplicate:
            self._count_refused(launch.fingerprint, now)
            raise
        return claim, held

    def launched(self, claim: Claim, launch: Launch, now: datetime) -> None:
        """SageMaker has the job: the lease is as long as the job may last."""
        lease = {"status": "RUNNING", "lease_until": lease_of_a_job(launch, now)}
        self._set(claim.fingerprint, lease, _held_by(claim.launch_id, "CLAIMED"))

    def release(self, claim: Claim, held: Claim | None, reason: str) -> None:
        """SageMaker refused the job: put back what was held before, or leave the claim as failed."""
        before = held or replace(claim, status="FAILED", failure_reason=f"not launched: {reason}")
        self._set(claim.fingerprint, _fields(before), _held_by(claim.launch_id, "CLAIMED"))

    def settle(self, run: Run) -> None:
        """Write down how the job of a claim stands. A run that nobody claimed changes nothing."""
        if not run.fingerprint:
            return
        own = _A("node").exists() & _A("training_job_name").eq(run.name) & _A("status").is_in(list(_OPEN))
        if run.status not in _ENDED:
            self._set(run.fingerprint, {"status": "RUNNING"}, own)
            return
        if run.status == "Completed":
            # Also of a job that a forced launch has overtaken, as long as that one has not succeeded.
            first = _A("node").exists() & _A("succeeded_job").eq(None)
            latest = _A("training_job_name").eq(run.name) & _A("succeeded_job").ne(run.name)
            self._set(run.fingerprint, self._success(run), first | latest)
        ended = {"status": _ENDED[run.status], "failure_reason": run.failure_reason}
        self._set(run.fingerprint, ended, own)

    def settle_or_release(self, claim: Claim, held: Claim | None, reason: str) -> Claim:
        """How a launched claim stands by SageMaker's word; released for `reason` where SageMaker has no such job."""
        job, now = self._look(claim)
        if job == "unknown":
            self.release(claim, held, reason)
        return self.get(claim.fingerprint) or now

    def _look(self, held: Claim) -> tuple[JobStatus, Claim]:
        """What SageMaker says of a claim's job; where its end was not told yet, it is settled first."""
        try:
            run = run_from_description(self._sagemaker.describe("run", held.training_job_name))
        except NotKnown:
            return "unknown", held
        if run.status in _ENDED:
            self.settle(run)
            held = self.get(held.fingerprint) or held
        return run.status, held  # pyright: ignore[reportReturnType] - SageMaker's words are these

    def _success(self, run: Run) -> dict[str, Any]:
        cost = self._cost(run)
        return {
            "succeeded_job": run.name,
            "metrics": {name: f"{value:.6g}" for name, value in run.metrics.items()},
            "cost_usd": cost.usd,
            "cost_basis": cost.basis,
            "artefact": run.model,
        }

    def _count_refused(self, fingerprint: str, now: datetime) -> None:
        self._table.update_item(
            Key=_key(fingerprint),
            UpdateExpression="SET #in.#month = if_not_exists(#in.#month, :none) + :one",
            ExpressionAttributeNames={"#in": "refused_in", "#month": f"{now:%Y-%m}"},
            ExpressionAttributeValues={":none": 0, ":one": 1},
        )

    def _set(self, fingerprint: str, given: Mapping[str, Any], condition: Any) -> bool:
        """Set attributes when the condition holds; whether it did. The count of refused duplicates stays."""
        expression = _Builder().build_expression(condition, is_key_condition=False)
        names = {f"#s{i}": name for i, name in enumerate(given)}
        values = {f":s{i}": value for i, value in enumerate(given.values())}
        sets = ", ".join(f"#s{i} = :s{i}" for i in range(len(given)))
        try:
            self._table.update_item(
                Key=_key(fingerprint),
                UpdateExpression=f"SET {sets}, #refused = if_not_exists(#refused, :nothing)",
                ConditionExpression=expression.condition_expression,
                ExpressionAttributeNames={
                    **names,
                    **expression.attribute_name_placeholders,
                    "#refused": "refused_in",
                },
                ExpressionAttributeValues={**values, **expression.attribute_value_placeholders, ":nothing": {}},
            )
        except ClientError as refused:
            answer: Any = refused.response  # pyright: ignore[reportUnknownMemberType]
            if answer["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        return True


def _held_by(launch_id: str, status: str) -> Any:
    return _A("launch_id").eq(launch_id) & _A("status").eq(status)


def _key(fingerprint: str) -> dict[str, str]:
    return {"node": f"{KIND}{fingerprint}", "relation": SORT}


def _fields(claim: Claim) -> dict[str, Any]:
    return {name: value for name, value in asdict(claim).items() if name != "refused_in"}
