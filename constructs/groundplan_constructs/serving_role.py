"""The role of one model that serves: reads that one archive, and writes nothing but captured traffic and answers."""

from collections.abc import Sequence
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from groundplan_constructs.permissions import Permissions
from groundplan_constructs.replaced import keep_replaced
from groundplan_constructs.sagemaker_permissions import (
    Placement,
    allow_image,
    allow_network,
    allow_telemetry,
    sagemaker_of_this_account,
)


@dataclass(frozen=True, kw_only=True)
class ServingRoleProps:
    """Its name, which another model's role must not have, and what it reaches.

    `reads` and `writes` are prefixes of keys in `bucket`, ending in `/`.
    `placement` is left out for serverless endpoints, which AWS puts into no VPC.
    """

    role_name: str
    bucket: s3.IBucket
    model_key: str
    encryption_key: kms.IKey
    repository_arn: str
    placement: Placement | None
    reads: Sequence[str] = ()
    writes: Sequence[str] = ()


class ServingRole(Construct):
    """SageMaker assumes it for models of this account alone. It outlives updates: the old fleet runs under it.

    Permissions: https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html#sagemaker-roles-createmodel-perms
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: ServingRoleProps) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Resource",
            role_name=props.role_name,
            description="Serves one version of a model",
            assumed_by=sagemaker_of_this_account(self),
        )
        self.name = props.role_name
        self.permissions = Permissions(
            self, "Permissions", role=self.role, description="What a served model may do", name=props.role_name
        )
        self._objects(props)
        allow_image(self.permissions, props.repository_arn)
        allow_telemetry(
            self.permissions,
            "/aws/sagemaker/*",
            "/aws/sagemaker/Endpoints",
            reason="SageMaker names the log groups of endpoints and transform jobs itself.",
        )
        if props.placement:
            allow_network(self.permissions, props.placement)
        for made in (self.role, self.permissions.policy):
            resource = made.node.default_child
            if isinstance(resource, cdk.CfnResource):
                keep_replaced(resource)

    def _objects(self, props: ServingRoleProps) -> None:
        bucket, allow = props.bucket, self.permissions.allow
        allow("ReadModel", ["s3:GetObject"], [bucket.arn_for_objects(props.model_key)])
        for sid, actions, prefixes in (
            ("ReadRequests", ["s3:GetObject"], props.reads),
            ("WriteTraffic", ["s3:AbortMultipartUpload", "s3:PutObject"], props.writes),
        ):
            if prefixes:
                arns = [bucket.arn_for_objects(f"{prefix}*") for prefix in prefixes]
                allow(sid, actions, arns, wildcard="The objects below its workload's own prefix.")
        listed = sorted({props.model_key, *(f"{prefix}*" for prefix in props.reads)})
        allow("ListOwn", ["s3:ListBucket"], [bucket.bucket_arn], conditions={"StringLike": {"s3:prefix": listed}})
        key = [props.encryption_key.key_arn]
        through_s3 = {"StringEquals": {"kms:ViaService": f"s3.{cdk.Stack.of(self).region}.amazonaws.com"}}
        allow("UseKeyInS3", ["kms:Decrypt", "kms:GenerateDataKey"], key, conditions=through_s3)
        if props.placement:
            # SageMaker passes the key on to the disks of its machines, as a grant.
            for_disks = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
            allow("EncryptVolumes", ["kms:CreateGrant"], key, conditions=for_disks)
