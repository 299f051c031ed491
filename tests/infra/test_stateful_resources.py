"""What holds data keeps its logical id and every property whose change would replace it.

A difference here means that an upgrade would delete a bucket, key, table or repository and make an empty one. If that
is meant, docs/upgrades.md says how it is done; then, and only then, is the file renewed:
`python tests/infra/test_stateful_resources.py`.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from groundplan.stateful import STATEFUL

PINNED = Path(__file__).with_name("stateful_resources.json")


def replacement_properties(kind: str) -> list[str]:
    """Top-level properties whose change makes CloudFormation replace the resource."""
    schema: Any = PROVIDER_SCHEMA_MANAGER.get_resource_schema(region="us-east-1", resource_type=kind).schema
    paths: list[str] = [*schema.get("createOnlyProperties", []), *schema.get("conditionalCreateOnlyProperties", [])]
    return sorted({path.split("/")[2] for path in paths})


def found(assembly: Any) -> dict[str, Any]:
    """`<stack>/<logical id>` to type and replacement-sensitive properties."""
    return {
        f"{stack}/{logical_id}": {
            "Type": kind,
            **{
                name: resource["Properties"][name]
                for name in replacement_properties(kind)
                if name in resource["Properties"]
            },
        }
        for kind in STATEFUL
        for stack, logical_id, resource in assembly.resources(kind)
    }


def named_by_role(assembly: Any, resources: dict[str, Any]) -> dict[str, Any]:
    """The same without the environment's own values, which its owner may choose before the first deployment."""
    text = json.dumps(resources)
    for account, number in assembly.environment.account_ids().items():
        text = text.replace(number, f"<{account}>")
    text = text.replace(assembly.environment.region, "<region>").replace(assembly.names.stem, "<stem>")
    return dict(json.loads(text))


def test_no_upgrade_replaces_what_holds_data(assemblies: Any) -> None:
    pinned = json.loads(PINNED.read_text())
    now = named_by_role(assemblies["prod"], found(assemblies["prod"]))
    assert {name: now.get(name) for name in pinned} == pinned


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    from assembly import synthesise

    with tempfile.TemporaryDirectory() as folder:
        prod = synthesise("prod", Path(folder))
        PINNED.write_text(json.dumps(named_by_role(prod, found(prod)), indent=2, sort_keys=True) + "\n")
