"""The world of the production environment, with a second workload beside the first."""

import json
from collections.abc import Mapping
from pathlib import Path

from groundplan.names import Names
from proofs.world import Template, World, accounts_of, read_world

WORKLOAD, NEIGHBOUR = "digit-reader", "other-reader"


def read(names: Names, folder: Path) -> World:
    """From the folder of an assembly.

    The neighbour is the first workload's stack under another name: what one must not see of the other.
    """
    templates: dict[str, Template] = {
        path.name.removesuffix(".template.json"): json.loads(path.read_text())
        for path in sorted(folder.glob("*.template.json"))
    }
    return with_neighbour(names, templates, accounts_of(folder))


def with_neighbour(names: Names, templates: Mapping[str, Template], accounts: Mapping[str, str]) -> World:
    """The world of the templates and of the neighbour's."""
    own, other = f"Workload-{WORKLOAD}", f"Workload-{NEIGHBOUR}"
    neighbour = json.loads(json.dumps(templates[own]).replace(WORKLOAD, NEIGHBOUR))
    return read_world(names, {**templates, other: neighbour}, {**accounts, other: accounts[own]})
