"""The role of jobs that answer one workload's held-out set: reads requests, code and models, writes answers."""

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from groundplan.evaluation import PREFIX
from groundplan.gate.answer import REQUESTS
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
class EvaluationRoleProps:
    """Whose role it is and what it reaches.

    `held_out_bucket` is the lake's, in the data account, by name; `data_account` its 12 digits.
    """

    role_name: str
    workload: str
    data_account: str
    held_out_bucket: s3.IBucket
    artefacts_bucket: s3.IBucket
    encryption_key: kms.IKey
    repository: ecr.IRepository
    placement: Placement


class EvaluationRole(Construct):
    """SageMaker assumes it for jobs of this account alone; the tag `workload` opens the lake's prefix to it.

    Of a held-out set it reads the requests and never the true answers; of the artefacts it writes answers alone.
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: EvaluationRoleProps) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Resource",
            role_name=props.role_name,
            description=f"Answers the held-out set of {props.workload}",
            assumed_by=sagemaker_of_this_account(self),
        )
        cdk.Tags.of(self.role).add("workload", props.workload, priority=200)
        self.permissions = Permissions(
            self, "Permissions", role=self.role, description=f"What evaluations of {props.workload} may do"
        )
        self._objects(props)
        allow_decryption(self.permissions, [props.held_out_bucket], props.data_account)
        allow_encryption(self.permissions, props.encryption_key)
        allow_image(self.permissions, props.repository.repository_arn)
        allow_telemetry_of_jobs(self.permissions)
        allow_network(self.permissions, props.placement)

    def _objects(self, props: EvaluationRoleProps) -> None:
        allow, bucket, lake = self.permissions.allow, props.artefacts_bucket, props.held_out_bucket
        requests, own = f"{props.workload}/*/{REQUESTS}", f"workloads/{props.workload}"
        allow(
            "ReadRequests",
            ["s3:GetObject"],
            [lake.arn_for_objects(requests)],
            wildcard="The requests of each version of its workload's held-out sets, which their digests name.",
        )
        allow_listing(self.permissions, "ListRequests", [lake], requests)
        allow(
            "ReadModels",
            ["s3:GetObject"],
            [bucket.arn_for_objects(f"{own}/{part}/*") for part in ("code", "output")],
            wildcard="The code and the models below its workload's own prefix.",
        )
        allow(
            "WriteAnswers",
            ["s3:AbortMultipartUpload", "s3:PutObject"],
            [bucket.arn_for_objects(f"{own}/{PREFIX}/*")],
            wildcard="The answers below its workload's own prefix, one folder a job.",
        )
        allow_listing(self.permissions, "ListOwnPrefix", [bucket], f"{own}/*")
