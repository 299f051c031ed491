"""The role of one workload's training jobs: reads its own data and code, writes below its own prefix."""

from collections.abc import Sequence
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from groundplan_constructs.permissions import Permissions
from groundplan_constructs.sagemaker_permissions import (
    Placement,
    allow_decryption,
    allow_encryption,
    allow_image,
    allow_listing,
    allow_network,
    allow_telemetry_of_jobs,
    sagemaker_of_this_account,
)


@dataclass(frozen=True, kw_only=True)
class TrainingRoleProps:
    """Whose role it is and what it reaches.

    `data_buckets` are those of the lake that it reads, in the data account, by name; `data_account` its 12 digits.
    """

    role_name: str
    workload: str
    data_account: str
    data_buckets: Sequence[s3.IBucket]
    artefacts_bucket: s3.IBucket
    encryption_key: kms.IKey
    repository: ecr.IRepository
    subnet_ids: Sequence[str]
    security_group_ids: Sequence[str]


class TrainingRole(Construct):
    """SageMaker assumes it for jobs of this account alone; the tag `workload` opens the lake's prefix to it.

    Permissions: https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html#sagemaker-roles-createtrainingjob-perms
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: TrainingRoleProps) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Resource",
            role_name=props.role_name,
            description=f"Training jobs of {props.workload}",
            assumed_by=sagemaker_of_this_account(self),
        )
        cdk.Tags.of(self.role).add("workload", props.workload, priority=200)
        self.permissions = Permissions(
            self, "Permissions", role=self.role, description=f"What training jobs of {props.workload} may do"
        )
        self._read_data(props)
        self._write_artefacts(props)
        allow_image(self.permissions, props.repository.repository_arn)
        allow_telemetry_of_jobs(self.permissions)
        allow_network(self.permissions, Placement(props.subnet_ids, props.security_group_ids))

    def _read_data(self, props: TrainingRoleProps) -> None:
        buckets = props.data_buckets
        self.permissions.allow(
            "ReadData",
            ["s3:GetObject", "s3:GetObjectVersion"],
            [bucket.arn_for_objects(f"{props.workload}/*") for bucket in buckets],
            wildcard="The objects below its workload's own prefix of the lake.",
        )
        allow_listing(self.permissions, "ListData", buckets, f"{props.workload}/*")
        allow_decryption(self.permissions, buckets, props.data_account)

    def _write_artefacts(self, props: TrainingRoleProps) -> None:
        bucket, prefix = props.artefacts_bucket, f"workloads/{props.workload}"
        self.permissions.allow(
            "ReadCode",
            ["s3:GetObject"],
            [bucket.arn_for_objects(f"{prefix}/code/*")],
            wildcard="The files of its workload's own code.",
        )
        self.permissions.allow(
            "WriteOwnPrefix",
            ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
            [bucket.arn_for_objects(f"{prefix}/{part}/*") for part in ("output", "checkpoints", "prepared")],
            wildcard="The models, checkpoints and prepared data below its workload's own prefix.",
        )
        allow_listing(self.permissions, "ListOwnPrefix", [bucket], f"{prefix}/*")
        allow_encryption(self.permissions, props.encryption_key)
