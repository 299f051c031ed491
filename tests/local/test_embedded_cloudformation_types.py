"""Each type of the platform's stacks: made by CloudFormation, seen by its own service, gone after the stack."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import cfnlint
import pytest

Look = Callable[[Any, Mapping[str, str]], Any]  # client, logical to physical ids -> anything that is there
ASSUMED_BY_LAMBDA = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}
POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
}
ROLE = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": ASSUMED_BY_LAMBDA}}
SERVING = "arn:aws:iam::888888888888:role/Serving"
DELIVERED = {"BucketARN": "arn:aws:s3:::trial", "RoleARN": SERVING}
VARIANT = {
    "VariantName": "Main",
    "ModelName": "trial",
    "InstanceType": "ml.m5.large",
    "InitialInstanceCount": 1,
    "InitialVariantWeight": 1,
}
SCALED = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/trial/variant/Main",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    "MinCapacity": 1,
    "MaxCapacity": 3,
}
CEILING = {
    "BudgetName": "trial",
    "BudgetType": "COST",
    "TimeUnit": "MONTHLY",
    "BudgetLimit": {"Amount": 50, "Unit": "USD"},
}
THRESHOLD = {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 80}
SUBSCRIBERS = [{"SubscriptionType": "EMAIL", "Address": "one@example.com"}]
QUEUE = {"Type": "AWS::SQS::Queue", "Properties": {}}
TOPIC = {"Type": "AWS::SNS::Topic", "Properties": {}}
BUCKET = {"Type": "AWS::S3::Bucket", "Properties": {}}
FUNCTION = {
    "Type": "AWS::Lambda::Function",
    "Properties": {
        "Runtime": "python3.13",
        "Handler": "index.handler",
        "Code": {"ZipFile": "def handler(event, context):\n    return event\n"},
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
    },
}
VPC = {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.9.0.0/16"}}
GROUP: dict[str, Any] = {
    "Type": "AWS::EC2::SecurityGroup",
    "Properties": {"VpcId": {"Ref": "Vpc"}, "GroupDescription": "Trial"},
}
ITEM_KEY: dict[str, Any] = {
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}


def reference(logical_id: str) -> dict[str, str]:
    return {"Ref": logical_id}


def attribute(logical_id: str, name: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [logical_id, name]}


def everybody_may(action: str, resource: Any) -> dict[str, Any]:
    statement = {"Sid": "One", "Effect": "Allow", "Principal": "*", "Action": action, "Resource": resource}
    return {"Version": "2012-10-17", "Statement": [statement]}


def security_group(ec2: Any, group: str) -> list[Any]:
    return [found for found in ec2.describe_security_groups()["SecurityGroups"] if found["GroupId"] == group]


@dataclass(frozen=True)
class Case:
    """A resource, what it needs beside it, and the service's own call that shows it, or raises or is empty."""

    kind: str
    properties: Mapping[str, Any]
    service: str
    look: Look
    beside: Mapping[str, Any] | None = None


GUARDRAIL: dict[str, Any] = {
    "Type": "AWS::Bedrock::Guardrail",
    "Properties": {"Name": "trial", "BlockedInputMessaging": "No.", "BlockedOutputsMessaging": "No."},
}
VERSION = {
    "Type": "AWS::Bedrock::GuardrailVersion",
    "Properties": {"GuardrailIdentifier": {"Fn::GetAtt": ["Guardrail", "GuardrailId"]}},
}
ANSWERING = """
import json, urllib.request

def handler(event, context):
    told = {"Status": "SUCCESS", "PhysicalResourceId": "one"}
    told |= {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    request = urllib.request.Request(event["ResponseURL"], data=json.dumps(told).encode(), method="PUT")
    urllib.request.urlopen(request).read()
"""
ANSWERING_FUNCTION: dict[str, Any] = {
    "Type": "AWS::Lambda::Function",
    "Properties": {
        "Runtime": "python3.13",
        "Handler": "index.handler",
        "Code": {"ZipFile": ANSWERING},
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
    },
}

API: dict[str, Any] = {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "trial"}}
ROOT_OF_API = {"Fn::GetAtt": ["Api", "RootResourceId"]}
METHOD: dict[str, Any] = {
    "Type": "AWS::ApiGateway::Method",
    "Properties": {
        "RestApiId": {"Ref": "Api"},
        "ResourceId": ROOT_OF_API,
        "HttpMethod": "GET",
        "AuthorizationType": "NONE",
        "Integration": {"Type": "MOCK"},
    },
}
DEPLOYMENT: dict[str, Any] = {
    "Type": "AWS::ApiGateway::Deployment",
    "Properties": {"RestApiId": {"Ref": "Api"}},
    "DependsOn": ["Method"],
}
STAGE: dict[str, Any] = {
    "Type": "AWS::ApiGateway::Stage",
    "Properties": {"RestApiId": {"Ref": "Api"}, "DeploymentId": {"Ref": "Deployment"}, "StageName": "live"},
}
POOL: dict[str, Any] = {"Type": "AWS::Cognito::UserPool", "Properties": {"UserPoolName": "trial"}}
VISIBLE = {"CloudWatchMetricsEnabled": False, "MetricName": "trial", "SampledRequestsEnabled": False}
FIREWALL: dict[str, Any] = {
    "Type": "AWS::WAFv2::WebACL",
    "Properties": {"Name": "trial", "Scope": "REGIONAL", "DefaultAction": {"Allow": {}}, "VisibilityConfig": VISIBLE},
}
STAGE_ARN = {"Fn::Sub": "arn:aws:apigateway:us-east-1::/restapis/${Api}/stages/live"}

CASES = [
    Case(
        "AWS::ApiGateway::RestApi",
        {"Name": "trial"},
        "apigateway",
        lambda apis, ids: apis.get_rest_api(restApiId=ids["It"]),
    ),
    Case(
        "AWS::ApiGateway::Resource",
        {"RestApiId": reference("Api"), "ParentId": ROOT_OF_API, "PathPart": "{proxy+}"},
        "apigateway",
        lambda apis, ids: apis.get_resource(restApiId=ids["Api"], resourceId=ids["It"]),
        {"Api": API},
    ),
    Case(
        "AWS::ApiGateway::Method",
        METHOD["Properties"],
        "apigateway",
        lambda apis, ids: [
            one for one in apis.get_resources(restApiId=ids["Api"])["items"] if "GET" in one["resourceMethods"]
        ],
        {"Api": API},
    ),
    Case(
        "AWS::ApiGateway::Deployment",
        DEPLOYMENT["Properties"],
        "apigateway",
        lambda apis, ids: apis.get_deployment(restApiId=ids["Api"], deploymentId=ids["It"]),
        {"Api": API, "Method": METHOD},
    ),
    Case(
        "AWS::ApiGateway::Stage",
        STAGE["Properties"],
        "apigateway",
        lambda apis, ids: apis.get_stage(restApiId=ids["Api"], stageName="live"),
        {"Api": API, "Method": METHOD, "Deployment": DEPLOYMENT},
    ),
    Case(
        "AWS::ApiGateway::GatewayResponse",
        {"RestApiId": reference("Api"), "ResponseType": "THROTTLED", "StatusCode": "429"},
        "apigateway",
        lambda apis, ids: (
            apis.get_gateway_response(restApiId=ids["Api"], responseType="THROTTLED").get("statusCode") == "429"
        ),
        {"Api": API},
    ),
    Case(
        "AWS::ApiGateway::Authorizer",
        {
            "RestApiId": reference("Api"),
            "Name": "trial",
            "Type": "COGNITO_USER_POOLS",
            "IdentitySource": "method.request.header.Authorization",
            "ProviderARNs": [attribute("Pool", "Arn")],
        },
        "apigateway",
        lambda apis, ids: apis.get_authorizer(restApiId=ids["Api"], authorizerId=ids["It"]),
        {"Api": API, "Pool": POOL},
    ),
    Case(  # a setting of the account: it stays, as on AWS; what shows that it went is the role
        "AWS::ApiGateway::Account",
        {"CloudWatchRoleArn": attribute("Role", "Arn")},
        "iam",
        lambda iam, ids: iam.get_role(RoleName=ids["Role"]),
        {"Role": ROLE},
    ),
    Case(
        "AWS::Cognito::UserPool",
        {"UserPoolName": "trial", "Schema": [{"Name": "tenant", "AttributeDataType": "String", "Mutable": True}]},
        "cognito-idp",
        lambda pools, ids: pools.describe_user_pool(UserPoolId=ids["It"]),
    ),
    Case(
        "AWS::Cognito::UserPoolClient",
        {"UserPoolId": reference("Pool")},
        "cognito-idp",
        lambda pools, ids: pools.describe_user_pool_client(UserPoolId=ids["Pool"], ClientId=ids["It"]),
        {"Pool": POOL},
    ),
    Case(
        "AWS::Cognito::UserPoolGroup",
        {"UserPoolId": reference("Pool"), "GroupName": "feature/trial"},
        "cognito-idp",
        lambda pools, ids: pools.get_group(UserPoolId=ids["Pool"], GroupName="feature/trial"),
        {"Pool": POOL},
    ),
    Case(
        "AWS::WAFv2::WebACL",
        FIREWALL["Properties"],
        "wafv2",
        lambda waf, _: waf.list_web_acls(Scope="REGIONAL")["WebACLs"],
    ),
    Case(
        "AWS::WAFv2::WebACLAssociation",
        {"WebACLArn": attribute("Firewall", "Arn"), "ResourceArn": STAGE_ARN},
        "wafv2",
        lambda waf, ids: waf.get_web_acl_for_resource(
            ResourceArn=f"arn:aws:apigateway:us-east-1::/restapis/{ids['Api']}/stages/live"
        ),
        {"Firewall": FIREWALL, "Api": API},
    ),
    Case(  # ministack has no call that shows it: that its list is there is all that is seen
        "AWS::WAFv2::LoggingConfiguration",
        {
            "ResourceArn": attribute("Firewall", "Arn"),
            "LogDestinationConfigs": ["arn:aws:logs:us-east-1:777777777777:log-group:aws-waf-logs-trial"],
        },
        "wafv2",
        lambda waf, _: waf.list_web_acls(Scope="REGIONAL")["WebACLs"],
        {"Firewall": FIREWALL},
    ),
    Case(
        "AWS::Bedrock::ApplicationInferenceProfile",
        {
            "InferenceProfileName": "trial",
            "ModelSource": {"CopyFrom": "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"},
        },
        "bedrock",
        lambda bedrock, ids: bedrock.get_inference_profile(inferenceProfileIdentifier=ids["It"]),
    ),
    Case(
        "AWS::Bedrock::Guardrail",
        GUARDRAIL["Properties"],
        "bedrock",
        lambda bedrock, ids: bedrock.get_guardrail(guardrailIdentifier=ids["It"].rpartition("/")[2]),
    ),
    Case(
        "AWS::Bedrock::GuardrailVersion",
        VERSION["Properties"],
        "bedrock",
        lambda bedrock, ids: bedrock.get_guardrail(
            guardrailIdentifier=ids["Guardrail"].rpartition("/")[2], guardrailVersion="1"
        ),
        {"Guardrail": GUARDRAIL},
    ),
    Case(  # ministack has no call that shows it: that its guardrail and version are there is all that is seen
        "AWS::Bedrock::EnforcedGuardrailConfiguration",
        {
            "GuardrailIdentifier": {"Fn::GetAtt": ["Guardrail", "GuardrailArn"]},
            "GuardrailVersion": {"Fn::GetAtt": ["Version", "Version"]},
        },
        "bedrock",
        lambda bedrock, ids: bedrock.get_guardrail(
            guardrailIdentifier=ids["Guardrail"].rpartition("/")[2], guardrailVersion="1"
        ),
        {"Guardrail": GUARDRAIL, "Version": VERSION},
    ),
    Case(
        "Custom::InvocationLogging",
        {"ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]}},
        "lambda",
        lambda functions, ids: functions.get_function(FunctionName=ids["Function"]) and ids["It"] == "one",
        {"Role": ROLE, "Function": ANSWERING_FUNCTION},
    ),
    Case(
        "AWS::KMS::Key",
        {"KeyPolicy": everybody_may("kms:*", "*"), "EnableKeyRotation": True},
        "kms",
        lambda kms, ids: kms.describe_key(KeyId=ids["It"])["KeyMetadata"]["KeyState"] == "Enabled",
    ),
    Case(
        "AWS::KMS::Alias",
        {"AliasName": "alias/trial", "TargetKeyId": reference("Key")},
        "kms",
        lambda kms, ids: [found for found in kms.list_aliases()["Aliases"] if found["AliasName"] == ids["It"]],
        {"Key": {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": everybody_may("kms:*", "*")}}},
    ),
    Case("AWS::S3::Bucket", {}, "s3", lambda s3, ids: s3.get_bucket_location(Bucket=ids["It"])),
    Case(
        "AWS::S3::BucketPolicy",
        {"Bucket": reference("Bucket"), "PolicyDocument": everybody_may("s3:GetObject", attribute("Bucket", "Arn"))},
        "s3",
        lambda s3, ids: s3.get_bucket_policy(Bucket=ids["Bucket"]),
        {"Bucket": BUCKET},
    ),
    Case(
        "AWS::Glue::Database",
        {"CatalogId": reference("AWS::AccountId"), "DatabaseInput": {"Name": "trial"}},
        "glue",
        lambda glue, ids: glue.get_database(Name=ids["It"]),
    ),
    Case(
        "AWS::Glue::Table",
        {
            "CatalogId": reference("AWS::AccountId"),
            "DatabaseName": reference("Database"),
            "TableInput": {"Name": "trial", "Parameters": {"declaration": "{}"}},
        },
        "glue",
        lambda glue, ids: glue.get_table(DatabaseName=ids["Database"], Name=ids["It"])["Table"]["Parameters"],
        {"Database": {"Type": "AWS::Glue::Database", "Properties": {"DatabaseInput": {"Name": "trial"}}}},
    ),
    Case(
        "AWS::ECR::Repository",
        {"ImageTagMutability": "IMMUTABLE"},
        "ecr",
        lambda ecr, ids: ecr.describe_repositories(repositoryNames=[ids["It"]]),
    ),
    Case(
        "AWS::CodeBuild::Project",
        {
            "Artifacts": {"Type": "NO_ARTIFACTS"},
            "Environment": {"Type": "LINUX_CONTAINER", "Image": "none", "ComputeType": "BUILD_GENERAL1_SMALL"},
            "ServiceRole": attribute("Role", "Arn"),
            "Source": {"Type": "NO_SOURCE", "BuildSpec": "version: 0.2"},
        },
        "codebuild",
        lambda codebuild, ids: codebuild.batch_get_projects(names=[ids["It"]])["projects"],
        {"Role": ROLE},
    ),
    Case(
        "AWS::SageMaker::ModelPackageGroup",
        {"ModelPackageGroupName": "trial", "Tags": [{"Key": "a", "Value": "1"}]},
        "sagemaker",
        lambda sagemaker, ids: sagemaker.describe_model_package_group(
            ModelPackageGroupName=ids["It"].rpartition("/")[2]
        ),
    ),
    Case(
        "AWS::SageMaker::MlflowTrackingServer",
        {
            "TrackingServerName": "trial",
            "ArtifactStoreUri": "s3://trial/mlflow",
            "RoleArn": attribute("Role", "Arn"),
            "Tags": [{"Key": "a", "Value": "1"}],
        },
        "sagemaker",
        lambda sagemaker, ids: sagemaker.describe_mlflow_tracking_server(TrackingServerName=ids["It"]),
        {"Role": ROLE},
    ),
    Case(
        "AWS::SageMaker::Model",
        {"ModelName": "trial-1", "ExecutionRoleArn": SERVING, "PrimaryContainer": {"Image": "none"}},
        "sagemaker",
        lambda sagemaker, ids: sagemaker.describe_model(ModelName=ids["It"].rpartition("/")[2]),
    ),
    Case(
        "AWS::SageMaker::EndpointConfig",
        {"EndpointConfigName": "trial-1", "ProductionVariants": [VARIANT]},
        "sagemaker",
        lambda sagemaker, ids: sagemaker.describe_endpoint_config(EndpointConfigName=ids["It"].rpartition("/")[2]),
    ),
    Case(
        "AWS::ApplicationAutoScaling::ScalableTarget",
        SCALED,
        "application-autoscaling",
        lambda scaling, ids: [
            target
            for target in scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
            if target["ResourceId"] == ids["It"].partition("|")[0]
        ],
    ),
    Case(
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        {
            "PolicyName": "trial",
            "PolicyType": "TargetTrackingScaling",
            "ScalingTargetId": reference("Target"),
            "TargetTrackingScalingPolicyConfiguration": {
                "TargetValue": 70,
                "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
            },
        },
        "application-autoscaling",
        lambda scaling, ids: [
            policy
            for policy in scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
            if policy["PolicyARN"] == ids["It"]
        ],
        {"Target": {"Type": "AWS::ApplicationAutoScaling::ScalableTarget", "Properties": SCALED}},
    ),
    Case(
        "AWS::CloudWatch::CompositeAlarm",
        {"AlarmName": "trial", "AlarmRule": "FALSE"},
        "cloudwatch",
        lambda cloudwatch, ids: cloudwatch.describe_alarms(AlarmNames=[ids["It"]], AlarmTypes=["CompositeAlarm"])[
            "CompositeAlarms"
        ],
    ),
    Case(
        "AWS::CloudWatch::Dashboard",
        {"DashboardName": "trial", "DashboardBody": '{"widgets": []}'},
        "cloudwatch",
        lambda cloudwatch, ids: cloudwatch.get_dashboard(DashboardName=ids["It"]),
    ),
    Case("AWS::IAM::Role", ROLE["Properties"], "iam", lambda iam, ids: iam.get_role(RoleName=ids["It"])),
    Case(
        "AWS::IAM::ManagedPolicy",
        {"PolicyDocument": POLICY},
        "iam",
        lambda iam, ids: iam.get_policy(PolicyArn=ids["It"]),
    ),
    Case(
        "AWS::IAM::Policy",
        {"PolicyName": "trial", "PolicyDocument": POLICY, "Roles": [reference("Role")]},
        "iam",
        lambda iam, ids: iam.list_role_policies(RoleName=ids["Role"])["PolicyNames"],
        {"Role": ROLE},
    ),
    Case(
        "AWS::SSM::Parameter",
        {"Type": "String", "Value": "1"},
        "ssm",
        lambda ssm, ids: ssm.get_parameter(Name=ids["It"]),
    ),
    Case(
        "AWS::StepFunctions::StateMachine",
        {
            "StateMachineName": "trains",
            "RoleArn": attribute("Role", "Arn"),
            "DefinitionString": json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}),
            "TracingConfiguration": {"Enabled": True},
        },
        "stepfunctions",
        lambda states, ids: states.describe_state_machine(stateMachineArn=ids["It"])["definition"],
        {"Role": ROLE},
    ),
    Case(
        "AWS::Events::Rule",
        {
            "EventPattern": {"source": ["aws.sagemaker"]},
            "Targets": [{"Id": "Queue", "Arn": attribute("Queue", "Arn")}],
        },
        "events",
        lambda events, ids: events.list_targets_by_rule(Rule=ids["It"])["Targets"],
        {"Queue": QUEUE},
    ),
    Case(
        "AWS::Lambda::Function",
        FUNCTION["Properties"],
        "lambda",
        lambda functions, ids: functions.get_function(FunctionName=ids["It"]),
        {"Role": ROLE},
    ),
    Case(
        "AWS::Lambda::Permission",
        {
            "FunctionName": reference("Function"),
            "Action": "lambda:InvokeFunction",
            "Principal": "events.amazonaws.com",
        },
        "lambda",
        lambda functions, ids: functions.get_policy(FunctionName=ids["Function"]),
        {"Role": ROLE, "Function": FUNCTION},
    ),
    Case(
        "AWS::Lambda::EventInvokeConfig",
        {"FunctionName": reference("Function"), "Qualifier": "$LATEST", "MaximumRetryAttempts": 1},
        "lambda",
        lambda functions, ids: functions.get_function_event_invoke_config(
            FunctionName=ids["Function"], Qualifier="$LATEST"
        ),
        {"Role": ROLE, "Function": FUNCTION},
    ),
    Case(
        "AWS::EC2::VPC",
        {"CidrBlock": "10.9.0.0/16", "EnableDnsHostnames": True},
        "ec2",
        lambda ec2, ids: ec2.describe_vpcs(Filters=[{"Name": "vpc-id", "Values": [ids["It"]]}])["Vpcs"],
    ),
    Case(
        "AWS::EC2::Subnet",
        {
            "VpcId": reference("Vpc"),
            "AvailabilityZone": {"Fn::Select": [1, {"Fn::GetAZs": ""}]},
            "CidrBlock": "10.9.64.0/18",
        },
        "ec2",
        lambda ec2, ids: [
            subnet
            for subnet in ec2.describe_subnets()["Subnets"]
            if subnet["SubnetId"] == ids["It"] and subnet["CidrBlock"] == "10.9.64.0/18"
        ],
        {"Vpc": VPC},
    ),
    Case(
        "AWS::EC2::RouteTable",
        {"VpcId": reference("Vpc")},
        "ec2",
        lambda ec2, ids: [
            table for table in ec2.describe_route_tables()["RouteTables"] if table["RouteTableId"] == ids["It"]
        ],
        {"Vpc": VPC},
    ),
    Case(
        "AWS::EC2::SubnetRouteTableAssociation",
        {"SubnetId": reference("Subnet"), "RouteTableId": reference("Routes")},
        "ec2",
        lambda ec2, ids: [
            association
            for table in ec2.describe_route_tables()["RouteTables"]
            for association in table["Associations"]
            if association.get("SubnetId") == ids["Subnet"]
        ],
        {
            "Vpc": VPC,
            "Subnet": {
                "Type": "AWS::EC2::Subnet",
                "Properties": {"VpcId": reference("Vpc"), "CidrBlock": "10.9.1.0/24"},
            },
            "Routes": {"Type": "AWS::EC2::RouteTable", "Properties": {"VpcId": reference("Vpc")}},
        },
    ),
    Case(
        "AWS::EC2::SecurityGroup",
        {"VpcId": reference("Vpc"), "GroupDescription": "Trial"},
        "ec2",
        lambda ec2, ids: security_group(ec2, ids["It"]),
        {"Vpc": VPC},
    ),
    Case(
        "AWS::EC2::SecurityGroupIngress",
        {"GroupId": reference("Group"), "SourceSecurityGroupId": reference("Group"), "IpProtocol": "-1"},
        "ec2",
        lambda ec2, ids: [
            pair
            for group in security_group(ec2, ids["Group"])
            for permission in group["IpPermissions"]
            for pair in permission["UserIdGroupPairs"]
            if pair["GroupId"] == ids["Group"]
        ],
        {"Vpc": VPC, "Group": GROUP},
    ),
    Case(
        "AWS::EC2::VPCEndpoint",
        {"VpcId": reference("Vpc"), "ServiceName": "com.amazonaws.us-east-1.s3", "PolicyDocument": POLICY},
        "ec2",
        lambda ec2, ids: [
            endpoint
            for endpoint in ec2.describe_vpc_endpoints()["VpcEndpoints"]
            if endpoint["VpcEndpointId"] == ids["It"]
        ],
        {"Vpc": VPC},
    ),
    Case(
        "AWS::EC2::FlowLog",
        {
            "ResourceId": reference("Vpc"),
            "ResourceType": "VPC",
            "TrafficType": "ALL",
            "LogDestinationType": "cloud-watch-logs",
            "LogGroupName": "trial",
            "Tags": [{"Key": "workload", "Value": "trial"}],
        },
        "ec2",
        lambda ec2, ids: [log for log in ec2.describe_flow_logs()["FlowLogs"] if log["FlowLogId"] == ids["It"]],
        {"Vpc": VPC},
    ),
    Case(
        "AWS::Logs::LogGroup",
        {"RetentionInDays": 1},
        "logs",
        lambda logs, ids: logs.describe_log_groups(logGroupNamePrefix=ids["It"])["logGroups"],
    ),
    Case(
        "AWS::Logs::LogStream",
        {"LogGroupName": reference("Group")},
        "logs",
        lambda logs, ids: logs.describe_log_streams(logGroupName=ids["Group"])["logStreams"],
        {"Group": {"Type": "AWS::Logs::LogGroup", "Properties": {}}},
    ),
    Case(
        "AWS::KinesisFirehose::DeliveryStream",
        {"ExtendedS3DestinationConfiguration": DELIVERED},
        "firehose",
        lambda firehose, ids: firehose.describe_delivery_stream(DeliveryStreamName=ids["It"]),
    ),
    Case(
        "AWS::Logs::SubscriptionFilter",
        {
            "LogGroupName": reference("Group"),
            "FilterPattern": "",
            "DestinationArn": attribute("Stream", "Arn"),
            "RoleArn": SERVING,
        },
        "logs",
        lambda logs, ids: logs.describe_subscription_filters(logGroupName=ids["Group"])["subscriptionFilters"],
        {
            "Group": {"Type": "AWS::Logs::LogGroup", "Properties": {}},
            "Stream": {
                "Type": "AWS::KinesisFirehose::DeliveryStream",
                "Properties": {"ExtendedS3DestinationConfiguration": DELIVERED},
            },
        },
    ),
    Case(
        "AWS::DynamoDB::Table",
        ITEM_KEY,
        "dynamodb",
        lambda dynamodb, ids: dynamodb.describe_table(TableName=ids["It"]),
    ),
    Case(
        "AWS::DynamoDB::GlobalTable",
        {**ITEM_KEY, "Replicas": [{"Region": "us-east-1"}]},
        "dynamodb",
        lambda dynamodb, ids: dynamodb.describe_table(TableName=ids["It"]),
    ),
    Case(
        "AWS::SQS::Queue",
        {"MessageRetentionPeriod": 1209600},
        "sqs",
        lambda sqs, ids: sqs.get_queue_attributes(QueueUrl=ids["It"], AttributeNames=["All"]),
    ),
    Case(
        "AWS::SQS::QueuePolicy",
        {
            "Queues": [reference("Queue")],
            "PolicyDocument": everybody_may("sqs:SendMessage", attribute("Queue", "Arn")),
        },
        "sqs",
        lambda sqs, ids: sqs.get_queue_attributes(QueueUrl=ids["Queue"], AttributeNames=["Policy"])["Attributes"][
            "Policy"
        ],
        {"Queue": QUEUE},
    ),
    Case("AWS::SNS::Topic", {}, "sns", lambda sns, ids: sns.get_topic_attributes(TopicArn=ids["It"])),
    Case(
        "AWS::SNS::TopicPolicy",
        {
            "Topics": [reference("Topic")],
            "PolicyDocument": everybody_may("sns:Publish", reference("Topic")),
        },
        "sns",
        lambda sns, ids: '"One"' in sns.get_topic_attributes(TopicArn=ids["Topic"])["Attributes"]["Policy"],
        {"Topic": TOPIC},
    ),
    Case(
        "AWS::SNS::Subscription",
        {"TopicArn": reference("Topic"), "Protocol": "sqs", "Endpoint": attribute("Queue", "Arn")},
        "sns",
        lambda sns, ids: sns.get_subscription_attributes(SubscriptionArn=ids["It"]),
        {"Topic": TOPIC, "Queue": QUEUE},
    ),
    Case(
        "AWS::CloudWatch::Alarm",
        {
            "Namespace": "AWS/SQS",
            "MetricName": "ApproximateNumberOfMessagesVisible",
            "Statistic": "Maximum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 1,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        },
        "cloudwatch",
        lambda cloudwatch, ids: cloudwatch.describe_alarms(AlarmNames=[ids["It"]])["MetricAlarms"],
    ),
    Case(
        "AWS::CloudWatch::Alarm",
        {
            "Metrics": [{"Id": "sum", "Expression": "1 + 1", "ReturnData": True}],
            "EvaluationPeriods": 1,
            "Threshold": 1,
            "ComparisonOperator": "GreaterThanThreshold",
        },
        "cloudwatch",
        lambda cloudwatch, ids: cloudwatch.describe_alarms(AlarmNames=[ids["It"]])["MetricAlarms"],
    ),
    Case(
        "AWS::Budgets::Budget",
        {
            "Budget": CEILING,
            "NotificationsWithSubscribers": [{"Notification": THRESHOLD, "Subscribers": SUBSCRIBERS}],
            "ResourceTags": [{"Key": "owner", "Value": "trial"}],
        },
        "budgets",
        lambda budgets, ids: (
            budgets.describe_notifications_for_budget(AccountId="777777777777", BudgetName=ids["It"])["Notifications"]
            and budgets.list_tags_for_resource(ResourceARN=f"arn:aws:budgets::777777777777:budget/{ids['It']}")[
                "ResourceTags"
            ]
        ),
    ),
    Case(
        "AWS::Budgets::BudgetsAction",
        {
            "BudgetName": reference("Budget"),
            "NotificationType": "ACTUAL",
            "ActionType": "APPLY_IAM_POLICY",
            "ActionThreshold": {"Type": "PERCENTAGE", "Value": 100},
            "ApprovalModel": "AUTOMATIC",
            "Definition": {"IamActionDefinition": {"PolicyArn": SERVING.replace("role", "policy"), "Roles": ["One"]}},
            "ExecutionRoleArn": SERVING,
            "Subscribers": [{"Type": "EMAIL", "Address": "one@example.com"}],
        },
        "budgets",
        lambda budgets, ids: budgets.describe_budget_action(
            AccountId="777777777777", BudgetName=ids["Budget"], ActionId=ids["It"].partition("|")[0]
        ),
        {"Budget": {"Type": "AWS::Budgets::Budget", "Properties": {"Budget": CEILING}}},
    ),
    Case(
        "AWS::Athena::WorkGroup",
        {"Name": "trial", "WorkGroupConfiguration": {"BytesScannedCutoffPerQuery": 10_000_000}},
        "athena",
        lambda athena, ids: athena.get_work_group(WorkGroup=ids["It"])["WorkGroup"],
    ),
]
# LayerVersion needs an archive in a bucket and CDK::Metadata has no service: they have tests of their own.


def there(case: Case, client: Any, ids: Mapping[str, str]) -> bool:
    try:
        return bool(case.look(client, ids))
    except client.exceptions.ClientError:
        return False


class Stack:
    """A stack of one template."""

    def __init__(self, cloudformation: Any, until: Any, name: str) -> None:
        self._cloudformation = cloudformation
        self._until = until
        self.name = name

    def deploy(self, resources: Mapping[str, Any], outputs: Mapping[str, Any] | None = None) -> dict[str, Any]:
        template: dict[str, Any] = {"Resources": resources}
        if outputs:
            template["Outputs"] = {name: {"Value": value} for name, value in outputs.items()}
        self._cloudformation.create_stack(
            StackName=self.name, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_NAMED_IAM"]
        )
        return self.settled("CREATE_COMPLETE")

    def settled(self, expected: str) -> dict[str, Any]:
        def status() -> Any:
            found = self._cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
            return None if found["StackStatus"].endswith("_IN_PROGRESS") else found

        stack = self._until(status)
        assert stack["StackStatus"] == expected, self.reasons()
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def reasons(self) -> list[str]:
        events = self._cloudformation.describe_stack_events(StackName=self.name)["StackEvents"]
        return [event.get("ResourceStatusReason", "") for event in events]

    def ids(self) -> dict[str, str]:
        found = self._cloudformation.describe_stack_resources(StackName=self.name)["StackResources"]
        return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in found}

    def delete(self) -> None:
        stack_id = self._cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]["StackId"]
        self._cloudformation.delete_stack(StackName=self.name)

        def gone() -> bool:
            stacks = self._cloudformation.describe_stacks(StackName=stack_id)["Stacks"]
            return stacks[0]["StackStatus"] == "DELETE_COMPLETE"

        self._until(gone)


@pytest.fixture(scope="module")
def account() -> str:
    return "777777777777"


@pytest.fixture
def stack(embedded_aws: Any, until: Any, account: str, unique: str) -> Stack:
    return Stack(embedded_aws.client("cloudformation", account), until, unique)


@pytest.mark.parametrize("case", CASES, ids=[case.kind for case in CASES])
def test_a_resource_is_there_while_its_stack_is(case: Case, stack: Stack, embedded_aws: Any, account: str) -> None:
    client = embedded_aws.client(case.service, account)
    beside = dict(case.beside or {})
    stack.deploy({**beside, "It": {"Type": case.kind, "Properties": case.properties}})
    ids = stack.ids()
    assert there(case, client, ids)
    stack.delete()
    assert not there(case, client, ids)


def test_an_unknown_type_fails_by_name_before_anything_is_made(stack: Stack, embedded_aws: Any, account: str) -> None:
    cloudformation = embedded_aws.client("cloudformation", account)
    with pytest.raises(cloudformation.exceptions.ClientError, match="AWS::SageMaker::Cluster"):
        stack.deploy({"Bucket": BUCKET, "Cluster": {"Type": "AWS::SageMaker::Cluster", "Properties": {}}})
    assert embedded_aws.client("s3", account).list_buckets()["Buckets"] == []


def test_a_property_that_is_not_emulated_fails_by_name(stack: Stack, embedded_aws: Any, account: str) -> None:
    properties = {"ModelPackageGroupName": "trial", "ModelPackageGroupPolicy": POLICY}
    with pytest.raises(AssertionError, match="property ModelPackageGroupPolicy is not emulated"):
        stack.deploy({"Models": {"Type": "AWS::SageMaker::ModelPackageGroup", "Properties": properties}})
    assert embedded_aws.client("sagemaker", account).list_model_package_groups()["ModelPackageGroupSummaryList"] == []


def test_whoever_asks_how_a_stack_does_is_answered_when_it_has_settled(embedded_aws: Any, account: str) -> None:
    cloudformation = embedded_aws.client("cloudformation", account)

    def says(name: str) -> str:
        return cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]

    groups = {
        f"Group{number}": {
            "Type": "AWS::SageMaker::ModelPackageGroup",
            "Properties": {"ModelPackageGroupName": f"one-of-them-{number}"},
        }
        for number in range(3)
    }
    made = cloudformation.create_stack(StackName="groups", TemplateBody=json.dumps({"Resources": groups}))
    assert says("groups") == "CREATE_COMPLETE"
    cloudformation.delete_stack(StackName="groups")
    assert says(made["StackId"]) == "DELETE_COMPLETE"


def schema(kind: str) -> dict[str, Any]:
    """The type's schema, as CloudFormation's registry publishes it and cfn-lint ships it."""
    schemas = Path(cfnlint.__file__).parent / "data" / "schemas"
    name = json.loads((schemas / "providers" / "us-east-1.json").read_text())[kind]
    return json.loads((schemas / "resources" / f"{name}.json").read_text())


def test_the_rows_agree_with_cloudformations_own_schemas() -> None:
    rows = import_module("groundplan_local.resource_types").RESOURCE_TYPES
    assert rows
    for kind, row in rows.items():
        published = schema(kind)
        assert published["primaryIdentifier"] == [f"/properties/{row.ref}"]
        assert {f"/properties/{name}" for name in row.attributes} == set(published["readOnlyProperties"])
        assert {row.name, *row.not_emulated} <= set(published["properties"])


def test_what_a_row_returns_is_what_its_service_says(stack: Stack, embedded_aws: Any, account: str) -> None:
    group = {"Type": "AWS::SageMaker::ModelPackageGroup", "Properties": {"ModelPackageGroupName": "trial"}}
    outputs = stack.deploy(
        {"Models": group}, {"Ref": reference("Models"), "Arn": attribute("Models", "ModelPackageGroupArn")}
    )
    described = embedded_aws.client("sagemaker", account).describe_model_package_group(ModelPackageGroupName="trial")
    assert outputs == dict.fromkeys(("Ref", "Arn"), described["ModelPackageGroupArn"])
