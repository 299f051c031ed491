"""The embedded AWS's queues, inference components, transform jobs, and what scales them."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError
from model_archives import archive

from groundplan_local.serving.scaling import tracked

SCRIPT = """
def model_fn(model_dir):
    return "{version}"
def input_fn(body, content_type):
    import json
    return [json.loads(line) for line in body.splitlines()]
def predict_fn(lines, model):
    {work}
    return [{{"version": model, "sum": sum(line)}} for line in lines]
def output_fn(answers, accept):
    import json
    return "".join(json.dumps(answer) + "\\n" for answer in answers), "application/jsonlines"
"""
ACCOUNT = "666666666666"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Serving"
MACHINE = {"VariantName": "Main", "InstanceType": "ml.c5.large", "InitialInstanceCount": 1}


class Account:
    """One account with a bucket of the test's own, and models in it."""

    def __init__(self, embedded_aws: Any, name: str, wait: Callable[..., Any]) -> None:
        self.name, self.until = name, wait
        services = ("sagemaker", "sagemaker-runtime", "s3", "sns", "sqs", "cloudwatch", "application-autoscaling")
        made = [embedded_aws.client(one, ACCOUNT) for one in services]
        self.sagemaker, self.runtime, self.s3, self.sns, self.sqs, self.cloudwatch, self.scaling = made
        self.cloudformation = embedded_aws.client("cloudformation", ACCOUNT)
        self.s3.create_bucket(Bucket=name)

    def uri(self, key: str) -> str:
        return f"s3://{self.name}/{key}"

    def put(self, key: str, content: bytes) -> str:
        self.s3.put_object(Bucket=self.name, Key=key, Body=content)
        return self.uri(key)

    def get(self, uri: str) -> bytes:
        return self.s3.get_object(Bucket=self.name, Key=uri.removeprefix(self.uri("")))["Body"].read()

    def archived(self, version: str = "one", work: str = "pass") -> str:
        files = {"code/inference.py": SCRIPT.format(version=version, work=work)}
        return self.put(f"{version}/model.tar.gz", archive(files))

    def model(self, version: str = "one", work: str = "pass") -> str:
        container = {"Image": "none", "ModelDataUrl": self.archived(version, work)}
        name = f"{self.name}-{version}"
        self.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
        return name

    def serve(self, variant: Mapping[str, Any], **more: Any) -> None:
        """An endpoint with one variant, in service."""
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=self.name, ProductionVariants=[{**MACHINE, **variant}], **more
        )
        self.sagemaker.create_endpoint(EndpointName=self.name, EndpointConfigName=self.name)
        self.until(lambda: self.endpoint()["EndpointStatus"] == "InService")

    def endpoint(self) -> dict[str, Any]:
        return self.sagemaker.describe_endpoint(EndpointName=self.name)

    def count(self) -> int:
        return self.endpoint()["ProductionVariants"][0]["CurrentInstanceCount"]

    def queue(self) -> tuple[str, str]:
        """A topic, and the URL of a queue that hears of it."""
        topic = self.sns.create_topic(Name=self.name)["TopicArn"]
        url = self.sqs.create_queue(QueueName=self.name)["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
        return topic, url

    def heard(self, url: str) -> dict[str, Any]:
        """The next message of a queue."""
        [found] = self.until(lambda: self.sqs.receive_message(QueueUrl=url).get("Messages"))
        self.sqs.delete_message(QueueUrl=url, ReceiptHandle=found["ReceiptHandle"])
        return json.loads(found["Body"])

    def serve_later(self, topic: str, work: str = "pass") -> None:
        """An asynchronous endpoint that tells a topic of answers and of failures."""
        output = {
            "S3OutputPath": self.uri("answers"),
            "S3FailurePath": self.uri("failures"),
            "NotificationConfig": {"SuccessTopic": topic, "ErrorTopic": topic},
        }
        self.serve({"ModelName": self.model(work=work)}, AsyncInferenceConfig={"OutputConfig": output})

    def ask_later(self, content: bytes = b"[1, 2]", **more: Any) -> dict[str, Any]:
        where = self.put("requests/one.jsonl", content)
        return self.runtime.invoke_endpoint_async(EndpointName=self.name, **{"InputLocation": where, **more})

    def host(self) -> None:
        """An endpoint with a machine for components."""
        self.serve({}, ExecutionRoleArn=ROLE)

    def component(self, version: str = "one", work: str = "pass", **more: Any) -> dict[str, Any]:
        """What CloudFormation and the API take for a component."""
        return {
            "InferenceComponentName": self.name,
            "EndpointName": self.name,
            "VariantName": "Main",
            "Specification": {
                "Container": {"Image": "none", "ArtifactUrl": self.archived(version, work)},
                "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 128, "NumberOfCpuCoresRequired": 1},
            },
            "RuntimeConfig": {"CopyCount": 2},
            **more,
        }

    def described(self) -> dict[str, Any]:
        return self.sagemaker.describe_inference_component(InferenceComponentName=self.name)

    def ask_component(self) -> str:
        """The version that answers, or the code of the error."""
        try:
            return self._ask_component()
        except ClientError as error:
            return str(error.response["Error"]["Code"])

    def _ask_component(self) -> str:
        answer = self.runtime.invoke_endpoint(
            EndpointName=self.name, InferenceComponentName=self.name, Body=b"[1, 2]", ContentType="application/json"
        )
        return json.loads(answer["Body"].read())["version"]

    def transform(self, model: str, **changes: Any) -> dict[str, Any]:
        """A transform job over `requests/`, once it has ended."""
        where = {"S3DataType": "S3Prefix", "S3Uri": self.uri("requests/")}
        source = {"DataSource": {"S3DataSource": where}, "ContentType": "application/jsonlines", "SplitType": "Line"}
        request = {
            "TransformJobName": self.name,
            "ModelName": model,
            "TransformInput": source,
            "TransformOutput": {"S3OutputPath": self.uri("answers/"), "AssembleWith": "Line"},
            "TransformResources": {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1},
            **changes,
        }
        self.sagemaker.create_transform_job(**request)
        return self.until(
            lambda: (
                (found := self.sagemaker.describe_transform_job(TransformJobName=self.name))["TransformJobStatus"]
                not in ("InProgress", "Stopping")
                and found
            )
        )

    def scale(self, resource: str, dimension: str, bounds: tuple[int, int]) -> dict[str, str]:
        """Bounds; returns what names the target."""
        which = {"ServiceNamespace": "sagemaker", "ResourceId": resource, "ScalableDimension": dimension}
        self.scaling.register_scalable_target(**which, MinCapacity=bounds[0], MaxCapacity=bounds[1])
        return which

    def wake_on(self, which: Mapping[str, str], metric: str, dimensions: Mapping[str, str]) -> None:
        """The step and the alarm by which the platform's constructs wake what sleeps."""
        step = {
            "AdjustmentType": "ChangeInCapacity",
            "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
            "Cooldown": 60,
        }
        policy = self.scaling.put_scaling_policy(
            **which, PolicyName="wake", PolicyType="StepScaling", StepScalingPolicyConfiguration=step
        )
        self.cloudwatch.put_metric_alarm(
            AlarmName=f"{self.name}-asleep",
            Namespace="AWS/SageMaker",
            MetricName=metric,
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
            Statistic="Maximum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="missing",
            AlarmActions=[policy["PolicyARN"]],
        )


@pytest.fixture
def account(embedded_aws: Any, unique: str, until: Callable[..., Any]) -> Iterator[Account]:
    made = Account(embedded_aws, unique, until)
    yield made
    names = [
        one["InferenceComponentName"] for one in made.sagemaker.list_inference_components()["InferenceComponents"]
    ]
    if unique in names:
        made.sagemaker.delete_inference_component(InferenceComponentName=unique)
    if unique in {one["EndpointName"] for one in made.sagemaker.list_endpoints()["Endpoints"]}:
        made.sagemaker.delete_endpoint(EndpointName=unique)


# Asynchronous ---------------------------------------------------------------------------------------------------


def test_an_asynchronous_request_is_read_from_s3_answered_into_s3_and_told(account: Account) -> None:
    topic, url = account.queue()
    account.serve_later(topic)
    taken = account.ask_later(InferenceId="of-the-caller")
    assert taken["ResponseMetadata"]["HTTPStatusCode"] == 202
    told = account.heard(url)
    assert (told["invocationStatus"], told["inferenceId"]) == ("Completed", "of-the-caller")
    assert told["requestParameters"]["inputLocation"] == account.uri("requests/one.jsonl")
    assert told["responseParameters"]["outputLocation"] == taken["OutputLocation"]
    assert taken["OutputLocation"].startswith(account.uri("answers/"))
    assert json.loads(account.get(taken["OutputLocation"])) == {"version": "one", "sum": 3}


@pytest.mark.parametrize(
    ("work", "more", "reason"),
    [
        ("raise ValueError('bad weights')", {}, "bad weights"),
        ("pass", {"InputLocation": "s3://no-such-bucket-anywhere/x"}, "s3://no-such-bucket-anywhere/x"),
    ],
)
def test_an_asynchronous_request_that_fails_says_why_in_s3_and_to_its_topic(
    account: Account, work: str, more: dict[str, str], reason: str
) -> None:
    topic, url = account.queue()
    account.serve_later(topic, work)
    taken = account.ask_later(**more)
    told = account.heard(url)
    assert told["invocationStatus"] == "Failed"
    assert reason in told["failureReason"]
    assert reason in account.get(taken["FailureLocation"]).decode()
    with pytest.raises(ClientError, match="NoSuchKey"):
        account.get(taken["OutputLocation"])


def test_what_is_asked_the_wrong_way_is_refused(account: Account) -> None:
    account.serve_later(account.queue()[0])
    with pytest.raises(ClientError, match="is asynchronous"):
        account.runtime.invoke_endpoint(EndpointName=account.name, Body=b"[1]")
    with pytest.raises(ClientError, match="must be an S3 URI"):
        account.ask_later(InputLocation="https://example.com/x")


def test_a_queue_that_sleeps_is_woken_by_what_waits_within_its_bounds(account: Account) -> None:
    topic, url = account.queue()
    account.serve_later(topic)
    which = account.scale(f"endpoint/{account.name}/variant/Main", "sagemaker:variant:DesiredInstanceCount", (0, 2))
    none = {"VariantName": "Main", "DesiredInstanceCount": 0}
    account.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=account.name, DesiredWeightsAndCapacities=[none]
    )
    assert account.count() == 0
    account.ask_later()
    account.wake_on(which, "HasBacklogWithoutCapacity", {"EndpointName": account.name})
    assert account.heard(url)["invocationStatus"] == "Completed"
    assert account.count() == 1
    account.scaling.register_scalable_target(**which, MinCapacity=2, MaxCapacity=2)
    account.until(lambda: account.count() == 2)


def test_what_is_not_asynchronous_does_not_go_to_zero(account: Account) -> None:
    account.serve({"ModelName": account.model()})
    none = {"VariantName": "Main", "DesiredInstanceCount": 0}
    with pytest.raises(ClientError, match="asynchronous"):
        account.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=account.name, DesiredWeightsAndCapacities=[none]
        )


@pytest.mark.parametrize(
    ("values", "count", "expected"),
    [
        ([90.0] * 15, 2, 4),
        ([90.0, 90.0, 40.0], 2, 2),  # a single busy minute is none
        ([None, *[90.0] * 14], 2, 2),
        ([10.0] * 15, 4, 1),
        ([0.0] * 15, 4, 0),
        ([10.0] * 14 + [48.0], 4, 4),
        ([10.0] * 14 + [None], 4, 4),
        ([48.0] * 15, 4, 4),
    ],
)
def test_tracking_goes_out_after_three_minutes_and_in_after_fifteen(
    values: list[float | None], count: int, expected: int
) -> None:
    assert tracked(values, 50.0, count) == expected


# Inference components -------------------------------------------------------------------------------------------


def test_a_component_answers_for_whoever_names_it(account: Account) -> None:
    account.host()
    account.sagemaker.create_inference_component(**account.component())
    account.until(lambda: account.described()["InferenceComponentStatus"] == "InService")
    assert account.ask_component() == "one"
    assert account.described()["RuntimeConfig"] == {"DesiredCopyCount": 2, "CurrentCopyCount": 2}
    with pytest.raises(ClientError, match="header is required"):
        account.runtime.invoke_endpoint(EndpointName=account.name, Body=b"[1]")
    with pytest.raises(ClientError, match="Inference Component other"):
        account.runtime.invoke_endpoint(EndpointName=account.name, InferenceComponentName="other", Body=b"[1]")
    with pytest.raises(ClientError, match="still hosts"):
        account.sagemaker.delete_endpoint(EndpointName=account.name)


def test_a_component_at_zero_refuses_and_the_refusal_wakes_it(account: Account) -> None:
    account.host()
    account.sagemaker.create_inference_component(**account.component())
    account.until(lambda: account.described()["InferenceComponentStatus"] == "InService")
    account.sagemaker.update_inference_component_runtime_config(
        InferenceComponentName=account.name, DesiredRuntimeConfig={"CopyCount": 0}
    )
    assert account.ask_component() == "ValidationError"
    which = account.scale(
        f"inference-component/{account.name}", "sagemaker:inference-component:DesiredCopyCount", (0, 3)
    )
    account.wake_on(which, "NoCapacityInvocationFailures", {"InferenceComponentName": account.name})

    account.until(lambda: account.ask_component() == "one")
    assert account.described()["RuntimeConfig"]["CurrentCopyCount"] == 1


@pytest.mark.parametrize(
    ("work", "status", "version"),
    [("pass", "UPDATE_COMPLETE", "two"), ("raise ValueError", "UPDATE_ROLLBACK_COMPLETE", "one")],
)
def test_cloudformation_rolls_a_component_and_its_alarm_sends_a_bad_one_back(
    account: Account, work: str, status: str, version: str
) -> None:
    account.host()
    alarm = f"{account.name}-failing"
    account.cloudwatch.put_metric_alarm(
        AlarmName=alarm,
        Namespace="AWS/SageMaker",
        MetricName="Invocation5XXErrors",
        Dimensions=[{"Name": "InferenceComponentName", "Value": account.name}],
        Statistic="Average",
        Period=20,
        EvaluationPeriods=1,
        Threshold=0.01,
        ComparisonOperator="GreaterThanThreshold",
    )
    deployment = {
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": alarm}]},
        "RollingUpdatePolicy": {
            "MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 50},
            "WaitIntervalInSeconds": 60 if work == "pass" else 1800,
        },
    }

    def deployed(version: str, work: str, call: Callable[..., Any]) -> str:
        properties = account.component(version, work, DeploymentConfig=deployment)
        kind = {"Type": "AWS::SageMaker::InferenceComponent", "Properties": properties}
        call(StackName=account.name, TemplateBody=json.dumps({"Resources": {"It": kind}}))

        def asked() -> str:
            if version == "two":
                assert account.ask_component() in ("one", "two", "ModelError")
            found = account.cloudformation.describe_stacks(StackName=account.name)["Stacks"][0]["StackStatus"]
            return "" if found.endswith("IN_PROGRESS") else found

        return account.until(asked)

    assert deployed("one", "pass", account.cloudformation.create_stack) == "CREATE_COMPLETE"
    assert deployed("two", work, account.cloudformation.update_stack) == status
    assert account.ask_component() == version
    account.cloudformation.delete_stack(StackName=account.name)
    account.until(lambda: not account.sagemaker.list_inference_components()["InferenceComponents"])


def test_a_component_needs_an_endpoint_without_a_model(account: Account) -> None:
    account.serve({"ModelName": account.model()})
    with pytest.raises(ClientError, match="a model of its own"):
        account.sagemaker.create_inference_component(**account.component())


# Transform jobs -------------------------------------------------------------------------------------------------


def test_a_transform_job_runs_the_models_script_over_every_object(account: Account) -> None:
    account.put("requests/monday/a.jsonl", b"[1, 2]\n[3, 4]\n")
    account.put("requests/b.jsonl", b"[5]\n")
    assert account.transform(account.model())["TransformJobStatus"] == "Completed"
    lines = account.get(account.uri("answers/monday/a.jsonl.out")).splitlines()
    assert [json.loads(line)["sum"] for line in lines] == [3, 7]
    assert json.loads(account.get(account.uri("answers/b.jsonl.out")))["sum"] == 5


@pytest.mark.parametrize(("strategy", "asked"), [("SingleRecord", 3), ("MultiRecord", 1)])
def test_records_are_asked_alone_or_together(account: Account, strategy: str, asked: int) -> None:
    account.put("requests/a.jsonl", b"[1]\n[2]\n[3]\n")
    account.transform(account.model(work="lines = [[len(lines)]]"), BatchStrategy=strategy)
    lines = account.get(account.uri("answers/a.jsonl.out")).splitlines()
    assert [json.loads(line)["sum"] for line in lines] == [3 // asked] * asked


@pytest.mark.parametrize(
    ("content", "work", "reason"),
    [
        (None, "pass", "No S3 objects found"),
        (b"[1]\n", "raise ValueError('bad weights')", "bad weights"),
        (b"nonsense\n", "pass", "JSONDecodeError"),
    ],
)
def test_a_transform_job_that_fails_says_why(account: Account, content: bytes | None, work: str, reason: str) -> None:
    if content:
        account.put("requests/a.jsonl", content)
    found = account.transform(account.model(work=work))
    assert found["TransformJobStatus"] == "Failed"
    assert reason in found["FailureReason"]


def test_a_transform_job_of_what_is_not_done_here_is_refused_by_name(account: Account) -> None:
    source = {"S3DataType": "ManifestFile", "S3Uri": account.uri("manifest")}
    with pytest.raises(ClientError, match="S3DataType ManifestFile is not emulated"):
        account.transform(account.model(), TransformInput={"DataSource": {"S3DataSource": source}})
    with pytest.raises(ClientError, match="Could not find model"):
        account.transform("no-such-model")
