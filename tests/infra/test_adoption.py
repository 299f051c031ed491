"""A platform among what a company has already: its network, keys, log buckets, IAM path, boundary and tags."""

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from groundplan.conventions import Conventions, Existing
from groundplan.environment import read_environment
from groundplan.network import ExistingNetwork
from groundplan.workload import read_workloads
from stacks.composition import compose

ROOT = Path(__file__).parents[2]
AI_KEY = "arn:aws:kms:us-east-1:777788889999:key/11111111-2222-3333-4444-555555555555"
APPLICATION_KEY = "arn:aws:kms:us-east-1:444455556666:key/22222222-7777-8888-9999-000000000000"
DATA_KEY = "arn:aws:kms:us-east-1:888899990000:key/66666666-7777-8888-9999-000000000000"
SUBNETS = ("subnet-0123456789abcdef0", "subnet-0123456789abcdef1")
Templates = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def adopted(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    environment = read_environment(ROOT, "dev").model_copy(
        update={
            "network": None,
            "traces": True,
            "existing_network": ExistingNetwork(
                vpc_id="vpc-0123456789abcdef0", subnet_ids=SUBNETS, security_group_ids=("sg-0123456789abcdef0",)
            ),
            "existing": Existing(
                application_key_arn=APPLICATION_KEY,
                ai_key_arn=AI_KEY,
                data_key_arn=DATA_KEY,
                ai_log_bucket="company-ai-logs",
                data_log_bucket="company-logs",
            ),
            "conventions": Conventions(
                iam_path="/ai/platform/",
                permissions_boundary="security/company-boundary",
                mandatory_tags=("business-unit", "owner"),
                tags={"business-unit": "research"},
            ),
        }
    )
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = cdk.App(context=context, outdir=str(tmp_path_factory.mktemp("adopted")), analytics_reporting=False)
    compose(app, ROOT, environment, read_workloads(ROOT))
    return {stack.stack_name.split("-", 2)[2]: stack.template for stack in app.synth().stacks}


def of_type(templates: Templates, kind: str) -> list[dict[str, Any]]:
    return [r["Properties"] for t in templates.values() for r in t["Resources"].values() if r["Type"] == kind]


def test_what_exists_is_not_made_again(adopted: Templates) -> None:
    for kind in ("AWS::EC2::VPC", "AWS::EC2::Subnet", "AWS::EC2::VPCEndpoint", "AWS::KMS::Key", "AWS::KMS::Alias"):
        assert of_type(adopted, kind) == [], kind
    assert not [b for b in of_type(adopted, "AWS::S3::Bucket") if "logs" in b["BucketName"]]


def test_the_companys_keys_and_log_buckets_are_used(adopted: Templates) -> None:
    keys: set[str] = set()
    for bucket in of_type(adopted, "AWS::S3::Bucket"):
        [rule] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        keys.add(rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"])
        assert bucket["LoggingConfiguration"]["DestinationBucketName"].startswith("company-")
    assert keys == {AI_KEY, DATA_KEY}


def test_jobs_run_in_the_companys_subnets_and_are_held_to_them(adopted: Templates) -> None:
    [launch] = [one for one in of_type(adopted, "AWS::SSM::Parameter") if one["Name"].endswith("/launch")]
    assert all(subnet in str(launch["Value"]) for subnet in SUBNETS)
    [guard] = of_type({"Network": adopted["Network"]}, "AWS::IAM::ManagedPolicy")
    held = {statement["Sid"]: statement["Condition"] for statement in guard["PolicyDocument"]["Statement"]}
    assert held["OtherSubnets"] == {"ForAnyValue:StringNotEquals": {"sagemaker:VpcSubnets": list(SUBNETS)}}
    assert held["OtherOutputKeys"] == {"ArnNotEquals": {"sagemaker:OutputKmsKey": AI_KEY}}


def test_every_role_and_policy_has_the_companys_path_and_boundary(adopted: Templates) -> None:
    roles, policies = of_type(adopted, "AWS::IAM::Role"), of_type(adopted, "AWS::IAM::ManagedPolicy")
    assert roles
    for resource in (*roles, *policies):
        assert resource["Path"] == "/ai/platform/"
    for role in roles:
        assert str(role["PermissionsBoundary"]).endswith(":policy/security/company-boundary")


def test_lake_and_bills_admit_the_roles_below_the_companys_path(adopted: Templates) -> None:
    admitted = {
        condition["aws:PrincipalArn"]
        for policy in of_type(adopted, "AWS::S3::BucketPolicy")
        for statement in policy["PolicyDocument"]["Statement"]
        for condition in statement.get("Condition", {}).values()
        if "aws:PrincipalArn" in condition
    }
    below = "arn:aws:iam::777788889999:role/ai/platform/groundplan-dev-"
    meter = "arn:aws:iam::444455556666:role/ai/platform/groundplan-dev-meter"
    assert admitted == {f"{below}*-training", f"{below}*-evaluation", f"{below}observer", meter}


def test_the_companys_tags_are_on_every_bucket_role_and_job(adopted: Templates) -> None:
    tag = {"Key": "business-unit", "Value": "research"}
    for kind in ("AWS::S3::Bucket", "AWS::IAM::Role", "AWS::Lambda::Function"):
        assert all(tag in resource["Tags"] for resource in of_type(adopted, kind)), kind
    [launch] = [one for one in of_type(adopted, "AWS::SSM::Parameter") if one["Name"].endswith("/launch")]
    assert '"business-unit": "research"' in str(launch["Value"])


def test_the_gateway_sends_spans_where_the_company_has_transaction_search_on(adopted: Templates) -> None:
    gateway = {"Gateway": adopted["Gateway"]}
    [function] = of_type(gateway, "AWS::Lambda::Function")
    assert '"https://xray.us-east-1.' in str(function["Environment"]["Variables"]["GROUNDPLAN_GATEWAY_PLACE"])
    statements = [s for p in of_type(gateway, "AWS::IAM::ManagedPolicy") for s in p["PolicyDocument"]["Statement"]]
    [sends] = [statement for statement in statements if statement["Sid"] == "SendSpans"]
    assert (sends["Action"], sends["Resource"]) == ("xray:PutTraceSegments", "*")
