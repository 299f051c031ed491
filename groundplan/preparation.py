"""What happens to data before a training: validated, preprocessed, and not a second time for the same inputs. Pure.

It is a training job of its own, under the workload's own role: that role alone reads the workload's data, and spot
capacity, network, encryption and limits of trainings hold for it as they stand.
"""

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from groundplan.canonical import digest
from groundplan.job_limits import has_local_storage
from groundplan.json_value import mapping
from groundplan.prepare_data import INVALID, PREPROCESS
from groundplan.refusal import Refused
from groundplan.training_request import CODE, KIT, Inputs, LaunchDefaults, build_request, channel, job_name
from groundplan.workload import Workload


class InvalidData(Refused):
    """The data are not what was ingested, or preprocess.py refuses them; the message names what is wrong."""


SCRIPT = "prepare_data.py"  # beside the workload's own, and the kit


@dataclass(frozen=True)
class Preparation:
    """Of one data set for one workload; `digest` is of everything that decides what comes of it."""

    workload: str
    digest: str
    data_manifest_root: str

    @classmethod
    def of(cls, workload: Workload, defaults: LaunchDefaults, inputs: Inputs) -> "Preparation":
        """The same data, code, kit, software and channels are the same preparation."""
        decides = {
            "code": inputs.prepare_uri.rpartition("/")[2],
            "data": inputs.data_manifest_root,
            "environment": inputs.environment_digest,
            "image": defaults.image_digest,
            "channels": sorted(workload.data.channels),
        }
        return cls(workload.name, digest(decides), inputs.data_manifest_root)

    @property
    def key(self) -> str:
        """Where the platform says, in the artefacts bucket, that it is done; no job may write there."""
        return f"workloads/{self.workload}/preparations/{self.digest}.json"

    @property
    def quarantine_key(self) -> str:
        """Where it says that the data set is in quarantine, and why."""
        return quarantine_key(self.workload, self.data_manifest_root)


def quarantine_key(workload: str, data_manifest_root: str) -> str:
    """In the artefacts bucket; a data set that is ingested anew has another root."""
    return f"workloads/{workload}/quarantine/{data_manifest_root}.json"


def code_of(folder: Path, files: Mapping[str, str]) -> dict[str, str]:
    """Of a workload's files those that preprocess.py consists of: itself, and what it imports. Name to sha256.

    Nothing else is there when it runs, so that nothing else can decide what comes of it. Without one, none.
    """
    found, ahead = dict[str, str](), [PREPROCESS]
    while ahead:
        name = ahead.pop()
        if name in found or name not in files:
            continue
        found[name] = files[name]
        for module in _imported((folder / name).read_text(encoding="utf-8")):
            place = module.replace(".", "/")
            ahead += [f"{place}.py", f"{place}/__init__.py", f"{place.partition('/')[0]}/__init__.py"]
    return found


def _imported(source: str) -> set[str]:
    names = set[str]()
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return names  # Python itself will say so, in the job
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def preparation_request(
    workload: Workload,
    environment: str,
    defaults: LaunchDefaults,
    inputs: Inputs,
    preparation: Preparation,
    *,
    job_suffix: str,
    max_runtime_seconds: int,
) -> dict[str, Any]:
    """The request of CreateTrainingJob. What comes of it lies, file by file, where the job's model artefacts do."""
    request = build_request(
        workload, environment, defaults, inputs, job_suffix=job_suffix, max_runtime_seconds=max_runtime_seconds
    )
    base = f"{defaults.artefacts}/workloads/{workload.name}/prepared"
    machine = workload.trained.preprocess_instance_type or workload.trained.instance_type
    volume = {} if has_local_storage(machine) else {"VolumeKmsKeyId": defaults.kms_key_arn}
    algorithm = request["AlgorithmSpecification"]
    return request | {
        "TrainingJobName": f"{job_name(workload, preparation.digest, job_suffix)}-prepare",
        "AlgorithmSpecification": {
            "TrainingImage": algorithm["TrainingImage"],
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python", f"{CODE}/{KIT}", SCRIPT],
        },
        "HyperParameters": {},
        "InputDataConfig": [channel("code", inputs.prepare_uri), channel("dataset", inputs.data_uri)],
        "OutputDataConfig": {
            "S3OutputPath": base,
            "KmsKeyId": defaults.kms_key_arn,
            "CompressionType": "NONE",
        },
        "ResourceConfig": {
            "InstanceType": machine,
            "InstanceCount": 1,
            "VolumeSizeInGB": workload.trained.volume_gib,
            **volume,
        },
        "CheckpointConfig": {"S3Uri": f"{base}/{preparation.digest}/checkpoints"},
        "EnableInterContainerTrafficEncryption": False,
        # Without the variables of a run: it is none, and no model comes of it.
        "Environment": {
            "GROUNDPLAN_PREPARES": workload.name,
            "GROUNDPLAN_CHANNELS": ",".join(workload.data.channels),
            "GROUNDPLAN_DATA_MANIFEST_ROOT": inputs.data_manifest_root,
        },
    }


def trains_on(inputs: Inputs, data_uri: str) -> Inputs:
    """The same run, its channels below another place. What it is made from, and so its fingerprint, is the same."""
    return replace(inputs, data_uri=data_uri.rstrip("/"))


def failure_reason(cause: str) -> str:
    """Why a job failed. `cause` is what a state machine is told: the job's description as JSON, or a text."""
    try:
        return str(mapping(json.loads(cause)).get("FailureReason") or cause)
    except ValueError:
        return cause


def invalid(reason: str) -> str:
    """What is wrong with the data, if that is why a job failed; nothing if it failed otherwise."""
    _, found, why = reason.partition(INVALID)
    return why.strip() if found else ""
