"""Who may do a run, and who did it: one claim for each fingerprint. Pure rules; a table keeps the claims."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from groundplan.lineage.records import iso
from groundplan.prices import dollars
from groundplan.refusal import Refused, bad

Status = Literal["CLAIMED", "RUNNING", "SUCCEEDED", "FAILED"]
JobStatus = Literal["InProgress", "Stopping", "Completed", "Failed", "Stopped", "unknown"]

LAUNCH_WITHIN = timedelta(minutes=10)  # from the claim to SageMaker's word that it has the job
BEYOND_ITS_END = timedelta(hours=1)  # after the longest that a job may last, for starting and uploading
LONGEST_REASON = 200  # characters


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The one item of a fingerprint. Times are UTC in ISO 8601; numbers of a run are decimal texts.

    `launch_id` tells one launch from another. `checkpoints` is the folder below the workload's checkpoints which
    every launch of this claim shares. `metrics` to `artefact` are those of the last job that succeeded; they stay
    when the run is forced and then fails. `refused_in` counts the refused duplicates of each month.
    """

    fingerprint: str
    workload: str
    environment: str
    status: Status
    launch_id: str
    training_job_name: str
    checkpoints: str
    claimed_at: str
    lease_until: str
    forced_reason: str | None = None
    failure_reason: str | None = None
    succeeded_job: str | None = None
    metrics: Mapping[str, str] | None = None
    cost_usd: str | None = None
    cost_basis: str | None = None
    artefact: str | None = None
    refused_in: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def refused(self) -> int:
        """How many duplicates were refused."""
        return sum(self.refused_in.values())

    @property
    def live(self) -> bool:
        """Whether somebody launches or runs it, as far as the claim knows."""
        return self.status in ("CLAIMED", "RUNNING")

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "Claim":
        """From the table's item, whose other attributes are left out."""
        known: dict[str, Any] = {one.name: item[one.name] for one in fields(cls) if one.name in item}
        counted: Mapping[str, Any] = known.get("refused_in") or {}
        known["refused_in"] = {month: int(number) for month, number in counted.items()}
        return cls(**known)


class Duplicate(Refused):
    """A run that was done, or is being done. Says where it is, how good it was and what it cost."""

    def __init__(self, claim: Claim, why: str = "") -> None:
        super().__init__(why or _pointer(claim))
        self.claim = claim


@dataclass(frozen=True, kw_only=True)
class Launch:
    """One wish to do a run. `seconds` is how long its job may last at most, waiting included."""

    fingerprint: str
    workload: str
    environment: str
    launch_id: str
    training_job_name: str
    seconds: int
    forced_reason: str | None = None


def take(launch: Launch, held: Claim | None, job: JobStatus, now: datetime) -> Claim:
    """The claim that this launch may put in place of the one that is held; raises Duplicate when it may not.

    `job` is what SageMaker says now of the held claim's job, so no clock decides about a job that runs. Where the
    lease is over and SageMaker does not know the job, its launcher died or is late: the launch takes over the job's
    very name, and SageMaker, which gives a name once, lets only one of the two create it, whatever their clocks say.
    """
    fresh = Claim(
        fingerprint=launch.fingerprint,
        workload=launch.workload,
        environment=launch.environment,
        status="CLAIMED",
        launch_id=launch.launch_id,
        training_job_name=launch.training_job_name,
        checkpoints=launch.fingerprint,
        claimed_at=iso(now),
        lease_until=iso(now + LAUNCH_WITHIN),
        forced_reason=launch.forced_reason,
    )
    if held is None:
        return fresh
    if held.status == "CLAIMED" and held.launch_id == launch.launch_id:
        return held  # the same launch again: its first answer got lost
    kept = {name: getattr(held, name) for name in _OF_A_SUCCESS}
    again = replace(fresh, checkpoints=held.checkpoints, **kept)
    if held.live and job == "unknown":
        if iso(now) <= held.lease_until:
            raise Duplicate(held)
        return replace(again, training_job_name=held.training_job_name)
    runs = held.live and job in ("InProgress", "Stopping")
    done = held.status == "SUCCEEDED" or (held.live and job == "Completed")
    if launch.forced_reason:
        # What runs or is complete keeps its checkpoints to itself; a run that failed goes on from them.
        apart = f"forced-{launch.launch_id}/{launch.fingerprint}"
        return replace(again, checkpoints=apart) if runs or done else again
    if runs or done or held.succeeded_job:
        raise Duplicate(held)
    return again


def lease_of_a_job(launch: Launch, now: datetime) -> str:
    """Until when a job that SageMaker has may last."""
    return iso(now + timedelta(seconds=launch.seconds) + BEYOND_ITS_END)


def checked_reason(reason: str | None, *, forced: bool) -> str | None:
    """The reason of a forced run on one line; raises BadInput when it is blank, too long, or has nothing to force."""
    text = " ".join((reason or "").split())
    if not forced:
        if reason is None:
            return None
        raise bad("", "--reason", reason, "it is the reason of --force: give both or neither")
    if not text or not text.isprintable() or len(text) > LONGEST_REASON:
        allowed = f"--force needs one, of 1 to {LONGEST_REASON} printable characters: it is kept with the run"
        raise bad("", "--reason", reason or "nothing", allowed)
    return text


_OF_A_SUCCESS = ("succeeded_job", "metrics", "cost_usd", "cost_basis", "artefact", "refused_in")


def _pointer(claim: Claim) -> str:
    known = claim.training_job_name if claim.live else claim.succeeded_job or claim.training_job_name
    state = {"CLAIMED": "is being launched", "RUNNING": "is under way"}.get(claim.status, "was done before")
    metrics = ", ".join(f"{name} {value}" for name, value in sorted((claim.metrics or {}).items())[:3])
    more = len(claim.metrics or {}) - 3
    parts = [metrics + (f" and {more} metrics more" if more > 0 else "")] if metrics else []
    if claim.live and claim.succeeded_job:
        parts.insert(0, f"{claim.succeeded_job} did it before")
    if claim.succeeded_job:
        cost = dollars(Decimal(claim.cost_usd)) if claim.cost_usd else f"an unknown sum ({claim.cost_basis})"
        parts.append(f"it cost {cost}")
    if claim.artefact:
        parts.append(claim.artefact)
    return (
        f"this run {state}: training job {known}, claimed {claim.claimed_at[:16].replace('T', ' ')} UTC"
        + (f" ({'; '.join(parts)})" if parts else "")
        + f"; see it: groundplan lineage {known} -e {claim.environment}; "
        f'do the same again: groundplan train {claim.workload} -e {claim.environment} --force --reason "…"'
    )
