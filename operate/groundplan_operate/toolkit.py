"""Runs the CDK command line of this repository, and says what came of it."""

import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from groundplan.environment import AccountName
from groundplan.refusal import Refused
from groundplan_operate.accounts import Accounts
from groundplan_operate.options import plain
from groundplan_operate.pins import served_here

# All that is deployed from the tooling account. The others, where there are any, a person makes elsewhere.
STACKS = "!(Governance|Billing|Bill-*)"
_ENDED = "Subprocess exited with error"  # cdk of the app, which has said why on the lines before


def run_cdk(
    accounts: Accounts,
    arguments: Sequence[str],
    *,
    account: AccountName = "tooling",
    show: Callable[[str], None] | None = None,
    with_app: bool = True,
    afterwards: Callable[[Path], None] | None = None,
) -> list[str]:
    """Run `cdk` in an account; raises Refused when it fails.

    With `show`, every line is passed to it as it comes and all are given back, and those of a failure are kept in
    `.groundplan/cdk-<verb>-<account>.log`. Without, cdk has the terminal to itself and may ask. `with_app` False
    keeps it from synthesising the app, which bootstrapping has no need of. `afterwards` is given the assembly's
    folder once cdk has done its work.
    """
    cdk, node = accounts.root / "node_modules/.bin/cdk", accounts.root / ".venv/bin/node"
    if not cdk.exists() or not node.exists():
        raise Refused("the CDK command line is not installed: make setup")
    # There is no cdk.json in node_modules.
    folder = accounts.root if with_app else accounts.root / "node_modules"
    variables = dict(accounts.variables(account))
    # An assembly of its own: cdk locks the folder, and a lock outlives a cdk that was killed.
    with tempfile.TemporaryDirectory(prefix="groundplan-") as assembly:
        app = [*_context(accounts), "--output", assembly] if with_app else []
        command = [str(node), str(cdk), *arguments, *app]
        if show is None:
            status, lines = subprocess.run(command, cwd=folder, env=variables).returncode, list[str]()
        else:
            status, lines = _piped(command, folder, variables, show)
        if afterwards and not status:
            afterwards(Path(assembly))
    if status and show is None:
        raise Refused(f"cdk {arguments[0]} ended with {status}; the lines above say why")
    if status:
        raise Refused(_why(accounts.root / f".groundplan/cdk-{arguments[0]}-{account}.log", status, lines))
    return lines


def _context(accounts: Accounts) -> list[str]:
    context = ["--context", f"environment={accounts.environment.name}"]
    if accounts.environment.embedded_aws:
        context += ["--context", f"served={','.join(served_here(accounts))}"]
    return context


def _piped(
    command: Sequence[str], folder: Path, variables: dict[str, str], show: Callable[[str], None]
) -> tuple[int, list[str]]:
    lines: list[str] = []
    with subprocess.Popen(
        command,
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            text = plain(line.rstrip())
            lines.append(text)
            show(text)
    return process.returncode, lines


def _why(log: Path, status: int, lines: Sequence[str]) -> str:
    """The line that tells, and where the others are."""
    log.parent.mkdir(exist_ok=True)
    log.write_text("\n".join(lines) + "\n")
    telling = [
        line.strip()
        for line in lines
        if ("❌" in line or "rror" in line or "failed" in line or "allowed" in line) and _ENDED not in line
    ]
    spoken = [line.strip() for line in lines if line.strip()]
    failed = [" ".join(line.split()) for line in lines if "_FAILED " in line][:1]  # what came first is the cause
    last = (failed or telling or spoken or ["it said nothing"])[-1]
    return f"{last} (cdk ended with {status}; all it said is in {log})"
