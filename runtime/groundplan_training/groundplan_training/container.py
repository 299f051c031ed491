"""SageMaker's container contract: the folders below /opt/ml and the variables that a script may count on.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
The variables are those of AWS's own launcher, the package `sagemaker-training`.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BASE_VARIABLE = "SAGEMAKER_BASE_DIR"  # as in `sagemaker-training`
DEFAULT_BASE = "/opt/ml"
INFO = 20  # logging.INFO
HOMOGENEOUS = "homogeneousCluster"
DISTRIBUTIONS = (
    "sagemaker_mpi_enabled",
    "sagemaker_parameter_server_enabled",
    "sagemaker_distributed_dataparallel_enabled",
    "sagemaker_pytorch_ddp_enabled",
    "sagemaker_pytorch_xla_multi_worker_enabled",
    "sagemaker_multi_worker_mirrored_strategy_enabled",
    "sagemaker_torch_distributed_enabled",
)


@dataclass(frozen=True)
class Container:
    """The folder /opt/ml of one job, or what stands for it."""

    base: Path

    @classmethod
    def here(cls) -> "Container":
        """The one that this process runs in, as far as the environment says."""
        return cls(Path(os.environ.get(BASE_VARIABLE, DEFAULT_BASE)))

    @property
    def there(self) -> bool:
        """Whether a training job gave this process its configuration."""
        return (self.base / "input/config/hyperparameters.json").is_file()

    @property
    def model(self) -> Path:
        """Becomes model.tar.gz."""
        return self.base / "model"

    @property
    def output_data(self) -> Path:
        """Becomes output.tar.gz."""
        return self.base / "output/data"

    @property
    def failure(self) -> Path:
        """What is in it becomes the job's FailureReason."""
        return self.base / "output/failure"

    @property
    def checkpoints(self) -> Path:
        """Kept in S3 while the job runs: CheckpointConfig."""
        return self.base / "checkpoints"

    def configuration(self, name: str) -> dict[str, Any]:
        """One of the files of input/config; empty where there is none. Raises ValueError when it is not JSON."""
        path = self.base / "input/config" / f"{name}.json"
        try:
            document = json.loads(path.read_text())
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise ValueError(f"{path}: not JSON: {error}") from None
        if not isinstance(document, dict):
            raise ValueError(f"{path}: an object was expected")
        return document  # pyright: ignore[reportUnknownVariableType]

    def hyperparameters(self) -> dict[str, Any]:
        """By name; each value is a text that SageMaker hands over, read as JSON where it is JSON."""
        return {name: _decoded(value) for name, value in self.configuration("hyperparameters").items()}

    def variables(self, script: str) -> dict[str, str]:
        """SM_*, for a script of the channel `code`."""
        values = self._values(script)
        environment = {f"SM_{name.upper()}": _text(value) for name, value in values.items()}
        environment |= {f"SM_CHANNEL_{name.upper()}": path for name, path in self._channels().items()}
        given = {name: value for name, value in self.hyperparameters().items() if not name.startswith("sagemaker_")}
        return environment | {f"SM_HP_{name.upper()}": _text(value) for name, value in given.items()}

    def arguments(self) -> list[str]:
        """The hyper-parameters as words of a command line, sorted by name."""
        words: list[str] = []
        for name, value in sorted(self.hyperparameters().items()):
            if not name.startswith("sagemaker_"):
                words += [f"--{name}" if len(name) > 1 else f"-{name}", _argument(value)]
        return words

    def is_primary(self) -> bool:
        """Whether this process writes the checkpoints: rank 0 of the first host."""
        resources = self.configuration("resourceconfig")
        hosts = sorted(resources.get("hosts", []))
        first = not hosts or resources.get("current_host") == hosts[0]
        return first and os.environ.get("RANK", os.environ.get("OMPI_COMM_WORLD_RANK", "0")) == "0"

    def _channels(self) -> dict[str, str]:
        return {name: str(self.base / "input/data" / name) for name in self.configuration("inputdataconfig")}

    def _values(self, script: str) -> dict[str, Any]:
        resources = self.configuration("resourceconfig")
        inputs = self.configuration("inputdataconfig")
        hyperparameters = self.hyperparameters()
        framework = {name: value for name, value in hyperparameters.items() if name.startswith("sagemaker_")}
        given = {name: value for name, value in hyperparameters.items() if name not in framework}
        groups: list[dict[str, Any]] = resources.get("instance_groups", [])
        group = resources.get("current_group_name", HOMOGENEOUS)
        hosts = resources.get("hosts", [])
        by_name = {one["instance_group_name"]: one for one in groups}
        distributed = [group] if any(framework.get(name) for name in DISTRIBUTIONS) else []
        distribution_hosts = (
            [host for name in distributed for host in by_name.get(name, {}).get("hosts", [])] if groups else hosts
        )
        instance_type = resources.get("current_instance_type", "local")
        common: dict[str, Any] = {
            "current_host": resources.get("current_host"),
            "current_instance_group": group,
            "current_instance_group_hosts": by_name.get(group, {}).get("hosts", []),
            "current_instance_type": instance_type,
            "distribution_instance_groups": distributed,
            "framework_module": None,
            "hosts": hosts,
            "input_config_dir": str(self.base / "input/config"),
            "input_data_config": inputs,
            "input_dir": str(self.base / "input"),
            "instance_groups": list(by_name),
            "instance_groups_dict": by_name,
            "is_hetero": len(groups) > 1,
            "log_level": int(framework.get("sagemaker_container_log_level", INFO)),
            "model_dir": str(self.model),
            "module_dir": str(self.base / "input/data/code"),
            "module_name": script.removesuffix(".py"),
            "network_interface_name": resources.get("network_interface_name"),
            "num_cpus": os.cpu_count() or 1,
            "num_gpus": _count_gpus(),
            "num_neurons": _count_neurons(instance_type),
            "output_data_dir": str(self.output_data),
            "output_dir": str(self.base / "output"),
            "output_intermediate_dir": str(self.base / "output/intermediate"),
            "resource_config": resources,
            "user_entry_point": script,
        }
        first = (distribution_hosts or hosts or [None])[0]
        training = common | {
            "additional_framework_parameters": {},
            "channel_input_dirs": self._channels(),
            "distribution_hosts": distribution_hosts,
            "hyperparameters": given,
            "is_master": resources.get("current_host") == first,
            "is_modelparallel_enabled": None,
            "is_smddpmprun_installed": False,
            "is_smddprun_installed": False,
            "job_name": os.environ.get("TRAINING_JOB_NAME"),
            "master_hostname": first,
            "topology": resources.get("topology", []),
        }
        return common | {
            "channels": sorted(inputs),
            "framework_params": {},
            "hps": given,
            "training_env": training,
            "user_args": self.arguments(),
        }


def _decoded(value: Any) -> Any:
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))


def _argument(value: Any) -> str:
    if isinstance(value, dict):
        pairs: list[tuple[Any, Any]] = sorted(value.items())  # pyright: ignore[reportUnknownArgumentType]
        return ",".join(f"{key}={one}" for key, one in pairs)
    return "" if value is None else str(value)


def _count_gpus() -> int:
    return sum(line.startswith("GPU ") for line in _told(["nvidia-smi", "--list-gpus"]).splitlines())


def _count_neurons(instance_type: str) -> int:
    if "trn2.48xlarge" in instance_type:
        return 64
    told = _told(["neuron-ls", "-j"])
    try:
        return sum(one.get("nc_count", 0) for one in json.loads(told)) if told else 0
    except ValueError:
        return 0


def _told(command: list[str]) -> str:
    """What a tool of the image prints; nothing where it is not there."""
    import subprocess  # lazy: only the first process asks

    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
