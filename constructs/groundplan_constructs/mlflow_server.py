"""SageMaker's managed MLflow, and the role by which it keeps artefacts."""

from dataclasses import dataclass
from typing import Literal

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from groundplan_constructs.permissions import Permissions

ARTEFACTS = "mlflow"  # below this prefix of the bucket


@dataclass(frozen=True, kw_only=True)
class MlflowServerProps:
    """Its name, its size, and where it keeps what is logged beside numbers and words."""

    server_name: str
    size: Literal["Small", "Medium", "Large"]
    artefacts_bucket: s3.IBucket
    encryption_key: kms.IKey


class MlflowServer(Construct):
    """A tracking server that reads and writes its own prefix of one bucket, and registers no models by itself.

    Permissions: https://docs.aws.amazon.com/sagemaker/latest/dg/mlflow-create-tracking-server-iam.html
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: MlflowServerProps) -> None:
        super().__init__(scope, construct_id)
        stack, bucket = cdk.Stack.of(self), props.artefacts_bucket
        self.arn = stack.format_arn(
            service="sagemaker", resource="mlflow-tracking-server", resource_name=props.server_name
        )
        role = iam.Role(
            self,
            "Role",
            description=f"MLflow {props.server_name}",
            assumed_by=iam.ServicePrincipal(
                "sagemaker.amazonaws.com",
                conditions={
                    "StringEquals": {"aws:SourceAccount": stack.account},
                    "ArnLike": {"aws:SourceArn": self.arn},
                },
            ),
        )
        permissions = Permissions(
            self, "Permissions", role=role, description=f"What MLflow {props.server_name} may do"
        )
        permissions.allow(
            "KeepArtefacts",
            ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"],
            [bucket.arn_for_objects(f"{ARTEFACTS}/*")],
            wildcard="The objects below its own prefix.",
        )
        permissions.allow(
            "ListArtefacts",
            ["s3:ListBucket"],
            [bucket.bucket_arn],
            conditions={"StringLike": {"s3:prefix": f"{ARTEFACTS}/*"}},
        )
        permissions.allow(
            "EncryptArtefacts",
            ["kms:Decrypt", "kms:GenerateDataKey"],
            [props.encryption_key.key_arn],
            conditions={"StringEquals": {"kms:ViaService": f"s3.{stack.region}.amazonaws.com"}},
        )
        self.server = sagemaker.CfnMlflowTrackingServer(
            self,
            "Resource",
            tracking_server_name=props.server_name,
            tracking_server_size=props.size,
            artifact_store_uri=f"s3://{bucket.bucket_name}/{ARTEFACTS}",
            role_arn=role.role_arn,
        )
        self.server.node.add_dependency(permissions)
