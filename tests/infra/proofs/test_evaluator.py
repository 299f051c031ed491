"""The evaluator answers as AWS's documentation says. Each case names what the documentation says.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
"""

from typing import Any

import pytest

from proofs.evaluator import Kind, Policies, Policy, Request, Value, allows

OWN, OTHER = "111122223333", "444455556666"
BUCKET = "arn:aws:s3:::records"
OBJECT = f"{BUCKET}/team/one.txt"
KEY = f"arn:aws:kms:us-east-1:{OWN}:key/one"
ROLE = f"arn:aws:iam::{OWN}:role/reader"
SESSION = f"arn:aws:sts::{OWN}:assumed-role/reader/ann"


def policy(*statements: dict[str, Any]) -> Policy:
    return Policy.read("case", {"Statement": list(statements)})


def statement(
    effect: str = "Allow", action: Any = "s3:GetObject", resource: Any = "*", **more: Any
) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource} | more


def request(
    action: str = "s3:GetObject",
    resource: str = OBJECT,
    kind: Kind = "role",
    caller: str = ROLE,
    owner: str = OWN,
    account: str = OWN,
    **context: Value,
) -> Request:
    keys = {key.replace("__", ":").replace("_S_", "/"): value for key, value in context.items()}
    session = caller.replace(":iam:", ":sts:").replace("role/", "assumed-role/") + "/ann" if kind == "role" else None
    return Request(caller, kind, account, action, resource, owner, keys, session)


READ, ALL = policy(statement()), policy(statement(action="*"))
DENY = policy(statement("Deny"))
NONE = policy(statement(action="iam:GetRole"))
BY_ROOT = policy(statement(Principal={"AWS": f"arn:aws:iam::{OWN}:root"}))
BY_ID = policy(statement(Principal={"AWS": OWN}))
BY_ROLE = policy(statement(Principal={"AWS": ROLE}))
BY_SESSION = policy(statement(Principal={"AWS": SESSION}))
BY_ALL = policy(statement(Principal="*"))
KEY_ROOT = policy(statement(action="kms:*", Principal={"AWS": f"arn:aws:iam::{OWN}:root"}))
KEY_ROLE = policy(statement(action="kms:*", Principal={"AWS": ROLE}))
DECRYPT = policy(statement(action="kms:Decrypt"))
BY_EVENTS = policy(
    statement(Principal={"Service": "events.amazonaws.com"}, Condition={"StringEquals": {"aws:SourceAccount": OWN}})
)
NOT_READER = policy(statement("Deny", NotPrincipal={"AWS": [ROLE, SESSION]}))

HOW_POLICIES_COMBINE: dict[str, tuple[bool, Request, Policies]] = {
    "by default all is denied": (False, request(), Policies()),
    "an identity policy allows": (True, request(), Policies([READ])),
    "an explicit deny wins over an allow": (False, request(), Policies([READ, DENY])),
    "a deny in a resource policy wins over the identity policy": (
        False,
        request(),
        Policies([READ], resource=policy(statement("Deny", Principal="*"))),
    ),
    "the root user needs no policy": (True, request(kind="root"), Policies()),
    "the root user is under service control policies": (False, request(kind="root"), Policies(control=[[DENY]])),
    "a boundary and a policy must both allow": (True, request(), Policies([READ], boundary=ALL)),
    "a boundary grants nothing": (False, request(), Policies(boundary=ALL)),
    "what a boundary does not allow is denied": (False, request(), Policies([READ], boundary=NONE)),
    "a session policy narrows": (False, request(), Policies([READ], session=NONE)),
    "within an account a policy naming the role is enough": (True, request(), Policies(resource=BY_ROLE)),
    "a boundary narrows what a policy gives to a role": (
        False,
        request(),
        Policies(resource=BY_ROLE, boundary=NONE),
    ),
    "a boundary does not narrow what a policy gives to a session": (
        True,
        request(),
        Policies(resource=BY_SESSION, boundary=NONE),
    ),
    "a policy naming the account leaves it to identity policies": (False, request(), Policies(resource=BY_ROOT)),
    "an account may be named by its digits": (True, request(owner=OTHER), Policies([READ], resource=BY_ID)),
    "across accounts the identity policy alone is not enough": (False, request(owner=OTHER), Policies([READ])),
    "across accounts the resource policy alone is not enough": (
        False,
        request(owner=OTHER),
        Policies(resource=BY_ROLE),
    ),
    "across accounts both allow": (True, request(owner=OTHER), Policies([READ], resource=BY_ROOT)),
    "across accounts the boundary counts": (
        False,
        request(owner=OTHER),
        Policies([READ], resource=BY_ROOT, boundary=NONE),
    ),
    "everybody includes strangers without credentials": (
        True,
        request(kind="anonymous", caller="", account=""),
        Policies(resource=BY_ALL),
    ),
    "a key's policy must allow also in its own account": (
        False,
        request("kms:Decrypt", KEY),
        Policies([DECRYPT], resource=READ),
    ),
    "a key's policy naming the account lets identity policies decide": (
        True,
        request("kms:Decrypt", KEY),
        Policies([DECRYPT], resource=KEY_ROOT),
    ),
    "a key's policy naming the account grants nothing by itself": (
        False,
        request("kms:Decrypt", KEY),
        Policies(resource=KEY_ROOT),
    ),
    "a key's policy naming the role is enough": (True, request("kms:Decrypt", KEY), Policies(resource=KEY_ROLE)),
    "a service needs the resource's policy": (
        True,
        request(kind="service", caller="events.amazonaws.com", account="", aws__SourceAccount=OWN),
        Policies(resource=BY_EVENTS),
    ),
    "a service for another account's sake is not it": (
        False,
        request(kind="service", caller="events.amazonaws.com", account="", aws__SourceAccount=OTHER),
        Policies(resource=BY_EVENTS),
    ),
    "another service is not it": (
        False,
        request(kind="service", caller="s3.amazonaws.com", account="", aws__SourceAccount=OWN),
        Policies(resource=BY_EVENTS),
    ),
    "service control policies do not bind services": (
        True,
        request(kind="service", caller="events.amazonaws.com", account="", aws__SourceAccount=OWN),
        Policies(resource=BY_EVENTS, control=[[DENY]]),
    ),
    "each level of service control policies must allow": (
        False,
        request(),
        Policies([READ], control=[[ALL], [NONE]]),
    ),
    "service control policies grant nothing": (False, request(), Policies(control=[[ALL]])),
    "a resource control policy denies also strangers": (
        False,
        request(account=OTHER),
        Policies([READ], resource=BY_ALL, resource_control=[[DENY]]),
    ),
    "an endpoint's policy must allow what goes through it": (
        False,
        request(),
        Policies([READ], endpoint=policy(statement(action="s3:PutObject", Principal="*"))),
    ),
    "an endpoint's policy grants nothing": (False, request(), Policies(endpoint=BY_ALL)),
    "NotPrincipal spares who it names": (True, request(), Policies([READ], resource=NOT_READER)),
    "NotPrincipal hits everybody else": (
        False,
        request(caller=f"arn:aws:iam::{OWN}:role/writer"),
        Policies([READ], resource=NOT_READER),
    ),
}


@pytest.mark.parametrize("case", HOW_POLICIES_COMBINE)
def test_policies_combine_as_documented(case: str) -> None:
    expected, asked, policies = HOW_POLICIES_COMBINE[case]
    assert allows(asked, policies) is expected


TAG = "aws__PrincipalTag_S_team"
HOW_STATEMENTS_MATCH: dict[str, tuple[bool, dict[str, Any], dict[str, Any]]] = {
    "actions know no case": (True, {"Action": "S3:getobject"}, {}),
    "a question mark is one character": (False, {"Action": "s3:GetObjec?t"}, {}),
    "NotAction is everything else": (False, {"NotAction": "s3:Get*"}, {}),
    "resources know case": (False, {"Resource": f"{BUCKET}/TEAM/*"}, {}),
    "NotResource is everything else": (True, {"NotResource": f"{BUCKET}/other/*"}, {}),
    "a variable in a resource is the caller's value": (
        True,
        {"Resource": f"{BUCKET}/${{aws:PrincipalTag/team}}/*"},
        {TAG: "team"},
    ),
    "a variable without a value matches nothing": (
        False,
        {"Resource": f"{BUCKET}/${{aws:PrincipalTag/team}}*/*"},
        {},
    ),
    "a variable may have a default": (
        True,
        {"Resource": f"{BUCKET}/${{aws:PrincipalTag/team, 'team'}}/*"},
        {},
    ),
    "a variable in a condition is the caller's value": (
        True,
        {"Condition": {"StringEquals": {"s3:prefix": "${aws:PrincipalTag/team}/x"}}},
        {TAG: "team", "s3__prefix": "team/x"},
    ),
    "keys know no case": (
        True,
        {"Condition": {"StringEquals": {"AWS:sourceACCOUNT": OWN}}},
        {"aws__SourceAccount": OWN},
    ),
    "values know case": (False, {"Condition": {"StringEquals": {"s3:prefix": "Team"}}}, {"s3__prefix": "team"}),
    "IgnoreCase does not": (
        True,
        {"Condition": {"StringEqualsIgnoreCase": {"s3:prefix": "Team"}}},
        {"s3__prefix": "team"},
    ),
    "values of a key are alternatives": (
        True,
        {"Condition": {"StringEquals": {"s3:prefix": ["a", "team"]}}},
        {"s3__prefix": "team"},
    ),
    "operators and keys must all be met": (
        False,
        {"Condition": {"StringEquals": {"s3:prefix": "team", "aws:SourceAccount": OWN}}},
        {"s3__prefix": "team"},
    ),
    "StringEquals has no wildcards": (
        False,
        {"Condition": {"StringEquals": {"s3:prefix": "te*"}}},
        {"s3__prefix": "team"},
    ),
    "StringLike has": (True, {"Condition": {"StringLike": {"s3:prefix": "te*"}}}, {"s3__prefix": "team"}),
    "an absent key fails an affirmative operator": (False, {"Condition": {"StringLike": {"s3:prefix": "*"}}}, {}),
    "an absent key meets a negated operator": (True, {"Condition": {"StringNotEquals": {"s3:prefix": "a"}}}, {}),
    "several values under a negated operator: none of them": (
        False,
        {"Condition": {"StringNotEquals": {"s3:prefix": ["a", "b"]}}},
        {"s3__prefix": "b"},
    ),
    "IfExists is met by an absent key": (True, {"Condition": {"StringEqualsIfExists": {"s3:prefix": "a"}}}, {}),
    "IfExists compares a present key": (
        False,
        {"Condition": {"StringEqualsIfExists": {"s3:prefix": "a"}}},
        {"s3__prefix": "b"},
    ),
    "Null true wants the key absent": (True, {"Condition": {"Null": {"s3:prefix": "true"}}}, {}),
    "Null false wants it present": (False, {"Condition": {"Null": {"s3:prefix": "false"}}}, {}),
    "an ARN's wildcard stays within its segment": (
        False,
        {"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:*:topic"}}},
        {"aws__SourceArn": f"arn:aws:sns:us-east-1:{OWN}:topic"},
    ),
    "StringLike's reaches over colons": (
        True,
        {"Condition": {"StringLike": {"aws:SourceArn": "arn:aws:*:topic"}}},
        {"aws__SourceArn": f"arn:aws:sns:us-east-1:{OWN}:topic"},
    ),
    "ArnEquals has wildcards too": (
        True,
        {"Condition": {"ArnEquals": {"aws:SourceArn": f"arn:aws:sns:*:{OWN}:*"}}},
        {"aws__SourceArn": f"arn:aws:sns:us-east-1:{OWN}:topic"},
    ),
    "ArnNotLike is its contrary": (
        False,
        {"Condition": {"ArnNotLike": {"aws:SourceArn": f"arn:aws:sns:*:{OWN}:*"}}},
        {"aws__SourceArn": f"arn:aws:sns:us-east-1:{OWN}:topic"},
    ),
    "numbers are compared as numbers": (
        True,
        {"Condition": {"NumericLessThan": {"s3:TlsVersion": 1.2}}},
        {"s3__TlsVersion": "1.1"},
    ),
    "and their bounds are what they say": (
        False,
        {"Condition": {"NumericLessThan": {"s3:TlsVersion": 1.2}}},
        {"s3__TlsVersion": "1.2"},
    ),
    "a number that is absent is less than nothing": (
        False,
        {"Condition": {"NumericLessThan": {"s3:TlsVersion": 1.2}}},
        {},
    ),
    "Bool": (True, {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}, {"aws__SecureTransport": "false"}),
    "an address within the range": (
        True,
        {"Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}},
        {"aws__SourceIp": "203.0.113.7"},
    ),
    "an address that is absent is in no range": (
        False,
        {"Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}},
        {},
    ),
    "a time before another": (
        True,
        {"Condition": {"DateLessThan": {"aws:CurrentTime": "2026-12-01T00:00:00Z"}}},
        {"aws__CurrentTime": "2026-11-21T00:00:00Z"},
    ),
    "ForAllValues: every value": (
        False,
        {"Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}}},
        {"aws__TagKeys": ["a", "c"]},
    ),
    "ForAllValues is met by no values": (
        True,
        {"Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}},
        {},
    ),
    "ForAnyValue: one of them": (
        True,
        {"Condition": {"ForAnyValue:StringEquals": {"aws:TagKeys": ["a", "b"]}}},
        {"aws__TagKeys": ["a", "c"]},
    ),
    "ForAnyValue is not met by no values": (
        False,
        {"Condition": {"ForAnyValue:StringEquals": {"aws:TagKeys": ["a"]}}},
        {},
    ),
    "an operator that nobody knows is not met": (
        False,
        {"Condition": {"StringResembles": {"s3:prefix": "a"}}},
        {"s3__prefix": "a"},
    ),
}


@pytest.mark.parametrize("case", HOW_STATEMENTS_MATCH)
def test_statements_match_as_documented(case: str) -> None:
    expected, document, context = HOW_STATEMENTS_MATCH[case]
    if "NotAction" not in document:
        document = {"Action": "s3:GetObject"} | document
    if "NotResource" not in document:
        document = {"Resource": "*"} | document
    assert allows(request(**context), Policies([policy({"Effect": "Allow"} | document)])) is expected


def test_the_loopback_address_is_no_value_of_a_request_that_has_none() -> None:
    """ministack fills keys of its own server; a request judged here has what its context says."""
    asked = request()
    for key in ("aws:SourceIp", "aws:SecureTransport", "aws:ResourceAccount", "aws:PrincipalArn"):
        absent = policy(statement(Condition={"Null": {key: "true"}}))
        assert allows(asked, Policies([absent])), key
