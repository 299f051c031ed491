"""The `groundplan` command: its verbs, and how every one of them ends.

Exit status: 0 done, 1 refused or failed, 2 wrong usage or bad input. Errors are lines, never a traceback.
"""

import importlib
import sys
from typing import cast

import click

from groundplan.refusal import BadInput, Refused

VERBS = (
    "approve",
    "check",
    "compare",
    "cost",
    "demo",
    "deploy",
    "destroy",
    "diff",
    "image",
    "ingest",
    "lineage",
    "new",
    "plan",
    "prices",
    "promote",
    "prompt",
    "release",
    "report",
    "reproduce",
    "resume",
    "review",
    "rollback",
    "stop",
    "train",
    "verify",
)


class Verbs(click.Group):
    """Imports a verb's module when it is asked for, so that `--help` and each verb stay quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Every verb, sorted."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command `<verb>` of the module `<verb>`."""
        if cmd_name not in VERBS:
            return None
        return cast(click.Command, getattr(importlib.import_module(f"groundplan_operate.{cmd_name}"), cmd_name))


@click.group(cls=Verbs)
def groundplan() -> None:
    """Deploy and operate an AI platform."""


def main() -> None:
    """Run the command line."""
    try:
        sys.exit(groundplan(standalone_mode=False))
    except BadInput as error:
        _end(error, 2)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        sys.exit(2)
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "groundplan"
        _end(f"{error.format_message()} ({where} --help lists what is allowed)", 2)
    except Refused as error:
        _end(error, 1)
    except (click.Abort, KeyboardInterrupt):
        _end("interrupted", 1)
    except Exception as error:
        if not _is_of_aws(error):
            raise
        _end(error, 1)


def _is_of_aws(error: Exception) -> bool:
    """Whether boto3 raised it. A verb that needs no AWS does not import boto3, so this does not either."""
    if "botocore.exceptions" not in sys.modules:
        return False
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    return isinstance(error, ClientError | BotoCoreError | Boto3Error)


def _end(error: object, status: int) -> None:
    for line in str(error).splitlines():
        print(f"groundplan: {line}", file=sys.stderr)
    sys.exit(status)
