"""A function calls as its role: ministack gives it its account's own keys as long as it checks no permissions.

Whom a bucket of another account lets in depends on the role.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from groundplan_local.joints import joint, mend

RUNTIME, SERVICE = "ministack.core.lambda_runtime", "ministack.services.lambda_svc"


def install() -> None:
    """Put the repair in place."""
    given = joint(RUNTIME, "execution_credentials")

    def execution_credentials(config: dict[str, Any]) -> Mapping[str, str]:
        role, function = str(config.get("Role", "")), str(config.get("FunctionArn", ""))
        if ":role/" not in role:
            return given(config)
        account, name = role.split(":")[4], role.rpartition("/")[2]
        digest = hashlib.sha256(f"{function} {role}".encode()).hexdigest()
        key, session = f"ASIA{digest[:16].upper()}", str(config.get("FunctionName", "function"))[:64]
        secret = {"SecretAccessKey": digest, "SessionToken": digest}
        who = {"Arn": f"arn:aws:sts::{account}:assumed-role/{name}/{session}", "UserId": f"{name}:{session}"}
        joint("ministack.services.sts", "register_session")(key, {**who, **secret})
        return {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": digest, "AWS_SESSION_TOKEN": digest}

    for module in (RUNTIME, SERVICE):
        mend(module, "execution_credentials", execution_credentials)
