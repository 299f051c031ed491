"""ListTrainingJobs: filters, order and pages."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from groundplan_local.training.jobs import TrainingJob

PAGE = 10  # AWS's default of MaxResults
ORDERS: dict[str, Callable[[TrainingJob], Any]] = {
    "CreationTime": lambda job: (job.created, job.name),
    "Name": lambda job: job.name,
    "Status": lambda job: (job.status, job.name),
}


def list_jobs(jobs: Sequence[TrainingJob], asked: Mapping[str, Any]) -> dict[str, Any]:
    """The page that was asked for, newest jobs first unless said otherwise. Raises ValueError for a bad token."""
    chosen = [job for job in jobs if _fits(job, asked)]
    descending = asked.get("SortOrder", "Descending") == "Descending"
    chosen.sort(key=ORDERS[asked.get("SortBy", "CreationTime")], reverse=descending)
    if token := asked.get("NextToken"):
        names = [job.name for job in chosen]
        try:
            chosen = chosen[names.index(base64.b64decode(token, validate=True).decode()) + 1 :]
        except (ValueError, binascii.Error):
            raise ValueError("Invalid NextToken") from None
    page = chosen[: asked.get("MaxResults", PAGE)]
    answer: dict[str, Any] = {"TrainingJobSummaries": [job.summary() for job in page]}
    if len(page) < len(chosen):
        answer["NextToken"] = base64.b64encode(page[-1].name.encode()).decode()
    return answer


def _fits(job: TrainingJob, asked: Mapping[str, Any]) -> bool:
    created, modified = job.created.timestamp(), job.modified.timestamp()
    tests: dict[str, Callable[[Any], bool]] = {
        "NameContains": lambda text: text in job.name,
        "StatusEquals": lambda status: job.status == status,
        "CreationTimeAfter": lambda time: created > time,
        "CreationTimeBefore": lambda time: created < time,
        "LastModifiedTimeAfter": lambda time: modified > time,
        "LastModifiedTimeBefore": lambda time: modified < time,
    }
    return all(test(asked[name]) for name, test in tests.items() if asked.get(name) is not None)
