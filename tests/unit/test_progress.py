"""How far a job is, as it is told in a line."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from groundplan.prices import Price, PriceBook, Unknown
from groundplan.progress import Progress, billed_seconds

START = datetime(2026, 11, 21, 9, tzinfo=UTC)
EXPRESSIONS = {"loss": "loss=([0-9.a-z]+)", "accuracy": "accuracy=([0-9.]+)", "speed": "speed=([0-9]+)"}


class Book(PriceBook):
    """One price for everything, or none."""

    def __init__(self, found: Price | Unknown) -> None:
        super().__init__("us-east-1", {}, "")
        self.found = found

    def find(self, key: str) -> Price | Unknown:  # noqa: ARG002
        return self.found


AN_HOUR = Book(Price(Decimal(3600), "hour", date(2026, 11, 1), "a source", "list"))


def steps(*told: tuple[str, int, int | None]) -> list[dict[str, Any]]:
    """Transitions: status, start and end in seconds."""
    return [
        {"Status": status, "StartTime": START + timedelta(seconds=start)}
        | ({"EndTime": START + timedelta(seconds=end)} if end is not None else {})
        for status, start, end in told
    ]


def job(*told: tuple[str, int, int | None], **more: Any) -> dict[str, Any]:
    return {
        "TrainingJobStatus": "InProgress",
        "SecondaryStatus": told[-1][0],
        "SecondaryStatusTransitions": steps(*told),
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        **more,
    }


def test_a_line_tells_status_epoch_metrics_interruptions_and_dollars() -> None:
    progress = Progress(EXPRESSIONS, "accuracy")
    for line in ("epoch 11/60 loss=0.5", "epoch 12/60 loss=0.25", "accuracy=0.91 speed=7"):
        progress.read(line)
    told = (("Starting", 0, 5), ("Training", 5, 8), ("Interrupted", 8, 20), ("Training", 20, None))
    progress.see(job(*told), AN_HOUR, START + timedelta(seconds=24))
    assert str(progress) == (
        "Training, epoch 12 of 60, accuracy 0.91, loss 0.25, speed 7, 1 interruption, $7.00 so far (estimate)"
    )


@pytest.mark.parametrize(
    ("line", "epoch"),
    [
        ("Epoch 3/10", "epoch 3 of 10"),
        ("epoch=4 loss=1", "epoch 4"),
        ("[EPOCH: 5 of 8]", "epoch 5 of 8"),
        ("an epochal 9", ""),
        ("metric loss=0.5 step=3/60", "step 3 of 60"),
        ("epochs", ""),
    ],
)
def test_the_epoch_is_found_as_scripts_write_it(line: str, epoch: str) -> None:
    progress = Progress({}, "")
    progress.read(line)
    assert progress.epoch == epoch


def test_a_metric_that_is_no_number_is_passed_over() -> None:
    progress = Progress(EXPRESSIONS, "loss")
    progress.read("loss=0.5")
    progress.read("loss=oops")
    assert progress.metrics == {"loss": 0.5}


def test_what_sagemaker_bills_takes_the_place_of_the_estimate() -> None:
    progress = Progress({}, "")
    told = job(("Training", 0, 100), ("Completed", 100, 100), BillableTimeInSeconds=40)
    progress.see(told, AN_HOUR, START)
    assert progress.cost.usd == "40.000000"


def test_waiting_and_being_interrupted_costs_nothing_and_no_clock_makes_it_negative() -> None:
    told = steps(("Starting", 0, 50), ("Interrupted", 50, 90), ("Training", 90, None))
    assert billed_seconds(told, START - timedelta(days=1)) == 0
    assert billed_seconds(told, START + timedelta(seconds=91)) == 1


def test_an_unknown_price_is_said_and_never_nothing() -> None:
    progress = Progress({}, "")
    progress.see(job(("Training", 0, None)), Book(Unknown("k", "nobody knows")), START + timedelta(seconds=9))
    assert "UNKNOWN dollars so far (estimate)" in str(progress)
