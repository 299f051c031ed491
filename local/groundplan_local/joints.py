"""Where this package reaches into ministack and moto: every private name, listed once.

Neither project promises these names, so both are pinned exactly and a contract test compares this list with what
is installed. The modules are loaded by name, and late: ministack reads its settings when it is imported, and
neither project carries types, so what comes from here is `Any` and is narrowed by the one module that uses it.
"""

from importlib import import_module
from typing import Any

# module -> name -> parameters (None: not a function)
JOINTS: dict[str, dict[str, str | None]] = {
    "ministack.app": {
        "SERVICE_HANDLERS": None,
        "app": "scope, receive, send",
    },
    "ministack.core.concurrency": {"run_reentrant": "fn, *args, thread_name="},
    "ministack.core.iam_evaluator": {
        "_request_origin": None,
        "evaluate_resource_policy": "doc, ctx, service=, named_only=, direct_only=",
        "resolve_principal": "access_key_id, account_id, credential=",
    },
    "ministack.core.router": {"SERVICE_PATTERNS": None, "extract_access_key_id": "headers, query_params="},
    "ministack.core.responses": {
        "get_account_id": "",
        "get_region": "",
        "request_scope": "account_id, region",
    },
    "ministack.services.iam": {"_roles": None},
    "ministack.services.s3": {
        "_foreign_bucket_allows": "owner_account, bucket_name, key, method, query_params, caller, headers=",
    },
    "ministack.services.eventbridge": {
        "_put_events": "data, allow_aws_source=",
    },
    "moto.core.botocore_stubber": {"BotocoreStubber": ""},
    "moto.backends": {"get_backend": "name"},
}


class JointMissingError(RuntimeError):
    """A name that this package needs is not where ministack or moto had it."""


def joint(module: str, name: str) -> Any:
    """The object `name` of `module`, both listed in `JOINTS`.

    Raises JointMissingError when the installed version has no such name, KeyError when the list has none.
    """
    _ = JOINTS[module][name]
    try:
        return getattr(import_module(module), name)
    except AttributeError:
        raise JointMissingError(
            f"{module} has no '{name}' in the installed version: local/pyproject.toml pins the one that has it"
        ) from None


def mend(module: str, name: str, replacement: object) -> None:
    """Put `replacement` in the place of a listed name, for every caller inside that module."""
    joint(module, name)
    setattr(import_module(module), name, replacement)


def account_and_region() -> tuple[str, str]:
    """Of the request that is being answered."""
    return (
        joint("ministack.core.responses", "get_account_id")(),
        joint("ministack.core.responses", "get_region")(),
    )
