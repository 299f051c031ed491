"""What the ai account tells of its foundation models: the guardrail they are invoked under, and their profiles."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from botocore.exceptions import ClientError

from groundplan.refusal import Refused
from groundplan_operate.accounts import Accounts


@dataclass(frozen=True)
class Told:
    """`profiles` is `<workload>/<model's key>` to the ARN of the inference profile that carries its cost."""

    document: Mapping[str, Any]

    @property
    def guardrail(self) -> Mapping[str, str]:
        """As Converse names it."""
        found = self.document["guardrail"]
        return {"guardrailIdentifier": found["identifier"], "guardrailVersion": found["version"]}

    @property
    def profiles(self) -> Mapping[str, str]:
        """See above."""
        return self.document["profiles"]


def told(accounts: Accounts) -> Told:
    """Raises Refused where no foundation models are deployed."""
    name = accounts.names.models_parameter()
    try:
        found = accounts.client("ssm", "ai").get_parameter(Name=name)["Parameter"]["Value"]
    except ClientError as error:
        if cast(Any, error.response)["Error"]["Code"] != "ParameterNotFound":
            raise
        deploy = f"make deploy ENV={accounts.environment.name}"
        raise Refused(f"{accounts.environment.name} has no foundation models yet: {deploy}") from None
    return Told(json.loads(found))
