"""Who may set a model's approval: the approver's role, and nobody beside it. Statements, pure."""

from typing import Any

from groundplan.names import Names

# Every call that says something of a registered model, or registers one as approved already. Condition keys:
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemakerai.html
DECISIONS = ("Approved", "Rejected")


def release_denials(names: Names) -> list[dict[str, Any]]:
    """What people's and pipelines' roles are refused, whatever else they are given.

    They register models, which then wait; they change nothing of a registered one, delete none, and do not become
    the approver, whose role is excepted from the first alone.
    """
    approver = names.roles(names.environment.accounts.ai, names.approver_role())
    others = {"ArnNotEquals": {"aws:PrincipalArn": approver}}
    return [
        {
            "Sid": "OnlyTheApproverDecides",
            "Effect": "Deny",
            "Action": ["sagemaker:UpdateModelPackage"],
            "Resource": "*",
            "Condition": others,
        },
        {
            "Sid": "NothingIsRegisteredAsDecided",
            "Effect": "Deny",
            "Action": ["sagemaker:CreateModelPackage"],
            "Resource": "*",
            "Condition": {"StringEquals": {"sagemaker:ModelApprovalStatus": list(DECISIONS)}},
        },
        {
            "Sid": "WhatIsRegisteredStays",
            "Effect": "Deny",
            "Action": [
                "sagemaker:DeleteModelPackage",
                "sagemaker:DeleteModelPackageGroup",
                "sagemaker:PutModelPackageGroupPolicy",
            ],
            "Resource": "*",
        },
        {"Sid": "NobodyBecomesTheApprover", "Effect": "Deny", "Action": ["sts:AssumeRole"], "Resource": approver},
    ]
