"""Builds one workload's image in AWS and pushes it into that workload's repository."""

from dataclasses import dataclass
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from groundplan.image import Source
from groundplan_constructs.acknowledgement import acknowledge
from groundplan_constructs.image_build_role import ImageBuildRole, ImageBuildRoleProps

# IMAGE_TAG comes with each build. One script, so that the first step that fails ends it. Docker's own manifest rather
# than OCI's, and no attestations: SageMaker refuses other media types, ECR does not scan them.
# https://github.com/aws/amazon-sagemaker-feedback/issues/180
SCRIPT = """\
set -euo pipefail
aws ecr get-login-password | docker login --username AWS --password-stdin "${REPOSITORY_URI%%/*}"
packages="--domain $PACKAGE_DOMAIN --domain-owner $PACKAGE_ACCOUNT --output text"
endpoint=$(aws codeartifact get-repository-endpoint $packages --repository "$PACKAGE_REPOSITORY" --format pypi \\
  --query repositoryEndpoint)
token=$(aws codeartifact get-authorization-token $packages --duration-seconds 1800 --query authorizationToken)
configuration=$(mktemp)
printf '[global]\\nindex-url = https://aws:%s@%ssimple/\\n' "$token" "${endpoint#https://}" > "$configuration"
docker buildx build --provenance=false --sbom=false --output type=docker --build-arg BASE_IMAGE \\
  --secret id=pip-configuration,src="$configuration" --tag "$REPOSITORY_URI:$IMAGE_TAG" .
docker push "$REPOSITORY_URI:$IMAGE_TAG"
"""


@dataclass(frozen=True, kw_only=True)
class ImageBuildProps:
    """Whose image it is. `context_key` is the key in `artefacts_bucket` of the zip file that it is built from."""

    project_name: str
    artefacts_bucket: s3.IBucket
    context_key: str
    repository: ecr.IRepository
    encryption_key: kms.IKey
    log_retention_days: int
    source: Source


class ImageBuild(Construct):
    """A CodeBuild project with a role and a log group of its own. Nothing starts it but a caller."""

    def __init__(self, scope: Construct, construct_id: str, *, props: ImageBuildProps) -> None:
        super().__init__(scope, construct_id)
        log_group = logs.LogGroup(
            self, "Logs", encryption_key=props.encryption_key, removal_policy=cdk.RemovalPolicy.DESTROY
        )
        # The L2 takes names such as ONE_MONTH; days are the unit here and in CloudFormation.
        cast(logs.CfnLogGroup, log_group.node.default_child).retention_in_days = props.log_retention_days
        base_repository, _, base_digest = props.source.base.partition("@")
        base = ecr.Repository.from_repository_name(self, "Base", base_repository)
        role = ImageBuildRole(
            self,
            "Role",
            props=ImageBuildRoleProps(
                project_name=props.project_name,
                artefacts_bucket=props.artefacts_bucket,
                context_key=props.context_key,
                encryption_key=props.encryption_key,
                repository=props.repository,
                base_repository=base,
                source=props.source,
            ),
        )
        role.permissions.allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], [log_group.log_group_arn])
        variables = {
            "BASE_IMAGE": base.repository_uri_for_digest(base_digest),
            "REPOSITORY_URI": props.repository.repository_uri,
            "PACKAGE_ACCOUNT": props.source.package_account or cdk.Stack.of(self).account,
            "PACKAGE_DOMAIN": props.source.package_domain,
            "PACKAGE_REPOSITORY": props.source.package_repository,
        }
        self.project = codebuild.Project(
            self,
            "Resource",
            project_name=props.project_name,
            description="Builds a workload's image from its lock, and pushes it",
            role=role.role.without_policy_updates(),
            source=codebuild.Source.s3(bucket=props.artefacts_bucket, path=props.context_key),
            environment=codebuild.BuildEnvironment(
                build_image=codebuild.LinuxBuildImage.AMAZON_LINUX_2023_6, privileged=True
            ),
            environment_variables={
                name: codebuild.BuildEnvironmentVariable(value=value) for name, value in variables.items()
            },
            build_spec=codebuild.BuildSpec.from_object_to_yaml(
                {"version": "0.2", "env": {"shell": "bash"}, "phases": {"build": {"commands": [SCRIPT]}}}
            ),
            logging=codebuild.LoggingOptions(cloud_watch=codebuild.CloudWatchLoggingOptions(log_group=log_group)),
            encryption_key=props.encryption_key,
            timeout=cdk.Duration.minutes(60),
            queued_timeout=cdk.Duration.minutes(60),
        )
        self.project.node.add_dependency(role.permissions)
        acknowledge(
            self.project,
            "Docker builds images in privileged mode only; the machine is CodeBuild's own and lives for one build.",
            "AwsSolutions-CB3",
        )
        acknowledge(
            self.project,
            "The role is named by its ARN, also below an IAM path; the rule takes it for its name.",
            "CloudFormation-Validate::E3050",
        )
        acknowledge(
            self.project,
            "The source is an archive in the platform's own bucket; there is no repository to sign in to.",
            "PCI.DSS.321-CodeBuildProjectSourceRepoUrl",
        )
