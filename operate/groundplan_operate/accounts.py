"""Sessions for the accounts of an environment: in AWS by profile or the shell's own credentials, locally by id."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from groundplan.environment import AccountName, Environment
from groundplan.names import Names
from groundplan.refusal import Refused
from groundplan_operate import embedded_aws

_Session: Any = boto3.Session  # untyped; what is got from it is Any, on purpose and from here on
# One retry loop, botocore's own.
CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=10)


class WrongAccount(Refused):
    """The credentials at hand are of another account than the one that is meant."""


@dataclass(frozen=True)
class Accounts:
    """The accounts of `environment`; `root` is the repository."""

    root: Path
    environment: Environment

    @cached_property
    def names(self) -> Names:
        """The environment's names."""
        return Names(self.environment)

    @cached_property
    def endpoint_url(self) -> str | None:
        """The embedded AWS's address; None in AWS. Raises Refused when it does not run."""
        return embedded_aws.endpoint_url(self.root) if self.environment.embedded_aws else None

    def client(self, service: str, account: AccountName) -> Any:
        """A boto3 client in one of the accounts; raises Refused when the credentials are of another."""
        return self.session(account).client(service, endpoint_url=self.endpoint_url, config=CONFIG)

    def session(self, account: AccountName) -> Any:
        """A boto3.Session in one of the accounts; raises Refused when the credentials are of another."""
        # Kept: a profile that asks for a one-time password asks once.
        if account not in self._sessions:
            self._sessions[account] = self._open(account)
        return self._sessions[account]

    @cached_property
    def _sessions(self) -> dict[AccountName, Any]:
        return {}

    def _open(self, account: AccountName) -> Any:
        number = self.environment.account_ids()[account]
        if self.environment.embedded_aws:
            return _Session(number, "embedded", region_name=self.environment.region)
        profile = self.names.profile(account)
        known = profile in _Session().available_profiles
        session = _Session(profile_name=profile if known else None, region_name=self.environment.region)
        found = _account_of(session)
        if found != number:
            raise WrongAccount(
                f"these credentials are of account {found or 'nobody'}; the {account} account of "
                f"{self.environment.name} is {number}: sign in to it, or make a profile named {profile}"
            )
        return session

    def has_credentials(self, account: AccountName) -> bool:
        """Whether a session in the account can be had."""
        try:
            self.session(account)
        except WrongAccount:
            return False
        return True

    def variables(self, account: AccountName) -> Mapping[str, str]:
        """Environment variables under which a child process works in the account."""
        kept = dict(os.environ)
        kept["AWS_REGION"] = kept["AWS_DEFAULT_REGION"] = self.environment.region
        if self.endpoint_url:
            number = self.environment.account_ids()[account]
            unset = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE")
            kept = {key: value for key, value in kept.items() if key not in unset}
            return kept | {
                "AWS_ENDPOINT_URL": self.endpoint_url,
                "AWS_ACCESS_KEY_ID": number,
                "AWS_SECRET_ACCESS_KEY": "embedded",
                "AWS_EC2_METADATA_DISABLED": "true",
            }
        profile = self.names.profile(account)
        return kept | ({"AWS_PROFILE": profile} if profile in _Session().available_profiles else {})


def _account_of(session: Any) -> str | None:
    """The account of a session's credentials; None without any. Raises Refused when AWS does not say."""
    try:
        return str(session.client("sts", config=CONFIG).get_caller_identity()["Account"])
    except NoCredentialsError:
        return None
    except (BotoCoreError, ClientError) as error:
        raise Refused(f"AWS does not say whose these credentials are: {error}") from error
