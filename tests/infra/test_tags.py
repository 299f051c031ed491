"""Every resource that can carry tags says whose it is. What can is told by AWS's own resource schemas."""

from typing import Any

from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

REQUIRED = {"workload", "environment", "owner", "cost-centre"}


def tag_property(kind: str) -> str | None:
    """The property that holds the tags of a type, by its schema; None for a type that takes none."""
    schema: Any = PROVIDER_SCHEMA_MANAGER.get_resource_schema(region="us-east-1", resource_type=kind).schema
    tagging = schema.get("tagging", {})
    name = str(tagging.get("tagProperty", "/properties/Tags")).rpartition("/")[2]
    return name if tagging.get("taggable", True) and name in schema["properties"] else None


def test_every_taggable_resource_carries_workload_environment_owner_and_cost_centre(assembly: Any) -> None:
    checked = 0
    for stack, template in assembly.templates.items():
        for logical_id, resource in template["Resources"].items():
            name = tag_property(resource["Type"])
            if name is None:
                continue
            tags = resource["Properties"].get(name, [])
            keys = set(tags) if isinstance(tags, dict) else {tag["Key"] for tag in tags}
            assert keys >= REQUIRED, f"{stack}/{logical_id} ({resource['Type']}) lacks {sorted(REQUIRED - keys)}"
            checked += 1
    assert checked > 25


def test_a_workloads_stack_is_charged_to_its_owner(assembly: Any) -> None:
    roles = [role for stack, _, role in assembly.resources("AWS::IAM::Role") if stack == "Workload-digit-reader"]
    assert len(roles) == 3
    for role in roles:
        tags = {tag["Key"]: tag["Value"] for tag in role["Properties"]["Tags"]}
        assert tags["workload"] == "digit-reader"
        assert (tags["owner"], tags["cost-centre"]) == ("vision-team", "research")
