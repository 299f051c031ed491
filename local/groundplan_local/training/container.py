"""The container contract without a container: the folders and the environment that a training script expects."""

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from groundplan_local.connections import Credentials, endpoint_url
from groundplan_local.lifecycle import BASE_VARIABLE
from groundplan_local.training.jobs import TrainingJob

BASE = PurePosixPath("/opt/ml")
HOST = "algo-1"
LOG_LEVEL = 20
# What the script may know of this machine; everything else stays outside, as it would outside a container.
FROM_THE_MACHINE = ("HOME", "LANG", "LC_ALL", "PATH", "TZ")


@dataclass(frozen=True)
class Container:
    """The folder that stands for /opt/ml of one job."""

    job: TrainingJob
    root: Path

    @property
    def base(self) -> Path:
        """What is /opt/ml inside a container."""
        return self.root / "opt" / "ml"

    @property
    def model(self) -> Path:
        """Becomes model.tar.gz."""
        return self.base / "model"

    @property
    def output_data(self) -> Path:
        """Becomes output.tar.gz."""
        return self.base / "output" / "data"

    @property
    def failure(self) -> Path:
        """Where a script may say why it failed."""
        return self.base / "output" / "failure"

    @property
    def checkpoints(self) -> Path:
        """Where the script's checkpoints lie: CheckpointConfig.LocalPath."""
        given = self.job.request.get("CheckpointConfig", {}).get("LocalPath", f"{BASE}/checkpoints")
        return Path(self.mapped(given))

    def channel(self, name: str) -> Path:
        """Where the data of one channel lies."""
        return self.base / "input" / "data" / name

    def mapped(self, value: str) -> str:
        """A path below /opt/ml as it is on this machine; anything else as it is."""
        if value == str(BASE) or value.startswith(f"{BASE}/"):
            return str(self.base / PurePosixPath(value).relative_to(BASE))
        return value

    def prepare(self) -> None:
        """Make the folders and write the configuration; a new attempt starts on an empty machine."""
        shutil.rmtree(self.root, ignore_errors=True)
        for folder in (self.model, self.output_data, self.checkpoints, self.base / "code", self.root / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        for name in self._channels():
            self.channel(name).mkdir(parents=True)
        config = self.base / "input" / "config"
        config.mkdir(parents=True, exist_ok=True)
        for name, document in (
            ("hyperparameters", self._hyperparameters()),
            ("resourceconfig", self._resource_config()),
            ("inputdataconfig", self._input_data_config()),
        ):
            (config / f"{name}.json").write_text(json.dumps(document))

    def command(self) -> list[str]:
        """What runs: the entry point and its arguments. Raises ValueError when the request names none."""
        algorithm: Mapping[str, Any] = self.job.request.get("AlgorithmSpecification", {})
        entry: Sequence[str] = algorithm.get("ContainerEntrypoint", [])
        if not entry:
            raise ValueError(
                "no image runs on the embedded AWS, so AlgorithmSpecification.ContainerEntrypoint must say what to "
                'run, for example ["python", "/opt/ml/input/data/code/train.py"]'
            )
        program = sys.executable if entry[0] in ("python", "python3") else entry[0]
        arguments = [*entry[1:], *algorithm.get("ContainerArguments", [])]
        return [self.mapped(program), *(self.mapped(argument) for argument in arguments)]

    def working_folder(self) -> Path:
        """The code channel if there is one, else the base."""
        code = self.channel("code")
        return code if code.is_dir() else self.base

    def environment(self, credentials: Credentials) -> dict[str, str]:
        """Everything that the script sees: the contract's variables, the request's, and its role's credentials."""
        job = self.job
        passed = {name: os.environ[name] for name in FROM_THE_MACHINE if name in os.environ}
        access = {
            "AWS_REGION": job.region,
            "AWS_DEFAULT_REGION": job.region,
            "AWS_ACCESS_KEY_ID": credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
            "AWS_SESSION_TOKEN": credentials.session_token or "",
            "AWS_ENDPOINT_URL": endpoint_url(),
        }
        contract = {
            "TMPDIR": str(self.root / "tmp"),
            "TRAINING_JOB_NAME": job.name,
            "TRAINING_JOB_ARN": job.arn,
            "PYTHONUNBUFFERED": "1",  # or lines of the log would come in lumps
        }
        requested: Mapping[str, str] = job.request.get("Environment", {})
        return {**passed, **access, **contract, **self._variables(), **requested, BASE_VARIABLE: str(self.base)}

    def _variables(self) -> dict[str, str]:
        """SM_*, as the `sagemaker-training` toolkit sets them."""
        hyperparameters = {name: _decoded(value) for name, value in self._hyperparameters().items()}
        arguments = [word for name, value in sorted(hyperparameters.items()) for word in (f"--{name}", _text(value))]
        channels = sorted(self._channels())
        values: dict[str, Any] = {
            "CHANNELS": channels,
            "CURRENT_HOST": HOST,
            "HOSTS": [HOST],
            "HPS": hyperparameters,
            "INPUT_CONFIG_DIR": str(self.base / "input" / "config"),
            "INPUT_DATA_CONFIG": self._input_data_config(),
            "INPUT_DIR": str(self.base / "input"),
            "LOG_LEVEL": LOG_LEVEL,
            "MODEL_DIR": str(self.model),
            "NUM_CPUS": os.cpu_count() or 1,
            "NUM_GPUS": 0,
            "OUTPUT_DATA_DIR": str(self.output_data),
            "OUTPUT_DIR": str(self.base / "output"),
            "RESOURCE_CONFIG": self._resource_config(),
            "USER_ARGS": arguments,
        }
        values["TRAINING_ENV"] = {
            **{name.lower(): value for name, value in values.items() if name not in ("CHANNELS", "HPS", "USER_ARGS")},
            "channel_input_dirs": {name: str(self.channel(name)) for name in channels},
            "hyperparameters": hyperparameters,
            "is_master": True,
            "job_name": self.job.name,
            "master_hostname": HOST,
        }
        values |= {f"CHANNEL_{name.upper()}": str(self.channel(name)) for name in channels}
        values |= {f"HP_{name.upper()}": value for name, value in hyperparameters.items()}
        return {f"SM_{name}": _text(value) for name, value in values.items()}

    def _channels(self) -> list[str]:
        return [channel["ChannelName"] for channel in self.job.request.get("InputDataConfig", [])]

    def _hyperparameters(self) -> dict[str, str]:
        return dict(self.job.request.get("HyperParameters", {}))

    def _resource_config(self) -> dict[str, Any]:
        instance_type = self.job.request.get("ResourceConfig", {}).get("InstanceType")
        group = {"instance_group_name": "homogeneousCluster", "instance_type": instance_type, "hosts": [HOST]}
        return {
            "current_host": HOST,
            "current_instance_type": instance_type,
            "current_group_name": group["instance_group_name"],
            "hosts": [HOST],
            "instance_groups": [group],
            "network_interface_name": "lo",
        }

    def _input_data_config(self) -> dict[str, dict[str, str]]:
        return {
            channel["ChannelName"]: {
                "TrainingInputMode": channel.get("InputMode", "File"),
                "S3DistributionType": channel["DataSource"]["S3DataSource"].get(
                    "S3DataDistributionType", "FullyReplicated"
                ),
                "RecordWrapperType": channel.get("RecordWrapperType", "None"),
            }
            for channel in self.job.request.get("InputDataConfig", [])
        }


def _decoded(value: str) -> Any:
    """A hyper-parameter's value: JSON where it is, text where it is not."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
