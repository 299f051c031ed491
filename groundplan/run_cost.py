"""What a training job cost: the seconds that SageMaker bills, at the price of its machines."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from groundplan.prices import PriceBook, Unknown, rate

_MILLIONTH = Decimal("0.000001")


@dataclass(frozen=True)
class Cost:
    """US dollars as a decimal text, None where they are not known; `basis` says how they come about, or why not."""

    usd: str | None
    basis: str


def run_cost(
    book: PriceBook, instance_type: str | None, instance_count: int | None, billable_seconds: float | None
) -> Cost:
    """The machines' cost of a job, or of a running one so far. The disks beside them are not in it.

    Billable seconds hold the discount of spot already, and are those of one machine of the cluster:
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html (BillableTimeInSeconds)
    """
    if billable_seconds is None:
        return Cost(None, "SageMaker does not say how many seconds it bills")
    if not instance_type or not instance_count:
        return Cost(None, "SageMaker does not name one instance type and count for the job")
    price = book.find(f"sagemaker/training/{instance_type}")
    if isinstance(price, Unknown):
        return Cost(None, f"{instance_type} has no price: {price.reason}")
    amount = Decimal(str(billable_seconds)) / 3600 * instance_count * price.amount
    machines = f"{instance_count} x {instance_type}" if instance_count > 1 else instance_type
    return Cost(
        format(amount.quantize(_MILLIONTH, ROUND_HALF_UP), "f"),
        f"{billable_seconds:g} billable seconds of {machines} at {rate(price)} in {book.region} "
        f"({price.confidence}, {price.effective}); disks not counted",
    )
