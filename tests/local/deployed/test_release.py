"""From a trained model to a released one and back, on the deployed platform, with the commands that people use."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from groundplan.release import release_file

ROOT = Path(__file__).parents[3]
GROUP = "arn:aws:sagemaker:us-east-1:222222222222:model-package/groundplan-local-digit-reader"
BLANK = ",".join(["0"] * 64).encode()
PIN = ROOT / release_file("digit-reader", "local")


@pytest.fixture
def ends(deployed: Any) -> Callable[..., Any]:
    """`ends(status, *arguments)`: what a command said, on both streams, which must end so."""

    def run(status: int, *arguments: str) -> str:
        done = deployed.run(*arguments)
        assert done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return str(done.stdout + done.stderr)

    return run


def place(uri: str) -> Mapping[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return {"Bucket": bucket, "Key": key}


def digit(deployed: Any) -> str:
    """What the endpoint reads in an empty image."""
    answer = deployed.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="groundplan-local-digit-reader", ContentType="text/csv", Accept="text/csv", Body=BLANK
    )
    assert answer["ContentType"] == "text/csv"
    return str(answer["Body"].read().decode())


def served_model(deployed: Any) -> str:
    """Where the archive lies that the endpoint answers with."""
    sagemaker = deployed.client("sagemaker")
    config = sagemaker.describe_endpoint(EndpointName="groundplan-local-digit-reader")["EndpointConfigName"]
    variants = sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    model = sagemaker.describe_model(ModelName=variants[0]["ModelName"])
    return str(model["PrimaryContainer"]["ModelDataUrl"])


def pinned_model() -> str:
    return next(line.split('"')[1] for line in PIN.read_text().splitlines() if line.startswith("model_data_url"))


def test_the_demo_releases_its_model_asks_it_and_makes_it_again(deployed: Any) -> None:
    _, _, told = deployed.demo.partition("The model before the gate")
    page = re.search(r"the page for the person who decides: (\S+)", told)
    assert page
    assert "✓ Passed" in Path(page[1]).read_text()
    answered = re.search(r"groundplan-local-digit-reader answers (\d); the image shows a (\d)", told)
    assert answered
    assert answered[1] == answered[2]
    assert "digit-reader-1.0.0, made again by" in told
    assert "identical bytes" in told
    assert served_model(deployed) == pinned_model()


def test_a_second_model_is_gated_approved_released_and_rolled_back(
    deployed: Any, ends: Callable[..., str], tmp_path: Path
) -> None:
    first, serving = PIN.read_text(), served_model(deployed)
    assert "nothing served before" in ends(1, "rollback", "digit-reader", "--reason", "it misreads eights")
    ends(0, "train", "digit-reader", "--force", "--reason", "a second model, to be released")
    page = tmp_path / "page.html"
    told = ends(0, "verify", "digit-reader", "--html", str(page))
    registered = re.search(r"(digit-reader-1\.\d+\.0) is registered, PendingManualApproval", told)
    assert registered, told
    second = registered[1]
    assert "✓ Passed" in page.read_text()

    # Nothing gets past the person.
    assert "a person approves it" in ends(1, "promote", second)
    assert PIN.read_text() == first
    assert "(simulated)" in ends(0, "approve", second)
    replayed = json.loads(deployed.run("approve", second, "--json").stdout)
    assert replayed["changed"] is False
    assert "assumed-role/groundplan-local-approver/" in replayed["decided_by"]

    assert f"pins {second}" in ends(0, "promote", second)
    assert served_model(deployed) == pinned_model() != serving
    assert digit(deployed).strip().isdigit()

    assert "pins digit-reader-1.0.0" in ends(0, "rollback", "digit-reader", "--reason", "it misreads eights")
    assert served_model(deployed) == pinned_model() == serving
    assert "it misreads eights" in ends(1, "promote", second)

    pinned = PIN.read_text()
    # A pin that was edited by hand is not deployed.
    PIN.write_text(
        pinned.replace('code_digest = "', 'code_digest = "0', 1).replace('"\nfingerprint', '"\nfingerprint')
    )
    assert "64 lower-case hex digits" in ends(2, "deploy")
    PIN.write_text(pinned.replace('approved_by = "', 'approved_by = "x', 1))
    assert "the registry has" in ends(2, "deploy")
    PIN.write_text(pinned)

    # Nor is one whose artefact changed by a byte, or vanished.
    s3 = deployed.client("s3")
    model = place(
        next(line.partition('"')[2][:-1] for line in pinned.splitlines() if line.startswith("model_data_url"))
    )
    content = s3.get_object(**model)["Body"].read()
    s3.put_object(**model, Body=content[:-1] + bytes([content[-1] ^ 1]))
    assert "was altered" in ends(1, "deploy")
    assert "was altered" in ends(1, "reproduce", "digit-reader-1.0.0")
    s3.delete_object(**model)
    assert "is not there any more" in ends(1, "deploy")
    s3.put_object(**model, Body=content)


def test_the_card_lies_beside_the_model_and_is_what_was_registered(deployed: Any, ends: Callable[..., str]) -> None:
    described = deployed.client("sagemaker").describe_model_package(ModelPackageName=f"{GROUP}/1")
    texts = described["CustomerMetadataProperties"]
    assert texts["card_url"].rpartition("/")[0] == texts["record_url"].rpartition("/")[0]
    s3, where = deployed.client("s3"), place(texts["card_url"])
    content = s3.get_object(**where)["Body"].read()
    assert hashlib.sha256(content).hexdigest() == texts["card_sha256"]
    card = json.loads(content)
    [figures] = card["evaluation_details"][0]["metric_groups"]
    assert {"overall.accuracy", "digit_9.accuracy"} <= {one["name"] for one in figures["metric_data"]}
    s3.put_object(**where, Body=content.replace(b"vision-team", b"nobody-team"))
    try:
        assert "its card" in ends(1, "reproduce", "digit-reader-1.0.0")
    finally:
        s3.put_object(**where, Body=content)


def s3_of(deployed: Any, role_name: str) -> Any:
    """S3, as one of the ai account's roles asks it."""
    names = deployed.accounts.names
    role = names.roles(names.environment.accounts.ai, role_name)
    given = deployed.client("sts").assume_role(RoleArn=role, RoleSessionName="job")["Credentials"]
    return boto3.client(
        "s3",
        endpoint_url=deployed.accounts.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )


def test_no_role_of_a_job_reads_what_models_are_judged_on_and_evaluations_read_the_requests(deployed: Any) -> None:
    names = deployed.accounts.names
    training = s3_of(deployed, names.training_role("digit-reader"))
    evaluation = s3_of(deployed, names.evaluation_role("digit-reader"))
    pointer = "digit-reader/digits/current.json"
    lake, curated, held = deployed.client("s3", "data"), names.lake_bucket("curated"), names.lake_bucket("evaluation")
    kept = json.loads(lake.get_object(Bucket=held, Key=pointer)["Body"].read())["key"]
    assert training.get_object(Bucket=curated, Key=pointer)["Body"].read()
    requests = kept.replace("samples.jsonl", "requests.jsonl")
    assert b"expected" not in evaluation.get_object(Bucket=held, Key=requests)["Body"].read()
    refused = [(training, requests), *((role, key) for role in (training, evaluation) for key in (pointer, kept))]
    for role, key in refused:
        with pytest.raises(role.exceptions.ClientError, match="AccessDenied"):
            role.get_object(Bucket=held, Key=key)


def test_what_was_registered_past_the_gate_is_not_released(deployed: Any, ends: Callable[..., str]) -> None:
    sagemaker = deployed.client("sagemaker")
    arn = sagemaker.create_model_package(
        ModelPackageGroupName="groundplan-local-digit-reader",
        ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": [{"Image": "image", "ModelDataUrl": "s3://groundplan/model.tar.gz"}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )["ModelPackageArn"]
    try:
        assert "not registered by groundplan verify" in ends(2, "promote", arn)
        assert "not registered by groundplan verify" in ends(2, "approve", arn)
    finally:
        sagemaker.delete_model_package(ModelPackageName=arn)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("verify", "digit-reader", "--candidate", "no-such-job"), "a training job that completed"),
        (("verify", "fraud-scorer"), "trains nothing"),
        (("approve", "digit-reader"), "<workload>-<version>"),
        (("approve", "digit-reader-7.0.0"), "not in the registry"),
        (("approve", "digit-reader-1.0.0", "--reject"), "--reject needs it"),
        (("promote", "digit-reader-1.0.0", "--again"), "--again needs it"),
        (
            ("promote", "arn:aws:sagemaker:us-east-1:222222222222:model-package/groundplan-local-digit-reader/99"),
            "not",
        ),
        (("rollback", "digit-reader", "--reason", "short"), "10 to 300"),
        (("reproduce", "digit-reader-7.0.0"), "not in the registry"),
    ],
)
def test_what_cannot_be_is_said(ends: Callable[..., str], arguments: tuple[str, ...], said: str) -> None:
    assert said in ends(2, *arguments)
