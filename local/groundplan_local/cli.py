"""The command line of the embedded AWS. Exit 0: done; 1: failed; 2: wrong usage, or the port is taken."""

import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import click

from groundplan_local import lifecycle

_state = click.option(
    "--state",
    "state",
    required=True,
    type=click.Path(path_type=Path),
    help="The folder that holds server.json, server.log and the training jobs.",
)
_port = click.option(
    "--port",
    default=0,
    type=click.IntRange(0, 65535),
    show_default="a free one",
    help="Where to listen, on loopback only.",
)
_enforce_iam = click.option(
    "--enforce-iam",
    is_flag=True,
    help="Judge every call by IAM's policies. Whatever the shell says, without this nothing is judged.",
)
_as_json = click.option("--json", "as_json", is_flag=True, help="Answer for machines.")


@click.group()
def main() -> None:
    """An AWS of several accounts in one process of this machine. Nothing outlives the process."""


@main.command()
@_state
@_port
@_enforce_iam
@_as_json
def start(state: Path, port: int, enforce_iam: bool, as_json: bool) -> None:
    """Start the server in the background and wait until it answers."""
    with _refusals_in_one_line():
        server, new = lifecycle.start(state, port, enforce_iam)
    verb = "started" if new else "already running"
    _tell(server, as_json, f"embedded AWS {verb} at {server.endpoint_url} (process {server.pid})")


@main.command()
@_state
@_as_json
def stop(state: Path, as_json: bool) -> None:
    """End the server and everything that it started."""
    with _refusals_in_one_line():
        server = lifecycle.stop(state)
    if as_json:
        click.echo(json.dumps({"running": False, "stopped": server is not None}))
    elif server:
        click.echo(f"embedded AWS at {server.endpoint_url} stopped")
    else:
        click.echo("embedded AWS is not running")


@main.command()
@_state
@_as_json
def status(state: Path, as_json: bool) -> None:
    """Say whether the server runs and answers."""
    with _refusals_in_one_line():
        server = lifecycle.running(state)
    _tell(server, as_json, f"embedded AWS runs at {server.endpoint_url} (process {server.pid})" if server else "")


@main.command()
@_state
@_port
@_enforce_iam
def serve(state: Path, port: int, enforce_iam: bool) -> None:
    """Run the server in the foreground until it is interrupted."""
    from groundplan_local.server import PortTakenError, serve  # late: `stop` and `status` need neither AWS library

    try:
        with _refusals_in_one_line():
            serve(state, port, enforce_iam)
    except PortTakenError as error:
        click.echo(str(error), err=True)
        sys.exit(2)


@contextmanager
def _refusals_in_one_line() -> Generator[None]:
    try:
        yield
    except lifecycle.StateError as error:
        click.echo(" ".join(str(error).split()), err=True)
        sys.exit(2)
    except lifecycle.StartError as error:
        click.echo(str(error), err=True)
        sys.exit(error.exit_code)


def _tell(server: "lifecycle.Server | None", as_json: bool, sentence: str) -> None:
    if as_json:
        click.echo(json.dumps({"running": server is not None, **(server.to_json() if server else {})}))
    else:
        click.echo(sentence or "embedded AWS is not running")
