"""What the ai account tells of its foundation models."""

from typing import Any, cast

from botocore.exceptions import ClientError

from groundplan.gateway.settings import Told
from groundplan.refusal import Refused
from groundplan_operate.accounts import Accounts


def told(accounts: Accounts) -> Told:
    """Their guardrail and inference profiles; raises Refused where none are deployed."""
    name = accounts.names.models_parameter()
    try:
        found = accounts.client("ssm", "ai").get_parameter(Name=name)["Parameter"]["Value"]
    except ClientError as error:
        if cast(Any, error.response)["Error"]["Code"] != "ParameterNotFound":
            raise
        deploy = f"make deploy ENV={accounts.environment.name}"
        raise Refused(f"{accounts.environment.name} has no foundation models yet: {deploy}") from None
    return Told.model_validate_json(found)
