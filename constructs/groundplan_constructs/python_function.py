"""The one way a Lambda function is made here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from groundplan_constructs.acknowledgement import acknowledge
from groundplan_constructs.dead_letter_queue import DeadLetterQueue
from groundplan_constructs.function_package import FunctionPackage
from groundplan_constructs.permissions import Permissions


@dataclass(frozen=True, kw_only=True)
class PythonFunctionProps:
    """What differs between functions; everything else is platform policy.

    `dead_letter_queue` is for functions that are invoked asynchronously: what fails three times lies there.
    `reserved_concurrency` is how many may run at once; events beyond that wait, they are not lost.
    """

    package: FunctionPackage
    handler: str
    description: str
    encryption_key: kms.IKey
    log_retention_days: int
    reserved_concurrency: int
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    dead_letter_queue: DeadLetterQueue | None = None
    role_name: str | None = None  # where a policy elsewhere must know it
    timeout_seconds: int = 60
    storage_mib: int = 512  # of /tmp
    memory_mib: int = 1024  # processor time comes with memory; imports are most of a cold start


class PythonFunction(Construct):
    """A function with a role of its own, JSON logs in a log group of its own, and nothing it was not given.

    What else it may do is added to `permissions`.
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: PythonFunctionProps) -> None:
        super().__init__(scope, construct_id)
        self.log_group = logs.LogGroup(
            self,
            "Logs",
            encryption_key=props.encryption_key,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        # The L2 takes names such as ONE_MONTH; days are the unit here and in CloudFormation.
        cast(logs.CfnLogGroup, self.log_group.node.default_child).retention_in_days = props.log_retention_days
        self.role = iam.Role(
            self,
            "Role",
            role_name=props.role_name,
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=props.description,
        )
        self.permissions = Permissions(self, "Permissions", role=self.role, description=props.description)
        self.permissions.allow(
            "WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], [self.log_group.log_group_arn]
        )
        archive = props.package.build()
        self.function = lambda_.Function(
            self,
            "Resource",
            runtime=lambda_.Runtime.PYTHON_3_14,
            architecture=lambda_.Architecture.custom(props.package.lambda_architecture),
            code=lambda_.Code.from_asset(str(archive), asset_hash=archive.stem),
            handler=props.handler,
            description=props.description,
            role=self.role.without_policy_updates(),
            timeout=cdk.Duration.seconds(props.timeout_seconds),
            memory_size=props.memory_mib,
            ephemeral_storage_size=cdk.Size.mebibytes(props.storage_mib) if props.storage_mib != 512 else None,
            reserved_concurrent_executions=props.reserved_concurrency,
            environment={
                "POWERTOOLS_SERVICE_NAME": props.handler.split(".")[-2],
                "POWERTOOLS_LOG_LEVEL": "INFO",
                **props.environment,
            },
            environment_encryption=props.encryption_key,
            log_group=self.log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            dead_letter_queue=props.dead_letter_queue.queue if props.dead_letter_queue else None,
            retry_attempts=2 if props.dead_letter_queue else None,
        )
        self.permissions.allow(
            "UseKey",
            ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"],
            [props.encryption_key.key_arn],
        )
        if props.dead_letter_queue:
            self.permissions.allow("GiveUp", ["sqs:SendMessage"], [props.dead_letter_queue.queue.queue_arn])
        acknowledge(
            self.function,
            "It calls AWS's own services only, over TLS and by its role; there is nothing in a VPC for it to reach.",
            "NIST.800.53.R5-LambdaInsideVPC",
            "PCI.DSS.321-LambdaInsideVPC",
            "CKV_AWS_117",
        )
        if not props.dead_letter_queue:
            acknowledge(
                self.function,
                "It is called by one that waits for its answer: what fails is told there, and no event is lost.",
                "NIST.800.53.R5-LambdaDLQ",
                "CKV_AWS_116",
            )
        # Lambda checks at creation that the role may write to the dead-letter queue.
        self.function.node.add_dependency(self.permissions)
        # CDK lets the function depend on its role twice over; cfn-lint calls the second time redundant.
        cast(lambda_.CfnFunction, self.function.node.default_child).add_metadata(
            "cfn-lint", {"config": {"ignore_checks": ["W3005"]}}
        )
