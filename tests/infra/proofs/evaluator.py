"""Judges a request by all policies that apply to it: identity, boundary, session, resource, endpoint, organisation.

Whether one statement applies to a request (action, resource, condition operators) is judged by ministack's evaluator,
which was not written for this project. Here is what it lacks: policy variables, ARN operators segment by segment, the
request's own condition keys, principals, and how AWS combines the kinds of policies:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
"""

import json
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib import import_module
from typing import Any, Literal

ministack: Any = import_module("ministack.core.iam_evaluator")

Kind = Literal["role", "user", "root", "service", "anonymous"]
Value = str | Sequence[str]
VARIABLE = re.compile(r"\$\{([^}]+)\}")
ACCOUNT = re.compile(r"(?:arn:[a-z-]+:iam::)?(\d{12})(?::root)?")
NOTHING = "\0"  # what a variable without a value becomes: it equals no text of a request
# Keys, and roles to be assumed: their policy must allow even principals of their own account.
# https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html
POLICY_DECIDES = (":key/", ":role/")


@dataclass(frozen=True, eq=False)
class Statement:
    """One statement as it stands in a policy document."""

    document: Mapping[str, Any]
    spoken_of: dict[str, bool] = field(default_factory=dict[str, bool], repr=False)
    met: dict[tuple[Hashable, ...], bool] = field(default_factory=dict[tuple[Hashable, ...], bool], repr=False)

    @property
    def effect(self) -> str:
        """Allow or Deny."""
        return self.document["Effect"]

    @cached_property
    def parsed(self) -> Any:
        """As ministack reads it."""
        [statement] = ministack.parse_policy_document({"Statement": [dict(self.document)]})
        return statement

    @cached_property
    def condition_keys(self) -> tuple[str, ...] | None:
        """All that it asks of a request beside action and resource; None for one that has to be judged whole."""
        if "NotResource" in self.document or "${" in json.dumps(self.document, default=str):
            return None
        return tuple(sorted({key.lower() for block in (self.parsed.conditions or {}).values() for key in block}))


@dataclass(frozen=True, eq=False)
class Policy:
    """A policy document; `name` says where it stands."""

    name: str
    statements: tuple[Statement, ...]
    spoken_of: dict[tuple[str, str], list[Statement]] = field(
        default_factory=dict[tuple[str, str], list[Statement]], repr=False
    )

    def about(self, action: str, effect: str) -> list[Statement]:
        """The statements of an effect that speak of an action."""
        known = self.spoken_of.get((action, effect))
        if known is None:
            known = [one for one in self.statements if one.effect == effect and speaks_of(one, action)]
            self.spoken_of[action, effect] = known
        return known

    @classmethod
    def read(cls, name: str, document: Mapping[str, Any]) -> "Policy":
        """From a document with one statement or a list of them."""
        found = document["Statement"]
        return cls(name, tuple(Statement(entry) for entry in ([found] if isinstance(found, dict) else found)))


@dataclass(frozen=True, eq=False)
class Request:
    """Who asks for what. `caller` is an ARN, or the name of a service; condition keys in `context` in any case."""

    caller: str
    kind: Kind
    account: str
    action: str
    resource: str
    owner: str
    context: Mapping[str, Value] = field(default_factory=dict[str, Value])
    session: str | None = None
    applied: dict[Statement, bool] = field(default_factory=dict[Statement, bool], repr=False)

    @cached_property
    def keys(self) -> dict[str, Value]:
        """The context with its keys in lower case: condition keys know no case."""
        return {key.lower(): value for key, value in self.context.items()}


@dataclass(frozen=True)
class Policies:
    """What applies to a request. None is a kind of policy that does not take part.

    `control` (service control policies) and `resource_control` are levels, from the root of the organisation down:
    each level must allow. AWS adds a full allow to every level of resource control policies by itself.
    """

    identity: Sequence[Policy] = ()
    boundary: Policy | None = None
    session: Policy | None = None
    resource: Policy | None = None
    endpoint: Policy | None = None
    control: Sequence[Sequence[Policy]] = ()
    resource_control: Sequence[Sequence[Policy]] = ()


def allows(request: Request, policies: Policies) -> bool:
    """Whether AWS would let the request pass."""
    limits = [[limit] for limit in (policies.boundary, policies.session) if limit]
    control = [] if request.kind in ("service", "anonymous") else policies.control
    named = [policy for policy in (policies.resource, policies.endpoint) if policy]
    for group in ([*policies.identity], *limits, *control, *policies.resource_control):
        if _matches(request, group, "Deny"):
            return False
    if any(_naming(request, policy, "Deny") for policy in named):
        return False
    if not all(_matches(request, level, "Allow") for level in control):
        return False
    if policies.endpoint and not _naming(request, policies.endpoint, "Allow"):
        return False
    return _granted(request, policies, limits)


def _granted(request: Request, policies: Policies, limits: Sequence[Sequence[Policy]]) -> bool:
    within = all(_matches(request, limit, "Allow") for limit in limits)
    identity = within and (request.kind == "root" or _matches(request, policies.identity, "Allow"))
    naming = _naming(request, policies.resource, "Allow") if policies.resource else set[str]()
    if request.kind in ("service", "anonymous"):
        return bool(naming)
    if request.account != request.owner:
        return identity and bool(naming)
    # A policy that names the account hands the decision to its identity policies; one that names the caller decides.
    # Its boundary narrows a role and everybody, but not a user or a session that is named itself.
    directly = "self" in naming or ("caller" in naming and within)
    if request.action.startswith(("kms:", "sts:")) and any(kind in request.resource for kind in POLICY_DECIDES):
        return directly or ("account" in naming and identity)
    return directly or identity


def _matches(request: Request, policies: Iterable[Policy], effect: str) -> bool:
    return any(applies(one, request) for policy in policies for one in policy.about(request.action, effect))


def _naming(request: Request, policy: Policy, effect: str) -> set[str]:
    """How the statements of this effect that apply name the caller."""
    return {
        how
        for statement in policy.about(request.action, effect)
        if (how := names(statement, request)) and applies(statement, request)
    }


def names(statement: Statement, request: Request) -> str | None:
    """How a statement of a resource policy names the caller: `account`, `caller`, `self` (its session), or not."""
    document = statement.document
    if "NotPrincipal" in document:
        return None if _named(document["NotPrincipal"], request) else "caller"
    return _named(document.get("Principal"), request)


def _named(principal: Any, request: Request) -> str | None:
    if principal == "*":
        return "caller"
    for kind, value in (principal or {}).items():
        for entry in [value] if isinstance(value, str) else value:
            if kind == "Service":
                if request.kind == "service" and entry.lower() == request.caller.lower():
                    return "caller"
            elif kind == "AWS" and (how := _named_arn(entry, request)):
                return how
    return None


def _named_arn(entry: str, request: Request) -> str | None:
    if entry == "*":
        return "caller"
    if request.kind in ("service", "anonymous"):
        return None
    if account := ACCOUNT.fullmatch(entry):
        return "account" if account[1] == request.account else None
    if entry == request.session or (entry == request.caller and request.kind == "user"):
        return "self"
    return "caller" if entry == request.caller else None


def applies(statement: Statement, request: Request, *, remember: bool = True) -> bool:
    """Whether action, resource and conditions of a statement fit a request."""
    known = request.applied.get(statement)
    if known is None:
        known = _applies(statement, request)
        if remember:
            request.applied[statement] = known
    return known


def speaks_of(statement: Statement, action: str) -> bool:
    """Whether a statement is about the action at all."""
    known = statement.spoken_of.get(action)
    if known is None:
        parsed = statement.parsed
        named: list[str] = parsed.actions or parsed.not_actions
        known = any(ministack.fnmatch_iam(action, name) for name in named) is bool(parsed.actions)
        statement.spoken_of[action] = known
    return known


def _applies(statement: Statement, request: Request) -> bool:
    parsed = statement.parsed
    if not speaks_of(statement, request.action) or _is_elsewhere(parsed, request.resource):
        return False  # the same as below, sooner
    if (keys := statement.condition_keys) is None:
        return _judged(parsed, request)
    # Its resources fit, and it names nothing else than values of these keys.
    values = tuple(_hashable(request.keys.get(key)) for key in keys)
    known = statement.met.get(values)
    if known is None:
        known = statement.met[values] = _judged(parsed, request)
    return known


def _hashable(value: Value | None) -> Hashable:
    return value if value is None or isinstance(value, str) else tuple(value)


def _judged(parsed: Any, request: Request) -> bool:
    filled = replace(
        parsed,
        actions=[request.action],  # it is matched already
        not_actions=[],
        resources=[_fill(text, request) for text in parsed.resources],
        not_resources=[_fill(text, request) for text in parsed.not_resources],
        conditions=_conditions(parsed.conditions or {}, request),
    )
    context = ministack.EvalContext(
        principal_arn=request.caller,
        principal_type=request.kind,
        principal_account=request.account,
        action=request.action,
        resource_arn=request.resource,
        region="",
        service_context={f"request:{key}": value for key, value in request.keys.items()},
    )
    return ministack.evaluate(context, [[filled]]).decision != "ImplicitDeny"


def _is_elsewhere(parsed: Any, resource: str) -> bool:
    """Whether the resources that a statement names, without variables, are certainly others."""
    named: list[str] = parsed.resources
    return bool(named) and not any("${" in name or _fits(resource, name) for name in named)


@cache
def _fits(text: str, pattern: str) -> bool:
    return bool(ministack.fnmatch_iam_cs(text, pattern))  # which keeps 4,096 compiled patterns and no more


def _conditions(conditions: Mapping[str, Mapping[str, Any]], request: Request) -> dict[str, dict[str, list[str]]]:
    """With variables filled, ARNs compared, and keys under names for which ministack has no values of its own."""
    result: dict[str, dict[str, list[str]]] = {}
    for operator, block in conditions.items():
        for key, value in block.items():
            expected = [_fill(str(entry), request) for entry in (value if isinstance(value, list) else [value])]
            actual = request.keys.get(key.lower())
            if re.search(r"(^|:)Arn", operator, re.IGNORECASE) and actual is not None:
                given = [actual] if isinstance(actual, str) else actual
                expected = [arn for arn in given if any(_arn_like(arn, entry) for entry in expected)] or [NOTHING]
            result.setdefault(operator, {})[f"request:{key.lower()}"] = expected
    return result


def _arn_like(arn: str, pattern: str) -> bool:
    """Segment by segment: a wildcard does not reach over a colon, but in the last of the six."""
    parts, patterns = arn.split(":", 5), pattern.split(":", 5)
    return len(parts) == len(patterns) and all(map(_fits, parts, patterns))


def _fill(text: str, request: Request) -> str:
    def value(variable: re.Match[str]) -> str:
        name, _, default = variable[1].partition(",")
        found = request.keys.get(name.strip().lower())
        if isinstance(found, str):
            return found
        return default.strip().strip("'") if default else NOTHING

    return VARIABLE.sub(value, text) if "${" in text else text
