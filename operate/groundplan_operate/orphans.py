"""Stacks of workloads whose folder or pin is gone: cdk does not know them any more, CloudFormation still does."""

from typing import Any

from groundplan.environment import AccountName
from groundplan.release import read_release
from groundplan.table import read_tables
from groundplan.workload import read_workloads
from groundplan_operate.accounts import Accounts

KINDS: dict[str, AccountName] = {"Workload": "ai", "Tables": "data", "Serving": "ai"}


def orphans(accounts: Accounts) -> list[tuple[str, AccountName]]:
    """Names of the stacks and their accounts."""
    expected: set[str] = set()
    for workload in read_workloads(accounts.root):
        has = {
            "Workload": workload.training,
            "Tables": read_tables(accounts.root, workload),
            "Serving": read_release(accounts.root, workload.name, accounts.environment),
        }
        expected |= {accounts.names.stack(f"{kind}-{workload.name}") for kind in KINDS if has[kind]}
    found: list[tuple[str, AccountName]] = []
    for kind, account in KINDS.items():
        pages = accounts.client("cloudformation", account).get_paginator("describe_stacks").paginate()
        stacks: list[dict[str, Any]] = [stack for page in pages for stack in page["Stacks"]]
        names = {str(stack["StackName"]) for stack in stacks if stack["StackStatus"] != "DELETE_COMPLETE"}
        prefix = accounts.names.stack(f"{kind}-")
        for name in sorted(names - expected):
            if name.startswith(prefix):
                found.append((name, account))
    return found


def delete(accounts: Accounts, stack: str, account: AccountName) -> None:
    """Delete one, and wait until it is gone."""
    client = accounts.client("cloudformation", account)
    client.delete_stack(StackName=stack)
    client.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 600})
