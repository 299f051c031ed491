"""Runs the CDK command line of this repository, shows what it says, and says what came of it."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from groundplan.environment import AccountName
from groundplan.refusal import BadInput, Finding, Refused
from groundplan_operate.accounts import Accounts
from groundplan_operate.options import plain


def run_cdk(
    accounts: Accounts,
    arguments: Sequence[str],
    *,
    account: AccountName = "tooling",
    show: Callable[[str], None] = print,
    allowed: Sequence[int] = (0,),
) -> list[str]:
    """Run `cdk` in an account and give its lines, each passed to `show` as it comes.

    Raises BadInput when the app refused its input (it exits with 2), Refused for any other status not `allowed`.
    """
    cdk = accounts.root / "node_modules/.bin/cdk"
    node = accounts.root / ".venv/bin/node"
    if not cdk.exists() or not node.exists():
        raise Refused("the CDK command line is not installed: make setup")
    command = [str(node), str(cdk), *arguments, "--context", f"environment={accounts.environment.name}"]
    lines: list[str] = []
    with subprocess.Popen(
        command,
        cwd=accounts.root,
        env=dict(accounts.variables(account)),
        stdin=None,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None  # noqa: S101 - it was asked for two lines above
        for line in process.stdout:
            text = plain(line.rstrip())
            lines.append(text)
            show(text)
    if any("Subprocess exited with error 2" in line for line in lines):
        raise BadInput([Finding("app.py", "", "its input", "the lines above say what is wrong")])
    if process.returncode not in allowed:
        raise Refused(_why(arguments, process.returncode, lines))
    return lines


def needs_person(accounts: Accounts) -> list[str]:
    """Approval options: nobody is asked for the embedded AWS; in AWS CDK asks before it widens permissions."""
    return ["--require-approval", "never"] if accounts.environment.embedded_aws else []


def relative(root: Path, path: Path) -> str:
    """`path` as the repository would name it, where it lies inside."""
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _why(arguments: Sequence[str], status: int, lines: Sequence[str]) -> str:
    telling = [line for line in lines if "❌" in line or "rror" in line or "failed" in line]
    return f"cdk {arguments[0]} ended with {status}" + (f": {telling[-1].strip()}" if telling else "")
