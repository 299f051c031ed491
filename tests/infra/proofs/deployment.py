"""What CloudFormation must be able to do when it deploys, and where its policy ends."""

from collections.abc import Iterator

from groundplan.execution_policy import SCALING, SCALING_ROLE
from proofs.declared import Call, call
from proofs.world import STRANGER, Caller, Resource, World

# Type: actions that CloudFormation calls on it, of those that the type's schema lists as its handlers' permissions.
MAKES: dict[str, str] = {
    "AWS::ApiGateway::Account": "apigateway:GET apigateway:PATCH",
    "AWS::ApiGateway::Authorizer": "apigateway:POST apigateway:PATCH apigateway:DELETE",
    "AWS::ApiGateway::Deployment": "apigateway:POST apigateway:DELETE",
    "AWS::ApiGateway::GatewayResponse": "apigateway:PUT apigateway:DELETE",
    "AWS::ApiGateway::Method": "apigateway:PUT apigateway:GET apigateway:DELETE",
    "AWS::ApiGateway::Resource": "apigateway:POST apigateway:PATCH apigateway:DELETE",
    "AWS::ApiGateway::RestApi": "apigateway:POST apigateway:PATCH apigateway:DELETE",
    "AWS::ApiGateway::Stage": "apigateway:POST apigateway:PATCH apigateway:DELETE",
    "AWS::Athena::WorkGroup": "athena:CreateWorkGroup athena:UpdateWorkGroup athena:DeleteWorkGroup",
    "AWS::Budgets::Budget": "budgets:ModifyBudget budgets:ViewBudget budgets:TagResource",
    "AWS::Budgets::BudgetsAction": "budgets:CreateBudgetAction budgets:UpdateBudgetAction budgets:DeleteBudgetAction",
    "AWS::Bedrock::ApplicationInferenceProfile": "bedrock:CreateInferenceProfile bedrock:TagResource",
    "AWS::Bedrock::EnforcedGuardrailConfiguration": "bedrock:PutEnforcedGuardrailConfiguration",
    "AWS::Bedrock::Guardrail": "bedrock:CreateGuardrail bedrock:UpdateGuardrail bedrock:TagResource",
    "AWS::Bedrock::GuardrailVersion": "bedrock:CreateGuardrailVersion",
    "AWS::CloudWatch::Alarm": "cloudwatch:PutMetricAlarm cloudwatch:DeleteAlarms cloudwatch:TagResource",
    "AWS::CloudWatch::Dashboard": "cloudwatch:PutDashboard cloudwatch:DeleteDashboards",
    "AWS::CodeBuild::Project": "codebuild:CreateProject codebuild:UpdateProject codebuild:DeleteProject",
    "AWS::Cognito::UserPool": "cognito-idp:CreateUserPool cognito-idp:UpdateUserPool cognito-idp:TagResource",
    "AWS::Cognito::UserPoolClient": "cognito-idp:CreateUserPoolClient cognito-idp:UpdateUserPoolClient",
    "AWS::Cognito::UserPoolGroup": "cognito-idp:CreateGroup cognito-idp:DeleteGroup",
    "AWS::DynamoDB::Table": "dynamodb:CreateTable dynamodb:UpdateContinuousBackups dynamodb:TagResource",
    "AWS::EC2::FlowLog": "ec2:CreateFlowLogs ec2:DeleteFlowLogs",
    "AWS::EC2::RouteTable": "ec2:CreateRouteTable",
    "AWS::EC2::SecurityGroup": "ec2:CreateSecurityGroup ec2:AuthorizeSecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress": "ec2:AuthorizeSecurityGroupIngress",
    "AWS::EC2::Subnet": "ec2:CreateSubnet",
    "AWS::EC2::SubnetRouteTableAssociation": "ec2:AssociateRouteTable",
    "AWS::EC2::VPC": "ec2:CreateVpc ec2:ModifyVpcAttribute",
    "AWS::EC2::VPCEndpoint": "ec2:CreateVpcEndpoint ec2:ModifyVpcEndpoint",
    "AWS::ECR::Repository": "ecr:CreateRepository ecr:PutImageScanningConfiguration ecr:DeleteRepository",
    "AWS::Events::Rule": "events:PutRule events:PutTargets events:DeleteRule",
    "AWS::Glue::Database": "glue:CreateDatabase glue:UpdateDatabase glue:DeleteDatabase",
    "AWS::Glue::Table": "glue:CreateTable glue:UpdateTable",
    "AWS::IAM::ManagedPolicy": """iam:CreatePolicy iam:CreatePolicyVersion iam:DeletePolicy iam:DeletePolicyVersion
        iam:GetPolicy iam:GetPolicyVersion iam:ListEntitiesForPolicy iam:ListPolicyVersions iam:TagPolicy
        iam:UntagPolicy""",
    "AWS::IAM::Role": """iam:GetRole iam:TagRole iam:UntagRole iam:UpdateAssumeRolePolicy iam:DeleteRole
        iam:UpdateRole iam:ListAttachedRolePolicies iam:ListRolePolicies iam:UpdateRoleDescription""",
    "AWS::KMS::Alias": "kms:CreateAlias",
    "AWS::KMS::Key": "kms:CreateKey kms:PutKeyPolicy kms:EnableKeyRotation kms:TagResource",
    "AWS::KinesisFirehose::DeliveryStream": """firehose:CreateDeliveryStream firehose:DeleteDeliveryStream
        firehose:UpdateDestination firehose:TagDeliveryStream""",
    "AWS::Lambda::EventInvokeConfig": "lambda:PutFunctionEventInvokeConfig",
    "AWS::Lambda::Function": "lambda:CreateFunction lambda:UpdateFunctionCode lambda:PutFunctionConcurrency",
    "AWS::Lambda::Permission": "lambda:AddPermission lambda:RemovePermission",
    "AWS::Logs::LogGroup": "logs:CreateLogGroup logs:PutRetentionPolicy logs:AssociateKmsKey",
    "AWS::Logs::LogStream": "logs:CreateLogStream logs:DeleteLogStream",
    "AWS::Logs::SubscriptionFilter": "logs:PutSubscriptionFilter logs:DeleteSubscriptionFilter",
    "AWS::S3::Bucket": "s3:CreateBucket s3:PutEncryptionConfiguration s3:PutBucketPublicAccessBlock",
    "AWS::S3::BucketPolicy": "s3:PutBucketPolicy",
    "AWS::SNS::Subscription": "sns:Subscribe sns:Unsubscribe",
    "AWS::SNS::Topic": "sns:CreateTopic sns:SetTopicAttributes",
    "AWS::SNS::TopicPolicy": "sns:SetTopicAttributes",
    "AWS::SQS::Queue": "sqs:CreateQueue sqs:SetQueueAttributes",
    "AWS::SQS::QueuePolicy": "sqs:SetQueueAttributes",
    "AWS::SSM::Parameter": """ssm:PutParameter ssm:AddTagsToResource ssm:DeleteParameter ssm:GetParameter
        ssm:GetParameters ssm:ListTagsForResource ssm:RemoveTagsFromResource""",
    "AWS::StepFunctions::StateMachine": "states:CreateStateMachine states:UpdateStateMachine states:TagResource",
    "AWS::WAFv2::LoggingConfiguration": "wafv2:PutLoggingConfiguration logs:CreateLogDelivery logs:PutResourcePolicy",
    "AWS::WAFv2::WebACL": "wafv2:CreateWebACL wafv2:UpdateWebACL wafv2:TagResource",
    "AWS::WAFv2::WebACLAssociation": "wafv2:AssociateWebACL apigateway:SetWebACL",
    "Custom::InvocationLogging": "lambda:InvokeFunction",
    "AWS::SageMaker::ModelPackageGroup": "sagemaker:CreateModelPackageGroup sagemaker:DeleteModelPackageGroup",
}
OWN_ROLE_ACTIONS = """
    AttachRolePolicy CreateRole DeleteRole DetachRolePolicy PutRolePermissionsBoundary UpdateAssumeRolePolicy TagRole
""".split()
NEVER = """
    iam:PutRolePolicy iam:DeleteRolePermissionsBoundary iam:CreateUser iam:CreateAccessKey iam:CreateLoginProfile
    iam:AddUserToGroup iam:PutUserPolicy iam:AttachUserPolicy iam:CreateSAMLProvider iam:CreateOpenIDConnectProvider
    iam:SetDefaultPolicyVersion sts:AssumeRole organizations:LeaveOrganization account:CloseAccount
    cloudtrail:StopLogging cloudtrail:DeleteTrail config:StopConfigurationRecorder guardduty:DeleteDetector
    ssm:SendCommand ssm:StartSession cloudformation:DeleteStack cloudformation:UpdateStack
    secretsmanager:GetSecretValue
""".split()


def does(world: World, account: str) -> Iterator[Call]:
    """What CloudFormation does for any type of any stack, as if it stood in this account."""
    number, region = world.names.environment.account_ids()[account], world.names.environment.region
    boundary = {"iam:PermissionsBoundary": f"arn:aws:iam::{number}:policy/{world.names.boundary()}"}
    for resource in world.resources.values():
        for action in MAKES[resource.type].split():
            yield call(action, _like(world, resource, number))
        if resource.type == "AWS::IAM::Role":
            role = _like(world, resource, number)
            for action in ("CreateRole", "AttachRolePolicy", "DetachRolePolicy", "PutRolePermissionsBoundary"):
                yield call(f"iam:{action}", role, boundary)
            for service in _services(resource.properties["AssumeRolePolicyDocument"]):
                yield call("iam:PassRole", role, {"iam:PassedToService": service})
    stack = f"arn:aws:cloudformation:{region}:{number}:stack/{world.names.stack('Platform')}/one"
    yield call("cloudformation:DescribeStacks", stack)
    yield call("ssm:DescribeParameters")
    linked = f"arn:aws:iam::{number}:role/aws-service-role/{SCALING}/{SCALING_ROLE}"
    yield call("iam:CreateServiceLinkedRole", linked, {"iam:AWSServiceName": SCALING})


def _like(world: World, resource: Resource, number: str) -> str:
    """The resource's ARN, or that of its like in another account."""
    arn = resource.arn
    if resource.type in ("AWS::Lambda::EventInvokeConfig", "AWS::Lambda::Permission"):
        named = resource.properties["FunctionName"]
        [arn] = [entry.arn for entry in world.of_type("AWS::Lambda::Function") if named in (entry.name, entry.arn)]
    if resource.type == "Custom::InvocationLogging":
        arn = resource.properties["ServiceToken"]
    if resource.account == number:
        return arn
    region = world.names.environment.region
    if resource.type.startswith("AWS::S3::"):
        return f"arn:aws:s3:::{world.names.stem}-new-{number}-{region}"
    if resource.type == "AWS::KMS::Key":
        return f"arn:aws:kms:{region}:{number}:key/company"
    return arn.replace(resource.account, number)


def _services(trust: dict[str, list[dict[str, dict[str, str]]]]) -> Iterator[str]:
    for statement in trust["Statement"]:
        if service := statement["Principal"].get("Service"):
            yield service


def never(world: World, account: str) -> Iterator[Call]:
    """What would lead out of the boundary, the names or the account."""
    names, number = world.names, world.names.environment.account_ids()[account]
    region = names.environment.region
    iam = f"arn:aws:iam::{number}"
    boundary, other = f"{iam}:policy/{names.boundary()}", "arn:aws:iam::aws:policy/AdministratorAccess"
    own, itself = f"{iam}:role/{names.stem}-new", f"{iam}:role/cdk-{names.environment.qualifier}-cfn-exec-role"
    for action in NEVER:
        for resource in ("*", own, itself):
            yield call(action, resource)
    for action in ("AttachRolePolicy", "CreateRole", "DetachRolePolicy", "PutRolePermissionsBoundary"):
        yield call(f"iam:{action}", own)
        yield call(f"iam:{action}", own, {"iam:PermissionsBoundary": other})
    for action in OWN_ROLE_ACTIONS:
        for resource in (itself, f"{iam}:role/company-admin"):
            yield call(f"iam:{action}", resource, {"iam:PermissionsBoundary": boundary})
    for action in ("PutRolePolicy", "DeleteRolePermissionsBoundary", "CreateInstanceProfile"):
        yield call(f"iam:{action}", own, {"iam:PermissionsBoundary": boundary})
    for action in ("DeleteStack", "UpdateStack", "SetStackPolicy"):
        yield call(
            f"cloudformation:{action}", f"arn:aws:cloudformation:{region}:{number}:stack/{names.stem}-Lineage/one"
        )
    for policy in (boundary, f"{iam}:policy/{names.execution_policy()}", f"{iam}:policy/company"):
        for action in ("CreatePolicyVersion", "DeletePolicy", "DeletePolicyVersion", "SetDefaultPolicyVersion"):
            yield call(f"iam:{action}", policy)
    linked = f"{iam}:role/aws-service-role/{SCALING}/{SCALING_ROLE}"
    others = f"{iam}:role/aws-service-role/{SCALING}/AWSServiceRoleForOther"
    yield call("iam:CreateServiceLinkedRole", linked)
    yield call("iam:CreateServiceLinkedRole", linked, {"iam:AWSServiceName": "ecs.amazonaws.com"})
    yield call("iam:CreateServiceLinkedRole", others, {"iam:AWSServiceName": SCALING})
    for action in ("DeleteServiceLinkedRole", "AttachRolePolicy", "UpdateAssumeRolePolicy"):
        yield call(f"iam:{action}", linked, {"iam:AWSServiceName": SCALING})
    for service in ("ec2.amazonaws.com", "cloudformation.amazonaws.com", "ecs-tasks.amazonaws.com"):
        yield call("iam:PassRole", own, {"iam:PassedToService": service})
    yield call("iam:PassRole", own)
    for resource in (itself, f"{iam}:role/company-admin"):
        yield call("iam:PassRole", resource, {"iam:PassedToService": "lambda.amazonaws.com"})
    yield call("lambda:UpdateFunctionCode", f"arn:aws:lambda:{region}:{number}:function:company")
    yield call("lambda:InvokeFunction", f"arn:aws:lambda:eu-north-1:{number}:function:{names.stem}-Record")
    yield call("cloudformation:DescribeStacks", f"arn:aws:cloudformation:{region}:{number}:stack/company/one")
    yield call("ssm:PutParameter", f"arn:aws:ssm:eu-north-1:{number}:parameter/company")
    yield call("ssm:StartAutomationExecution", f"arn:aws:ssm:{region}:{number}:parameter/company")
    # Resources of another account, also where that account would let everybody in.
    away = {"aws:ResourceAccount": STRANGER}
    yield call("s3:PutObject", "arn:aws:s3:::strangers-bucket/one", away)
    for action, resource in (
        ("kms:Encrypt", "key/one"),
        ("sqs:SendMessage", "queue"),
        ("sns:Publish", "topic"),
        ("dynamodb:PutItem", "table/one"),
        ("events:PutEvents", "event-bus/one"),
    ):
        yield call(action, f"arn:aws:{action.split(':')[0]}:{region}:{number}:{resource}", away)


def deployers(world: World) -> Iterator[tuple[str, Caller]]:
    """CloudFormation's role by account."""
    for account in ("ai", "data"):
        yield account, world.callers[f"CloudFormation in {account}"]
