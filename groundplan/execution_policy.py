"""What CloudFormation may do in the accounts of an environment when it deploys. Not AdministratorAccess.

Services are given whole, because CloudFormation reads, tags and updates what it makes. IAM is named action by action,
on the environment's own names, and a role can be made or given permissions only inside the boundary; policy and
boundary themselves have names that the policy does not reach.
"""

from typing import Any

from groundplan.environment import Environment
from groundplan.job_limits import job_denials
from groundplan.names import Names
from groundplan.tracking import MLFLOW_ACTIONS

SERVICES = (
    "apigateway",
    "application-autoscaling",
    "athena",
    "bedrock",
    "budgets",
    "cloudwatch",
    "codebuild",
    "cognito-idp",
    "dynamodb",
    "ec2",
    "ecr",
    "events",
    "firehose",
    "glue",
    "kms",
    "logs",
    "s3",
    "sagemaker",
    "sns",
    "sqs",
    "states",
    "wafv2",
)
# Only on a role inside the boundary. Without PutRolePermissionsBoundary for another one there is no way out.
BOUND_IAM_ACTIONS = ("AttachRolePolicy", "CreateRole", "DetachRolePolicy", "PutRolePermissionsBoundary")
IAM_ACTIONS = (
    "CreatePolicy",
    "CreatePolicyVersion",
    "DeletePolicy",
    "DeletePolicyVersion",
    "DeleteRole",
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
PARAMETER_ACTIONS = (
    "AddTagsToResource",
    "DeleteParameter",
    "GetParameter",
    "GetParameters",
    "ListTagsForResource",
    "PutParameter",
    "RemoveTagsFromResource",
)
PASSED_TO = (
    "apigateway.amazonaws.com",
    "budgets.amazonaws.com",
    "codebuild.amazonaws.com",
    "events.amazonaws.com",
    "firehose.amazonaws.com",
    "lambda.amazonaws.com",
    "logs.amazonaws.com",
    "sagemaker.amazonaws.com",
    "states.amazonaws.com",
    "vpc-flow-logs.amazonaws.com",
)
# AWS makes this service's role when the first endpoint of an account is scaled, with the rights of whoever asks.
# Source: https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-prerequisites.html
SCALING = "sagemaker.application-autoscaling.amazonaws.com"
SCALING_ROLE = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
# What the roles of functions, jobs and image builds may at most do; what each of them may is in its own policy.
BOUNDARY_ACTIONS = (
    "bedrock:ApplyGuardrail",
    "bedrock:InvokeModel",
    "bedrock:InvokeModelWithResponseStream",
    "bedrock:PutModelInvocationLoggingConfiguration",
    "budgets:ListTagsForResource",
    "cloudwatch:GetMetricStatistics",
    "cloudwatch:ListMetrics",
    "cloudwatch:PutMetricData",
    "codeartifact:GetAuthorizationToken",
    "codeartifact:GetRepositoryEndpoint",
    "codeartifact:ReadFromRepository",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
    "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:GetAuthorizationToken",
    "ecr:GetDownloadUrlForLayer",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
    "events:DescribeRule",
    "events:PutRule",
    "events:PutTargets",
    "firehose:PutRecord",
    "firehose:PutRecordBatch",
    "glue:GetTable",
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "lambda:InvokeFunction",
    "logs:CreateLogDelivery",
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeLogStreams",
    "logs:DescribeResourcePolicies",
    "logs:FilterLogEvents",
    "logs:GetLogDelivery",
    "logs:GetLogEvents",
    "logs:ListLogDeliveries",
    "logs:PutLogEvents",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
    "s3:AbortMultipartUpload",
    "s3:GetBucketAcl",
    "s3:GetBucketLocation",
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:ListBucket",
    "s3:ListBucketMultipartUploads",
    "s3:PutObject",
    "sagemaker:AddTags",
    "sagemaker:CreateTrainingJob",
    "sagemaker:CreateTransformJob",
    "sagemaker:DescribeEndpoint",
    "sagemaker:DescribeEndpointConfig",
    "sagemaker:DescribeModel",
    "sagemaker:DescribeModelPackage",
    "sagemaker:DescribeTrainingJob",
    "sagemaker:DescribeTransformJob",
    "sagemaker:InvokeEndpoint",
    "sagemaker:ListEndpoints",
    "sagemaker:ListModelPackageGroups",
    "sagemaker:ListModelPackages",
    "sagemaker:ListTrainingJobs",
    "sagemaker:StopTrainingJob",
    "sagemaker:UpdateModelPackage",
    "sns:Publish",
    "sqs:SendMessage",
    "ssm:GetParameter",
    "states:StartExecution",
    "sts:GetServiceBearerToken",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
)
# Likewise of the stopper, where the environment has one; and of one that may stop endpoints.
STOPPER_ACTIONS = (
    "sagemaker:ListNotebookInstances",
    "sagemaker:ListTags",
    "sagemaker:StartNotebookInstance",
    "sagemaker:StopNotebookInstance",
)
SERVING_ACTIONS = ("sagemaker:CreateEndpoint", "sagemaker:DeleteEndpoint")


def boundary_policy(environment: Environment) -> dict[str, Any]:
    """The permissions boundary: no role of the platform does anything else, whatever its policies say."""
    names, accounts = Names(environment), environment.accounts
    # The training state machine hands a job its role; nobody else may be made to act by any role.
    to_jobs = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    pass_role = _allow("JobRoles", ["iam:PassRole"], "arn:aws:iam::*:role/*-training", to_jobs)
    mlflow = _named("sagemaker-mlflow", MLFLOW_ACTIONS) if environment.mlflow else []
    stopper = STOPPER_ACTIONS if environment.budgets.stop != "off" else ()
    serving = SERVING_ACTIONS if stopper and environment.budgets.stops_serving() else ()
    at_most = _allow("AtMost", [*BOUNDARY_ACTIONS, *mlflow, *stopper, *serving], "*")
    # What AWS Budgets does by a role of ours: this one policy, which only denies.
    deny = f"arn:aws:iam::*:policy{environment.conventions.iam_path}{names.deny_spending()}"
    spending = _allow(
        "DenySpending",
        ["iam:AttachRolePolicy", "iam:DetachRolePolicy"],
        "arn:aws:iam::*:role/*",
        {"ArnLike": {"iam:PolicyARN": deny}},
    )
    # The gateway's function, and no other, becomes another role: the one of the ai account that invokes models.
    gateway = _allow(
        "ModelsRole",
        ["sts:AssumeRole", "sts:TagSession"],
        names.roles(accounts.ai, names.models_role()),
        {"ArnEquals": {"aws:PrincipalArn": names.roles(accounts.application, names.gateway_role())}},
    )
    return _document([at_most, pass_role, spending, gateway, *_of_admitted(job_denials(environment.limits))])


def execution_policy(names: Names, account: str) -> dict[str, Any]:
    """The policy document of CloudFormation's role in an account (12 digits)."""
    stem, region = names.stem, names.environment.region
    role = names.roles(account, f"{stem}-*")
    policy = role.replace(":role/", ":policy/")
    inside = {"iam:PermissionsBoundary": f"arn:aws:iam::{account}:policy/{names.boundary()}"}
    own_account = {"StringEqualsIfExists": {"aws:ResourceAccount": account}}
    return _document(
        [
            _allow("Services", [f"{service}:*" for service in SERVICES], "*", own_account),
            _allow("Functions", ["lambda:*"], f"arn:aws:lambda:{region}:{account}:function:{stem}-*"),
            _allow("Parameters", _named("ssm", PARAMETER_ACTIONS), f"arn:aws:ssm:{region}:{account}:parameter/*"),
            _allow("ListParameters", ["ssm:DescribeParameters"], "*"),
            # Fn::GetStackOutput reads the outputs of the stack that it names with this role.
            _allow(
                "ReadOutputs",
                ["cloudformation:DescribeStacks"],
                f"arn:aws:cloudformation:{region}:{account}:stack/{stem}-*/*",
            ),
            _allow("OwnRoles", _named("iam", IAM_ACTIONS), [role, policy]),
            _allow("BoundRoles", _named("iam", BOUND_IAM_ACTIONS), role, {"StringEquals": inside}),
            _allow(
                "ScalingOfEndpoints",
                ["iam:CreateServiceLinkedRole"],
                f"arn:aws:iam::{account}:role/aws-service-role/{SCALING}/{SCALING_ROLE}",
                {"StringEquals": {"iam:AWSServiceName": SCALING}},
            ),
            _allow("PassRoles", ["iam:PassRole"], role, {"StringEquals": {"iam:PassedToService": list(PASSED_TO)}}),
        ]
    )


def _of_admitted(denials: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """These statements for the actions that the boundary admits; all others it refuses by not naming them."""
    kept = ({**denial, "Action": [it for it in denial["Action"] if it in BOUNDARY_ACTIONS]} for denial in denials)
    return [denial for denial in kept if denial["Action"]]


def _named(service: str, actions: tuple[str, ...]) -> list[str]:
    return [f"{service}:{action}" for action in actions]


def _allow(
    sid: str, actions: list[str], resource: str | list[str], condition: dict[str, Any] | None = None
) -> dict[str, Any]:
    statement = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}
    return statement | ({"Condition": condition} if condition else {})


def _document(statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": statements}
