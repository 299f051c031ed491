"""What AWS refuses of a CreateTrainingJob although each member by itself is in order, and what would lose work.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/model-managed-spot-training.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/train-warm-pools.html and
https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from groundplan.job_limits import has_local_storage
from groundplan.refusal import Finding

SOURCE = "CreateTrainingJob"


def broken_rules(request: Mapping[str, Any]) -> list[Finding]:
    """Everything that is wrong between the members of a request; none for one that AWS takes."""
    channels: Sequence[Mapping[str, str]] = request.get("InputDataConfig") or ()
    found = [
        *_spot(request),
        *_machines(request),
        *_tags(request.get("Tags") or ()),
        *_once("InputDataConfig", [channel.get("ChannelName", "") for channel in channels]),
    ]
    return [Finding(SOURCE, field, value, allowed) for field, value, allowed in found]


def _spot(request: Mapping[str, Any]) -> Iterator[tuple[str, object, str]]:
    stopping: Mapping[str, int] = request.get("StoppingCondition") or {}
    resources: Mapping[str, Any] = request.get("ResourceConfig") or {}
    saved: Mapping[str, str] = request.get("CheckpointConfig") or {}
    runtime, wait = stopping.get("MaxRuntimeInSeconds"), stopping.get("MaxWaitTimeInSeconds")
    field = "StoppingCondition.MaxWaitTimeInSeconds"
    if not runtime:
        yield "StoppingCondition.MaxRuntimeInSeconds", runtime, "allowed: the seconds after which the job is stopped"
    if not request.get("EnableManagedSpotTraining"):
        if wait is not None:
            yield field, wait, "allowed with EnableManagedSpotTraining alone: on demand nothing waits"
        return
    if wait is None or wait < (runtime or 0):
        yield field, wait, f"allowed with spot: at least MaxRuntimeInSeconds, {runtime}"
    if warm := resources.get("KeepAlivePeriodInSeconds"):
        yield "ResourceConfig.KeepAlivePeriodInSeconds", warm, "allowed: none; spot keeps no warm pool"
    checkpoints = saved.get("S3Uri", "")
    if not checkpoints:
        allowed = "allowed with spot: where checkpoints lie; without them an interruption loses the whole run"
        yield "CheckpointConfig.S3Uri", "nothing", allowed
    elif (name := request.get("TrainingJobName")) and name in checkpoints:
        allowed = "allowed: a place that the next job of the same run shares, so without the name of this job"
        yield "CheckpointConfig.S3Uri", checkpoints, allowed


def _machines(request: Mapping[str, Any]) -> Iterator[tuple[str, object, str]]:
    resources: Mapping[str, Any] = request.get("ResourceConfig") or {}
    kind, key = resources.get("InstanceType"), resources.get("VolumeKmsKeyId")
    if kind and kind.count(".") == 2 and key and has_local_storage(kind):
        yield "ResourceConfig.VolumeKmsKeyId", key, f"allowed: none; {kind} encrypts the disk that lies in it"


def _tags(tags: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, object, str]]:
    keys = [tag.get("Key", "") for tag in tags]
    yield from _once("Tags", keys)
    for key in keys:
        if key.lower().startswith("aws:"):
            yield "Tags", key, "allowed: keys that do not begin with aws:, which is AWS's own"


def _once(field: str, names: Sequence[str]) -> Iterator[tuple[str, object, str]]:
    for name, count in Counter(names).items():
        if count > 1:
            yield field, name, "allowed: each name once"
