"""A bucket of another account lets in whom its policy names: the role, by its tag, over TLS, and nobody else."""

import io
import json
import zipfile
from typing import Any

import pytest

OWNER, GUEST = "666666666665", "666666666666"
ROLE = "/groundplan/Reader"


@pytest.fixture
def bucket(embedded_aws: Any, unique: str) -> str:
    """A bucket that enforces TLS and lets roles read below the prefix that their tag names."""
    guests = {"AWS": f"arn:aws:iam::{GUEST}:root"}
    reader = {
        "ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{GUEST}:role{ROLE}*"},
        "Null": {"aws:PrincipalTag/workload": "false"},
    }
    statements = [
        {
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Action": "s3:*",
            "Resource": [f"arn:aws:s3:::{unique}", f"arn:aws:s3:::{unique}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
        {
            "Effect": "Allow",
            "Principal": guests,
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{unique}/${{aws:PrincipalTag/workload}}/*",
            "Condition": reader,
        },
    ]
    s3 = embedded_aws.client("s3", OWNER)
    s3.create_bucket(Bucket=unique)
    for prefix in ("mine", "yours"):
        s3.put_object(Bucket=unique, Key=f"{prefix}/data", Body=prefix.encode())
    s3.put_bucket_policy(Bucket=unique, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    return unique


def as_role(embedded_aws: Any, name: str, tags: dict[str, str]) -> Any:
    """S3 as a role of the guests' account sees it."""
    from boto3.session import Session

    iam = embedded_aws.client("iam", GUEST)
    path, _, role = name.rpartition("/")
    iam.create_role(
        RoleName=role,
        Path=f"{path}/",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}),
        Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
    )
    arn = f"arn:aws:iam::{GUEST}:role{name}"
    keys = embedded_aws.client("sts", GUEST).assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    session = Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], "us-east-1")
    return session.client("s3", endpoint_url=embedded_aws.endpoint_url)


def read(s3: Any, bucket: str, key: str) -> str:
    try:
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    except s3.exceptions.ClientError as error:
        return error.response["Error"]["Code"]


def test_a_tagged_role_reads_its_own_prefix_and_no_other(embedded_aws: Any, bucket: str, unique: str) -> None:
    s3 = as_role(embedded_aws, f"{ROLE}-{unique}", {"workload": "mine"})
    assert read(s3, bucket, "mine/data") == "mine"
    assert read(s3, bucket, "yours/data") == "AccessDenied"


def test_neither_an_untagged_role_nor_another_nor_the_account_itself_reads(
    embedded_aws: Any, bucket: str, unique: str
) -> None:
    untagged = as_role(embedded_aws, f"{ROLE}-{unique}", {})
    another = as_role(embedded_aws, f"/other/Reader-{unique}-x", {"workload": "mine"})
    for s3 in (untagged, another, embedded_aws.client("s3", GUEST)):
        assert read(s3, bucket, "mine/data") == "AccessDenied"


def test_a_training_job_reads_another_accounts_bucket_as_its_role(
    embedded_aws: Any, laboratory: Any, unique: str
) -> None:
    s3 = embedded_aws.client("s3", OWNER)
    s3.create_bucket(Bucket=unique)
    s3.put_object(Bucket=unique, Key="train/data.csv", Body=b"1,2")
    request = laboratory.request("import os\nprint(os.listdir(os.environ['SM_CHANNEL_TRAIN']))\n")
    channel = laboratory.channel("train", "x")
    channel["DataSource"]["S3DataSource"]["S3Uri"] = f"s3://{unique}/train/"
    request["InputDataConfig"].append(channel)
    laboratory.sagemaker.create_training_job(**request)
    refused = laboratory.ended(request["TrainingJobName"])
    assert "Access Denied" in refused["FailureReason"]
    allowed = {
        "Effect": "Allow",
        "Principal": {"AWS": laboratory.role},
        "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": [f"arn:aws:s3:::{unique}", f"arn:aws:s3:::{unique}/*"],
    }
    s3.put_bucket_policy(Bucket=unique, Policy=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
    job = laboratory.train("", **{**request, "TrainingJobName": f"{request['TrainingJobName']}-again"})
    assert laboratory.log(job["TrainingJobName"]) == ["['data.csv']"]


def test_a_function_calls_as_its_role(embedded_aws: Any, bucket: str, unique: str) -> None:
    reader = as_role(embedded_aws, f"{ROLE}-{unique}", {"workload": "mine"})
    assert read(reader, bucket, "mine/data") == "mine"
    source = f"""import boto3
def handler(event, context):
    return boto3.client("s3").get_object(Bucket={bucket!r}, Key="mine/data")["Body"].read().decode()
"""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr(zipfile.ZipInfo("index.py"), source)  # the same bytes at any hour
    functions, answers = embedded_aws.client("lambda", GUEST), list[str]()
    for name, role in ((unique, f"{ROLE}-{unique}"), (f"{unique}-other", f"/other/Other-{unique}")):
        functions.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="index.handler",
            Role=f"arn:aws:iam::{GUEST}:role{role}",
            Code={"ZipFile": archive.getvalue()},
        )
        answers.append(functions.invoke(FunctionName=name)["Payload"].read().decode())
    assert answers[0] == '"mine"'
    assert "AccessDenied" in answers[1]
