"""A question to one account, and its answer. What cannot be found out is unknown: never a traceback, never ok."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from botocore.exceptions import BotoCoreError, ClientError

from groundplan.environment import AccountName
from groundplan.refusal import Refused
from groundplan.workload import Workload
from groundplan_operate.accounts import Accounts

Status = Literal["ok", "missing", "warning", "unknown"]
LONGEST_REASON = 200
DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")


@dataclass(frozen=True)
class Site:
    """What is looked at: the accounts of an environment, and the workloads that are to run there."""

    accounts: Accounts
    workloads: Sequence[Workload]


@dataclass(frozen=True)
class Found:
    """What there is; `remedy` when it is another than the question's, which is for what is missing."""

    status: Status
    found: str
    remedy: str = ""


@dataclass(frozen=True)
class Question:
    """One thing in one account: what is wanted, what to do when it is not there, and how to look."""

    check: str
    account: AccountName
    wanted: str
    remedy: str
    look: Callable[[], Found]


@dataclass(frozen=True)
class Answer:
    """A line of the table; its fields are the keys of `--json`."""

    check: str
    account: str
    status: Status
    found: str
    wanted: str
    remedy: str


def answer(question: Question) -> Answer:
    """Look, and say what was found."""
    try:
        found = question.look()
    except ClientError as error:
        said = cast(dict[str, str], error.response["Error"])
        remedy = f"look again with permission for {error.operation_name}" if said["Code"] in DENIED else ""
        found = Found("unknown", _short(f"{error.operation_name}: {said['Code']} {said['Message']}"), remedy)
    except (BotoCoreError, Refused) as error:
        found = Found("unknown", _short(str(error)))
    return told(question, found)


def told(question: Question, found: Found) -> Answer:
    """The line for what was found."""
    remedy = found.remedy if found.status == "unknown" else found.remedy or question.remedy
    return Answer(
        question.check,
        question.account,
        found.status,
        found.found,
        question.wanted,
        "" if found.status == "ok" else remedy,
    )


def _short(reason: str) -> str:
    text = " ".join(reason.split())
    return text if len(text) <= LONGEST_REASON else f"{text[: LONGEST_REASON - 1]}…"
