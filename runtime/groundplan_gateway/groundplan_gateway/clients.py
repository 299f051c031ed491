"""AWS's clients of one caller: the ai account's role, assumed with the tenant and the feature as session tags."""

import gc
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast

from boto3.session import Session
from botocore.config import Config

from groundplan_gateway.identity import Caller

_SESSION_SECONDS = 3600  # the longest that AWS gives to a role that assumes another
_RENEW_BEFORE_SECONDS = 300
_MOST_CALLERS = 1000
_ITSELF = Caller("gateway", "settings")  # by its tags the role's sessions tell the gateway's own questions apart


@dataclass(frozen=True)
class Clients:
    """Clients that one caller's calls are made with."""

    bedrock: Any
    sagemaker: Any


class ClientsOf(Protocol):
    """Clients of a caller; may block, so it is asked in a backend's thread."""

    def __call__(self, caller: Caller) -> Clients:
        """The clients."""
        ...


def call_config(timeout_seconds: float) -> Config:
    """Without botocore's retries: the gateway's own loop is the only one."""
    return Config(
        connect_timeout=2,
        read_timeout=timeout_seconds,
        retries={"total_max_attempts": 1},
        max_pool_connections=100,
    )


class AssumedRole:
    """Credentials are kept for each tenant and feature until five minutes before their end."""

    def __init__(
        self,
        *,
        session: Session,
        role_arn: str | None,
        region: str,
        timeout_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._session, self._role_arn, self._region = session, role_arn, region
        self._config, self._clock = call_config(timeout_seconds), clock
        self._kept: dict[Caller, tuple[Clients, float]] = {}
        self._lock = threading.Lock()

    def __call__(self, caller: Caller) -> Clients:
        """See `ClientsOf`."""
        with self._lock:  # one caller's first request asks for the role, the others wait for it
            kept = self._kept.get(caller)
            if kept and kept[1] > self._clock():
                return kept[0]
            if len(self._kept) >= _MOST_CALLERS:
                self._kept.pop(next(iter(self._kept)))
            made, until = self._make(caller)
            if not self._kept:
                # What is imported and loaded by now stays. To search it for garbage stops all callers for 0.1 s.
                gc.freeze()
            self._kept[caller] = made, until
            return made

    def read_parameter(self, name: str) -> str:
        """The value of an SSM parameter of the ai account, as it is now; blocks."""
        credentials, _ = self._credentials(_ITSELF)
        return self._client("ssm", credentials).get_parameter(Name=name)["Parameter"]["Value"]

    def _make(self, caller: Caller) -> tuple[Clients, float]:
        credentials, until = self._credentials(caller)
        clients = Clients(
            self._client("bedrock-runtime", credentials), self._client("sagemaker-runtime", credentials)
        )
        return clients, until

    def _credentials(self, caller: Caller) -> tuple[dict[str, str], float]:
        credentials: dict[str, str] = {}
        until = float("inf")
        if self._role_arn:
            sts = self._client("sts", {})
            given = sts.assume_role(
                RoleArn=self._role_arn,
                RoleSessionName=f"{caller.tenant}-{caller.feature}".replace(":", "-")[:64],
                DurationSeconds=_SESSION_SECONDS,
                Tags=[{"Key": "tenant", "Value": caller.tenant}, {"Key": "feature", "Value": caller.feature}],
            )["Credentials"]
            credentials = {
                "aws_access_key_id": given["AccessKeyId"],
                "aws_secret_access_key": given["SecretAccessKey"],
                "aws_session_token": given["SessionToken"],
            }
            until = given["Expiration"].timestamp() - _RENEW_BEFORE_SECONDS
        return credentials, until

    def _client(self, service: str, credentials: dict[str, str]) -> Any:
        make = cast(Any, self._session).client
        return make(service, region_name=self._region, config=self._config, **credentials)
