"""Properties that ministack's CloudFormation drops though its API has them, set through that API after the fact.

Only those whose absence would change how the platform behaves; local/README.md lists what else is dropped.
"""

from collections.abc import Callable, Mapping
from typing import Any

Properties = Mapping[str, Any]
Connect = Callable[[str], Any]  # service -> client


def complete_function(name: str, properties: Properties, connect: Connect) -> None:
    """Where events go that a function could not handle, and how many of it run at once."""
    functions = connect("lambda")
    functions.update_function_configuration(
        FunctionName=name,
        DeadLetterConfig=properties.get("DeadLetterConfig", {}),
        KMSKeyArn=properties.get("KmsKeyArn", ""),
    )
    if "ReservedConcurrentExecutions" in properties:
        functions.put_function_concurrency(
            FunctionName=name, ReservedConcurrentExecutions=int(properties["ReservedConcurrentExecutions"])
        )
    else:
        functions.delete_function_concurrency(FunctionName=name)


def complete_role(name: str, properties: Properties, connect: Connect) -> None:
    """The permissions boundary."""
    roles = connect("iam")
    if boundary := properties.get("PermissionsBoundary"):
        roles.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=boundary)
    else:
        roles.delete_role_permissions_boundary(RoleName=name)


def complete_table(name: str, properties: Properties, connect: Connect) -> None:
    """Point-in-time recovery and time to live."""
    tables = connect("dynamodb")
    recovery: Properties = properties.get("PointInTimeRecoverySpecification", {})
    tables.update_continuous_backups(
        TableName=name,
        PointInTimeRecoverySpecification={
            "PointInTimeRecoveryEnabled": _true(recovery, "PointInTimeRecoveryEnabled")
        },
    )
    living: Properties = properties.get("TimeToLiveSpecification", {})
    if living.get("AttributeName"):
        tables.update_time_to_live(
            TableName=name,
            TimeToLiveSpecification={"AttributeName": living["AttributeName"], "Enabled": _true(living, "Enabled")},
        )


def _true(properties: Properties, name: str) -> bool:
    """A template's boolean, which may be written as text."""
    return str(properties.get(name, False)).lower() == "true"


COMPLETIONS: dict[str, Callable[[str, Properties, Connect], None]] = {
    "AWS::DynamoDB::Table": complete_table,
    "AWS::IAM::Role": complete_role,
    "AWS::Lambda::Function": complete_function,
}
