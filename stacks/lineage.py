"""The ai account's memory: which model came from which run, data and code."""

import re

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from constructs import Construct

from groundplan.checkpoint_age import LOOKED_AT_EVERY_MINUTES, METRICS
from groundplan.names import Names
from groundplan_constructs import (
    CheckpointAlarm,
    DeadLetterQueue,
    FunctionPackage,
    LineageStore,
    LineageStoreProps,
    Permissions,
    PythonFunction,
    PythonFunctionProps,
)
from stacks.account_stack import AccountStack
from stacks.ai_platform import Platform

CHANGES = {
    "TrainingJobs": "SageMaker Training Job State Change",
    "ModelPackages": "SageMaker Model Package State Change",
    "Endpoints": "SageMaker Endpoint State Change",
}
LISTS = ["ListTrainingJobs", "ListModelPackageGroups", "ListModelPackages", "ListEndpoints"]


class Lineage(AccountStack):
    """SageMaker's changes and a sweep for those that got lost, through functions into the lineage store."""

    def __init__(
        self, scope: Construct, construct_id: str, *, names: Names, platform: Platform, package: FunctionPackage
    ) -> None:
        super().__init__(scope, construct_id, names=names, account="ai", description="Lineage of models and runs")
        self.store = LineageStore(
            self,
            "Store",
            props=LineageStoreProps(
                table_name=names.lineage_table(),
                bucket_name=names.events_bucket(),
                access_logs_bucket=names.artefacts_logs_bucket(),
                encryption_key=platform.key,
                retain=names.environment.retain_data,
            ),
        )
        self.dead_letters = DeadLetterQueue(
            self,
            "DeadLetters",
            encryption_key=platform.key,
            alarm_topic=platform.alarms,
            runbook="docs/runbooks/lineage.md",
        )
        self._key, self._package = platform.key, package
        record = self._function("Record", "record_lineage", at_once=10, description="Writes down a change")
        for name, detail_type in CHANGES.items():
            events.Rule(
                self,
                name,
                description=f"{detail_type}, to the lineage",
                event_pattern=events.EventPattern(source=["aws.sagemaker"], detail_type=[detail_type]),
                targets=[self._target(record)],
            )
        sweep = self._function("Sweep", "sweep_lineage", at_once=1, description="Writes down what no event told")
        sweep.permissions.allow(
            "List",
            [f"sagemaker:{action}" for action in LISTS],
            ["*"],
            wildcard="IAM offers no resource for lists; the sweep compares all that there is with the table.",
        )
        sweep.permissions.allow(
            "TellAges",
            ["cloudwatch:PutMetricData"],
            ["*"],
            conditions={"StringEquals": {"cloudwatch:namespace": METRICS}},
            wildcard="CloudWatch has no resource for metrics; the namespace is the condition.",
        )
        CheckpointAlarm(
            self,
            "Checkpoints",
            environment=names.stem,
            minutes=names.environment.checkpoint_age_minutes,
            alarm_topic=platform.alarms,
        )
        self._allow_recording(record, sweep)
        events.Rule(
            self,
            "Schedule",
            description="Looks for changes that no event told",
            schedule=events.Schedule.rate(cdk.Duration.minutes(LOOKED_AT_EVERY_MINUTES)),
            targets=[self._target(sweep)],
        )

    def _target(self, function: PythonFunction) -> targets.LambdaFunction:
        return targets.LambdaFunction(function.function, dead_letter_queue=self.dead_letters.queue, retry_attempts=3)

    def _function(self, construct_id: str, module: str, *, at_once: int, description: str) -> PythonFunction:
        return PythonFunction(
            self,
            construct_id,
            props=PythonFunctionProps(
                package=self._package,
                handler=f"groundplan_runtime.handlers.{module}.handler",
                description=description,
                encryption_key=self._key,
                reserved_concurrency=at_once,
                log_retention_days=self.names.environment.log_retention_days,
                environment={
                    "LINEAGE_TABLE": self.store.table.table_name,
                    "EVENT_BUCKET": self.names.events_bucket(),
                    "ENVIRONMENT": self.names.stem,
                    "ARTEFACTS_BUCKET": self.names.artefacts_bucket(),
                    "INSTANCE_TYPES": " ".join(self.names.environment.limits.instance_types),
                },
                dead_letter_queue=self.dead_letters,
                timeout_seconds=300,
            ),
        )

    def _allow_recording(self, record: PythonFunction, sweep: PythonFunction) -> None:
        """What an event and the sweep both come to: one policy, so that neither can do less than the other."""
        description = "Reads SageMaker and what runs left, writes the lineage"
        recording = Permissions(self, "Recording", role=record.role, description=description)
        recording.policy.attach_to_role(sweep.role)
        table = self.store.table
        recording.allow(
            "KeepLineage",
            ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
            [table.table_arn, f"{table.table_arn}/index/reversed"],
        )
        recording.allow(
            "SettleClaims",
            ["dynamodb:UpdateItem"],
            [table.table_arn],
            # ForAllValues alone is met by a request that names no key.
            conditions={
                "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["claim/*"]},
                "Null": {"dynamodb:LeadingKeys": "false"},
            },
        )
        recording.allow(
            "KeepEvents",
            ["s3:PutObject"],
            [self._objects(self.names.events_bucket(), "events/*")],
            wildcard="The events below their prefix of the event bucket.",
        )
        self._allow_records(recording)
        for kind in ("TrainingJob", "ModelPackage", "Endpoint", "EndpointConfig", "Model"):
            recording.allow(
                f"Read{kind}",
                [f"sagemaker:Describe{kind}"],
                [self.format_arn(service="sagemaker", resource=_dashed(kind), resource_name="*")],
                wildcard=f"Every {_dashed(kind)} of this account is written down, whoever made it.",
            )

    def _allow_records(self, recording: Permissions) -> None:
        """What runs left beside their checkpoints and models, read; one record a run beside its model, written."""
        bucket, below = self.names.artefacts_bucket(), "workloads/*"
        of_every_run = "Every workload's runs are recorded; of each only the record and the model are named."
        recording.allow(
            "ReadRuns",
            ["s3:GetObject"],
            [
                self._objects(bucket, f"{below}/checkpoints/*/record.json"),
                self._objects(bucket, f"{below}/output/*/model.tar.gz"),
            ],
            wildcard=of_every_run,
        )
        recording.allow(
            "KeepRecords",
            ["s3:PutObject"],
            [self._objects(bucket, f"{below}/output/*/record.json")],
            wildcard=of_every_run,
        )
        # Who may not list is told that an object is forbidden when it is not there.
        recording.allow(
            "FindRuns",
            ["s3:ListBucket"],
            [self.format_arn(service="s3", region="", account="", resource=bucket)],
            conditions={"StringLike": {"s3:prefix": [f"{below}/checkpoints/*", f"{below}/output/*"]}},
        )

    def _objects(self, bucket: str, keys: str) -> str:
        return self.format_arn(service="s3", region="", account="", resource=bucket, resource_name=keys)


def _dashed(kind: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", kind).lower()
