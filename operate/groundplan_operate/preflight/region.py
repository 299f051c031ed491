"""Whether the region offers what the environment is made of, as AWS's public parameters tell.

https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-public-parameters-global-infrastructure.html
"""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from groundplan.execution_policy import SERVICES
from groundplan.functions import RUNTIME
from groundplan_operate.accounts import Accounts
from groundplan_operate.preflight.questions import Found, Question, Site

EVERYWHERE = "/aws/service/global-infrastructure"
NAMED = sorted({*SERVICES, "lambda", "ssm"})
AT_ONCE = 10  # names that GetParameters takes


def region(site: Site) -> Iterator[Question]:
    """The services in the ai account, which has the most of them, and the runtime of the functions."""
    accounts = site.accounts
    name, architecture = accounts.environment.region, accounts.environment.architecture
    elsewhere = f"choose another region than {name} in environments/{accounts.environment.name}.toml"
    yield Question(
        "services of the region",
        "ai",
        ", ".join(NAMED),
        elsewhere,
        lambda: _services(accounts.client("ssm", "ai"), name),
    )
    yield Question(
        "runtime of functions", "ai", f"{RUNTIME} on {architecture}", elsewhere, lambda: _runtime(accounts)
    )


def _runtime(accounts: Accounts) -> Found:
    """No call lists runtimes; but a list of layers can be asked for by runtime, and AWS refuses one unknown to it."""
    environment = accounts.environment
    if environment.embedded_aws:
        return Found("unknown", "the embedded AWS runs functions in its own Python", "nothing to be done here")
    try:
        accounts.client("lambda", "ai").list_layers(
            CompatibleRuntime=RUNTIME, CompatibleArchitecture=environment.architecture, MaxItems=1
        )
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("InvalidParameterValueException", "ValidationException"):
            raise
        return Found("missing", f"{environment.region} does not know it")
    return Found("ok", f"{environment.region} knows it")


def _services(ssm: Any, name: str) -> Found:
    here = _known(ssm, f"{EVERYWHERE}/regions/{name}/services")
    elsewhere = _known(ssm, f"{EVERYWHERE}/services") - here
    if not here and not elsewhere:
        return Found("unknown", "AWS's public parameters are not here")
    if elsewhere:
        return Found("missing", f"{name} lacks {', '.join(sorted(elsewhere))}")
    unlisted = sorted(set(NAMED) - here)
    # AWS keeps some services under another name, or in no list at all.
    return Found("ok", f"{len(here)} offered" + (f"; AWS lists nowhere {', '.join(unlisted)}" if unlisted else ""))


def _known(ssm: Any, path: str) -> set[str]:
    names = [f"{path}/{service}" for service in NAMED]
    found: set[str] = set()
    for start in range(0, len(names), AT_ONCE):
        answer = ssm.get_parameters(Names=names[start : start + AT_ONCE])
        found |= {parameter["Name"].rpartition("/")[2] for parameter in answer["Parameters"]}
    return found
