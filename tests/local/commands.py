"""The platform's own commands, as a user types them, and a copy of the repository in which they may change files."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
GROUNDPLAN = ROOT / ".venv/bin/groundplan"


def groundplan(state: Path, *arguments: str, at: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """The command in the repository `at`, with an embedded AWS whose state is in `state`."""
    return subprocess.run(
        [str(GROUNDPLAN), *arguments], cwd=at, env=variables(state), capture_output=True, text=True, timeout=280
    )


def variables(state: Path) -> Mapping[str, str]:
    """The environment of a command that uses the embedded AWS in `state`."""
    return {**os.environ, "GROUNDPLAN_LOCAL_STATE": str(state)}


def copy_repository(to: Path, *workloads: str) -> Path:
    """This repository with environments and workloads of its own, and nothing released; the rest are links.

    Of the workloads those that are named, or all.
    """
    for path in ROOT.iterdir():
        if path.name not in ("app.py", "environments", "workloads", "cdk.out", "tests", ".git"):
            (to / path.name).symlink_to(path)
    shutil.copy(ROOT / "app.py", to)
    chosen = [f"workloads/{one}" for one in workloads] or ["workloads"]
    for name in ("environments", *chosen):
        shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("release.*"))
    return to
