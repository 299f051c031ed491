"""The role of one workload's image build: reads its own context, base image and packages, pushes its own image."""

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from groundplan.image import Source
from groundplan_constructs.permissions import Permissions

PULL = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
PUSH = ["ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart"]


@dataclass(frozen=True, kw_only=True)
class ImageBuildRoleProps:
    """Whose role it is and what it reaches."""

    project_name: str
    artefacts_bucket: s3.IBucket
    context_key: str
    encryption_key: kms.IKey
    repository: ecr.IRepository
    base_repository: ecr.IRepository
    source: Source


class ImageBuildRole(Construct):
    """CodeBuild assumes it for one project of this account; it pushes into one repository and no other.

    Permissions: https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html and
    https://docs.aws.amazon.com/codeartifact/latest/ug/create-vpc-endoint-policy.html
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: ImageBuildRoleProps) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        project = stack.format_arn(service="codebuild", resource="project", resource_name=props.project_name)
        self.role = iam.Role(
            self,
            "Resource",
            description=f"Image build {props.project_name}",
            assumed_by=iam.ServicePrincipal(
                "codebuild.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": stack.account, "aws:SourceArn": project}},
            ),
        )
        self.permissions = Permissions(
            self, "Permissions", role=self.role, description=f"What image build {props.project_name} may do"
        )
        self._read_context(props)
        self._use_registry(props)
        self._read_packages(props.source)

    def _read_context(self, props: ImageBuildRoleProps) -> None:
        bucket, allow = props.artefacts_bucket, self.permissions.allow
        allow("ReadContext", ["s3:GetObject", "s3:GetObjectVersion"], [bucket.arn_for_objects(props.context_key)])
        allow("KnowBucket", ["s3:GetBucketAcl", "s3:GetBucketLocation"], [bucket.bucket_arn])
        allow(
            "DecryptContext",
            ["kms:Decrypt"],
            [props.encryption_key.key_arn],
            conditions={"StringEquals": {"kms:ViaService": f"s3.{cdk.Stack.of(self).region}.amazonaws.com"}},
        )

    def _use_registry(self, props: ImageBuildRoleProps) -> None:
        self.permissions.allow("PullBase", PULL, [props.base_repository.repository_arn])
        self.permissions.allow("PushImage", [*PULL, *PUSH], [props.repository.repository_arn])
        self.permissions.allow(
            "SignInToRegistry",
            ["ecr:GetAuthorizationToken"],
            ["*"],
            wildcard="IAM offers no resource for this action; the token opens only what PullBase and PushImage name.",
        )

    def _read_packages(self, source: Source) -> None:
        def arn(resource: str, name: str) -> str:
            account = source.package_account or cdk.Stack.of(self).account
            return cdk.Stack.of(self).format_arn(
                service="codeartifact", account=account, resource=resource, resource_name=name
            )

        self.permissions.allow(
            "SignInToPackages", ["codeartifact:GetAuthorizationToken"], [arn("domain", source.package_domain)]
        )
        self.permissions.allow(
            "ReadPackages",
            ["codeartifact:GetRepositoryEndpoint", "codeartifact:ReadFromRepository"],
            [arn("repository", f"{source.package_domain}/{source.package_repository}")],
        )
        self.permissions.allow(
            "CarryToken",
            ["sts:GetServiceBearerToken"],
            ["*"],
            conditions={"StringEquals": {"sts:AWSServiceName": "codeartifact.amazonaws.com"}},
            wildcard="IAM offers no resource for this action; the condition names the one service.",
        )
