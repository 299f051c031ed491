"""Models answer the held-out set in a job: its request, the script that runs there, and what of it is believed."""

import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from groundplan.canonical import digest, file_digest
from groundplan.environment import read_environment
from groundplan.evaluation import Made, Question, answers_uri, evaluation_request, read_answers
from groundplan.gate import HeldOut, Sample, answer
from groundplan.image import LOCK
from groundplan.names import Names
from groundplan.refusal import BadInput, Refused
from groundplan.training_request import KIT, LaunchDefaults
from groundplan.workload import Workload, read_workload
from groundplan_operate.evaluation import answer_requests, same_software
from groundplan_operate.held_out import requests_key
from groundplan_runtime.integrations.training_request_check import refuse_invalid

ROOT = Path(__file__).parents[2]
ENVIRONMENT = read_environment(ROOT, "prod")
NAMES = Names(ENVIRONMENT)
ARTEFACTS, LAKE = NAMES.artefacts_bucket(), NAMES.lake_bucket("evaluation")
DEFAULTS = LaunchDefaults(
    role_arn="arn:aws:iam::222222222222:role/groundplan-prod-digit-reader-training",
    image=f"222222222222.dkr.ecr.eu-central-1.amazonaws.com/groundplan-prod/digit-reader@sha256:{'0' * 64}",
    artefacts=f"s3://{ARTEFACTS}",
    kms_key_arn="arn:aws:kms:eu-central-1:222222222222:key/1",
    subnet_ids=("subnet-1", "subnet-2"),
    security_group_ids=("sg-1",),
    tags={"business-unit": "research"},
    evaluation_role_arn="arn:aws:iam::222222222222:role/groundplan-prod-digit-reader-evaluation",
)
INFERENCE = """
import json
from pathlib import Path

def model_fn(folder):
    print("loading")
    return json.loads((Path(folder) / "weights.json").read_text())

def input_fn(body, content_type):
    assert content_type == "text/csv"
    return float(body)

def predict_fn(number, weight):
    return number * weight

def output_fn(number, accept):
    return f"{number:g}\\n", accept
"""
HELD_OUT = HeldOut(
    [Sample(request=text, expected="the truth", row=text) for text in ("1", "2.5", "no number", "4")], "a" * 64
)
MEANT = ["3\n", "7.5\n", None, "12\n"]


def archive(weight: int, inference: str = INFERENCE, **others: bytes) -> bytes:
    """A model: what its input is multiplied by, and the code that does it."""
    files = {"weights.json": str(weight).encode(), **({"code/inference.py": inference.encode()} if inference else {})}
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name, content in {**files, **others}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(target.getvalue(), mtime=0)  # the same bytes whenever it is packed


def made(weight: int = 3, inference: str = INFERENCE) -> Made:
    """The record's word of such a model."""
    code = digest({"inference.py": hashlib.sha256(inference.encode()).hexdigest()})
    return Made(
        name=f"run-{weight}",
        workload="digit-reader",
        model_data_url=f"s3://{ARTEFACTS}/workloads/digit-reader/output/run-{weight}/output/model.tar.gz",
        model_data_sha256=hashlib.sha256(archive(weight)).hexdigest(),
        code_uri=f"s3://{ARTEFACTS}/workloads/digit-reader/code/c0de/",
        code_digest=code,
        kit_digest=hashlib.sha256(b"kit").hexdigest(),
        environment_digest="e" * 64,
        image_digest="sha256:" + "1" * 64,
        frameworks={},
    )


QUESTION = Question(
    requests_uri=f"s3://{LAKE}/digit-reader/digits/{'a' * 64}/requests.jsonl",
    requests_sha256=hashlib.sha256(HELD_OUT.asked).hexdigest(),
    requests=4,
    script_uri=f"s3://{ARTEFACTS}/workloads/digit-reader/code/5c/answer.py",
)


def workload(**gate: Any) -> Workload:
    found = read_workload(ROOT, "digit-reader")
    return found.model_copy(update={"gate": found.gate.model_copy(update=gate)})


def request(of: Workload | None = None, **changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {"job_suffix": "0" * 17, "max_runtime_seconds": 3600, **changes}
    return evaluation_request(of or workload(), "prod", DEFAULTS, made(), QUESTION, **arguments)


def test_the_job_is_one_that_aws_takes_isolated_encrypted_and_with_an_end() -> None:
    asked = request()
    refuse_invalid(asked)
    assert asked["EnableNetworkIsolation"] is True
    assert asked["VpcConfig"] == {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
    assert asked["OutputDataConfig"]["KmsKeyId"] == asked["ResourceConfig"]["VolumeKmsKeyId"] == DEFAULTS.kms_key_arn
    assert asked["StoppingCondition"] == {"MaxRuntimeInSeconds": 3600}
    assert asked["EnableManagedSpotTraining"] is False
    longest = workload().model_copy(update={"name": "a" * 24})
    assert len(request(longest)["TrainingJobName"]) == 63


def test_a_machine_with_a_disk_of_its_own_names_no_key_for_it() -> None:
    asked = request(workload(instance_type="ml.g5.xlarge"))
    refuse_invalid(asked)
    assert asked["ResourceConfig"]["InstanceType"] == "ml.g5.xlarge"
    assert "VolumeKmsKeyId" not in asked["ResourceConfig"]


def test_it_runs_in_the_image_of_the_training_by_a_role_of_its_own_and_is_no_run() -> None:
    asked = request()
    assert asked["AlgorithmSpecification"]["TrainingImage"].endswith("/digit-reader@sha256:" + "1" * 64)
    assert asked["RoleArn"] == DEFAULTS.evaluation_role_arn != DEFAULTS.role_arn
    assert "GROUNDPLAN_WORKLOAD" not in asked["Environment"], "or it would stand among the workload's runs"
    assert "/output" not in asked["OutputDataConfig"]["S3OutputPath"], "or its answers would pass for a model"


def test_the_true_answers_go_nowhere_near_the_model() -> None:
    places = [one["DataSource"]["S3DataSource"]["S3Uri"] for one in request()["InputDataConfig"]]
    assert [place for place in places if LAKE in place] == [QUESTION.requests_uri]
    assert b"the truth" not in HELD_OUT.asked
    assert [json.loads(line) for line in HELD_OUT.asked.splitlines()] == ["1", "2.5", "no number", "4"]


@pytest.fixture
def answered(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`answered(model, inference, …)`: the script, run as the job runs it, below `tmp_path`."""

    def run(
        model: bytes = b"", inference: str = INFERENCE, requests: bytes = HELD_OUT.asked
    ) -> "subprocess.CompletedProcess[str]":
        files = {
            "code/inference.py": inference.encode(),
            f"code/{KIT}": b"kit",
            "model/model.tar.gz": model or archive(3, inference),
            "requests/requests.jsonl": requests,
        }
        for name, content in files.items():
            path = tmp_path / "input/data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        for folder in ("model", "output"):
            (tmp_path / folder).mkdir(exist_ok=True)
        command = [sys.executable, str(answer.__file__), str(tmp_path), "text/csv"]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path / "input/data/code")

    return run


def test_the_script_answers_as_the_models_own_functions_do_and_says_on_what_it_ran(
    answered: Any, tmp_path: Path
) -> None:
    done = answered()
    assert done.returncode == 0, done.stderr
    content = (tmp_path / "model/answers.jsonl").read_bytes()
    found = read_answers(content, made(), QUESTION, machine="ml.m5.large", source="s3://b/answers.jsonl")
    assert found.answers == MEANT
    assert found.errors == ["sample 3: ValueError: could not convert string to float: 'no number'"]
    assert (found.speed.requests, found.speed.machine) == (3, "ml.m5.large")
    assert found.speed.p50_ms <= found.speed.p99_ms


def test_what_is_judged_is_what_was_packed_to_serve_and_not_what_lies_in_the_code(
    answered: Any, tmp_path: Path
) -> None:
    done = answered(model=archive(3, INFERENCE.replace("number * weight", "number * weight + 1")))
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "model/answers.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines[:4]] == ["4\n", "8.5\n", None, "13\n"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"inference": "raise OSError('no such weights')"}, "OSError: no such weights"),
        ({"model": b"no archive"}, "ReadError: "),
        ({"model": archive(3, "")}, "the model: no endpoint can answer with it, as it holds no code/inference.py"),
        ({"model": archive(3, **{"../../climbs": b""})}, "no file or folder below the archive's own"),
    ],
)
def test_a_model_that_cannot_be_asked_fails_the_job_with_the_reason(
    answered: Any, tmp_path: Path, given: Mapping[str, Any], said: str
) -> None:
    assert answered(**given).returncode == 1
    assert said in (tmp_path / "output/failure").read_text()
    assert not (tmp_path / "climbs").exists()
    assert not (tmp_path / "model/answers.jsonl").exists()


def left(**changes: Any) -> bytes:
    """What such a job leaves."""
    lines, report = (
        changes.pop("lines", MEANT),
        {
            "schema": "groundplan.answers/1",
            "code": {"inference.py": hashlib.sha256(INFERENCE.encode()).hexdigest(), KIT: "k"},
            "model": made().model_data_sha256,
            "requests": QUESTION.requests_sha256,
            "milliseconds": [1.0, 2.0, 3.0],
            "errors": [],
        },
    )
    return "".join(json.dumps(line) + "\n" for line in (*lines, report | changes)).encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (left(model="0" * 64), "its model was altered"),
        (left(requests="0" * 64), "its requests was altered"),
        (left(code={"inference.py": "0" * 64}), "its code was altered"),
        (left(code={"inference.py": hashlib.sha256(INFERENCE.encode()).hexdigest(), "more.py": "1"}), "its code was"),
        (left(lines=MEANT[1:]), "3 answers to 4 requests"),
        (left(lines=[*MEANT[1:], 12]), "4 answers to 4 requests"),
        (left(schema="groundplan.answers/2"), "groundplan.answers/1 is read"),
        (left(milliseconds=[1.0, -1.0]), "times that are none"),
        (left(milliseconds=["1"]), "times that are none"),
        (left()[:-30], "no file of answers"),
        (b"", "no file of answers"),
        (b"\xff\n", "no file of answers"),
        (b"[]\n", "no file of answers"),
    ],
)
def test_answers_that_are_not_of_the_model_and_the_requests_are_refused(content: bytes, said: str) -> None:
    assert read_answers(left(), made(), QUESTION, machine="m", source="s").answers == MEANT, "else this shows nothing"
    with pytest.raises(Refused, match=said):
        read_answers(content, made(), QUESTION, machine="m", source="s3://b/answers.jsonl")


def refusal(message: str) -> ClientError:
    return ClientError({"Error": {"Code": "ValidationException", "Message": message}}, "SageMaker")


class FakeSageMaker:
    """Runs a request of CreateTrainingJob as SageMaker does, on what lies in S3; `after` sees each job at its end."""

    def __init__(self, s3: Any, folder: Path) -> None:
        self.s3, self.folder = s3, folder
        self.jobs: dict[str, dict[str, Any]] = {}
        self.asked: list[dict[str, Any]] = []
        self.stopped: list[str] = []
        self.after: Callable[[dict[str, Any]], None] = lambda _: None
        self.refuses = self.fails = ""

    def create_training_job(self, **given: Any) -> None:
        if self.refuses:
            raise ClientError(
                {"Error": {"Code": "ValidationException", "Message": self.refuses}}, "CreateTrainingJob"
            )
        name, base = given["TrainingJobName"], self.folder / given["TrainingJobName"]
        if name in self.jobs:
            raise refusal(f"a training job named {name} exists")
        for channel in given["InputDataConfig"]:
            self._download(channel, base / "input/data" / channel["ChannelName"])
        for folder in ("model", "output"):
            (base / folder).mkdir()
        algorithm = given["AlgorithmSpecification"]
        words = [*algorithm["ContainerEntrypoint"], *algorithm["ContainerArguments"]]
        command = [sys.executable, *(word.replace("/opt/ml", str(base)) for word in words[1:])]
        done = subprocess.run(command, capture_output=True, text=True)
        for path in (base / "model").iterdir():
            bucket, _, key = given["OutputDataConfig"]["S3OutputPath"].removeprefix("s3://").partition("/")
            self.s3.put_object(Bucket=bucket, Key=f"{key}/{name}/output/model/{path.name}", Body=path.read_bytes())
        failure = base / "output/failure"
        self.asked.append(given)
        self.jobs[name] = {
            "TrainingJobStatus": "Failed" if done.returncode or self.fails else "Completed",
            "TrainingEndTime": datetime.now(UTC),
            "FailureReason": self.fails or (f"AlgorithmError: {failure.read_text()}" if failure.exists() else ""),
        }

    def describe_training_job(self, *, TrainingJobName: str) -> dict[str, Any]:  # noqa: N803
        job = self.jobs[TrainingJobName]
        self.after(job)
        return job

    def stop_training_job(self, *, TrainingJobName: str) -> None:  # noqa: N803
        self.stopped.append(TrainingJobName)
        raise refusal("it has ended")

    def _download(self, channel: Mapping[str, Any], folder: Path) -> None:
        bucket, _, prefix = channel["DataSource"]["S3DataSource"]["S3Uri"].removeprefix("s3://").partition("/")
        for found in self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]:
            path = folder / str(found["Key"])[prefix.rfind("/") + 1 :]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read())


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`prod` with two models and a held-out set: its S3, its SageMaker, and `ask(models…)`."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "fake")
    with mock_aws():
        s3: Any = boto3.client("s3", region_name="us-east-1")
        for bucket in (ARTEFACTS, LAKE):
            s3.create_bucket(Bucket=bucket)
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        for weight in (3, 5):
            _, _, key = made(weight).model_data_url.removeprefix("s3://").partition("/")
            s3.put_object(Bucket=ARTEFACTS, Key=key, Body=archive(weight))
        for name, content in {"inference.py": INFERENCE.encode(), KIT: b"kit"}.items():
            s3.put_object(Bucket=ARTEFACTS, Key=f"workloads/digit-reader/code/c0de/{name}", Body=content)
        s3.put_object(Bucket=LAKE, Key=requests_key(workload(), HELD_OUT), Body=HELD_OUT.asked)
        sagemaker = FakeSageMaker(s3, tmp_path)
        accounts: Any = SimpleNamespace(
            root=ROOT,
            environment=ENVIRONMENT,
            names=NAMES,
            client=lambda service, _: {"s3": s3, "sagemaker": sagemaker}[service],
        )
        told: list[str] = []

        def ask(*models: Made, defaults: LaunchDefaults = DEFAULTS) -> Any:
            return answer_requests(accounts, workload(), defaults, models or (made(),), HELD_OUT, told.append)

        yield SimpleNamespace(s3=s3, sagemaker=sagemaker, ask=ask, told=told)


def test_the_candidate_and_the_version_in_service_answer_on_machines_of_their_own(aws: Any) -> None:
    candidate, serving = aws.ask(made(), made(5))
    assert candidate.answers == MEANT
    assert serving.answers == ["5\n", "12.5\n", None, "20\n"]
    assert candidate.speed.machine == "ml.m5.large"
    assert len(aws.sagemaker.asked) == len(aws.told) == 2
    assert aws.sagemaker.stopped == []


def test_a_model_that_is_the_one_in_service_byte_by_byte_is_judged_like_any_other(aws: Any) -> None:
    candidate, serving = aws.ask(replace(made(), name="again"), made())
    assert candidate.answers == serving.answers == MEANT
    assert len(aws.sagemaker.jobs) == 2


def test_a_failed_job_is_refused_with_its_reason_and_the_other_is_stopped(aws: Any) -> None:
    aws.sagemaker.fails = "CapacityError: no ml.m5.large"
    with pytest.raises(Refused, match=r"run-3: its evaluation \S+-answers: Failed; CapacityError: no ml.m5.large"):
        aws.ask(made(), made(5))
    assert len(aws.sagemaker.stopped) == 2


def test_what_sagemaker_refuses_is_said(aws: Any) -> None:
    aws.sagemaker.refuses = "no such role"
    with pytest.raises(Refused, match=r"SageMaker refuses .*no such role"):
        aws.ask()


def test_who_stops_waiting_stops_the_jobs(aws: Any) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    aws.sagemaker.after = interrupt
    with pytest.raises(KeyboardInterrupt):
        aws.ask()
    assert len(aws.sagemaker.stopped) == 1


def place(aws: Any) -> dict[str, str]:
    bucket, _, key = answers_uri(aws.sagemaker.asked[0]).removeprefix("s3://").partition("/")
    return {"Bucket": bucket, "Key": key}


def test_answers_that_vanished_are_refused(aws: Any) -> None:
    aws.sagemaker.after = lambda _: aws.s3.delete_object(**place(aws))
    with pytest.raises(Refused, match=r"answers\.jsonl is not there"):
        aws.ask()


def test_answers_that_were_written_twice_are_refused_even_where_they_are_the_same(aws: Any) -> None:
    def again(_: object) -> None:
        aws.s3.put_object(**place(aws), Body=aws.s3.get_object(**place(aws))["Body"].read())

    aws.sagemaker.after = again
    with pytest.raises(Refused, match="were altered"):
        aws.ask()


def test_answers_that_were_written_after_the_job_are_refused(aws: Any) -> None:
    def earlier(job: dict[str, Any]) -> None:
        job["TrainingEndTime"] -= timedelta(minutes=1)

    aws.sagemaker.after = earlier
    with pytest.raises(Refused, match="were altered"):
        aws.ask()


def test_a_model_and_requests_that_changed_on_the_way_are_refused(aws: Any) -> None:
    key = made().model_data_url.removeprefix(f"s3://{ARTEFACTS}/")
    aws.s3.put_object(Bucket=ARTEFACTS, Key=key, Body=archive(4))
    with pytest.raises(Refused, match="its model was altered"):
        aws.ask()
    aws.s3.put_object(Bucket=LAKE, Key=requests_key(workload(), HELD_OUT), Body=b'"1"\n' * 4)
    with pytest.raises(Refused, match="its requests was altered"):
        aws.ask(made(5))


def test_what_is_missing_is_said_before_a_job_is_asked_for(aws: Any) -> None:
    with pytest.raises(Refused, match=r"no image_digest"):
        aws.ask(replace(made(), image_digest=None))
    with pytest.raises(BadInput, match=r"deploy the workload's stack again"):
        aws.ask(defaults=replace(DEFAULTS, evaluation_role_arn=""))
    with pytest.raises(Refused, match=r"model\.tar\.gz is not there any more"):
        aws.ask(replace(made(), model_data_url=f"s3://{ARTEFACTS}/workloads/digit-reader/output/x/model.tar.gz"))
    aws.s3.delete_object(Bucket=LAKE, Key=requests_key(workload(), HELD_OUT))
    with pytest.raises(BadInput, match="ingest it again"):
        aws.ask()
    assert aws.sagemaker.asked == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"frameworks": {"numpy": "1.0"}}, "it was trained with numpy 1.0, and here is [0-9.]+"),
        ({"frameworks": {"no_such_framework": "1.0"}}, "trained with no_such_framework 1.0, and here is nothing"),
        ({"environment_digest": "e" * 64}, "it was trained on other software.*its record has eeee"),
    ],
)
def test_a_model_of_other_software_is_neither_judged_nor_made_again(changes: Mapping[str, Any], said: str) -> None:
    accounts: Any = SimpleNamespace(root=ROOT)
    here = replace(made(), environment_digest=file_digest(ROOT / LOCK))
    same_software(accounts, replace(here, frameworks={"numpy": version("numpy")}))
    with pytest.raises(Refused, match=said):
        same_software(accounts, replace(here, **changes))
