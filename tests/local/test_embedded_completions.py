"""Properties that decide how the platform behaves survive their way through CloudFormation, and updates."""

import io
import json
from collections.abc import Callable, Mapping
from typing import Any
from zipfile import ZipFile

import pytest

ACCOUNT = "666666666664"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}
NOTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
KEY: dict[str, Any] = {
    "AttributeDefinitions": [
        {"AttributeName": "node", "AttributeType": "S"},
        {"AttributeName": "relation", "AttributeType": "S"},
        {"AttributeName": "target", "AttributeType": "S"},
    ],
    "KeySchema": [
        {"AttributeName": "node", "KeyType": "HASH"},
        {"AttributeName": "relation", "KeyType": "RANGE"},
    ],
    "BillingMode": "PAY_PER_REQUEST",
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "reversed",
            "KeySchema": [
                {"AttributeName": "target", "KeyType": "HASH"},
                {"AttributeName": "node", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
}


@pytest.fixture
def deploy(embedded_aws: Any, until: Any, unique: str) -> Callable[[Mapping[str, Any]], dict[str, str]]:
    """Makes or updates this test's stack; returns logical to physical ids."""
    cloudformation = embedded_aws.client("cloudformation", ACCOUNT)

    def status() -> Any:
        found = cloudformation.describe_stacks(StackName=unique)["Stacks"][0]["StackStatus"]
        return None if found.endswith("_IN_PROGRESS") else found

    def run(resources: Mapping[str, Any]) -> dict[str, str]:
        body = {"StackName": unique, "TemplateBody": json.dumps({"Resources": resources})}
        existing = [stack["StackName"] for stack in cloudformation.describe_stacks()["Stacks"]]
        verb = cloudformation.update_stack if unique in existing else cloudformation.create_stack
        verb(**body, Capabilities=["CAPABILITY_NAMED_IAM"])
        assert until(status) in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
        found = cloudformation.describe_stack_resources(StackName=unique)["StackResources"]
        return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in found}

    return run


def function(code: Any, **more: Any) -> dict[str, Any]:
    properties = {"Runtime": "python3.13", "Handler": "index.handler", "Code": code}
    return {"Type": "AWS::Lambda::Function", "Properties": {**properties, "Role": {"Fn::GetAtt": "Role.Arn"}, **more}}


def role(**more: Any) -> dict[str, Any]:
    return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST, **more}}


def test_a_function_keeps_its_dead_letter_queue_key_and_concurrency(embedded_aws: Any, deploy: Any) -> None:
    settings = {
        "DeadLetterConfig": {"TargetArn": {"Fn::GetAtt": "Dead.Arn"}},
        "KmsKeyArn": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/11111111-1111-1111-1111-111111111111",
        "ReservedConcurrentExecutions": 3,
    }
    resources = {
        "Role": role(),
        "Dead": {"Type": "AWS::SQS::Queue"},
        "It": function({"ZipFile": "def handler(event, context): ..."}, **settings),
    }
    ids = deploy(resources)
    functions = embedded_aws.client("lambda", ACCOUNT)

    def kept() -> tuple[str, Any, Any]:
        config = functions.get_function_configuration(FunctionName=ids["It"])
        concurrency = functions.get_function_concurrency(FunctionName=ids["It"])
        queue = config.get("DeadLetterConfig", {}).get("TargetArn", "").rpartition(":")[2]
        return queue, config.get("KMSKeyArn", ""), concurrency.get("ReservedConcurrentExecutions")

    queue = ids["Dead"].rpartition("/")[2]
    assert kept() == (queue, settings["KmsKeyArn"], 3)
    resources["It"] = function({"ZipFile": "def handler(event, context): return 1"}, **settings)
    assert deploy(resources) == ids
    assert kept() == (queue, settings["KmsKeyArn"], 3)
    resources["It"] = function({"ZipFile": "def handler(event, context): return 1"})
    assert deploy(resources) == ids
    assert kept() == ("", "", None)


def test_a_role_keeps_its_boundary_until_the_template_drops_it(embedded_aws: Any, deploy: Any) -> None:
    boundary = {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": NOTHING}}
    resources = {"Boundary": boundary, "Role": role(PermissionsBoundary={"Ref": "Boundary"})}
    ids = deploy(resources)
    roles = embedded_aws.client("iam", ACCOUNT)
    found = roles.get_role(RoleName=ids["Role"])["Role"]
    assert found["PermissionsBoundary"]["PermissionsBoundaryArn"] == ids["Boundary"]
    deploy({**resources, "Role": role()})
    assert "PermissionsBoundary" not in roles.get_role(RoleName=ids["Role"])["Role"]


def test_a_table_keeps_recovery_and_refuses_a_second_first_write(embedded_aws: Any, deploy: Any) -> None:
    recovery = {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}}
    name = deploy({"It": {"Type": "AWS::DynamoDB::Table", "Properties": {**KEY, **recovery}}})["It"]
    tables = embedded_aws.client("dynamodb", ACCOUNT)
    backups = tables.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    item = {"node": {"S": "run"}, "relation": {"S": "UP#model"}, "target": {"S": "model"}}
    first = {"TableName": name, "Item": item, "ConditionExpression": "attribute_not_exists(node)"}
    tables.put_item(**first)
    with pytest.raises(tables.exceptions.ConditionalCheckFailedException):
        tables.put_item(**first)
    reversed_index = tables.query(
        TableName=name,
        IndexName="reversed",
        KeyConditionExpression="target = :target",
        ExpressionAttributeValues={":target": {"S": "model"}},
    )
    assert reversed_index["Items"] == [item]


def test_a_rule_keeps_the_queue_and_the_retries_of_its_target(embedded_aws: Any, deploy: Any) -> None:
    target = {
        "Id": "It",
        "Arn": {"Fn::GetAtt": "Queue.Arn"},
        "DeadLetterConfig": {"Arn": {"Fn::GetAtt": "Dead.Arn"}},
        "RetryPolicy": {"MaximumRetryAttempts": 3},
    }
    rule = {"Type": "AWS::Events::Rule", "Properties": {"EventPattern": {"source": ["x"]}, "Targets": [target]}}
    queues = {name: {"Type": "AWS::SQS::Queue"} for name in ("Queue", "Dead")}
    ids = deploy({**queues, "It": rule})
    (kept,) = embedded_aws.client("events", ACCOUNT).list_targets_by_rule(Rule=ids["It"])["Targets"]
    assert kept["DeadLetterConfig"]["Arn"].endswith(ids["Dead"].rpartition("/")[2])
    assert kept["RetryPolicy"] == {"MaximumRetryAttempts": 3}


def test_a_retained_bucket_outlives_its_stack_and_another_does_not(
    embedded_aws: Any, deploy: Any, until: Any, unique: str
) -> None:
    ids = deploy(
        {
            "Kept": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain"},
            "Gone": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Delete"},
        }
    )
    embedded_aws.client("cloudformation", ACCOUNT).delete_stack(StackName=unique)
    s3 = embedded_aws.client("s3", ACCOUNT)
    until(lambda: ids["Gone"] not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]])
    assert ids["Kept"] in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]


def test_a_layer_is_on_the_path_of_the_functions_that_use_it(embedded_aws: Any, deploy: Any, unique: str) -> None:
    archive = io.BytesIO()
    with ZipFile(archive, "w") as packed:
        packed.writestr("python/shared.py", "WORD = 'layered'\n")
    s3 = embedded_aws.client("s3", ACCOUNT)
    s3.create_bucket(Bucket=unique)
    s3.put_object(Bucket=unique, Key="layer.zip", Body=archive.getvalue())
    layer = {
        "Type": "AWS::Lambda::LayerVersion",
        "Properties": {"Content": {"S3Bucket": unique, "S3Key": "layer.zip"}, "CompatibleRuntimes": ["python3.13"]},
    }
    source = "import shared\ndef handler(event, context):\n    return shared.WORD\n"
    ids = deploy({"Role": role(), "Layer": layer, "It": function({"ZipFile": source}, Layers=[{"Ref": "Layer"}])})
    answer = embedded_aws.client("lambda", ACCOUNT).invoke(FunctionName=ids["It"])
    assert json.loads(answer["Payload"].read()) == "layered"
