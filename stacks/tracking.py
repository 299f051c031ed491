"""The ai account's experiments: MLflow, and the function that logs the record of each run to it."""

from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_s3 as s3
from constructs import Construct

from groundplan.environment import MlflowSize
from groundplan.names import Names
from groundplan.tracking import MLFLOW_ACTIONS
from groundplan_constructs import (
    DeadLetterQueue,
    FunctionPackage,
    MlflowServer,
    MlflowServerProps,
    PythonFunction,
    PythonFunctionProps,
)
from stacks.account_stack import AccountStack
from stacks.ai_platform import Platform

RUNBOOK = "docs/runbooks/tracking.md"
RECORDS = "workloads/*/output/*/record.json"


class Tracking(AccountStack):
    """A record beside a model, through one function, into MLflow. Jobs themselves reach nothing."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: Names,
        platform: Platform,
        package: FunctionPackage,
        size: MlflowSize,
    ) -> None:
        super().__init__(scope, construct_id, names=names, account="ai", description="MLflow, and who logs to it")
        bucket = names.artefacts_bucket()
        server = MlflowServer(
            self,
            "Mlflow",
            props=MlflowServerProps(
                server_name=names.mlflow_server(),
                size=size,
                artefacts_bucket=s3.Bucket.from_bucket_name(self, "Artefacts", bucket),
                encryption_key=platform.key,
            ),
        )
        dead_letters = DeadLetterQueue(
            self, "DeadLetters", encryption_key=platform.key, alarm_topic=platform.alarms, runbook=RUNBOOK
        )
        log = PythonFunction(
            self,
            "Log",
            props=PythonFunctionProps(
                package=package,
                handler="groundplan_runtime.handlers.log_run.handler",
                description="Logs the record of a run to MLflow",
                encryption_key=platform.key,
                reserved_concurrency=1,  # one at a time: what is told twice is found the second time
                log_retention_days=names.environment.log_retention_days,
                environment={"ARTEFACTS_BUCKET": bucket, "MLFLOW_ARN": server.arn},
                dead_letter_queue=dead_letters,
                timeout_seconds=300,
            ),
        )
        log.permissions.allow(
            "ReadRecords",
            ["s3:GetObject", "s3:GetObjectVersion"],
            [
                self.format_arn(
                    service="s3",
                    region="",
                    account="",
                    resource=bucket,
                    resource_name=RECORDS,
                )
            ],
            wildcard="The record of every job of every workload.",
        )
        log.permissions.allow("LogRuns", [f"sagemaker-mlflow:{action}" for action in MLFLOW_ACTIONS], [server.arn])
        events.Rule(
            self,
            "Recorded",
            description="A run's record was written, to MLflow",
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={
                    "bucket": {"name": [bucket]},
                    "object": {"key": [{"wildcard": RECORDS}]},
                },
            ),
            targets=[targets.LambdaFunction(log.function, dead_letter_queue=dead_letters.queue, retry_attempts=3)],
        )
