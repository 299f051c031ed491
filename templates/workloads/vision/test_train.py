"""The workload as a training job runs it: it learns enough, writes its model, and an interruption changes nothing."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
WORKLOAD: dict[str, Any] = tomllib.loads((HERE / "workload.toml").read_text("utf-8"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What data.py makes: a folder for each channel."""
    folder = tmp_path_factory.mktemp("data")
    subprocess.run([sys.executable, HERE / "data.py", folder], check=True)
    return folder


def train(base: Path, data: Path, epochs: int) -> dict[str, Any]:
    """Train below `base`, which stands for /opt/ml, as far as `epochs`; the record of the run."""
    training = WORKLOAD["training"]
    given = {**training["hyperparameters"], "seed": training["seed"], "epochs": epochs}
    configuration = {"hyperparameters": {name: str(value) for name, value in given.items()}}
    configuration["inputdataconfig"] = dict.fromkeys(WORKLOAD["data"]["channels"], "")
    (base / "input/config").mkdir(parents=True, exist_ok=True)
    shutil.copytree(data, base / "input/data", dirs_exist_ok=True)
    for name, document in configuration.items():
        (base / f"input/config/{name}.json").write_text(json.dumps(document))
    command = [sys.executable, "-m", "groundplan_training", training["script"]]
    # On one thread numbers are added up in one order, however busy the machine is.
    variables = {**os.environ, "SAGEMAKER_BASE_DIR": str(base), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=HERE, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((base / "output/data/record.json").read_text())


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A run to the end: its folder and its record."""
    base = tmp_path_factory.mktemp("trained")
    return base, train(base, data, WORKLOAD["training"]["hyperparameters"]["epochs"])


def test_it_learns_enough_and_beats_the_baseline(trained: tuple[Path, dict[str, Any]]) -> None:
    values = {entry["name"]: entry["value"] for entry in trained[1]["metrics"] if not entry["slice"]}
    assert values[WORKLOAD["key_metric"]] >= WORKLOAD["drivers"]["quality"]["floor"]
    assert values[WORKLOAD["key_metric"]] > WORKLOAD["baseline"]["quality"]


def test_it_is_measured_by_slice(trained: tuple[Path, dict[str, Any]]) -> None:
    assert len({str(entry["slice"]) for entry in trained[1]["metrics"] if entry["slice"]}) >= 2


def test_an_interrupted_run_ends_with_the_same_model(
    trained: tuple[Path, dict[str, Any]], data: Path, tmp_path: Path
) -> None:
    epochs = WORKLOAD["training"]["hyperparameters"]["epochs"]
    train(tmp_path, data, epochs // 2)
    record = train(tmp_path, data, epochs)
    assert record["checkpoints"]["resumed_from_step"] == epochs // 2
    assert model(tmp_path) == model(trained[0])


def model(base: Path) -> dict[str, bytes]:
    """Name and bytes of each file of the model."""
    return {path.name: path.read_bytes() for path in (base / "model").iterdir()}
