"""How old the newest checkpoint of a running job is: where that is told, and when it is too old."""

from collections.abc import Iterable
from datetime import datetime

from groundplan.run_record import FILE_NAME

# Of the training kit, written more often than checkpoints are.
NO_CHECKPOINTS = (FILE_NAME, "journal.jsonl")
METRICS = "Groundplan/Training"  # CloudWatch namespace
AGE_METRIC = "NewestCheckpointAgeMinutes"  # of the running job with the oldest one; by Environment
LOOKED_AT_EVERY_MINUTES = 15
# One look may come just before a checkpoint does, and its upload takes time: three in a row do not.
OLDEST_MINUTES = 4 * LOOKED_AT_EVERY_MINUTES
# What SageMaker leaves while it uploads: https://docs.aws.amazon.com/sagemaker/latest/dg/model-checkpoints.html
UNFINISHED = (".sagemaker-uploading", ".sagemaker-uploaded")


def newest_checkpoint(objects: Iterable[tuple[str, datetime]]) -> datetime | None:
    """When the newest of the objects (key, time) was written that is a checkpoint; None when none is."""
    times = (time for key, time in objects if not _left_out(key.rpartition("/")[2]))
    return max(times, default=None)


def age_minutes(now: datetime, training_since: datetime, newest: datetime | None) -> float:
    """Minutes since the newest checkpoint, or since the job (again) began to train, whichever is later."""
    since = max(training_since, newest) if newest else training_since
    return max(0.0, (now - since).total_seconds() / 60)


def _left_out(name: str) -> bool:
    return name in NO_CHECKPOINTS or name.endswith(UNFINISHED)
