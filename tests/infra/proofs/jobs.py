"""Jobs, notebooks and studios: how they must be asked for, and what endpoints of the network let through.

Condition keys by action:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemakerai.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from groundplan.execution_policy import BOUNDARY_ACTIONS
from proofs.declared import Call, call, key, training
from proofs.evaluator import Value
from proofs.world import BOUNDARY, OTHER_ORGANISATION, STRANGER, Caller, World

JOB = "VpcSubnets VpcSecurityGroupIds OutputKmsKey VolumeKmsKey InstanceTypes MaxRuntimeInSeconds"
KEYS_OF = {
    "CreateTrainingJob": JOB,
    "CreateProcessingJob": JOB,
    "CreateHyperParameterTuningJob": JOB,
    "CreateTransformJob": "OutputKmsKey VolumeKmsKey InstanceTypes",
    "CreateAutoMLJob": "VpcSubnets VpcSecurityGroupIds OutputKmsKey VolumeKmsKey",
    "CreateAutoMLJobV2": "VpcSubnets VpcSecurityGroupIds OutputKmsKey VolumeKmsKey",
    "CreateModel": "VpcSubnets VpcSecurityGroupIds",
    "CreateNotebookInstance": """VpcSubnets VpcSecurityGroupIds VolumeKmsKey InstanceTypes DirectInternetAccess
        RootAccess""",
    "UpdateNotebookInstance": "InstanceTypes RootAccess",
    "CreateDomain": "AppNetworkAccessType",
}
# Who asks without it leaves things as they are. A job without instance types names none that is wrong either: AWS
# itself refuses it.
NOT_NEEDED = {("UpdateNotebookInstance", "RootAccess")}
# Where the boundary cannot know them: subnets, groups and keys are the network's, which the job guard knows.
OF_THE_NETWORK = {"VpcSubnets", "VpcSecurityGroupIds", "OutputKmsKey", "VolumeKmsKey"}
ENDPOINT_OF = {
    "s3": "s3",
    "dynamodb": "dynamodb",
    "ecr": "ecr.api ecr.dkr",
    "kms": "kms",
    "logs": "logs",
    "cloudwatch": "monitoring",
}


@dataclass(frozen=True)
class JobRequest:
    """A call with its condition keys, of which some have several values."""

    caller: Caller
    action: str
    context: Mapping[str, Value]
    allowed: bool


def job_requests(world: World) -> Iterator[JobRequest]:
    """Every job in good order, and with each of its circumstances missing or wrong."""
    ai = world.names.environment.accounts.ai
    guarded = Caller(
        "engineer of ai under the job guard",
        f"arn:aws:iam::{ai}:role/engineer",
        ai,
        policies=tuple(name for name in world.policies if name.startswith("identity:Network/JobGuard")),
        administrator=True,
    )
    bounded = Caller(
        "role inside the boundary that has every permission",
        f"arn:aws:iam::{ai}:role/pipeline",
        ai,
        boundary=BOUNDARY,
        administrator=True,
    )
    good, wrong = _good(world), _wrong(world)
    for caller in (guarded, bounded):
        for action, names in KEYS_OF.items():
            at_all = caller is guarded or f"sagemaker:{action}" in BOUNDARY_ACTIONS
            right = {f"sagemaker:{name}": good[name] for name in names.split()}
            yield JobRequest(caller, f"sagemaker:{action}", right, allowed=at_all)
            for name in names.split():
                key_name = f"sagemaker:{name}"
                rest = {other: value for other, value in right.items() if other != key_name}
                lenient = name == "InstanceTypes" or (action, name) in NOT_NEEDED
                yield JobRequest(caller, f"sagemaker:{action}", rest, allowed=at_all and lenient)
                for value in wrong[name]:
                    known = caller is guarded or name not in OF_THE_NETWORK
                    asked = {**right, key_name: value}
                    yield JobRequest(caller, f"sagemaker:{action}", asked, allowed=at_all and not known)
            if "VolumeKmsKey" in names and "InstanceTypes" in names and "Notebook" not in action:
                local = {**right, "sagemaker:InstanceTypes": ["ml.g5.xlarge"]}
                del local["sagemaker:VolumeKmsKey"]
                yield JobRequest(caller, f"sagemaker:{action}", local, allowed=at_all)


def _good(world: World) -> dict[str, Value]:
    groups = [entry.name for entry in world.of_type("AWS::EC2::SecurityGroup") if "Jobs" in entry.logical_id]
    return {
        "VpcSubnets": [entry.name for entry in world.of_type("AWS::EC2::Subnet")],
        "VpcSecurityGroupIds": groups,
        "OutputKmsKey": key(world, "Platform"),
        "VolumeKmsKey": key(world, "Platform"),
        "InstanceTypes": ["ml.m5.large"],
        "MaxRuntimeInSeconds": "3600",
        "DirectInternetAccess": "Disabled",
        "RootAccess": "Disabled",
        "AppNetworkAccessType": "VpcOnly",
    }


def _wrong(world: World) -> dict[str, list[Value]]:
    good, other = _good(world), f"arn:aws:kms:us-east-1:{STRANGER}:key/one"
    too_long = str(world.names.environment.limits.max_runtime_seconds + 1)
    return {
        "VpcSubnets": [["subnet-elsewhere"], [*good["VpcSubnets"], "subnet-elsewhere"]],
        "VpcSecurityGroupIds": [["sg-elsewhere"]],
        "OutputKmsKey": [other],
        "VolumeKmsKey": [other],
        "InstanceTypes": [["ml.p5.48xlarge"], ["ml.m5.large", "ml.p5.48xlarge"]],
        "MaxRuntimeInSeconds": [too_long],
        "DirectInternetAccess": ["Enabled"],
        "RootAccess": ["Enabled"],
        "AppNetworkAccessType": ["PublicInternetOnly"],
    }


def through_endpoints(world: World) -> Iterator[tuple[str, Caller, Call, bool]]:
    """Endpoint, caller, call and whether it gets through: own to own, and nobody's data out or in."""
    ai, region = world.names.environment.accounts.ai, world.names.environment.region
    own = Caller("role of ai", f"arn:aws:iam::{ai}:role/one", ai)
    stranger = Caller(
        "stranger's keys", f"arn:aws:iam::{STRANGER}:role/one", STRANGER, organisation=OTHER_ORGANISATION
    )
    for entry in training(world, "digit-reader"):
        for service in ENDPOINT_OF.get(entry.action.partition(":")[0], "").split():
            if service in world.endpoints:
                yield service, own, entry, True
                yield service, stranger, entry, False
    for service in world.endpoints:
        prefix = PREFIXES.get(service, service.partition(".")[0])
        here = f"arn:aws:{prefix}:{region}:{ai}:thing/one"
        away = "arn:aws:s3:::strangers-bucket/one" if prefix == "s3" else here
        yield service, own, call(f"{prefix}:Anything", here), True
        yield service, own, call(f"{prefix}:Anything"), True
        yield service, stranger, call(f"{prefix}:Anything", here), False
        yield service, stranger, call(f"{prefix}:Anything", away, {"aws:ResourceAccount": STRANGER}), False
        if prefix != "bedrock":  # its models belong to AWS
            yield service, own, call(f"{prefix}:Anything", away, {"aws:ResourceAccount": STRANGER}), False
    layers = f"arn:aws:s3:::prod-{region}-starport-layer-bucket/one"
    aws = {"aws:ResourceAccount": "000000000007"}
    yield "s3", own, call("s3:GetObject", layers, aws), True
    yield "s3", own, call("s3:PutObject", layers, aws), False
    yield "s3", own, call("s3:GetObject", "arn:aws:s3:::strangers-bucket/one", aws), False


PREFIXES = {"monitoring": "cloudwatch", "bedrock-runtime": "bedrock"}
