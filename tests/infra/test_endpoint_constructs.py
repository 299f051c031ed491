"""The endpoint constructs by themselves, from plain props: without a plan, an environment or the platform."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns

from groundplan.serving import violations
from groundplan.serving.design import Fleet, Promise
from groundplan_constructs import (
    AsyncEndpoint,
    AsyncEndpointProps,
    BatchTransform,
    BatchTransformProps,
    Capture,
    ComponentEndpoint,
    ComponentEndpointProps,
    EndpointBasics,
    Placement,
    RealTimeEndpoint,
    RealTimeEndpointProps,
    Rollout,
    Served,
    ServerlessEndpoint,
    ServerlessEndpointProps,
    ServingRole,
    ServingRoleProps,
)

TWO_ZONES = Placement(["subnet-1", "subnet-2"], ["sg-1"])
FLEET = Fleet(instance_type="ml.c5.xlarge", least=2, most=4, requests_per_second=Decimal(100))
FROM_ZERO = replace(FLEET, least=0)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDK_VALIDATION", "false")


@pytest.fixture
def stack() -> cdk.Stack:
    app = cdk.App(analytics_reporting=False)
    return cdk.Stack(app, "Alone", env=cdk.Environment(account="111122223333", region="us-east-1"))


def basics(
    stack: cdk.Stack, placement: Placement | None = TWO_ZONES, *, production: bool = False, archive: str = "one"
) -> EndpointBasics:
    """What an endpoint called `alone` needs, made of nothing but CDK."""
    made = stack.node.try_find_child(f"Key{archive}")
    key = made if isinstance(made, kms.Key) else kms.Key(stack, f"Key{archive}")
    role = ServingRole(
        stack,
        f"Role{archive}",
        props=ServingRoleProps(
            role_name=f"serving-{archive}",
            bucket=s3.Bucket.from_bucket_name(stack, f"Artefacts{archive}", "artefacts"),
            model_key=f"{archive}/model.tar.gz",
            encryption_key=key,
            repository_arn="arn:aws:ecr:us-east-1:111122223333:repository/one",
            placement=placement,
        ),
    )
    served = Served(
        image="image", model_data_url=f"s3://artefacts/{archive}/model.tar.gz", role=role, placement=placement
    )
    return EndpointBasics(
        name="alone",
        served=served,
        promise=Promise(p99_ms=Decimal(50), wait_seconds=Decimal(60)),
        encryption_key=key,
        alarm_topic=sns.Topic(stack, f"Topic{archive}"),
        production=production,
    )


def real_time(stack: cdk.Stack, **more: Any) -> RealTimeEndpoint:
    return RealTimeEndpoint(stack, "Endpoint", props=RealTimeEndpointProps(**given(stack, more, fleet=FLEET)))


def serverless(stack: cdk.Stack, **more: Any) -> ServerlessEndpoint:
    more = more if "basics" in more else {"basics": basics(stack, None), **more}
    props = ServerlessEndpointProps(**given(stack, more, memory_mib=2048, concurrency=10))
    return ServerlessEndpoint(stack, "Endpoint", props=props)


def asynchronous(stack: cdk.Stack, **more: Any) -> AsyncEndpoint:
    uris = {"answers_uri": "s3://artefacts/answers", "failures_uri": "s3://artefacts/failures"}
    return AsyncEndpoint(stack, "Endpoint", props=AsyncEndpointProps(**given(stack, more, fleet=FROM_ZERO, **uris)))


def component(stack: cdk.Stack, **more: Any) -> ComponentEndpoint:
    props = ComponentEndpointProps(**given(stack, more, fleet=FROM_ZERO, memory_mib=1024))
    return ComponentEndpoint(stack, "Endpoint", props=props)


def batch(stack: cdk.Stack, **more: Any) -> BatchTransform:
    prefixes = {"requests_prefix": "requests/", "answers_prefix": "answers/", "schedule": None}
    props = BatchTransformProps(**given(stack, more, fleet=FROM_ZERO, bucket_name="artefacts", **prefixes))
    return BatchTransform(stack, "Batch", props=props)


def given(stack: cdk.Stack, more: Mapping[str, Any], **usual: Any) -> dict[str, Any]:
    """Props: the usual ones, and what differs."""
    return {**usual, **more} if "basics" in more else {"basics": basics(stack), **usual, **more}


def made(stack: cdk.Stack, kind: str) -> list[dict[str, Any]]:
    """Properties of the stack's resources of a type; whatever is there, AWS takes it."""
    template = assertions.Template.from_stack(stack).to_json()
    assert list(violations(template["Resources"])) == []
    return [one["Properties"] for one in template["Resources"].values() if one["Type"] == kind]


def test_a_candidate_is_a_shadow_of_its_own_model_and_role_that_answers_nobody(stack: cdk.Stack) -> None:
    candidate = basics(stack, archive="two").served
    capture = Capture(uri="s3://artefacts/capture", percent=100)
    real_time(stack, candidate=candidate, capture=capture)
    [configuration] = made(stack, "AWS::SageMaker::EndpointConfig")
    [production], [shadow] = configuration["ProductionVariants"], configuration["ShadowProductionVariants"]
    assert (production["VariantName"], shadow["VariantName"]) == ("Main", "Candidate")
    assert production["ModelName"] != shadow["ModelName"]
    assert shadow["InitialVariantWeight"] == production["InitialVariantWeight"]  # a copy of every request
    assert [one["CaptureMode"] for one in configuration["DataCaptureConfig"]["CaptureOptions"]] == ["Input", "Output"]
    models = {
        one["ModelName"]: one["PrimaryContainer"]["ModelDataUrl"] for one in made(stack, "AWS::SageMaker::Model")
    }
    assert models[shadow["ModelName"]] == "s3://artefacts/two/model.tar.gz"


def test_a_linear_shift_takes_equal_steps_and_has_time_for_all_of_them(stack: cdk.Stack) -> None:
    real_time(stack, rollout=Rollout(kind="linear", percent=25, bake_seconds=300, keep_old_seconds=60))
    [endpoint] = made(stack, "AWS::SageMaker::Endpoint")
    policy = endpoint["DeploymentConfig"]["BlueGreenUpdatePolicy"]
    assert policy["TrafficRoutingConfiguration"] == {
        "Type": "LINEAR",
        "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 25},
        "WaitIntervalInSeconds": 300,
    }
    assert policy["MaximumExecutionTimeoutInSeconds"] == 4 * 300 + 60 + 3600
    assert len(endpoint["DeploymentConfig"]["AutoRollbackConfiguration"]["Alarms"]) == 3


def test_a_serverless_endpoint_takes_all_traffic_at_once_and_is_sent_back_by_its_alarms(stack: cdk.Stack) -> None:
    serverless(stack)
    [endpoint] = made(stack, "AWS::SageMaker::Endpoint")
    policy = endpoint["DeploymentConfig"]
    assert policy["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]["Type"] == "ALL_AT_ONCE"
    assert len(policy["AutoRollbackConfiguration"]["Alarms"]) == 3
    assert made(stack, "AWS::ApplicationAutoScaling::ScalableTarget") == []  # it scales by itself


def test_what_is_kept_warm_follows_its_use(stack: cdk.Stack) -> None:
    serverless(stack, warm=(1, 5))
    [target] = made(stack, "AWS::ApplicationAutoScaling::ScalableTarget")
    assert (target["ScalableDimension"], target["MinCapacity"], target["MaxCapacity"]) == (
        "sagemaker:variant:DesiredProvisionedConcurrency",
        1,
        5,
    )
    [configuration] = made(stack, "AWS::SageMaker::EndpointConfig")
    assert configuration["ProductionVariants"][0]["ServerlessConfig"]["ProvisionedConcurrency"] == 1


def test_copies_are_replaced_in_batches_and_sent_back_by_their_alarms(stack: cdk.Stack) -> None:
    component(stack, batch_percent=20, bake_seconds=120)
    [copies] = made(stack, "AWS::SageMaker::InferenceComponent")
    deployment = copies["DeploymentConfig"]
    assert deployment["RollingUpdatePolicy"] == {
        "MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 20},
        "WaitIntervalInSeconds": 120,
    }
    assert len(deployment["AutoRollbackConfiguration"]["Alarms"]) == 3
    patience = copies["Specification"]["StartupParameters"]
    assert set(patience.values()) == {1800}


def test_copies_of_a_language_model_follow_the_requests_at_once(stack: cdk.Stack) -> None:
    component(stack, fleet=replace(FROM_ZERO, concurrency=Decimal(7)))
    [tracking] = [
        one["TargetTrackingScalingPolicyConfiguration"]
        for one in made(stack, "AWS::ApplicationAutoScaling::ScalingPolicy")
        if one["PolicyType"] == "TargetTrackingScaling"
    ]
    assert tracking["TargetValue"] == 7
    assert tracking["PredefinedMetricSpecification"]["PredefinedMetricType"] == (
        "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution"
    )


def test_a_queue_keeps_its_answers_and_failures_apart_encrypted_and_tells_of_failures(stack: cdk.Stack) -> None:
    asynchronous(stack)
    [configuration] = made(stack, "AWS::SageMaker::EndpointConfig")
    output = configuration["AsyncInferenceConfig"]["OutputConfig"]
    assert (output["S3OutputPath"], output["S3FailurePath"]) == ("s3://artefacts/answers", "s3://artefacts/failures")
    assert output["KmsKeyId"]
    assert output["NotificationConfig"]["ErrorTopic"]


def test_a_model_has_ten_minutes_to_load_and_a_fleet_of_one_size_is_not_scaled(stack: cdk.Stack) -> None:
    real_time(stack, fleet=replace(FLEET, most=2))
    [configuration] = made(stack, "AWS::SageMaker::EndpointConfig")
    [variant] = configuration["ProductionVariants"]
    assert variant["ModelDataDownloadTimeoutInSeconds"] == 600
    assert variant["ContainerStartupHealthCheckTimeoutInSeconds"] == 600
    assert made(stack, "AWS::ApplicationAutoScaling::ScalableTarget") == []


def test_a_job_starts_for_each_object_that_arrives_where_there_is_no_clock(stack: cdk.Stack) -> None:
    batch(stack)
    [rule] = made(stack, "AWS::Events::Rule")
    assert "ScheduleExpression" not in rule
    assert rule["EventPattern"]["detail"]["object"] == {"key": [{"prefix": "requests/"}]}
    machine = json.dumps(made(stack, "AWS::StepFunctions::StateMachine"))
    assert "States.Format('s3://{}/{}', $.detail.bucket.name, $.detail.object.key)" in machine
    names = [str(one.get("AlarmName")) for one in made(stack, "AWS::CloudWatch::Alarm")]
    assert "alone-failed" in names
    assert "alone-late" not in names  # nobody may have asked


ONE_ZONE = Placement(["subnet-1"], ["sg-1"])
Make = Callable[[cdk.Stack], object]


@pytest.mark.parametrize(
    ("refused", "reason", "taken"),
    [
        (
            lambda stack: real_time(stack, basics=basics(stack, production=True), fleet=replace(FLEET, least=1)),
            "alone: production has at least 2 instances, in two zones; got 1",
            lambda stack: real_time(stack, basics=basics(stack, production=True)),
        ),
        (
            lambda stack: real_time(stack, basics=basics(stack, ONE_ZONE, production=True)),
            "alone: production has subnets in two zones",
            lambda stack: real_time(stack, basics=basics(stack, ONE_ZONE)),
        ),
        (
            lambda stack: asynchronous(stack, basics=basics(stack, production=True), fleet=replace(FLEET, least=1)),
            "production has at least 2 instances",
            lambda stack: asynchronous(stack, basics=basics(stack, production=True)),  # to zero is no single machine
        ),
        (
            lambda stack: component(stack, basics=basics(stack, production=True), fleet=replace(FLEET, least=1)),
            "production has at least 2 instances",
            lambda stack: component(stack, basics=basics(stack, production=True)),
        ),
        (
            lambda stack: real_time(stack, fleet=FROM_ZERO),
            "a real-time endpoint has at least 1 instance, got 0",
            lambda stack: real_time(stack, fleet=replace(FLEET, least=1)),
        ),
        (
            lambda stack: serverless(stack, basics=basics(stack)),
            "serverless has no VPC (no; https://docs.aws.amazon.com",
            serverless,
        ),
        (
            lambda stack: component(stack, basics=basics(stack, None)),
            "alone: an inference component stands in a VPC; give its model a placement",
            component,
        ),
        (
            lambda stack: component(stack, memory_mib=127),
            "memory_mib must be at least 128, got 127",
            lambda stack: component(stack, memory_mib=128),
        ),
        (
            lambda stack: component(stack, batch_percent=51),
            "batch_percent must be 5 to 50, got 51",
            lambda stack: component(stack, batch_percent=50),
        ),
        (
            lambda stack: batch(stack, requests_prefix="requests"),
            "a prefix ends with a slash and does not begin with one, got 'requests'",
            batch,
        ),
        (
            lambda stack: batch(stack, fleet=replace(FROM_ZERO, instance_type="ml.c7g.xlarge")),
            "a transform job does not run on 'ml.c7g.xlarge'",
            lambda stack: batch(stack, fleet=replace(FROM_ZERO, instance_type="ml.g6.xlarge")),
        ),
    ],
)
def test_a_construct_refuses_by_name_and_takes_what_lies_beside_it(refused: Make, reason: str, taken: Make) -> None:
    def fresh() -> cdk.Stack:
        app = cdk.App(analytics_reporting=False)
        return cdk.Stack(app, "Alone", env=cdk.Environment(account="111122223333", region="us-east-1"))

    with pytest.raises(ValueError, match=re.escape(reason)):
        refused(fresh())
    taken(fresh())
