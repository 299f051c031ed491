"""What CloudFormation may do in the accounts of an environment when it deploys. Not AdministratorAccess."""

from typing import Any

from groundplan.names import Names

# Whole services, because CloudFormation reads, tags and updates what it makes; IAM is named action by action below.
SERVICES = (
    "cloudwatch",
    "dynamodb",
    "ecr",
    "events",
    "glue",
    "kms",
    "lambda",
    "logs",
    "s3",
    "sagemaker",
    "sns",
    "sqs",
    "ssm",
)
IAM_ACTIONS = (
    "AttachRolePolicy",
    "CreatePolicy",
    "CreatePolicyVersion",
    "CreateRole",
    "DeletePolicy",
    "DeletePolicyVersion",
    "DeleteRole",
    "DetachRolePolicy",
    "GetPolicy",
    "GetPolicyVersion",
    "GetRole",
    "ListAttachedRolePolicies",
    "ListEntitiesForPolicy",
    "ListPolicyVersions",
    "ListRolePolicies",
    "TagPolicy",
    "TagRole",
    "UntagPolicy",
    "UntagRole",
    "UpdateAssumeRolePolicy",
    "UpdateRole",
    "UpdateRoleDescription",
)
PASSED_TO = ("lambda.amazonaws.com", "sagemaker.amazonaws.com")


def execution_policy(names: Names, account: str) -> dict[str, Any]:
    """The policy document for an account (12 digits); roles and policies only below the environment's own names."""
    own = [f"arn:aws:iam::{account}:{kind}/{names.stem}-*" for kind in ("role", "policy")]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Services",
                "Effect": "Allow",
                "Action": [f"{service}:*" for service in SERVICES],
                "Resource": "*",
                "Condition": {"StringEquals": {"aws:ResourceAccount": account}},
            },
            {
                "Sid": "OwnRoles",
                "Effect": "Allow",
                "Action": [f"iam:{action}" for action in IAM_ACTIONS],
                "Resource": own,
            },
            {
                "Sid": "PassOwnRoles",
                "Effect": "Allow",
                "Action": "iam:PassRole",
                "Resource": own[0],
                "Condition": {"StringEquals": {"iam:PassedToService": list(PASSED_TO)}},
            },
        ],
    }
