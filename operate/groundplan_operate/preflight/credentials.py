"""Whether there are credentials of each account, and whose they are."""

from collections.abc import Iterator

from groundplan.environment import AccountName
from groundplan_operate.accounts import Accounts, WrongAccount
from groundplan_operate.bootstrap import distinct_accounts
from groundplan_operate.preflight.questions import Found, Question, Site

CHECK = "credentials"


def credentials(site: Site) -> Iterator[Question]:
    """One question an account; the others on it can be asked only when this one is answered ok."""
    accounts = site.accounts
    for account in distinct_accounts(accounts.environment):
        yield Question(
            CHECK,
            account,
            f"of account {accounts.environment.account_ids()[account]}",
            f"sign in to it, or make a profile named {accounts.names.profile(account)}",
            lambda account=account: _look(accounts, account),
        )


def _look(accounts: Accounts, account: AccountName) -> Found:
    try:
        identity = accounts.client("sts", account).get_caller_identity()
    except WrongAccount as error:
        return Found("missing", str(error).partition(";")[0])
    right = identity["Account"] == accounts.environment.account_ids()[account]
    return Found("ok" if right else "missing", str(identity["Arn"]))
