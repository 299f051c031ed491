"""Services that only moto has answer beside ministack's, account by account, with the events that moto leaves out."""

import io
import json
import tarfile
from collections.abc import Callable
from typing import Any

import pytest

Received = Callable[[str], list[dict[str, Any]]]
HERE, ELSEWHERE = "666666666661", "666666666662"


@pytest.fixture
def received(embedded_aws: Any, until: Any, unique: str) -> Received:
    """Collects the events of a detail type that come from now on; call it to wait for the next ones."""
    events, sqs = (embedded_aws.client(service, HERE) for service in ("events", "sqs"))
    queue = sqs.create_queue(QueueName=unique)["QueueUrl"]
    events.put_rule(Name=unique, EventPattern=json.dumps({"source": ["aws.sagemaker"]}))
    events.put_targets(Rule=unique, Targets=[{"Id": "1", "Arn": f"arn:aws:sqs:us-east-1:{HERE}:{unique}"}])

    def next_ones(detail_type: str) -> list[dict[str, Any]]:
        messages = until(lambda: sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"))
        for message in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        found = [json.loads(message["Body"]) for message in messages]
        assert {event["detail-type"] for event in found} == {detail_type}
        return [event["detail"] for event in found]

    return next_ones


def test_accounts_and_regions_are_kept_apart(embedded_aws: Any, unique: str) -> None:
    embedded_aws.client("sagemaker", HERE).create_model_package_group(ModelPackageGroupName=unique)

    def groups(account: str, region: str) -> list[str]:
        found = embedded_aws.client("sagemaker", account, region).list_model_package_groups(NameContains=unique)
        return [group["ModelPackageGroupArn"] for group in found["ModelPackageGroupSummaryList"]]

    assert groups(HERE, "us-east-1") == [f"arn:aws:sagemaker:us-east-1:{HERE}:model-package-group/{unique}"]
    assert groups(HERE, "eu-west-1") == groups(ELSEWHERE, "us-east-1") == []


@pytest.mark.parametrize(
    ("service", "call", "parameters"),
    [
        ("application-autoscaling", "describe_scalable_targets", {"ServiceNamespace": "sagemaker"}),
        ("ce", "list_tags_for_resource", {"ResourceArn": f"arn:aws:ce::{HERE}:costcategory/x"}),
    ],
)
def test_other_bridged_services_answer(
    embedded_aws: Any, service: str, call: str, parameters: dict[str, str]
) -> None:
    answer = getattr(embedded_aws.client(service, HERE), call)(**parameters)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_what_is_not_emulated_is_a_clients_error_with_its_name(embedded_aws: Any) -> None:
    sagemaker = embedded_aws.client("sagemaker", HERE)
    with pytest.raises(sagemaker.exceptions.ClientError, match="sagemaker:ListEdgeDeploymentPlans") as refusal:
        sagemaker.list_edge_deployment_plans()
    assert refusal.value.response["Error"]["Code"] == "NotEmulated"
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_model_packages_changes_are_events_and_leave_the_rest_as_it_was(
    embedded_aws: Any, received: Received, unique: str
) -> None:
    sagemaker = embedded_aws.client("sagemaker", HERE)
    sagemaker.create_model_package_group(ModelPackageGroupName=unique)
    arn = sagemaker.create_model_package(
        ModelPackageGroupName=unique, CustomerMetadataProperties={"fingerprint": "abc"}
    )["ModelPackageArn"]
    (made,) = received("SageMaker Model Package State Change")
    assert (made["ModelPackageArn"], made["ModelPackageGroupName"], made["ModelPackageVersion"]) == (arn, unique, 1)
    assert made["ModelApprovalStatus"] == "PendingManualApproval"
    sagemaker.update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus="Approved", CustomerMetadataProperties={"by": "somebody"}
    )
    (approved,) = received("SageMaker Model Package State Change")
    assert approved["ModelApprovalStatus"] == "Approved"
    described = sagemaker.describe_model_package(ModelPackageName=arn)
    assert described["CustomerMetadataProperties"] == {"fingerprint": "abc", "by": "somebody"}
    sagemaker.update_model_package(ModelPackageArn=arn, ApprovalDescription="seen")
    assert sagemaker.describe_model_package(ModelPackageName=arn)["ModelApprovalStatus"] == "Approved"


def test_a_group_goes_only_when_it_is_empty(embedded_aws: Any, unique: str) -> None:
    sagemaker = embedded_aws.client("sagemaker", HERE)
    sagemaker.create_model_package_group(ModelPackageGroupName=unique)
    arn = sagemaker.create_model_package(ModelPackageGroupName=unique)["ModelPackageArn"]
    with pytest.raises(sagemaker.exceptions.ConflictException):
        sagemaker.delete_model_package_group(ModelPackageGroupName=unique)
    sagemaker.delete_model_package(ModelPackageName=arn)
    sagemaker.delete_model_package_group(ModelPackageGroupName=unique)
    with pytest.raises(sagemaker.exceptions.ClientError):
        sagemaker.describe_model_package_group(ModelPackageGroupName=unique)


def test_an_endpoints_changes_are_events_in_the_words_of_events(
    embedded_aws: Any, received: Received, until: Callable[..., Any], unique: str
) -> None:
    sagemaker, s3 = embedded_aws.client("sagemaker", HERE), embedded_aws.client("s3", HERE)
    packed, script = io.BytesIO(), b"def model_fn(folder): return folder\ndef predict_fn(data, model): return data\n"
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("inference.py")
        entry.size = len(script)
        archive.addfile(entry, io.BytesIO(script))
    s3.create_bucket(Bucket=unique)
    s3.put_object(Bucket=unique, Key="model.tar.gz", Body=packed.getvalue())
    sagemaker.create_model(
        ModelName=unique,
        ExecutionRoleArn=f"arn:aws:iam::{HERE}:role/Serving",
        PrimaryContainer={"Image": "none", "ModelDataUrl": f"s3://{unique}/model.tar.gz"},
    )
    variant = {"VariantName": "main", "ModelName": unique, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    for name in (f"{unique}-1", f"{unique}-2"):
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    kind = "SageMaker Endpoint State Change"

    def in_service() -> bool:
        return bool(sagemaker.describe_endpoint(EndpointName=unique)["EndpointStatus"] == "InService")

    sagemaker.create_endpoint(EndpointName=unique, EndpointConfigName=f"{unique}-1")
    until(in_service)
    assert [event["EndpointStatus"] for event in received(kind)] == ["CREATING", "IN_SERVICE"]
    sagemaker.update_endpoint(EndpointName=unique, EndpointConfigName=f"{unique}-2")
    until(in_service)
    updated = received(kind)
    assert [event["EndpointStatus"] for event in updated] == ["UPDATING", "IN_SERVICE"]
    assert updated[-1]["EndpointConfigName"] == f"{unique}-2"
    sagemaker.delete_endpoint(EndpointName=unique)
    assert [event["EndpointStatus"] for event in received(kind)] == ["DELETING"]
