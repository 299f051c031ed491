"""What no training, tuning, processing, transform or notebook may do, as statements of a policy.

Condition keys by action:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemakerai.html
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from groundplan.refusal import BadInput, Finding
from groundplan.text import InstanceType
from groundplan.toml_file import Values
from groundplan.workload import Workload

LONGEST_RUNTIME_SECONDS = 2_592_000  # 30 days; AWS's own default limit is 5

# Actions by the condition keys that they know: a condition over a key that an action lacks would deny it always.
JOBS = ("CreateHyperParameterTuningJob", "CreateProcessingJob", "CreateTrainingJob")
AUTOMATIC = ("CreateAutoMLJob", "CreateAutoMLJobV2")
NOTEBOOK = "CreateNotebookInstance"
IN_VPC = (*JOBS, *AUTOMATIC, "CreateModel", NOTEBOOK)  # a transform job runs where its model stands
WITH_INSTANCES = (*JOBS, NOTEBOOK, "CreateTransformJob", "UpdateNotebookInstance")
WITH_OUTPUT = (*JOBS, *AUTOMATIC, "CreateTransformJob")
WITH_VOLUME = (*JOBS, *AUTOMATIC, NOTEBOOK, "CreateTransformJob")

# Their disks lie in the machine and are encrypted by it; a key for the volume is refused for them.
# Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ResourceConfig.html and
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/InstanceStorage.html
LOCAL_STORAGE = frozenset("g4dn g5 g6 g6e p3dn p4d p4de p5 p5e p5en p6-b200 trn1 trn1n trn2".split())


class Limits(Values):
    """On what, and for how long at most, jobs and notebooks of an environment may run."""

    instance_types: Annotated[tuple[InstanceType, ...], Field(strict=False, min_length=1, max_length=16)]
    max_runtime_seconds: Annotated[int, Field(ge=60, le=LONGEST_RUNTIME_SECONDS)]


def has_local_storage(instance_type: str) -> bool:
    """Whether the instance's disk lies in the machine, so that no key can be named for it."""
    family = instance_type.split(".")[1]
    return family in LOCAL_STORAGE or bool(re.fullmatch(r"[cmr][0-9]+[a-z]*d[a-z]*", family))


def refuse_outside(limits: Limits, source: str, workloads: Sequence[Workload]) -> None:
    """Raises BadInput for each workload whose training the environment's limits do not admit."""
    findings: list[Finding] = []
    for workload in workloads:
        training, where = workload.training, f"workloads/{workload.name}/workload.toml"
        if training is None:
            continue
        machines = {
            "training.instance_type": training.instance_type,
            "training.preprocess_instance_type": training.preprocess_instance_type,
            "gate.instance_type": workload.gate.instance_type,
        }
        for field, machine in machines.items():
            if machine and machine not in limits.instance_types:
                allowed = f"allowed by limits.instance_types of {source}: {', '.join(limits.instance_types)}"
                findings.append(Finding(where, field, machine, allowed))
        if training.max_runtime_seconds > limits.max_runtime_seconds:
            allowed = f"allowed by limits.max_runtime_seconds of {source}: at most {limits.max_runtime_seconds}"
            findings.append(Finding(where, "training.max_runtime_seconds", training.max_runtime_seconds, allowed))
    if findings:
        raise BadInput(findings)


def job_denials(
    limits: Limits, *, subnet_ids: Sequence[str] = (), security_group_ids: Sequence[str] = (), key_arn: str = ""
) -> list[dict[str, Any]]:
    """Statements that deny what is outside the network, unencrypted, on other machines or too long.

    Where subnets, groups and key are given, no others are allowed either; without them some must be named.
    """
    local = [name for name in limits.instance_types if has_local_storage(name)]
    on_disks = {"ForAnyValue:StringNotEquals": {"sagemaker:InstanceTypes": local}} if local else {}
    statements = [
        _deny("OutsideTheNetwork", IN_VPC, _absent("VpcSubnets")),
        _deny("WithoutSecurityGroup", IN_VPC, _absent("VpcSecurityGroupIds")),
        _deny("WithoutOutputKey", WITH_OUTPUT, _absent("OutputKmsKey")),
        _deny("WithoutVolumeKey", (*AUTOMATIC, NOTEBOOK), _absent("VolumeKmsKey")),
        _deny("JobsWithoutVolumeKey", (*JOBS, "CreateTransformJob"), _absent("VolumeKmsKey") | on_disks),
        _deny("OtherInstances", WITH_INSTANCES, _others("InstanceTypes", limits.instance_types)),
        _deny("WithoutEnd", JOBS, _absent("MaxRuntimeInSeconds")),
        _deny(
            "TooLong",
            JOBS,
            {"NumericGreaterThan": {"sagemaker:MaxRuntimeInSeconds": str(limits.max_runtime_seconds)}},
        ),
        _deny("OnTheInternet", (NOTEBOOK,), {"StringNotEquals": {"sagemaker:DirectInternetAccess": "Disabled"}}),
        _deny(
            "StudioOnTheInternet",
            ("CreateDomain",),
            {"StringNotEquals": {"sagemaker:AppNetworkAccessType": "VpcOnly"}},
        ),
        _deny("WithRoot", (NOTEBOOK,), {"StringNotEquals": {"sagemaker:RootAccess": "Disabled"}}),
        _deny("RegainRoot", ("UpdateNotebookInstance",), {"StringEquals": {"sagemaker:RootAccess": "Enabled"}}),
    ]
    if subnet_ids:
        statements.append(_deny("OtherSubnets", IN_VPC, _others("VpcSubnets", subnet_ids)))
    if security_group_ids:
        statements.append(_deny("OtherSecurityGroups", IN_VPC, _others("VpcSecurityGroupIds", security_group_ids)))
    if key_arn:
        named = {"Null": {"sagemaker:VolumeKmsKey": "false"}}  # a negated comparison holds for what is absent, too
        statements += [
            _deny("OtherOutputKeys", WITH_OUTPUT, {"ArnNotEquals": {"sagemaker:OutputKmsKey": key_arn}}),
            _deny("OtherVolumeKeys", WITH_VOLUME, {"ArnNotEquals": {"sagemaker:VolumeKmsKey": key_arn}} | named),
        ]
    return statements


def job_conditions(
    limits: Limits, *, subnet_ids: Sequence[str], security_group_ids: Sequence[str], key_arn: str
) -> dict[str, dict[str, dict[str, Any]]]:
    """Under which conditions a role may be allowed CreateTrainingJob, by the name of the statement.

    In these subnets, encrypted, on admitted machines, with an end; machines with a local disk name no key for it.
    """
    local = [name for name in limits.instance_types if has_local_storage(name)]
    other = [name for name in limits.instance_types if name not in local]

    def conditions(machines: Sequence[str], encrypted: Sequence[str]) -> dict[str, dict[str, Any]]:
        named = {"VpcSubnets": subnet_ids, "VpcSecurityGroupIds": security_group_ids, "InstanceTypes": machines}
        return {
            "ForAllValues:StringEquals": {f"sagemaker:{key}": list(values) for key, values in named.items()},
            "Null": {f"sagemaker:{key}": "false" for key in named},
            "NumericLessThanEquals": {"sagemaker:MaxRuntimeInSeconds": str(limits.max_runtime_seconds)},
            "ArnEquals": {f"sagemaker:{key}": key_arn for key in encrypted},
        }

    found = {"Train": conditions(other, ("OutputKmsKey", "VolumeKmsKey"))} if other else {}
    return found | ({"TrainOnLocalDisks": conditions(local, ("OutputKmsKey",))} if local else {})


def _absent(key: str) -> dict[str, dict[str, object]]:
    return {"Null": {f"sagemaker:{key}": "true"}}


def _others(key: str, allowed: Sequence[str]) -> dict[str, dict[str, object]]:
    return {"ForAnyValue:StringNotEquals": {f"sagemaker:{key}": list(allowed)}}


def _deny(sid: str, actions: Sequence[str], condition: Mapping[str, Mapping[str, object]]) -> dict[str, Any]:
    named = [f"sagemaker:{action}" for action in sorted(actions)]
    return {"Sid": sid, "Effect": "Deny", "Action": named, "Resource": "*", "Condition": condition}
