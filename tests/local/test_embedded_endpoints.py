"""Endpoints of the embedded AWS: they answer with the model's own script, and a bad version is sent back."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError
from model_archives import archive as archived

GOOD = """
import json
def model_fn(model_dir):
    return json.load(open(model_dir + "/weights.json"))
def predict_fn(data, model):
    print("this must not disturb the answer")
    return {"sum": sum(data) + model["bias"], "version": model["version"]}
"""
FAILING = GOOD.replace("    print", "    raise ValueError('bad weights')\n    print")
SLOW = GOOD.replace("    print", "    import time; time.sleep(0.15)\n    print")
ACCOUNT = "888888888888"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Serving"


def archive(script: str | None, version: str = "one") -> bytes:
    """A model's archive with its inference code."""
    code = {} if script is None else {"code/inference.py": script}
    return archived({"weights.json": json.dumps({"bias": 1, "version": version}), **code})


class Service:
    """One endpoint of a test's own."""

    def __init__(self, embedded_aws: Any, name: str, account: str, wait: Callable[..., Any]) -> None:
        self.name, self._wait = name, wait
        self.sagemaker, self.runtime, self.s3, self.cloudwatch = (
            embedded_aws.client(one, account) for one in ("sagemaker", "sagemaker-runtime", "s3", "cloudwatch")
        )
        self.s3.create_bucket(Bucket=name)

    def configure(self, version: str, content: bytes | None, **changes: Any) -> str:
        """A model and a configuration of an archive; returns the configuration's name."""
        made = f"{self.name}-{version}"
        if content is not None:
            self.s3.put_object(Bucket=self.name, Key=f"{version}/model.tar.gz", Body=content)
        container = {"Image": "none", "ModelDataUrl": f"s3://{self.name}/{version}/model.tar.gz"}
        self.sagemaker.create_model(ModelName=made, ExecutionRoleArn=ROLE, PrimaryContainer=container)
        variant = {
            "VariantName": "Main",
            "ModelName": made,
            "InstanceType": "ml.c7g.xlarge",
            "InitialInstanceCount": 4,
            "InitialVariantWeight": 1,
        }
        self.sagemaker.create_endpoint_config(EndpointConfigName=made, ProductionVariants=[variant], **changes)
        return made

    def serve(self, version: str, content: bytes | None, **changes: Any) -> Mapping[str, Any]:
        """The endpoint with that archive, once it is settled."""
        config = self.configure(version, content, **changes)
        self.sagemaker.create_endpoint(EndpointName=self.name, EndpointConfigName=config)
        return self.settled()

    def status(self) -> Mapping[str, Any]:
        return self.sagemaker.describe_endpoint(EndpointName=self.name)

    def settled(self) -> Mapping[str, Any]:
        return self._wait(
            lambda: (
                (found := self.status())["EndpointStatus"] not in ("Creating", "Updating", "RollingBack") and found
            )
        )

    def ask(self, body: bytes = b"[1, 2]", kind: str = "application/json", **more: Any) -> dict[str, Any]:
        answer = self.runtime.invoke_endpoint(EndpointName=self.name, Body=body, ContentType=kind, **more)
        return json.loads(answer["Body"].read())

    def alarm(self, metric: str, threshold: float, **changes: Any) -> str:
        """An alarm as the platform's constructs make it: two minutes of three, here two seconds of three."""
        name = f"{self.name}-{metric}"
        self.cloudwatch.put_metric_alarm(
            **{
                "AlarmName": name,
                "Namespace": "AWS/SageMaker",
                "MetricName": metric,
                "Dimensions": [
                    {"Name": "EndpointName", "Value": self.name},
                    {"Name": "VariantName", "Value": "Main"},
                ],
                "Period": 20,
                "EvaluationPeriods": 3,
                "DatapointsToAlarm": 2,
                "Threshold": threshold,
                "ComparisonOperator": "GreaterThanThreshold",
                "TreatMissingData": "missing",
                **changes,
            }
        )
        return name

    def state(self, alarm: str) -> str:
        return self.cloudwatch.describe_alarms(AlarmNames=[alarm])["MetricAlarms"][0]["StateValue"]

    def release(self, version: str, content: bytes, alarms: list[str], seconds: int = 600) -> str:
        """A canary of a quarter, watched for `seconds` of AWS's (a sixtieth here); returns its configuration."""
        config = self.configure(version, content)
        traffic = {
            "Type": "CANARY",
            "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 25},
            "WaitIntervalInSeconds": seconds,
        }
        deployment: dict[str, Any] = {
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": traffic,
                "TerminationWaitInSeconds": 0,
                "MaximumExecutionTimeoutInSeconds": 3600,
            },
        }
        if alarms:
            deployment["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": name} for name in alarms]}
        self.sagemaker.update_endpoint(EndpointName=self.name, EndpointConfigName=config, DeploymentConfig=deployment)
        return config


class Client:
    """Somebody who asks all the time, and counts."""

    def __init__(self, service: Service) -> None:
        self._service, self._ended = service, threading.Event()
        self.seen: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> "Client":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._ended.wait(0.005):
            try:
                self.seen[self._service.ask()["version"]] += 1
            except ClientError as error:
                self.seen[error.response["Error"]["Code"]] += 1


@pytest.fixture
def service(embedded_aws: Any, unique: str, until: Callable[..., Any]) -> Iterator[Service]:
    made = Service(embedded_aws, unique, ACCOUNT, until)
    yield made
    if unique in {one["EndpointName"] for one in made.sagemaker.list_endpoints()["Endpoints"]}:
        made.settled()
        made.sagemaker.delete_endpoint(EndpointName=unique)


def test_an_endpoint_answers_with_the_models_own_script(service: Service) -> None:
    assert service.serve("one", archive(GOOD))["EndpointStatus"] == "InService"
    assert service.ask() == {"sum": 4, "version": "one"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "Could not find model data at s3://"),
        (b"not an archive", "Failed to extract model data archive"),
        (archive(None), "neither code/inference.py nor inference.py"),
        (archive("def model_fn(model_dir): return 1"), "has no function predict_fn"),
        (archive("import nothing_like_it"), "did not pass the ping health check"),
    ],
)
def test_a_model_that_cannot_serve_fails_its_endpoint_and_says_why(
    service: Service, content: bytes | None, reason: str
) -> None:
    found = service.serve("one", content)
    assert found["EndpointStatus"] == "Failed"
    assert reason in found["FailureReason"]


def test_a_new_version_that_never_comes_up_leaves_the_old_one_serving(service: Service) -> None:
    service.serve("one", archive(GOOD))
    service.release("two", archive(GOOD.replace("return json", "raise MemoryError; return json")), [])
    found = service.settled()
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", f"{service.name}-one")
    assert "MemoryError" in found["FailureReason"]
    assert service.ask()["version"] == "one"


def test_a_container_that_never_becomes_healthy_is_given_up(service: Service) -> None:
    forever = "import time\ntime.sleep(3600)"
    config = service.configure("one", archive(forever))
    found = service.sagemaker.describe_endpoint_config(EndpointConfigName=config)
    variant = {**found["ProductionVariants"][0], "ContainerStartupHealthCheckTimeoutInSeconds": 60}
    service.sagemaker.create_endpoint_config(EndpointConfigName=f"{config}-timed", ProductionVariants=[variant])
    service.sagemaker.create_endpoint(EndpointName=service.name, EndpointConfigName=f"{config}-timed")
    found = service.settled()
    assert found["EndpointStatus"] == "Failed"
    assert "nothing within" in found["FailureReason"]


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"1,2", "text/csv", 424, "ModelError"),
        (b"{", "application/json", 424, "ModelError"),
        (b" " * 6_291_457, "application/json", 413, "ValidationError"),
    ],
)
def test_a_request_of_the_wrong_type_or_size_is_refused_as_sagemaker_does(
    service: Service, body: bytes, kind: str, status: int, code: str
) -> None:
    service.serve("one", archive(GOOD))
    with pytest.raises(ClientError) as refused:
        service.ask(body, kind)
    answer: Any = refused.value.response
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (status, code)
    if kind == "text/csv":
        assert answer["OriginalStatusCode"] == 415


def test_nobody_answers_for_an_endpoint_that_is_not_there(service: Service) -> None:
    with pytest.raises(ClientError, match=f"Endpoint {service.name} of account .* not found"):
        service.ask()


@pytest.mark.parametrize(
    ("script", "metric", "threshold"), [(FAILING, "Invocation5XXErrors", 0.01), (SLOW, "ModelLatency", 100_000)]
)
def test_a_bad_version_is_sent_back_by_its_alarm_and_callers_see_no_more_than_the_canary(
    service: Service, script: str, metric: str, threshold: float
) -> None:
    service.serve("one", archive(GOOD))
    statistic = {"ExtendedStatistic": "p99"} if metric == "ModelLatency" else {"Statistic": "Average"}
    alarms = [service.alarm(metric, threshold, **statistic)]
    with Client(service) as client:
        service.release("two", archive(script, "two"), alarms, seconds=1800)
        found = service.settled()
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", f"{service.name}-one")
    assert f"alarm {alarms[0]} is in state ALARM" in found["FailureReason"]
    asked = sum(client.seen.values())
    touched = client.seen["ModelError"] + client.seen["two"]
    assert set(client.seen) <= {"one", "two", "ModelError"}
    assert 0 < touched <= asked * 0.25 + 1
    assert service.ask()["version"] == "one"


def test_a_good_version_takes_over_without_a_failed_request(service: Service) -> None:
    service.serve("one", archive(GOOD))
    alarms = [service.alarm("Invocation5XXErrors", 0.01, Statistic="Average")]
    with Client(service) as client:
        config = service.release("two", archive(GOOD, "two"), alarms, seconds=60)
        found = service.settled()
        assert found["EndpointConfigName"] == config
    assert set(client.seen) == {"one", "two"}
    assert "FailureReason" not in found
    assert service.ask()["version"] == "two"


def test_without_traffic_no_alarm_knows_anything_and_a_version_is_not_sent_back(service: Service) -> None:
    service.serve("one", archive(GOOD))
    alarm = service.alarm("Invocation5XXErrors", 0.01, Statistic="Average")
    config = service.release("two", archive(FAILING), [alarm], seconds=60)
    assert service.settled()["EndpointConfigName"] == config
    assert service.state(alarm) == "INSUFFICIENT_DATA"


def test_a_single_bad_minute_rings_nothing(service: Service, until: Callable[..., Any]) -> None:
    service.serve("one", archive(GOOD))
    alarm = service.alarm("Invocation4XXErrors", 0.5, Statistic="Average", Period=60)
    with pytest.raises(ClientError):
        service.ask(b"1", "text/csv")
    with Client(service):
        until(lambda: service.state(alarm) == "OK")


def test_an_alarm_that_flaps_during_a_deployment_sends_it_back_once_and_for_good(
    service: Service, until: Callable[..., Any]
) -> None:
    service.serve("one", archive(GOOD))
    alarm, seen = service.alarm("Flapping", 1, Namespace="Trial"), list[str]()
    service.release("two", archive(GOOD, "two"), [alarm], seconds=1800)

    def flap() -> bool:
        for state in ("ALARM", "OK"):
            service.cloudwatch.set_alarm_state(AlarmName=alarm, StateValue=state, StateReason="flaps")
            if (status := service.status()["EndpointStatus"]) not in seen[-1:]:
                seen.append(status)
        return seen[-1] == "InService"

    until(flap)
    for _ in range(3):
        flap()  # what has gone back stays there
    assert [status for status in seen if status != "RollingBack"] == ["Updating", "InService"]
    found = service.status()
    assert found["EndpointConfigName"] == f"{service.name}-one"
    assert f"alarm {alarm} is in state ALARM" in found["FailureReason"]
    assert service.ask()["version"] == "one"


def test_of_two_deployments_at_once_the_second_is_refused(service: Service) -> None:
    service.serve("one", archive(GOOD))
    service.release("two", archive(GOOD, "two"), [], seconds=60)
    other = service.configure("three", archive(GOOD))
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        service.sagemaker.update_endpoint(EndpointName=service.name, EndpointConfigName=other)
    assert service.settled()["EndpointConfigName"] == f"{service.name}-two"


def test_a_share_of_the_traffic_is_captured(service: Service, until: Callable[..., Any]) -> None:
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 50,
        "DestinationS3Uri": f"s3://{service.name}/capture",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
    }
    service.serve("one", archive(GOOD), DataCaptureConfig=capture)
    for _ in range(4):
        service.ask()
    prefix = f"capture/{service.name}/Main/"

    def keys() -> list[str]:
        found = service.s3.list_objects_v2(Bucket=service.name, Prefix=prefix).get("Contents", [])
        return [one["Key"] for one in found]

    until(lambda: len(keys()) == 2)
    line = json.loads(service.s3.get_object(Bucket=service.name, Key=keys()[0])["Body"].read())
    assert line["captureData"]["endpointInput"]["data"] == "[1, 2]"
    assert json.loads(line["captureData"]["endpointOutput"]["data"]) == {"sum": 4, "version": "one"}


def test_a_shadow_is_asked_what_everybody_asks_and_answers_nobody(
    service: Service, until: Callable[..., Any]
) -> None:
    service.configure("two", archive(FAILING))
    shadow = {
        "VariantName": "Candidate",
        "ModelName": f"{service.name}-two",
        "InstanceType": "ml.c7g.xlarge",
        "InitialInstanceCount": 1,
        "InitialVariantWeight": 1,
    }
    service.serve("one", archive(GOOD), ShadowProductionVariants=[shadow])
    seen = [{"Name": "EndpointName", "Value": service.name}, {"Name": "VariantName", "Value": "Candidate"}]
    alarm = service.alarm("Invocation5XXErrors", 0.5, Statistic="Average", Dimensions=seen)
    with Client(service) as client:
        until(lambda: service.state(alarm) == "ALARM")
    assert set(client.seen) == {"one"}


def test_the_model_stays_warm(service: Service) -> None:
    counted = GOOD.replace('model["version"]', 'model.setdefault("asked", []).append(1) or len(model["asked"])')
    service.serve("one", archive(counted))
    assert [service.ask()["version"] for _ in range(3)] == [1, 2, 3]
    begun = time.monotonic()
    service.ask()
    assert time.monotonic() - begun < 1
