"""Buckets of other accounts: their policies see the role that calls, its tags, and TLS.

Across accounts ministack asks the bucket's policy, but about the caller's account as a whole, and as if every call
came without TLS, which every policy that enforces TLS refuses.
"""

import json
import re
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from groundplan_local.joints import joint, mend

EVALUATOR = "ministack.core.iam_evaluator"
S3 = "ministack.services.s3"
VARIABLE = re.compile(r"\$\{([^}]+)\}")
NOTHING = "\0"  # what a variable without a value becomes: it matches no name

_caller: ContextVar[Any | None] = ContextVar("caller of a bucket of another account", default=None)


def install() -> None:
    """Put both repairs in place."""
    allows, evaluate = joint(S3, "_foreign_bucket_allows"), joint(EVALUATOR, "evaluate_resource_policy")

    def foreign_bucket_allows(
        owner: str,
        bucket: str,
        key: str,
        method: str,
        query: Mapping[str, Any],
        caller: str,
        headers: Mapping[str, str] | None = None,
    ) -> bool:
        origin = joint(EVALUATOR, "_request_origin")
        # Loopback stands for TLS here, as the one host stands for all of AWS.
        over_tls = origin.set(("127.0.0.1", True))
        principal = _caller.set(_principal(caller, headers or {}))
        try:
            return allows(owner, bucket, key, method, query, caller, headers)
        finally:
            _caller.reset(principal)
            origin.reset(over_tls)

    def evaluate_resource_policy(doc: Any, ctx: Any, *arguments: Any, **options: Any) -> Any:
        if principal := _caller.get():
            ctx = replace(
                ctx, principal_arn=principal.arn, principal_type=principal.type, principal_keys=principal.keys
            )
            doc = _fill(doc, principal.keys)
        return evaluate(doc, ctx, *arguments, **options)

    mend(S3, "_foreign_bucket_allows", foreign_bucket_allows)
    mend(EVALUATOR, "evaluate_resource_policy", evaluate_resource_policy)


def _principal(account: str, headers: Mapping[str, str]) -> Any | None:
    """The session that calls, under the ARN of its role; None for an account's own keys."""
    access_key = joint("ministack.core.router", "extract_access_key_id")(headers, {})
    principal: Any = joint(EVALUATOR, "resolve_principal")(access_key or account, account)
    arn = role_of(getattr(principal, "arn", ""))
    return replace(principal, arn=arn) if arn else None


def role_of(session: str) -> str | None:
    """The ARN of the role whose session has this ARN; None for what is no session."""
    if ":assumed-role/" not in session:
        return None
    account, name = session.split(":")[4], session.split("/")[1]
    role: dict[str, str] = joint("ministack.services.iam", "_roles").get_scoped(account, None, name) or {}
    return role.get("Arn", f"arn:aws:iam::{account}:role/{name}")


def _fill(document: Any, keys: Mapping[str, Any]) -> Any:
    """A policy with its variables, such as ${aws:PrincipalTag/team}, replaced by the caller's values."""
    text = document if isinstance(document, str) else json.dumps(document)

    def value(variable: re.Match[str]) -> str:
        return json.dumps(str(keys.get(variable[1].lower(), NOTHING)))[1:-1]

    return VARIABLE.sub(value, text)
