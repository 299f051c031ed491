"""Starts, finds and stops the embedded AWS, which is a program of its own (`python -m groundplan_local`)."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from groundplan.refusal import Refused


def state(root: Path) -> Path:
    """Where the embedded AWS keeps its things; GROUNDPLAN_LOCAL_STATE puts them elsewhere."""
    return Path(os.environ.get("GROUNDPLAN_LOCAL_STATE") or root / ".groundplan/local")


def start(root: Path) -> str:
    """Start it, or find that it runs; what it says of itself."""
    return _run(root, "start")


def stop(root: Path) -> str:
    """Stop it, or find that it does not run; what it says of itself."""
    return _run(root, "stop")


def runs(root: Path) -> bool:
    """Whether it runs."""
    return bool(_status(root)["running"])


def endpoint_url(root: Path) -> str:
    """Its address; raises Refused when it does not run."""
    status = _status(root)
    if not status["running"]:
        raise Refused("the embedded AWS does not run, and what was deployed to it is gone: make deploy starts anew")
    return str(status["endpoint_url"])


def _status(root: Path) -> dict[str, Any]:
    return json.loads(_run(root, "status", "--json"))


def _run(root: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "groundplan_local", *arguments, "--state", str(state(root))]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Refused(done.stderr.strip() or f"the embedded AWS ended with {done.returncode}")
    return done.stdout.strip()
