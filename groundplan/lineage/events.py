"""What an event of EventBridge is about, or why it cannot be understood."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from groundplan.lineage.records import Kind, iso
from groundplan.refusal import bad

SOURCE = "aws.sagemaker"

# What each event is about: kind, the detail that names it, and what such a name looks like.
_NAME = r"[A-Za-z0-9](-*[A-Za-z0-9]){0,62}"
_SUBJECTS: dict[str, tuple[Kind, str, str]] = {
    "SageMaker Training Job State Change": ("run", "TrainingJobName", _NAME),
    "SageMaker Model Package State Change": (
        "package",
        "ModelPackageArn",
        r"arn:[a-z-]+:sagemaker:[a-z0-9-]+:[0-9]{12}:model-package/[A-Za-z0-9/-]+",
    ),
    "SageMaker Endpoint State Change": ("endpoint", "EndpointName", _NAME),
}


@dataclass(frozen=True)
class Subject:
    """What an event is about. `name` is a job's or endpoint's name or a package's ARN; `time` when it was sent."""

    kind: Kind
    name: str
    time: str

    @property
    def node(self) -> str:
        """Its node id."""
        return f"{self.kind}/{self.name}"


def foreign(event: object, *, account: str, region: str) -> str | None:
    """Why an event of EventBridge is none of this account's SageMaker; None when it is. BadInput without envelope."""
    own = {"source": SOURCE, "account": account, "region": region}
    for field, expected in own.items():
        given = _text(event, field)
        if given != expected:
            return f"{field} is {given}, not {expected}"
    return None


def subject_of(event: object) -> Subject:
    """What a state change event of SageMaker is about; raises BadInput with field, value and what is expected."""
    kind_of_event = _text(event, "detail-type")
    if kind_of_event not in _SUBJECTS:
        raise bad("event", "detail-type", kind_of_event, f"expected one of {', '.join(_SUBJECTS)}")
    kind, field, pattern = _SUBJECTS[kind_of_event]
    name = _text(_field(event, "detail"), field, "detail.")
    if not re.fullmatch(pattern, name):
        raise bad("event", f"detail.{field}", name, f"expected a text like {pattern}")
    sent = _text(event, "time")
    try:
        return Subject(kind, name, iso(datetime.fromisoformat(sent)))
    except ValueError:
        raise bad("event", "time", sent, "expected a time with its zone in ISO 8601") from None


def _field(holder: object, field: str, above: str = "") -> object:
    if not isinstance(holder, Mapping):
        _refuse_shape(above.rstrip("."), holder)
    return holder.get(field)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def _refuse_shape(field: str, value: object) -> NoReturn:
    raise bad("event", field, value, "expected an object with SageMaker's fields")


def _text(holder: object, field: str, above: str = "") -> str:
    value = _field(holder, field, above)
    if not isinstance(value, str) or not value:
        raise bad("event", f"{above}{field}", value, "expected a text")
    return value
