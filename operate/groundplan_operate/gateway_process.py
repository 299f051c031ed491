"""The gateway's application as a process on this machine, in front of the embedded AWS."""

import contextlib
import json
import re
import secrets
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

from groundplan.catalogue import read_catalogue
from groundplan.gateway.compiled import compiled
from groundplan.gateway.meter import SCHEMA, Metered, read_event
from groundplan.gateway.settings import Issuer, Place, settings_of
from groundplan.planner import Market
from groundplan.planner.invoked import invoked
from groundplan.refusal import Refused
from groundplan.workload import read_workloads
from groundplan_operate.accounts import Accounts
from groundplan_operate.foundation_models import told
from groundplan_operate.train import price_book

_SERVES = re.compile(r"running on (http://127\.0\.0\.1:\d+)")
_ENDS_WITHIN_SECONDS = 10


@dataclass(frozen=True)
class Pool:
    """A Cognito user pool of the application account, whose users' tokens the gateway takes."""

    cognito: Any
    pool: str
    client: str
    region: str

    @property
    def issuer(self) -> Issuer:
        """As the gateway knows it."""
        address = f"https://cognito-idp.{self.region}.amazonaws.com/{self.pool}"
        return Issuer(issuer=address, audience=self.client, keys_url=f"{address}/.well-known/jwks.json")

    def token(self, tenant: str, feature: str) -> str:
        """A user of a tenant, who may use a feature, and his signed token."""
        name, password = f"{tenant}-{feature}", f"{secrets.token_urlsafe(16)}aA1!"
        attributes = [{"Name": "custom:tenant", "Value": tenant}]
        self.cognito.admin_create_user(UserPoolId=self.pool, Username=name, UserAttributes=attributes)
        self.cognito.admin_set_user_password(UserPoolId=self.pool, Username=name, Password=password, Permanent=True)
        with contextlib.suppress(self.cognito.exceptions.GroupExistsException):
            self.cognito.create_group(UserPoolId=self.pool, GroupName=f"feature/{feature}")
        self.cognito.admin_add_user_to_group(UserPoolId=self.pool, Username=name, GroupName=f"feature/{feature}")
        signed_in = self.cognito.admin_initiate_auth(
            UserPoolId=self.pool,
            ClientId=self.client,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": name, "PASSWORD": password},
        )
        return signed_in["AuthenticationResult"]["IdToken"]


@dataclass
class GatewayProcess:
    """It answers at `url`; `events` is what it wrote so far."""

    url: str
    process: "subprocess.Popen[str]"
    events: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])

    def ask(self, token: str, model: str, text: str) -> dict[str, Any]:
        """The answer to a question, in OpenAI's shape; an error's body where it is refused."""
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": text}]}).encode()
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        request = urllib.request.Request(f"{self.url}/v1/chat/completions", body, headers)  # noqa: S310 - loopback
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)

    def metered(self) -> list[Metered]:
        """A record of each request; complete once the process has ended."""
        return [read_event(event) for event in self.events if event.get("schema") == SCHEMA]

    def listen(self) -> None:
        """Take in what it writes, until it ends."""
        for line in self.process.stdout or ():
            with contextlib.suppress(json.JSONDecodeError):
                self.events.append(json.loads(line))


@contextlib.contextmanager
def pool_of(accounts: Accounts) -> Generator[Pool]:
    """A pool that is gone afterwards."""
    cognito = accounts.client("cognito-idp", "application")
    attribute = {"Name": "tenant", "AttributeDataType": "String", "Mutable": False}
    pool = cognito.create_user_pool(PoolName=f"{accounts.names.stem}-demo", Schema=[attribute])["UserPool"]["Id"]
    try:
        client = cognito.create_user_pool_client(
            UserPoolId=pool, ClientName="demo", ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH"]
        )["UserPoolClient"]["ClientId"]
        yield Pool(cognito, pool, client, accounts.environment.region)
    finally:
        cognito.delete_user_pool(UserPoolId=pool)


@contextlib.contextmanager
def gateway_process(accounts: Accounts, issuer: Issuer) -> Generator[GatewayProcess]:
    """The gateway with the environment's rules; ends with the context, all its lines read."""
    application = ["uvicorn", "--factory", "groundplan_gateway.asgi:gateway", "--port", "0", "--no-access-log"]
    with subprocess.Popen(
        [sys.executable, "-m", *application],
        env={**accounts.variables("application"), "GROUNDPLAN_GATEWAY": _settings(accounts, issuer)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        running = GatewayProcess(_address(process), process)
        listener = threading.Thread(target=running.listen)
        listener.start()
        try:
            yield running
        finally:
            process.terminate()
            process.wait(_ENDS_WITHIN_SECONDS)
            listener.join()


def _address(process: "subprocess.Popen[str]") -> str:
    """Where it serves, once it does."""
    said = "it said nothing"
    for line in process.stdout or ():
        if found := _SERVES.search(line):
            return found[1]
        said = line.strip() or said
    raise Refused(f"the gateway did not start: {said}")


def _settings(accounts: Accounts, issuer: Issuer) -> str:
    environment, catalogue = accounts.environment, read_catalogue(accounts.root)
    if catalogue is None:
        raise Refused("there is no catalogue.toml, and so no model that the gateway may call")
    book = price_book(accounts)
    uses = list(invoked(read_workloads(accounts.root), Market(book, catalogue), environment.region))
    place = Place(
        region=environment.region,
        role_arn=accounts.names.roles(environment.accounts.ai, accounts.names.models_role()),
        issuer=issuer,
    )
    rules = compiled(environment, catalogue, uses, book)
    return settings_of(rules, place, told(accounts)).model_dump_json()
