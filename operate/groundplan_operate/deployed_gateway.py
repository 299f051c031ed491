"""The deployed gateway as its callers see it: tokens of its pool, questions in OpenAI's shape, its meter."""

import contextlib
import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from groundplan.gateway.meter import SCHEMA, Metered, read_event
from groundplan.refusal import Refused
from groundplan_operate.accounts import Accounts

_METERED_WITHIN_SECONDS = 20.0


@dataclass(frozen=True)
class Answer:
    """What came back: OpenAI's document, the id by which it is metered, and how long it took."""

    document: Mapping[str, Any]
    request_id: str
    milliseconds: float


@dataclass(frozen=True)
class DeployedGateway:
    """It answers at `url`; its callers are users of the pool, its meter is in the log group."""

    accounts: Accounts
    url: str
    pool: str
    client: str
    log_group: str

    @classmethod
    def find(cls, accounts: Accounts) -> "DeployedGateway":
        """That of an environment; raises Refused where none is deployed."""
        stacks, name = accounts.client("cloudformation", "application"), accounts.names.stack("Gateway")
        try:
            outputs = stacks.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
        except stacks.exceptions.ClientError:
            raise Refused(f"{name} is not deployed: make deploy ENV={accounts.environment.name}") from None
        told = {output["OutputKey"]: output["OutputValue"] for output in outputs}
        made = stacks.describe_stack_resources(StackName=name)["StackResources"]
        physical = {one["ResourceType"]: one["PhysicalResourceId"] for one in made}
        function = accounts.client("lambda", "application").get_function_configuration(
            FunctionName=physical["AWS::Lambda::Function"]
        )
        return cls(
            accounts,
            _address(told["Url"], accounts.endpoint_url),
            physical["AWS::Cognito::UserPool"],
            told["Client"],
            function["LoggingConfig"]["LogGroup"],
        )

    @contextlib.contextmanager
    def token(self, tenant: str, feature: str) -> Generator[str]:
        """The token of a user of a tenant, who may use a feature; the user is gone afterwards."""
        cognito, pool = self.accounts.client("cognito-idp", "application"), self.pool
        name, password = f"demo-{tenant}-{feature}", f"{secrets.token_urlsafe(16)}aA1!"
        attributes = [{"Name": "custom:tenant", "Value": tenant}]
        with contextlib.suppress(cognito.exceptions.UsernameExistsException):
            cognito.admin_create_user(
                UserPoolId=pool,
                Username=name,
                UserAttributes=attributes,
                TemporaryPassword=password,
                MessageAction="SUPPRESS",
            )
        try:
            cognito.admin_set_user_password(UserPoolId=pool, Username=name, Password=password, Permanent=True)
            cognito.admin_add_user_to_group(UserPoolId=pool, Username=name, GroupName=f"feature/{feature}")
            signed_in = cognito.admin_initiate_auth(
                UserPoolId=pool,
                ClientId=self.client,
                AuthFlow="ADMIN_USER_PASSWORD_AUTH",
                AuthParameters={"USERNAME": name, "PASSWORD": password},
            )
            yield signed_in["AuthenticationResult"]["IdToken"]
        finally:
            cognito.admin_delete_user(UserPoolId=pool, Username=name)

    def ask(self, token: str, model: str, text: str) -> Answer:
        """The answer to a question; raises Refused with the API's own message where there is none."""
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": text}]}).encode()
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        request = urllib.request.Request(f"{self.url}/chat/completions", body, headers)  # noqa: S310 - by _address
        began = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                document, request_id = json.load(answer), answer.headers["x-request-id"]
        except urllib.error.HTTPError as error:
            raise Refused(f"the gateway answers {error.code}: {error.read(1000).decode(errors='replace')}") from None
        return Answer(document, request_id, (time.monotonic() - began) * 1000)

    def metered(self, request_ids: Sequence[str]) -> list[Metered]:
        """The meter's line of each request, from the function's log; raises Refused when one is missing."""
        deadline = time.monotonic() + _METERED_WITHIN_SECONDS
        while missing := set(request_ids) - (found := self._lines(request_ids)).keys():
            if time.monotonic() > deadline:
                raise Refused(f"{len(missing)} of {len(request_ids)} requests are not metered")
            time.sleep(0.2)
        return [found[one] for one in request_ids]

    def _lines(self, request_ids: Collection[str]) -> dict[str, Metered]:
        logs, group = self.accounts.client("logs", "application"), self.log_group
        found: dict[str, Metered] = {}
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group, filterPattern=SCHEMA):
            for event in page["events"]:
                with contextlib.suppress(json.JSONDecodeError):
                    line = json.loads(event["message"])
                    if line.get("schema") == SCHEMA and line["request_id"] in request_ids:
                        found[line["request_id"]] = read_event(line)
        return found


def _address(url: str, elsewhere: str | None) -> str:
    """A URL of API Gateway, as the embedded AWS serves it where there is one."""
    if elsewhere is None:
        return url
    parts = urlsplit(url)
    return f"{elsewhere}/_aws/execute-api/{parts.netloc.partition('.')[0]}{parts.path}"
