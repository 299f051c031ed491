"""How far a training job is, in a line: status, epoch, metrics, interruptions, dollars so far."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from groundplan.prices import PriceBook, dollars
from groundplan.run_cost import Cost, run_cost

# What is billed of a job; waiting for capacity and being interrupted are not.
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_SecondaryStatusTransition.html
BILLED = ("Downloading", "DownloadingTrainingImage", "Training", "Uploading", "Stopping")
EPOCH = re.compile(r"\b(epoch|step)\W{1,3}([0-9]{1,9})(?:(?:\s*/\s*|\s+of\s+)([0-9]{1,9}))?", re.IGNORECASE)
MOST_METRICS = 3  # in a line


@dataclass
class Progress:
    """What a job's log and description have told so far. `expressions` are the workload's, metric to expression."""

    expressions: Mapping[str, str]
    key_metric: str
    status: str = "Starting"
    epoch: str = ""
    metrics: dict[str, float] = field(default_factory=dict[str, float])
    interruptions: int = 0
    cost: Cost = field(default_factory=lambda: Cost(None, "nothing runs yet"))

    def read(self, line: str) -> None:
        """One line of the log: metrics are found in it as SageMaker finds them."""
        if found := EPOCH.search(line):
            self.epoch = f"{found[1].lower()} {found[2]}" + (f" of {found[3]}" if found[3] else "")
        for name, expression in self.expressions.items():
            if found := re.search(expression, line):
                try:
                    self.metrics[name] = float(found[1])
                except ValueError:
                    continue  # SageMaker passes over what is no number, too

    def see(self, job: Mapping[str, Any], book: PriceBook, now: datetime) -> None:
        """What DescribeTrainingJob says now."""
        transitions: list[Mapping[str, Any]] = job.get("SecondaryStatusTransitions", [])
        self.status = str(job.get("SecondaryStatus") or job["TrainingJobStatus"])
        self.interruptions = sum(step["Status"] == "Interrupted" for step in transitions)
        billable = job.get("BillableTimeInSeconds")
        resources = job.get("ResourceConfig", {})
        seconds = billed_seconds(transitions, now) if billable is None else billable
        self.cost = run_cost(book, resources.get("InstanceType"), resources.get("InstanceCount"), seconds)

    def __str__(self) -> str:
        """`Training, epoch 12 of 60, accuracy 0.93, loss 0.2, 1 interruption, $0.02 so far (estimate)`."""
        first = [self.key_metric] if self.key_metric in self.metrics else []
        shown = [*first, *(name for name in self.metrics if name != self.key_metric)][:MOST_METRICS]
        plural = "" if self.interruptions == 1 else "s"
        spent = dollars(Decimal(self.cost.usd)).replace("< ", "less than ") if self.cost.usd else "UNKNOWN dollars"
        parts = [
            self.status,
            *([self.epoch] if self.epoch else []),
            *(f"{name} {self.metrics[name]:.4g}" for name in shown),
            f"{self.interruptions} interruption{plural}",
            f"{spent} so far (estimate)",
        ]
        return ", ".join(parts)


def billed_seconds(transitions: list[Mapping[str, Any]], now: datetime) -> float:
    """The seconds in which a job had its machines, as far as its transitions tell: an estimate while it runs."""
    return sum(
        max(0.0, ((step.get("EndTime") or now) - step["StartTime"]).total_seconds())
        for step in transitions
        if step["Status"] in BILLED and step.get("StartTime")
    )
