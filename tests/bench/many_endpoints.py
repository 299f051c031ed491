"""`many_endpoints.py COUNT`: prod with so many endpoint workloads, synthesised as `cdk synth` does.

PYTHONPATH names the repository and tests/infra. A fifth each: real-time, asynchronous, inference component, Graviton
by office hours, a language model on GPU.
"""

import json
import os
import sys
from pathlib import Path

import aws_cdk as cdk
from serving_workloads import others_served, pin

from groundplan.environment import read_environment
from groundplan.names import Names
from groundplan.workload import Workload, read_workload
from stacks.composition import compose

ROOT = Path(__file__).parents[2]


def many(count: int) -> list[Workload]:
    """Workloads under names of their own, one mode after the other."""
    kinds = [read_workload(ROOT, "fraud-scorer"), *others_served()]
    return [kinds[at % len(kinds)].model_copy(update={"name": f"endpoint-{at}"}) for at in range(count)]


def main() -> None:
    """Synthesise into CDK_OUTDIR; the monthly ceiling of prod is left out, for so many endpoints exceed it."""
    environment = read_environment(ROOT, "prod").model_copy(update={"monthly_cost_ceiling_usd": None})
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = cdk.App(context=context, outdir=os.environ["CDK_OUTDIR"], analytics_reporting=False)
    names, workloads = Names(environment), many(int(sys.argv[1]))
    stacks = compose(app, ROOT, environment, workloads, {one.name: pin(names, one.name) for one in workloads})
    assert len(stacks.serving) == len(workloads)
    app.synth()


if __name__ == "__main__":
    main()
