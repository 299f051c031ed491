"""Data before a training: validated byte by byte, preprocessed once for the same inputs, quarantined and named."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from boto3.session import Session
from moto import mock_aws

from groundplan import prepare_data
from groundplan.manifest import Entry, Manifest
from groundplan.preparation import (
    InvalidData,
    Preparation,
    code_of,
    failure_reason,
    invalid,
    preparation_request,
    trains_on,
)
from groundplan.training_request import Inputs, LaunchDefaults, build_request, fingerprint
from groundplan.workload import read_workload
from groundplan_runtime.integrations.preparations import Preparations
from groundplan_runtime.integrations.training_request_check import refuse_invalid

ROOT = Path(__file__).parents[2]
WORKLOAD = read_workload(ROOT, "digit-reader")
DEFAULTS = LaunchDefaults(
    role_arn="arn:aws:iam::222222222222:role/groundplan-local-digit-reader-training",
    image="222222222222.dkr.ecr.us-east-1.amazonaws.com/groundplan-local/digit-reader",
    artefacts="s3://artefacts",
    kms_key_arn="arn:aws:kms:us-east-1:222222222222:key/1",
    subnet_ids=("subnet-1",),
    security_group_ids=("sg-1",),
    tags={},
)
INPUTS = Inputs(
    code_uri="s3://artefacts/workloads/digit-reader/code/c0de",
    code_digest="c" * 64,
    code_commit="0" * 40,
    data_uri="s3://curated/digit-reader/digits/da7a",
    data_manifest_uri="s3://curated/digit-reader/digits/da7a/manifest.json",
    data_manifest_root="d" * 64,
    environment_digest="e" * 64,
    kit_digest="f" * 64,
    prepare_uri="s3://artefacts/workloads/digit-reader/code/9e9a",
    preprocesses=True,
)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """As it was ingested: two channels and the manifest."""
    folder = tmp_path / "dataset"
    for name, text in (("train/a.csv", "1,2\n"), ("validation/b.csv", "3,4\n")):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(text)
    entries = [
        Entry(name, "v1", hashlib.sha256((folder / name).read_bytes()).hexdigest(), 4)
        for name in ("train/a.csv", "validation/b.csv")
    ]
    manifest = Manifest.of("curated", "digit-reader/digits/x", entries)
    (folder / "manifest.json").write_bytes(manifest.to_json())
    return folder


def root_of(dataset: Path) -> str:
    return json.loads((dataset / "manifest.json").read_bytes())["root"]


def found(dataset: Path, root: str | None = None) -> list[str]:
    return list(prepare_data.findings(dataset, root or root_of(dataset), ["train", "validation"]))


def prepare(dataset: Path, script: str | None = None) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Run it as the job does."""
    code, target = dataset.parent / "code", dataset.parent / "model"
    code.mkdir()
    target.mkdir()
    main = code / "prepare_data.py"
    main.write_bytes(Path(str(prepare_data.__file__)).read_bytes())
    if script is not None:
        (code / "preprocess.py").write_text(script)
    told = {
        "SM_CHANNEL_DATASET": str(dataset),
        "SM_MODEL_DIR": str(target),
        "GROUNDPLAN_CHANNELS": "train,validation",
        "GROUNDPLAN_DATA_MANIFEST_ROOT": root_of(dataset),
    }
    done = subprocess.run([sys.executable, str(main)], env={**os.environ, **told}, capture_output=True, text=True)
    return done, target


def test_data_as_they_were_ingested_have_no_findings(dataset: Path) -> None:
    assert found(dataset) == []


def test_whatever_is_not_as_it_was_ingested_is_named(dataset: Path) -> None:
    (dataset / "train/a.csv").write_text("1,3\n")
    (dataset / "train/more.csv").write_text("5,6\n")
    (dataset / "validation/b.csv").unlink()
    altered, gone, stranger = found(dataset)
    assert altered.startswith("train/a.csv was altered: 4 bytes with sha256 ")
    assert gone == "validation/b.csv is not there"
    assert stranger == "train/more.csv is not in the manifest"


def test_an_empty_file_and_another_manifest_are_named(dataset: Path) -> None:
    (dataset / "train/a.csv").write_text("")
    assert found(dataset) == ["train/a.csv is empty"]
    assert "manifest.json was altered" in found(dataset, "0" * 64)[0]
    (dataset / "manifest.json").write_text("[]")
    assert "cannot be read" in found(dataset, "0" * 64)[0]


def test_a_channel_without_a_file_is_named(dataset: Path) -> None:
    assert list(prepare_data.findings(dataset, root_of(dataset), ["train", "test"])) == ["channel test has no file"]


def test_without_a_preprocess_script_data_are_validated_and_nothing_else(dataset: Path) -> None:
    done, target = prepare(dataset)
    assert (done.returncode, [path.name for path in target.iterdir()]) == (0, ["prepared.json"])


def test_the_preprocess_script_makes_what_is_trained_on(dataset: Path) -> None:
    script = """
import os
from pathlib import Path
for channel in ("train", "validation"):
    folder = Path(os.environ["GROUNDPLAN_PREPARED"], channel)
    folder.mkdir()
    for file in Path(os.environ[f"SM_CHANNEL_{channel.upper()}"]).iterdir():
        (folder / file.name).write_text(file.read_text().replace(",", ";"))
"""
    done, target = prepare(dataset, script)
    assert done.returncode == 0, done.stderr
    assert (target / "train/a.csv").read_text() == "1;2\n"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ('import sys; sys.exit("invalid data: a.csv, line 1: no label")', "invalid data: a.csv, line 1: no label"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("", "preprocess.py wrote no file for channel train"),
    ],
)
def test_a_preprocess_script_that_cannot_go_on_says_why_last(dataset: Path, script: str, said: str) -> None:
    done, _ = prepare(dataset, script)
    assert done.returncode == 1
    assert said in done.stderr.strip().rpartition("\n")[2]


def test_what_preprocess_consists_of_is_itself_and_what_it_imports(tmp_path: Path) -> None:
    (tmp_path / "preprocess.py").write_text("import os\nfrom cleaning import rows\nfrom parts.text import words\n")
    (tmp_path / "parts").mkdir()
    for name in ("cleaning.py", "parts/__init__.py", "parts/text.py", "train.py"):
        (tmp_path / name).write_text("import units\n" if name == "cleaning.py" else "")
    (tmp_path / "units.py").write_text("")
    files = {path.relative_to(tmp_path).as_posix(): "0" * 64 for path in tmp_path.rglob("*.py")}
    assert sorted(code_of(tmp_path, files)) == sorted({*files} - {"train.py"})
    assert code_of(tmp_path, {"train.py": "0" * 64}) == {}


@pytest.mark.parametrize(
    "other",
    [
        {"data_manifest_root": "0" * 64},
        {"environment_digest": "0" * 64},
        {"prepare_uri": "s3://artefacts/workloads/digit-reader/code/07e4"},
    ],
)
def test_other_inputs_are_another_preparation(other: dict[str, Any]) -> None:
    one = Preparation.of(WORKLOAD, DEFAULTS, INPUTS)
    assert Preparation.of(WORKLOAD, DEFAULTS, replace(INPUTS, **other)).digest != one.digest


def test_other_hyperparameters_and_training_code_are_the_same_preparation() -> None:
    training = WORKLOAD.trained.model_copy(update={"hyperparameters": {"epochs": 1}})
    other = WORKLOAD.model_copy(update={"training": training})
    inputs = replace(INPUTS, code_digest="0" * 64, code_uri="s3://artefacts/workloads/digit-reader/code/other")
    assert Preparation.of(other, DEFAULTS, inputs) == Preparation.of(WORKLOAD, DEFAULTS, INPUTS)


def test_a_run_on_prepared_data_is_the_same_run() -> None:
    prepared = trains_on(INPUTS, "s3://artefacts/workloads/digit-reader/prepared/job/output/model/")
    assert fingerprint(WORKLOAD, DEFAULTS, prepared) == fingerprint(WORKLOAD, DEFAULTS, INPUTS)
    channels = build_request(WORKLOAD, "local", DEFAULTS, prepared, job_suffix="1")["InputDataConfig"]
    places = {channel["ChannelName"]: channel["DataSource"]["S3DataSource"]["S3Uri"] for channel in channels}
    assert places["train"] == "s3://artefacts/workloads/digit-reader/prepared/job/output/model/train/"
    assert places["code"].startswith(INPUTS.code_uri)


def test_the_preparations_job_is_bound_as_a_training_is_and_is_no_run() -> None:
    preparation = Preparation.of(WORKLOAD, DEFAULTS, INPUTS)
    request = preparation_request(
        WORKLOAD, "local", DEFAULTS, INPUTS, preparation, job_suffix="0" * 17, max_runtime_seconds=600
    )
    refuse_invalid(request)
    training = build_request(WORKLOAD, "local", DEFAULTS, INPUTS, job_suffix="0", max_runtime_seconds=600)
    for bound in ("RoleArn", "VpcConfig", "EnableNetworkIsolation", "EnableManagedSpotTraining", "StoppingCondition"):
        assert request[bound] == training[bound]
    assert request["OutputDataConfig"]["KmsKeyId"] == DEFAULTS.kms_key_arn
    assert "GROUNDPLAN_WORKLOAD" not in request["Environment"], "or it would stand among the workload's runs"
    assert "/prepared" in request["OutputDataConfig"]["S3OutputPath"], "or its output would pass for a model"


def test_a_smaller_machine_may_prepare_than_trains() -> None:
    training = WORKLOAD.trained.model_copy(update={"preprocess_instance_type": "ml.c5.xlarge"})
    request = preparation_request(
        WORKLOAD.model_copy(update={"training": training}),
        "local",
        DEFAULTS,
        INPUTS,
        Preparation.of(WORKLOAD, DEFAULTS, INPUTS),
        job_suffix="0" * 17,
        max_runtime_seconds=600,
    )
    assert request["ResourceConfig"]["InstanceType"] == "ml.c5.xlarge"


def test_only_a_failure_of_the_data_is_one() -> None:
    assert invalid("AlgorithmError: invalid data: a.csv is empty (exit code 1)") == "a.csv is empty (exit code 1)"
    assert invalid("InternalServerError") == ""


def test_of_what_a_state_machine_is_told_the_reason_is_said() -> None:
    described = {"TrainingJobName": "digit-reader-prepare", "FailureReason": "InternalServerError", "X": {"y": 1}}
    assert failure_reason(json.dumps(described)) == "InternalServerError"
    for other in ("SageMaker.ValidationException: no such role", '{"TrainingJobName": "digit-reader-prepare"}'):
        assert failure_reason(other) == other


@pytest.fixture
def preparations() -> Iterator[Preparations]:
    with mock_aws():
        s3 = Session(region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x").client("s3")
        s3.create_bucket(Bucket="artefacts")
        yield Preparations(s3, "artefacts")


def test_what_was_prepared_is_known_and_nothing_else(preparations: Preparations) -> None:
    one = Preparation.of(WORKLOAD, DEFAULTS, INPUTS)
    other = Preparation.of(WORKLOAD, DEFAULTS, replace(INPUTS, environment_digest="0" * 64))
    preparations.keep(one, "s3://artefacts/here", training_job="job")
    assert preparations.data_uri(one) == "s3://artefacts/here"
    assert preparations.data_uri(other) is None


def test_data_in_quarantine_are_refused_by_name_also_when_they_were_prepared_before(
    preparations: Preparations,
) -> None:
    one = Preparation.of(WORKLOAD, DEFAULTS, INPUTS)
    preparations.keep(one, "s3://artefacts/here", training_job="job")
    preparations.quarantine(one, "train/a.csv is empty", data_uri=INPUTS.data_uri, training_job="job")
    with pytest.raises(InvalidData, match=r"train/a\.csv is empty; put it right and ingest it again"):
        preparations.data_uri(one)
