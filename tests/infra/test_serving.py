"""The serving stacks of every mode: what each property promises, and what is refused before anything is made."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_sagemaker as sagemaker
from serving_workloads import Pin, pin, scorer

from groundplan.environment import read_environment
from groundplan.estimate import estimate, read_stacks
from groundplan.estimate.families import is_classed
from groundplan.job_limits import Limits
from groundplan.names import TRAFFIC, TRAFFIC_DAYS, Names
from groundplan.prices import read_prices
from groundplan.refusal import BadInput, Refused
from groundplan.release import Candidate, Release
from groundplan.serving.design import Fleet
from groundplan.workload import read_workload
from groundplan_constructs import Capture, EndpointRules, Placement, Rollout, ScalingProps, ServerlessEndpointProps
from stacks.composition import compose

ROOT = Path(__file__).parents[2]
ON_INSTANCES = ("fraud-scorer", "invoice-reader", "office-scorer", "talking-scorer")
EXAMPLES = ("digit-reader", "fraud-scorer", "invoice-reader", "nightly-churn")  # Bedrock serves the fifth
SERVED = (*ON_INSTANCES, "digit-reader", "nightly-churn", "queued-scorer", "sleepy-scorer")
WITH_ENDPOINT = tuple(name for name in SERVED if name != "nightly-churn")


def of(assembly: Any, workload: str, kind: str) -> list[dict[str, Any]]:
    """Properties of the resources of a type in a workload's serving stack."""
    resources = assembly.templates[f"Serving-{workload}"]["Resources"].values()
    return [one["Properties"] for one in resources if one["Type"] == kind]


def only(assembly: Any, workload: str, kind: str) -> dict[str, Any]:
    [found] = of(assembly, workload, kind)
    return found


def variant(assembly: Any, workload: str) -> dict[str, Any]:
    [found] = only(assembly, workload, "AWS::SageMaker::EndpointConfig")["ProductionVariants"]
    return found


def test_a_workload_with_a_pin_that_an_endpoint_serves_has_a_serving_stack_and_no_other(
    served: Any, assemblies: Mapping[str, Any]
) -> None:
    assert {name for name in served.templates if name.startswith("Serving-")} == {
        f"Serving-{name}" for name in SERVED
    }
    for assembly in assemblies.values():
        assert not [name for name in assembly.templates if name.startswith("Serving-")]


def test_neither_the_validators_nor_cdk_nag_nor_cfn_lint_have_anything_to_say(served: Any) -> None:
    assert served.report["pluginReports"] == []
    templates = [str(served.folder / f"Serving-{name}.template.json") for name in SERVED]
    command = [str(Path(sys.executable).with_name("cfn-lint")), *templates]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.stdout + done.stderr, done.returncode) == ("", 0)


def test_what_nobody_can_isolate_stands_with_its_reason_for_checkov_and_nothing_else_does(served: Any) -> None:
    found = [
        (name, skip["id"])
        for name in WITH_ENDPOINT
        for resource in served.templates[f"Serving-{name}"]["Resources"].values()
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", ())
    ]
    assert found == [("digit-reader", "CKV_AWS_370")]


def test_everything_that_serves_the_examples_has_a_price(served: Any) -> None:
    wanted = {f"Serving-{name}" for name in EXAMPLES}
    stacks = [one for one in read_stacks(served.folder)[0] if one.name in wanted]
    assert {one.name for one in stacks} == wanted
    lines = estimate(stacks, lambda region: read_prices(None, region)).lines
    assert [(line.path, line.reason) for line in lines if line.kind == "unknown"] == []


def test_every_type_is_charged_or_free_for_a_reason_and_carries_the_four_tags(served: Any) -> None:
    taggable = ("AWS::SageMaker::Model", "AWS::SageMaker::EndpointConfig", "AWS::SageMaker::Endpoint")
    for name in SERVED:
        for resource in served.templates[f"Serving-{name}"]["Resources"].values():
            assert is_classed(resource["Type"])
            if resource["Type"] in (*taggable, "AWS::SageMaker::InferenceComponent", "AWS::IAM::Role"):
                tags = {tag["Key"]: tag["Value"] for tag in resource["Properties"]["Tags"]}
                assert tags.keys() >= {"workload", "environment", "owner", "cost-centre"}
                assert tags["workload"] == name


def test_what_serves_stands_in_the_network_and_is_isolated_wherever_aws_offers_it(served: Any) -> None:
    for name in (*ON_INSTANCES, "nightly-churn", "queued-scorer"):
        model = only(served, name, "AWS::SageMaker::Model")
        assert model["EnableNetworkIsolation"] is True
        assert len(model["VpcConfig"]["Subnets"]) >= 2, name
    component = only(served, "sleepy-scorer", "AWS::SageMaker::EndpointConfig")
    assert component["EnableNetworkIsolation"] is True
    assert len(component["VpcConfig"]["Subnets"]) >= 2
    serverless = only(served, "digit-reader", "AWS::SageMaker::Model")
    assert "VpcConfig" not in serverless
    assert serverless["EnableNetworkIsolation"] is False


def test_production_has_two_instances_wherever_something_always_runs(served: Any) -> None:
    assert {variant(served, name)["InitialInstanceCount"] for name in ON_INSTANCES} == {2}


def test_a_role_reads_its_one_model_and_writes_nothing_but_its_own_traffic(served: Any) -> None:
    for name in SERVED:
        [role] = [one for one in of(served, name, "AWS::IAM::Role") if "-serving-" in one.get("RoleName", "")]
        [policy] = [
            one
            for one in of(served, name, "AWS::IAM::ManagedPolicy")
            if one.get("ManagedPolicyName") == role["RoleName"]
        ]
        statements = {one["Sid"]: one for one in policy["PolicyDocument"]["Statement"]}
        key = f"/workloads/{name}/output/job-1.0.0/output/model.tar.gz"
        assert statements["ReadModel"]["Resource"].endswith(key)
        readable = [sid for sid, one in statements.items() if "s3:GetObject" in _actions(one)]
        assert readable == (
            ["ReadModel", "ReadRequests"] if name in ("nightly-churn", "queued-scorer") else ["ReadModel"]
        )
        written = statements.get("WriteTraffic", {"Resource": []})["Resource"]
        for arn in written if isinstance(written, list) else [written]:
            assert re.search(rf"/{TRAFFIC}/{name}/(capture|answers|failures)/\*", json.dumps(arn))


def test_captured_traffic_is_a_sample_encrypted_and_gone_after_its_time(served: Any) -> None:
    for name in ON_INSTANCES:
        capture = only(served, name, "AWS::SageMaker::EndpointConfig")["DataCaptureConfig"]
        assert 1 <= capture["InitialSamplingPercentage"] <= 10
        assert capture["KmsKeyId"]
        assert capture["DestinationS3Uri"].endswith(f"/{TRAFFIC}/{name}/capture")
    [bucket] = [
        resource["Properties"]
        for _, _, resource in served.resources("AWS::S3::Bucket")
        if resource["Properties"]["BucketName"] == served.names.artefacts_bucket()
    ]
    [rule] = [one for one in bucket["LifecycleConfiguration"]["Rules"] if one.get("Prefix") == f"{TRAFFIC}/"]
    assert (rule["ExpirationInDays"], rule["Status"]) == (TRAFFIC_DAYS, "Enabled")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("days", "captured"), [(TRAFFIC_DAYS, True), (TRAFFIC_DAYS - 1, False)])
def test_nothing_is_captured_of_data_that_may_not_lie_so_long(days: int, captured: bool) -> None:
    workload, names = read_workload(ROOT, "fraud-scorer"), Names(read_environment(ROOT, "dev"))
    brief = workload.model_copy(update={"data": workload.data.model_copy(update={"retention_days": days})})
    found = stack_of(brief, pin(names, brief.name)).values()
    [configuration] = [one["Properties"] for one in found if one["Type"] == "AWS::SageMaker::EndpointConfig"]
    assert ("DataCaptureConfig" in configuration) is captured


def test_disks_have_the_platforms_key_but_for_those_in_the_machine(served: Any) -> None:
    for name in ("fraud-scorer", "invoice-reader", "office-scorer", "queued-scorer", "sleepy-scorer"):
        assert only(served, name, "AWS::SageMaker::EndpointConfig")["KmsKeyId"]
    assert "KmsKeyId" not in only(served, "talking-scorer", "AWS::SageMaker::EndpointConfig")


def test_a_new_version_takes_a_share_first_and_is_sent_back_by_errors_refusals_and_latency(served: Any) -> None:
    for name in (*ON_INSTANCES, "queued-scorer"):
        deployment = only(served, name, "AWS::SageMaker::Endpoint")["DeploymentConfig"]
        traffic = deployment["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]
        assert traffic["Type"] == "CANARY"
        assert traffic["CanarySize"]["Value"] <= 50
        assert traffic["WaitIntervalInSeconds"] >= 300
        watched = _alarms(served, name, deployment)
        assert {"Invocation5XXErrors", "Invocation4XXErrors"} <= watched.keys()
        assert ("ModelLatency" in watched) is (name != "queued-scorer")


def test_alarms_compare_with_the_driver_and_know_no_answer_without_requests(served: Any) -> None:
    deployment = only(served, "fraud-scorer", "AWS::SageMaker::Endpoint")["DeploymentConfig"]
    watched = _alarms(served, "fraud-scorer", deployment)
    slow = watched["ModelLatency"]
    assert (slow["ExtendedStatistic"], slow["Threshold"]) == ("p99", 50_000)  # 50 ms in microseconds
    for alarm in watched.values():
        assert alarm["TreatMissingData"] == "missing"
        assert (alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"]) == (2, 3)
        assert alarm["Dimensions"] == [
            {"Name": "EndpointName", "Value": "groundplan-prod-fraud-scorer"},
            {"Name": "VariantName", "Value": "Main"},
        ]


def test_each_mode_scales_on_its_own_metric_and_more_slowly_down_than_up(served: Any) -> None:
    metrics = {
        "office-scorer": "SageMakerVariantInvocationsPerInstance",
        "talking-scorer": "SageMakerVariantConcurrentRequestsPerModelHighResolution",
        "sleepy-scorer": "SageMakerInferenceComponentInvocationsPerCopy",
        "queued-scorer": "ApproximateBacklogSizePerInstance",
    }
    for name, metric in metrics.items():
        [tracking] = [
            one["TargetTrackingScalingPolicyConfiguration"]
            for one in of(served, name, "AWS::ApplicationAutoScaling::ScalingPolicy")
            if one["PolicyType"] == "TargetTrackingScaling"
        ]
        predefined = tracking.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType")
        assert metric in (predefined, tracking.get("CustomizedMetricSpecification", {}).get("MetricName"))
        assert tracking["ScaleInCooldown"] > tracking["ScaleOutCooldown"]


def test_what_goes_to_zero_is_woken_by_whoever_asks(served: Any) -> None:
    for name, metric in (
        ("queued-scorer", "HasBacklogWithoutCapacity"),
        ("sleepy-scorer", "NoCapacityInvocationFailures"),
    ):
        assert only(served, name, "AWS::ApplicationAutoScaling::ScalableTarget")["MinCapacity"] == 0
        [asleep] = [one for one in of(served, name, "AWS::CloudWatch::Alarm") if one["AlarmName"].endswith("-asleep")]
        assert asleep["MetricName"] == metric
        resources = served.templates[f"Serving-{name}"]["Resources"]
        [woken_by] = [resources[action["Ref"]] for action in asleep["AlarmActions"]]
        assert woken_by["Properties"]["PolicyType"] == "StepScaling"
    assert variant(served, "sleepy-scorer")["ManagedInstanceScaling"]["MinInstanceCount"] == 0
    for name in ON_INSTANCES:
        for target in of(served, name, "AWS::ApplicationAutoScaling::ScalableTarget"):
            assert target["MinCapacity"] >= 2


def test_office_hours_begin_with_what_they_need_and_end_with_the_least(served: Any) -> None:
    target = only(served, "office-scorer", "AWS::ApplicationAutoScaling::ScalableTarget")
    opens, closes = target["ScheduledActions"]
    assert opens["ScalableTargetAction"]["MinCapacity"] == target["MaxCapacity"]
    assert closes["ScalableTargetAction"]["MinCapacity"] == target["MinCapacity"] == 2
    assert "MON-FRI" in opens["Schedule"]


def test_an_update_keeps_the_instances_that_scaling_has_reached(served: Any) -> None:
    for name in (*ON_INSTANCES, "queued-scorer"):
        assert only(served, name, "AWS::SageMaker::Endpoint")["RetainAllVariantProperties"] is True


def test_inferentia2_has_its_image_machine_image_and_time_to_load(served: Any) -> None:
    on = variant(served, "invoice-reader")
    assert on["InstanceType"] == "ml.inf2.8xlarge"
    assert on["InferenceAmiVersion"] == "al2-ami-sagemaker-inference-neuron-2"
    assert on["ModelDataDownloadTimeoutInSeconds"] == on["ContainerStartupHealthCheckTimeoutInSeconds"] == 3600
    image = only(served, "invoice-reader", "AWS::SageMaker::Model")["PrimaryContainer"]["Image"]
    assert image.startswith("763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-vllm-inference-neuronx:")
    assert "sdk2.26.1" in image


def test_a_nightly_job_starts_by_the_clock_and_rings_when_it_fails_or_is_late(served: Any) -> None:
    rule = only(served, "nightly-churn", "AWS::Events::Rule")
    assert rule["ScheduleExpression"] == "cron(0 22 * * ? *)"
    assert rule["Targets"][0]["DeadLetterConfig"]
    machine = json.dumps(only(served, "nightly-churn", "AWS::StepFunctions::StateMachine")["DefinitionString"])
    for part in (
        "sagemaker:createTransformJob",
        "describeTransformJob",
        f"{TRAFFIC}/nightly-churn/requests/",
        '"VolumeKmsKeyId',
        '"KmsKeyId',  # of the answers
    ):
        assert part in machine
    names = {alarm.get("AlarmName") for alarm in of(served, "nightly-churn", "AWS::CloudWatch::Alarm")}
    assert {"groundplan-prod-nightly-churn-failed", "groundplan-prod-nightly-churn-late"} <= names


# Releases ---------------------------------------------------------------------------------------------------------


def stack_of(workload: Any, release: Pin, **changes: Any) -> dict[str, Any]:
    """The resources of a workload's serving stack in dev, whatever it costs; `changes` are of the environment."""
    environment = read_environment(ROOT, "dev").model_copy(update={"monthly_cost_ceiling_usd": None, **changes})
    app = cdk.App(context=json.loads((ROOT / "cdk.json").read_text())["context"], analytics_reporting=False)
    stacks = compose(app, ROOT, environment, [workload], {workload.name: release})
    [stack] = stacks.serving
    return app.synth().get_stack_by_name(stack.stack_name).template["Resources"]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDK_VALIDATION", "false")


@pytest.mark.usefixtures("quick")
def test_another_release_makes_another_model_configuration_and_role_beside_the_old_ones() -> None:
    workload, names = read_workload(ROOT, "fraud-scorer"), Names(read_environment(ROOT, "dev"))
    one, two, again = (stack_of(workload, pin(names, workload.name, it)) for it in ("1.0.0", "1.1.0", "1.0.0"))
    for kind, name in (
        ("AWS::SageMaker::Model", "ModelName"),
        ("AWS::SageMaker::EndpointConfig", "EndpointConfigName"),
        ("AWS::IAM::Role", "RoleName"),
        ("AWS::IAM::ManagedPolicy", "ManagedPolicyName"),
    ):
        first, second, third = (
            next(found for found in stack.values() if found["Type"] == kind) for stack in (one, two, again)
        )
        assert first["Properties"][name] == third["Properties"][name], kind
        assert first["Properties"][name] != second["Properties"][name], kind
        assert first["UpdateReplacePolicy"] == "Retain", kind
    first, second = (
        next(found for found in stack.values() if found["Type"] == "AWS::SageMaker::Endpoint") for stack in (one, two)
    )
    assert first["Properties"]["EndpointName"] == second["Properties"]["EndpointName"]


def _actions(statement: Mapping[str, Any]) -> list[str]:
    found = statement["Action"]
    return [found] if isinstance(found, str) else found


def _alarms(assembly: Any, workload: str, deployment: Mapping[str, Any]) -> dict[str, Any]:
    """Metric to alarm, of those that roll a deployment back."""
    resources = assembly.templates[f"Serving-{workload}"]["Resources"]
    names = [one["AlarmName"]["Ref"] for one in deployment["AutoRollbackConfiguration"]["Alarms"]]
    found = [resources[name]["Properties"] for name in names]
    return {alarm["MetricName"]: alarm for alarm in found}


def with_candidate(workload: str) -> Any:
    """A pin with a version in its shadow; of the rest of a pin the stack knows nothing."""
    names = Names(read_environment(ROOT, "dev"))
    one, other = (pin(names, workload, version) for version in ("1.0.0", "1.1.0"))
    candidate = Candidate.model_construct(
        version=other.version, model_data_url=other.model_data_url, image_digest=other.image_digest
    )
    return Release.model_construct(
        version=one.version,
        model_data_url=one.model_data_url,
        image_digest=one.image_digest,
        serial=1,
        candidate=candidate,
    )


@pytest.mark.usefixtures("quick")
def test_a_candidate_stands_in_the_shadow_with_a_model_and_a_role_of_its_own() -> None:
    resources = stack_of(read_workload(ROOT, "fraud-scorer"), with_candidate("fraud-scorer")).values()
    [config] = [one["Properties"] for one in resources if one["Type"] == "AWS::SageMaker::EndpointConfig"]
    [serving], [shadow] = config["ProductionVariants"], config["ShadowProductionVariants"]
    made = [one["Properties"] for one in resources if one["Type"] == "AWS::SageMaker::Model"]
    models = {one["ModelName"]: one for one in made}
    assert shadow["VariantName"] == "Candidate"
    assert {serving["ModelName"], shadow["ModelName"]} == set(models)
    assert models[serving["ModelName"]]["PrimaryContainer"]["ModelDataUrl"].endswith("job-1.0.0/output/model.tar.gz")
    assert models[shadow["ModelName"]]["PrimaryContainer"]["ModelDataUrl"].endswith("job-1.1.0/output/model.tar.gz")
    assert len({json.dumps(one["ExecutionRoleArn"]) for one in models.values()}) == 2


@pytest.mark.usefixtures("quick")
def test_a_candidate_where_there_are_no_shadows_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match=r"release\.dev\.toml: candidate: '1\.1\.0'.*serverless has no shadow variant"):
        stack_of(read_workload(ROOT, "digit-reader"), with_candidate("digit-reader"))


@pytest.mark.usefixtures("quick")
def test_a_model_of_another_bucket_is_refused() -> None:
    workload = read_workload(ROOT, "fraud-scorer")
    with pytest.raises(BadInput, match=r"release\.dev\.toml: model_data_url: 's3://elsewhere/model\.tar\.gz'"):
        stack_of(workload, Pin("1.0.0", "s3://elsewhere/model.tar.gz", None))


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"neuron_sdk": "2.20"}, "compiled with Neuron SDK '2.20', for which there is no image"),
        ({"compiled": None}, "model.custom.compiled: 'nothing' is not allowed"),
        ({"framework": "xgboost"}, "no Neuron image for 'xgboost'"),
    ],
)
def test_an_artefact_for_another_neuron_sdk_is_refused(change: dict[str, Any], reason: str) -> None:
    workload = read_workload(ROOT, "invoice-reader")
    custom = workload.model.custom
    assert custom
    changed = workload.model_copy(
        update={"model": workload.model.model_copy(update={"custom": custom.model_copy(update=change)})}
    )
    with pytest.raises(BadInput, match=re.escape(reason)):
        stack_of(changed, pin(Names(read_environment(ROOT, "dev")), changed.name))


# What CDK lets pass -----------------------------------------------------------------------------------------------


def test_what_aws_would_refuse_stops_synthesis_with_its_remedy(tmp_path: Path) -> None:
    app = cdk.App(outdir=str(tmp_path), analytics_reporting=False)
    cdk.Validations.of(app).add_plugins(EndpointRules())
    stack = cdk.Stack(app, "Plain")
    both = sagemaker.CfnEndpointConfig.ProductionVariantProperty(
        variant_name="One",
        model_name="one",
        instance_type="ml.m5.large",
        initial_instance_count=1,
        initial_variant_weight=1,
        serverless_config=sagemaker.CfnEndpointConfig.ServerlessConfigProperty(
            memory_size_in_mb=1024, max_concurrency=1
        ),
    )
    sagemaker.CfnEndpointConfig(stack, "Configuration", production_variants=[both])
    with pytest.raises(Exception, match="remove ServerlessConfig, or InstanceType and InitialInstanceCount"):
        app.synth()


TRACKING = scaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty(target_value=1)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Rollout(percent=51), "a canary step must be 1 to 50 % of the instances, got 51"),
        (lambda: Rollout(kind="linear", percent=5), "a linear step must be 10 to 50 %"),
        (lambda: Rollout(bake_seconds=3601), "bake_seconds must be 0 to 3600, got 3601"),
        (lambda: Capture(uri="s3://one/two", percent=0), "percent must be 1 to 100, got 0; leave capture out"),
        (lambda: Capture(uri="one/two"), "uri must begin with s3://, got 'one/two'"),
        (lambda: Placement([], ["sg-1"]), "at least one subnet and one security group"),
        (lambda: Fleet(instance_type="ml.m5.large", least=3, most=2, requests_per_second=1), "0 <= least <= most"),
        (
            lambda: ScalingProps(resource_id="one", dimension="two", least=0, most=1, tracking=TRACKING),
            "what goes to zero needs wake_on",
        ),
        (lambda: ServerlessEndpointProps(basics=None, memory_mib=1500, concurrency=1), "1024, 2048, 3072"),
        (lambda: ServerlessEndpointProps(basics=None, memory_mib=1024, concurrency=201), "1 to 200, got 201"),
        (
            lambda: ServerlessEndpointProps(basics=None, memory_mib=1024, concurrency=2, warm=(0, 1)),
            "warm must be (0, 0), or 1 <= least <= most <= 2",
        ),
    ],
)
def test_a_construct_says_what_it_does_not_take(make: Callable[[], object], reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        make()


@pytest.mark.usefixtures("quick")
def test_a_transform_job_on_a_machine_outside_the_limits_is_refused() -> None:
    limits = Limits(instance_types=("ml.m5.large",), max_runtime_seconds=60)
    release = pin(Names(read_environment(ROOT, "dev")), "nightly-churn")
    with pytest.raises(BadInput, match=r"environments/dev\.toml: limits\.instance_types: .*ml\.c5\.xlarge: add it"):
        stack_of(read_workload(ROOT, "nightly-churn"), release, limits=limits)


@pytest.mark.usefixtures("quick")
def test_a_transform_job_on_graviton_is_refused_by_the_plan() -> None:
    workload = scorer(
        "arm-batch",
        "batch-transform",
        drivers={"latency_p50_ms": None, "latency_p99_ms": None, "batching_tolerance_seconds": 3600},
        custom={"measured": [{"instance_type": "ml.c7g.xlarge", "requests_per_second": 9, "p50_ms": 1, "p99_ms": 2}]},
    )
    with pytest.raises(Refused, match=r"arm-batch.*batch transform, which is not possible"):
        stack_of(workload, pin(Names(read_environment(ROOT, "dev")), "arm-batch"))
