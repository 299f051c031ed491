"""The one kind of statement that organisation policies are made of: a refusal, and who is excepted from it."""

from collections.abc import Mapping, Sequence
from typing import Any

Condition = Mapping[str, Mapping[str, object]]
Statement = dict[str, Any]


def deny(
    sid: str,
    actions: Sequence[str],
    condition: Condition | None = None,
    *,
    resources: Sequence[str] = ("*",),
    except_for: Sequence[str] = (),
) -> Statement:
    """A statement of a service control policy; `except_for` are role ARNs that it does not bind."""
    statement: Statement = {
        "Sid": sid,
        "Effect": "Deny",
        "Action": list(actions),
        "Resource": list(resources) if tuple(resources) != ("*",) else "*",
    }
    conditions: dict[str, Mapping[str, object]] = dict(condition or {})
    if except_for:
        conditions["ArnNotLike"] = {"aws:PrincipalArn": list(except_for)}
    return statement | ({"Condition": conditions} if conditions else {})


def role(name: str) -> str:
    """ARN of the roles of a name in any account and partition; AWS matches each part of an ARN by itself."""
    return f"arn:*:iam::*:role/{name}"
