"""Synthesises an environment of this repository without AWS, credentials or the CDK command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

from groundplan.environment import read_environment
from groundplan.refusal import Refused
from groundplan.workload import read_workloads


def synthesise(root: Path, environment_name: str, folder: Path) -> None:
    """Write the assembly of an environment into `folder`, validators left out; raises BadInput or Refused."""
    read_environment(root, environment_name)
    read_workloads(root)
    # The paths of constructs and the templates of nested stacks are told only when asked for, as cdk does.
    metadata = {f"aws:cdk:enable-{kind}-metadata": True for kind in ("path", "asset")}
    context = json.loads((root / "cdk.json").read_text())["context"] | {"environment": environment_name} | metadata
    variables = {"CDK_OUTDIR": str(folder), "CDK_CONTEXT_JSON": json.dumps(context), "CDK_VALIDATION": "false"}
    done = subprocess.run(
        [sys.executable, "app.py"], cwd=root, env=os.environ | variables, capture_output=True, text=True
    )
    if done.returncode:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise Refused(f"{environment_name} cannot be synthesised: {said[-1] if said else 'app.py said nothing'}")
