"""A training job runs its script for real, under the container contract."""

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

TELLS_ITS_SURROUNDINGS = """
import json, os, pathlib, sys
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
config, data = base / "input" / "config", base / "input" / "data"
told = {
    "environment": dict(os.environ),
    "arguments": sys.argv[1:],
    "folder": os.getcwd(),
    "configuration": {path.stem: json.loads(path.read_text()) for path in config.iterdir()},
    "data": sorted(path.relative_to(data).as_posix() for path in data.rglob("*") if path.is_file()),
}
pathlib.Path(os.environ["SM_MODEL_DIR"], "told.json").write_text(json.dumps(told))
"""
WRITES_A_MODEL = """
import os, pathlib
model = pathlib.Path(os.environ["SM_MODEL_DIR"])
(model / "b.txt").write_text("second")
(model / "a").mkdir()
(model / "a" / "c.txt").write_text("first")
"""
LEAVES_MORE_THAN_FILES = """
import os, pathlib
model = pathlib.Path(os.environ["SM_MODEL_DIR"])
os.mkfifo(model / "pipe")
os.mkfifo(os.environ["SM_OUTPUT_DATA_DIR"] + "/pipe")
(model / "circle").symlink_to(model / "circle")
(model / "link").symlink_to("/etc/hosts")
(model / "below").mkdir()
(model / "below" / "run.sh").write_text("1")
(model / "below" / "run.sh").chmod(0o700)
(model / "kept").write_text("1")
"""
SAYS_METRICS = """
print("epoch=1 loss=0.5;")
print("epoch=2 loss=0.25;")
print("accuracy: 97.5 %")
"""


def model_of(laboratory: Any, job: dict[str, Any]) -> tarfile.TarFile:
    key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix(laboratory.uri(""))
    return tarfile.open(fileobj=io.BytesIO(laboratory.get(key)))


@pytest.fixture(scope="module")
def told(laboratory: Any) -> dict[str, Any]:
    """What a script sees, and the job that it ran in."""
    laboratory.put("lake/train/day=1/a.csv", b"1")
    laboratory.put("lake/train/b.csv", b"2")
    laboratory.put("lake/validation.csv", b"3")
    laboratory.put("lake/manifest", json.dumps([{"prefix": laboratory.uri("lake/")}, "validation.csv"]).encode())
    request = laboratory.request(
        TELLS_ITS_SURROUNDINGS,
        HyperParameters={"epochs": "3", "optimiser": "sgd", "learning-rate": "0.5"},
        Environment={"TEAM": "vision"},
    )
    request["InputDataConfig"] += [
        laboratory.channel("train", "lake/train"),
        laboratory.channel("listed", "lake/manifest", kind="ManifestFile"),
    ]
    request["AlgorithmSpecification"]["ContainerArguments"] = ["--out", "/opt/ml/model", "--as-is", "/tmp/x"]
    laboratory.sagemaker.create_training_job(**request)
    job = laboratory.ended(request["TrainingJobName"])
    assert job["TrainingJobStatus"] == "Completed", job
    document = model_of(laboratory, job).extractfile("told.json")
    assert document
    return {"job": job, **json.loads(document.read())}


def test_a_job_goes_through_the_statuses_of_aws(told: dict[str, Any], laboratory: Any) -> None:
    assert laboratory.path(told["job"]) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]


def test_each_status_ends_where_the_next_begins(told: dict[str, Any]) -> None:
    transitions = told["job"]["SecondaryStatusTransitions"]
    assert [each["EndTime"] for each in transitions[:-1]] == [each["StartTime"] for each in transitions[1:]]


def test_channels_hold_what_lies_below_their_prefix_or_in_their_manifest(told: dict[str, Any]) -> None:
    assert told["data"] == ["code/train.py", "listed/validation.csv", "train/b.csv", "train/day=1/a.csv"]


def test_the_script_starts_beside_its_code_with_paths_of_this_machine(told: dict[str, Any]) -> None:
    base = told["environment"]["SAGEMAKER_BASE_DIR"]
    assert told["folder"] == f"{base}/input/data/code"
    assert told["arguments"] == ["--out", f"{base}/model", "--as-is", "/tmp/x"]


def test_the_script_is_told_of_its_hyper_parameters(told: dict[str, Any]) -> None:
    environment = told["environment"]
    assert told["configuration"]["hyperparameters"] == {"epochs": "3", "optimiser": "sgd", "learning-rate": "0.5"}
    assert json.loads(environment["SM_HPS"]) == {"epochs": 3, "optimiser": "sgd", "learning-rate": 0.5}
    assert (environment["SM_HP_EPOCHS"], environment["SM_HP_OPTIMISER"]) == ("3", "sgd")
    arguments = ["--epochs", "3", "--learning-rate", "0.5", "--optimiser", "sgd"]
    assert json.loads(environment["SM_USER_ARGS"]) == arguments


def test_the_script_is_told_of_its_folders_and_hosts(told: dict[str, Any]) -> None:
    environment, base = told["environment"], told["environment"]["SAGEMAKER_BASE_DIR"]
    folders = {
        "SM_MODEL_DIR": "model",
        "SM_OUTPUT_DIR": "output",
        "SM_OUTPUT_DATA_DIR": "output/data",
        "SM_INPUT_DIR": "input",
        "SM_INPUT_CONFIG_DIR": "input/config",
        "SM_CHANNEL_TRAIN": "input/data/train",
        "SM_CHANNEL_CODE": "input/data/code",
    }
    assert {name: environment[name] for name in folders} == {name: f"{base}/{path}" for name, path in folders.items()}
    assert json.loads(environment["SM_CHANNELS"]) == ["code", "listed", "train"]
    assert json.loads(environment["SM_HOSTS"]) == ["algo-1"] == told["configuration"]["resourceconfig"]["hosts"]
    assert environment["SM_CURRENT_HOST"] == told["configuration"]["resourceconfig"]["current_host"] == "algo-1"
    assert environment["SM_NUM_GPUS"] == "0"
    assert int(environment["SM_NUM_CPUS"]) == os.cpu_count()
    assert told["configuration"]["inputdataconfig"]["train"]["TrainingInputMode"] == "File"
    assert json.loads(environment["SM_TRAINING_ENV"])["job_name"] == told["job"]["TrainingJobName"]
    assert environment["TRAINING_JOB_NAME"] == told["job"]["TrainingJobName"]
    assert environment["TRAINING_JOB_ARN"] == told["job"]["TrainingJobArn"]


def test_the_script_sees_the_request_and_nothing_of_the_server(told: dict[str, Any], embedded_aws: Any) -> None:
    environment = told["environment"]
    assert environment["TEAM"] == "vision"
    assert environment["AWS_ENDPOINT_URL"] == embedded_aws.endpoint_url
    allowed = {"HOME", "LANG", "LC_ALL", "LC_CTYPE", "PATH", "TMPDIR", "TZ", "TEAM", "SAGEMAKER_BASE_DIR"}
    prefixes = ("SM_", "TRAINING_JOB_", "AWS_", "PYTHON")
    assert [name for name in environment if name not in allowed and not name.startswith(prefixes)] == []


def test_a_script_can_call_the_services_as_its_role(laboratory: Any) -> None:
    script = "from boto3.session import Session\nprint(Session().client('sts').get_caller_identity()['Arn'])\n"
    job = laboratory.train(script)
    assert laboratory.log(job["TrainingJobName"]) == ["arn:aws:sts::888888888888:assumed-role/Training/SageMaker"]


def test_the_model_is_the_same_archive_for_the_same_files(laboratory: Any) -> None:
    archives: list[bytes] = []
    for _ in range(2):
        job = laboratory.train(WRITES_A_MODEL)
        name = job["TrainingJobName"]
        assert job["ModelArtifacts"]["S3ModelArtifacts"] == laboratory.uri(f"output/{name}/output/model.tar.gz")
        assert model_of(laboratory, job).getnames() == ["a", "a/c.txt", "b.txt"]
        archives.append(laboratory.get(f"output/{name}/output/model.tar.gz"))
    assert archives[0] == archives[1]


def test_archives_hold_files_and_folders_and_the_rest_is_told(laboratory: Any) -> None:
    job = laboratory.train(LEAVES_MORE_THAN_FILES)
    name = job["TrainingJobName"]
    assert job["TrainingJobStatus"] == "Completed", job
    assert model_of(laboratory, job).getnames() == ["below", "below/run.sh", "kept"]
    assert model_of(laboratory, job).getmember("below/run.sh").mode == 0o755
    assert laboratory.keys(f"output/{name}/output/") == ["model.tar.gz"]
    told = sorted(line.partition("/opt/ml/")[2] for line in laboratory.log(name))
    assert told == [
        "model/circle: it is a symbolic link",
        "model/link: it is a symbolic link",
        "model/pipe: it is a named pipe",
        "output/data/pipe: it is a named pipe",
    ]


def test_other_output_becomes_an_archive_of_its_own(laboratory: Any) -> None:
    script = "import os, pathlib\npathlib.Path(os.environ['SM_OUTPUT_DATA_DIR'], 'curve.csv').write_text('1,2')\n"
    name = laboratory.train(script)["TrainingJobName"]
    assert laboratory.keys(f"output/{name}/output/") == ["model.tar.gz", "output.tar.gz"]


def test_the_log_is_written_while_the_script_runs(laboratory: Any, until: Any) -> None:
    waits = "import sys, time\nprint('begun', flush=True)\nprint('beware', file=sys.stderr)\ntime.sleep(60)\n"
    name = laboratory.start(waits)
    laboratory.entered(name, "Training")
    until(lambda: set(laboratory.log(name)) == {"begun", "beware"})
    assert laboratory.describe(name)["SecondaryStatus"] == "Training"
    laboratory.sagemaker.stop_training_job(TrainingJobName=name)


def test_metrics_are_the_last_that_the_log_says(laboratory: Any) -> None:
    request = laboratory.request(SAYS_METRICS)
    request["AlgorithmSpecification"]["MetricDefinitions"] = [
        {"Name": "loss", "Regex": r"loss=([0-9.]+);"},
        {"Name": "accuracy", "Regex": r"accuracy: ([0-9.]+) %"},
        {"Name": "never", "Regex": r"never ([0-9]+)"},
    ]
    laboratory.sagemaker.create_training_job(**request)
    job = laboratory.ended(request["TrainingJobName"])
    found = {metric["MetricName"]: round(metric["Value"], 4) for metric in job["FinalMetricDataList"]}
    assert found == {"loss": 0.25, "accuracy": 97.5}


def test_every_change_is_an_event_on_the_accounts_bus(
    laboratory: Any, embedded_aws: Any, until: Any, unique: str
) -> None:
    events, sqs = (embedded_aws.client(service, laboratory.account) for service in ("events", "sqs"))
    queue = sqs.create_queue(QueueName=unique)["QueueUrl"]
    pattern = {"source": ["aws.sagemaker"], "detail": {"Tags": {"seen-by": [unique]}}}
    events.put_rule(Name=unique, EventPattern=json.dumps(pattern))
    arn = f"arn:aws:sqs:us-east-1:{laboratory.account}:{unique}"
    events.put_targets(Rule=unique, Targets=[{"Id": "1", "Arn": arn}])
    job = laboratory.train(
        "print('done')", HyperParameters={"epochs": "1"}, Tags=[{"Key": "seen-by", "Value": unique}]
    )
    received: list[dict[str, Any]] = []

    def all_received() -> bool:
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        received.extend(json.loads(message["Body"]) for message in messages)
        return len(received) >= 5

    until(all_received)
    assert [event["detail"]["SecondaryStatus"] for event in received] == laboratory.path(job)
    assert {event["detail-type"] for event in received} == {"SageMaker Training Job State Change"}
    assert {event["account"] for event in received} == {laboratory.account}
    last = received[-1]
    detail = last["detail"]
    assert last["resources"] == [job["TrainingJobArn"]]
    assert detail["TrainingJobStatus"] == "Completed"
    assert detail["HyperParameters"] == {"epochs": "1"}
    assert detail["ResourceConfig"] == job["ResourceConfig"]
    assert detail["StoppingCondition"] == {"MaxRuntimeInSeconds": 60}
    assert detail["CreationTime"] == str(round(job["CreationTime"].timestamp() * 1000))
    assert [each["Status"] for each in detail["SecondaryStatusTransitions"]] == laboratory.path(job)
    assert "FailureReason" not in detail


def test_jobs_are_listed_by_name_status_and_time_page_by_page(laboratory: Any, unique: str) -> None:
    names = [f"{unique}-{number}" for number in range(3)]
    for name in names:
        assert laboratory.train("print('done')", TrainingJobName=name)["TrainingJobStatus"] == "Completed"
    jobs = [laboratory.describe(name) for name in names]
    listing = laboratory.sagemaker.list_training_jobs

    def listed(**filters: Any) -> list[str]:
        page = listing(NameContains=unique, SortBy="CreationTime", SortOrder="Ascending", **filters)
        return [summary["TrainingJobName"] for summary in page["TrainingJobSummaries"]]

    assert listed() == names
    assert listed(StatusEquals="Completed") == names
    assert listed(StatusEquals="Failed") == []
    assert listed(CreationTimeAfter=jobs[0]["CreationTime"]) == names[1:]
    assert listed(CreationTimeBefore=jobs[2]["CreationTime"]) == names[:2]
    assert listed(LastModifiedTimeAfter=jobs[1]["LastModifiedTime"]) == names[2:]
    assert listed(LastModifiedTimeBefore=jobs[1]["LastModifiedTime"]) == names[:1]
    first = listing(NameContains=unique, SortBy="Name", SortOrder="Descending", MaxResults=2)
    second = listing(
        NameContains=unique, SortBy="Name", SortOrder="Descending", MaxResults=2, NextToken=first["NextToken"]
    )
    pages = [[summary["TrainingJobName"] for summary in page["TrainingJobSummaries"]] for page in (first, second)]
    assert pages == [names[:0:-1], names[:1]]
    assert "NextToken" not in second


def test_jobs_belong_to_their_account_and_region(laboratory: Any, embedded_aws: Any) -> None:
    name = laboratory.start("print('done')")
    for elsewhere in (("sagemaker", "999999999999"), ("sagemaker", laboratory.account, "eu-west-1")):
        client = embedded_aws.client(*elsewhere)
        assert client.list_training_jobs()["TrainingJobSummaries"] == []
        with pytest.raises(client.exceptions.ClientError, match=r"Requested resource not found\."):
            client.describe_training_job(TrainingJobName=name)


def test_tags_of_a_job_can_be_changed(laboratory: Any) -> None:
    job = laboratory.train("print('done')", Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    arn = job["TrainingJobArn"]
    laboratory.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "c", "Value": "3"}])
    laboratory.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["a"])
    assert laboratory.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [
        {"Key": "b", "Value": "2"},
        {"Key": "c", "Value": "3"},
    ]


def test_the_script_lies_below_the_servers_own_folder(told: dict[str, Any], embedded_aws: Any) -> None:
    assert Path(told["environment"]["SAGEMAKER_BASE_DIR"]).is_relative_to(embedded_aws.state / "training")
