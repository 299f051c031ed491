"""The example for the SageMaker SDK sends the very request that `groundplan train` sends."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse

from groundplan.training_request import Inputs, LaunchDefaults, build_request
from groundplan.workload import read_workload

EXAMPLE = Path(__file__).parents[2] / "examples/model_trainer.py"
ROLE = "arn:aws:iam::222222222222:role/groundplan-local-digit-reader-training"

pytest.importorskip(
    "sagemaker.train", reason="the extra groundplan-operate[sagemaker] is not installed: it weighs 730 MB"
)
pytestmark = pytest.mark.filterwarnings("default")  # the SDK's own


@pytest.fixture(scope="module")
def example() -> Any:
    specification = importlib.util.spec_from_file_location("model_trainer", EXAMPLE)
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, list[dict[str, Any]]]:
    """A session whose SageMaker answers each call; the bodies of CreateTrainingJob."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    session: Any = boto3.Session(region_name="us-east-1")
    bodies: list[dict[str, Any]] = []

    def answer(request: Any, **_: Any) -> AWSResponse:
        target, body = request.headers["X-Amz-Target"].decode(), json.loads(request.body)
        if target.endswith("CreateTrainingJob"):
            bodies.append(body)
        said = {"TrainingJobArn": "arn:aws:sagemaker:us-east-1:222222222222:training-job/x", **body}
        raw = Raw(json.dumps(said | {"TrainingJobStatus": "InProgress"}).encode())
        return AWSResponse(request.url, 200, {"Content-Type": "application/x-amz-json-1.1"}, raw)

    session.events.register("before-send.sagemaker", answer)
    return session, bodies


class Raw:
    """As much of a response's stream as is read."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> Any:
        yield self._body


@pytest.mark.parametrize("spot", [True, False])
def test_model_trainer_sends_what_build_request_makes(example: Any, sent: Any, spot: bool) -> None:
    session, bodies = sent
    root = EXAMPLE.parents[1]
    defaults = LaunchDefaults(
        role_arn=ROLE,
        image=f"222222222222.dkr.ecr.us-east-1.amazonaws.com/groundplan-local/digit-reader@sha256:{'1' * 64}",
        artefacts="s3://artefacts",
        kms_key_arn="arn:aws:kms:us-east-1:222222222222:key/1",
        subnet_ids=("subnet-1", "subnet-2"),
        security_group_ids=("sg-1",),
        tags={"business-unit": "research"},
    )
    inputs = Inputs(
        code_uri="s3://a/code",
        code_digest="c" * 64,
        code_commit="0" * 40,
        data_uri="s3://b/data",
        data_manifest_uri="s3://b/manifest.json",
        data_manifest_root="d" * 64,
        environment_digest="e" * 64,
        kit_digest="f" * 64,
    )
    workload = read_workload(root, "digit-reader")
    request = build_request(workload, "local", defaults, inputs, job_suffix="20261121120000", spot=spot)
    example.model_trainer(request, session).train(wait=False, logs=False)
    assert bodies == [request]
