"""Clients of this server for its own threads.

They call over HTTP like everybody else, so what they do is what a script or a function could do. They must not be
used on the server's event loop, which would wait for itself.
"""

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from boto3.session import Session
from botocore.config import Config

_making = threading.Lock()  # botocore's loader is not safe for threads that make their first clients at once


@dataclass(frozen=True)
class Credentials:
    """Keys of an account itself (its twelve digits are the access key), or of a session in it."""

    access_key: str
    secret_key: str = "embedded"  # noqa: S105 - any secret opens an emulated account
    session_token: str | None = None


def endpoint_url() -> str:
    """Where this server listens."""
    return f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}"


def connect_with(credentials: Credentials, service: str, region: str) -> Any:
    """A client of one service."""
    session: Any = Session()  # boto3 carries no types
    with _making:
        return session.client(
            service,
            region_name=region,
            endpoint_url=endpoint_url(),
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret_key,
            aws_session_token=credentials.session_token,
            config=Config(
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": 2},
                connect_timeout=5,
                read_timeout=60,
                max_pool_connections=20,
            ),
        )


@cache
def connect(service: str, account: str, region: str) -> Any:
    """The client of one service for an account itself; it is shared between threads."""
    return connect_with(Credentials(account), service, region)


def assume_role(role_arn: str, session_name: str, region: str) -> Credentials:
    """A session of a role, as AWS's own services take one."""
    sts = connect("sts", role_arn.split(":")[4], region)
    answer = sts.assume_role(RoleArn=role_arn, RoleSessionName=session_name, DurationSeconds=12 * 60 * 60)
    given = answer["Credentials"]
    return Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


def tags_as_mapping(tags: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """`[{"Key": "a", "Value": "1"}]` as `{"a": "1"}`."""
    return {tag["Key"]: tag["Value"] for tag in tags}
