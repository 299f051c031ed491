"""What one workload owns in the ai account."""

import json

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from groundplan.names import Names
from groundplan.workload import Workload
from groundplan_constructs import (
    EvaluationRole,
    EvaluationRoleProps,
    ImageBuild,
    ImageBuildProps,
    ImageRepository,
    TrainingRole,
    TrainingRoleProps,
)
from groundplan_constructs.sagemaker_permissions import Placement
from stacks.account_stack import AccountStack
from stacks.ai_platform import Platform
from stacks.network import JobNetwork


class WorkloadStack(AccountStack):
    """Images and their build, model packages, its jobs' roles, and launch defaults that `groundplan train` reads."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: Names,
        platform: Platform,
        network: JobNetwork,
        workload: Workload,
    ) -> None:
        super().__init__(scope, construct_id, names=names, account="ai", description=f"Workload {workload.name}")
        self.workload = workload
        environment = names.environment
        repository = ImageRepository(
            self,
            "Images",
            repository_name=names.repository(workload.name),
            encryption_key=platform.key,
            retain=environment.retain_data,
        ).repository
        artefacts = s3.Bucket.from_bucket_name(self, "Artefacts", names.artefacts_bucket())
        if source := environment.images.source:
            ImageBuild(
                self,
                "ImageBuild",
                props=ImageBuildProps(
                    project_name=names.image_build(workload.name),
                    artefacts_bucket=artefacts,
                    context_key=names.image_context(workload.name),
                    repository=repository,
                    encryption_key=platform.key,
                    log_retention_days=environment.log_retention_days,
                    source=source,
                ),
            )
        models = sagemaker.CfnModelPackageGroup(
            self,
            "Models",
            model_package_group_name=names.model_package_group(workload.name),
            model_package_group_description=workload.use_case,
        )
        if environment.retain_data:
            models.apply_removal_policy(cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
        training = TrainingRole(
            self,
            "Training",
            props=TrainingRoleProps(
                role_name=names.training_role(workload.name),
                workload=workload.name,
                data_account=environment.accounts.data,
                data_buckets=[
                    s3.Bucket.from_bucket_name(self, "Data", names.lake_bucket("curated")),
                    s3.Bucket.from_bucket_name(self, "Features", names.lake_bucket("features")),
                ],
                artefacts_bucket=artefacts,
                encryption_key=platform.key,
                repository=repository,
                subnet_ids=network.subnet_ids,
                security_group_ids=network.security_group_ids,
            ),
        )
        evaluation = EvaluationRole(
            self,
            "Evaluation",
            props=EvaluationRoleProps(
                role_name=names.evaluation_role(workload.name),
                workload=workload.name,
                data_account=environment.accounts.data,
                held_out_bucket=s3.Bucket.from_bucket_name(self, "HeldOut", names.lake_bucket("evaluation")),
                artefacts_bucket=artefacts,
                encryption_key=platform.key,
                repository=repository,
                placement=Placement(network.subnet_ids, network.security_group_ids),
            ),
        )
        image = workload.trained.image_digest
        ssm.StringParameter(
            self,
            "LaunchDefaults",
            parameter_name=names.launch_parameter(workload.name),
            description=f"Launch defaults of {workload.name}, as groundplan.training_request.LaunchDefaults",
            string_value=json.dumps(
                {
                    "role_arn": training.role.role_arn,
                    "evaluation_role_arn": evaluation.role.role_arn,
                    "image": repository.repository_uri_for_digest(image) if image else repository.repository_uri,
                    "artefacts": f"s3://{names.artefacts_bucket()}",
                    "kms_key_arn": platform.key.key_arn,
                    "subnet_ids": list(network.subnet_ids),
                    "security_group_ids": list(network.security_group_ids),
                    "tags": environment.conventions.tags,
                }
            ),
        )
