"""Stacks of workloads whose folder is gone: cdk does not know them any more, CloudFormation still has them."""

from typing import Any

from groundplan.workload import workload_names
from groundplan_operate.accounts import Accounts


def orphans(accounts: Accounts) -> list[str]:
    """Names of the stacks, sorted."""
    expected = {accounts.names.stack(f"Workload-{name}") for name in workload_names(accounts.root)}
    prefix = accounts.names.stack("Workload-")
    pages = accounts.client("cloudformation", "ai").get_paginator("describe_stacks").paginate()
    stacks: list[dict[str, Any]] = [stack for page in pages for stack in page["Stacks"]]
    found = {str(stack["StackName"]) for stack in stacks if stack["StackStatus"] != "DELETE_COMPLETE"}
    return sorted(name for name in found - expected if name.startswith(prefix))


def delete(accounts: Accounts, stack: str) -> None:
    """Delete one, and wait until it is gone."""
    client = accounts.client("cloudformation", "ai")
    client.delete_stack(StackName=stack)
    client.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 600})
