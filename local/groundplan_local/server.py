"""The process that serves: settings, the socket, the joints, and then ministack."""

import asyncio
import logging
import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from groundplan_local import processes
from groundplan_local.lifecycle import GROUPS, Server, end_groups, usable

# Inherited, each of these would bend calls that must stay on this machine: towards another authority or proxy
# (custom resources hang when their TLS library cannot read the file), another account, or another endpoint.
NOT_INHERITED = (
    "AWS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "ALL_PROXY",
    "HTTP_PROXY",
    "HTTPS_PROXY",
)
SETTINGS = {
    "BIND_HOST": "127.0.0.1",
    "SFTP_ENABLED": "0",
    "IOT_MTLS_ENABLED": "0",
    "MINISTACK_REGION": "us-east-1",
    "LOG_LEVEL": "INFO",
}


class PortTakenError(Exception):
    """Somebody else listens where the server should; the message is one line for people."""


def serve(state: Path, port: int, enforce_iam: bool) -> None:
    """Serve on loopback until SIGTERM or SIGINT; port 0 takes a free one. Raises PortTakenError, StateError."""
    with usable(state):
        state = state.resolve()
        state.mkdir(parents=True, exist_ok=True)
        Server.read(state)  # where it is something else than a file, it could not be written
    # Bound before anything is imported: the port is known, and nobody can take it, when ministack reads it.
    listening = _bind(port)
    port = listening.getsockname()[1]
    _settle(port, state / "tmp", enforce_iam)
    end_groups(state)
    for folder in (*GROUPS, "tmp"):
        shutil.rmtree(state / folder, ignore_errors=True)
    with usable(state):
        (state / "tmp").mkdir()
    asyncio.run(_serve(state, port, listening, enforce_iam))


def _bind(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise PortTakenError(
            f"port {port} of 127.0.0.1 cannot be had ({error.strerror}): stop what listens there, or choose another "
            "with --port (without it, a free one is taken)"
        ) from None
    return listening


def _settle(port: int, temporary: Path, enforce_iam: bool) -> None:
    """The environment in which ministack is imported and functions run."""
    for name in list(os.environ):
        if name.upper() in NOT_INHERITED or name.startswith("AWS_"):
            del os.environ[name]
    # The unpacked functions lie in the temporary folder, which ministack does not tidy up.
    os.environ.update(SETTINGS, GATEWAY_PORT=str(port), TMPDIR=str(temporary), AUTH=str(enforce_iam).lower())
    # Node, for functions that are written in JavaScript, may have been set up beside this interpreter.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


async def _serve(state: Path, port: int, listening: socket.socket, enforce_iam: bool) -> None:
    from hypercorn.asyncio import serve  # pyright: ignore[reportUnknownVariableType] - it has gaps in its types
    from hypercorn.config import Config

    from groundplan_local.assembly import assemble

    app = assemble(state, enforce_iam)

    async def announced(scope: Any, receive: Any, send: Any) -> None:
        async def tell(message: Any) -> None:
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                app.start()
                Server.this_process(port, enforce_iam).write(state)

        await app.application(scope, receive, tell if scope["type"] == "lifespan" else send)

    logging.getLogger("hypercorn.access").setLevel(logging.WARNING)
    config = Config()
    config.bind = [f"fd://{listening.detach()}"]
    config.keep_alive_timeout = 75
    await serve(announced, config, shutdown_trigger=partial(_ended, app.close))


async def _ended(close: Callable[[], None]) -> None:
    """Wait for SIGTERM or SIGINT, end what the server started while it still answers, and end the process.

    Ended at once: ministack's own way out imports an SSH server in order to stop it, waits for idle connections,
    and has nothing to save.
    """
    signalled = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, signalled.set)
    await signalled.wait()
    await asyncio.to_thread(close)
    processes.end_family()
    logging.shutdown()
    os._exit(0)
