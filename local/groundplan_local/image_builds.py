"""CodeBuild's StartBuild: ministack calls each build a success though nothing was built, so it is refused by name."""

from collections.abc import Mapping
from typing import Any

from groundplan_local.joints import joint, mend

REASON = "no image is built on this machine: the embedded AWS has no container engine"


def install() -> None:
    """Refuse builds; projects are kept as ever."""
    mend("ministack.services.codebuild", "_start_build", _refuse)


def _refuse(data: Mapping[str, Any]) -> Any:  # noqa: ARG001
    return joint("ministack.core.responses", "error_response_json")("InvalidInputException", REASON, 400)
