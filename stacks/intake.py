"""The data account's gate: what lands in the raw zone is validated into the curated zone, or quarantined."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from constructs import Construct

from groundplan.intake import METRICS, QUARANTINED_METRIC
from groundplan.names import INTAKE_ZONES, Names
from groundplan_constructs import DeadLetterQueue, FunctionPackage, PythonFunction, PythonFunctionProps
from stacks.account_stack import AccountStack
from stacks.data_lake import DataLake

RUNBOOK = "docs/runbooks/lake.md"
LARGEST_MIB = 2048  # of a raw file; what is larger is quarantined
STORAGE_MIB = 10240  # Lambda's largest: the file, its parts, its rows, and these as features
JUDGED = ("curated", "quarantine")  # where a verdict lies
TIMEOUT_SECONDS = 900  # Lambda's longest


class Intake(AccountStack):
    """S3's events of the raw zone, through one function."""

    def __init__(
        self, scope: Construct, construct_id: str, *, names: Names, lake: DataLake, package: FunctionPackage
    ) -> None:
        super().__init__(scope, construct_id, names=names, account="data", description="Validates what comes in")
        dead_letters = DeadLetterQueue(
            self, "DeadLetters", encryption_key=lake.key.key, alarm_topic=lake.alarms, runbook=RUNBOOK
        )
        validate = PythonFunction(
            self,
            "Validate",
            props=PythonFunctionProps(
                package=package,
                handler="groundplan_runtime.handlers.validate_raw.handler",
                description="Validates a raw file into the curated zone or into quarantine",
                encryption_key=lake.key.key,
                reserved_concurrency=10,
                log_retention_days=names.environment.log_retention_days,
                environment={
                    **{f"{zone.upper()}_BUCKET": names.lake_bucket(zone) for zone in INTAKE_ZONES},
                    "DATABASE": names.catalogue_database("curated"),
                    "LARGEST_MIB": str(LARGEST_MIB),
                },
                dead_letter_queue=dead_letters,
                timeout_seconds=TIMEOUT_SECONDS,
                memory_mib=3008,
                storage_mib=STORAGE_MIB,
            ),
        )
        self._permit(validate)
        events.Rule(
            self,
            "Landed",
            description="A file landed in the raw zone",
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={"bucket": {"name": [names.lake_bucket("raw")]}},
            ),
            targets=[
                targets.LambdaFunction(validate.function, dead_letter_queue=dead_letters.queue, retry_attempts=3)
            ],
        )
        cloudwatch.Alarm(
            self,
            "Quarantined",
            alarm_description=f"A file was quarantined; its report says why; see {RUNBOOK}",
            metric=cloudwatch.Metric(
                namespace=METRICS,
                metric_name=QUARANTINED_METRIC,
                statistic="Sum",
                period=cdk.Duration.minutes(5),
            ),
            threshold=1,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        ).add_alarm_action(actions.SnsAction(lake.alarms))

    def _permit(self, validate: PythonFunction) -> None:
        names, permissions = self.names, validate.permissions
        bucket = {zone: f"arn:{self.partition}:s3:::{names.lake_bucket(zone)}" for zone in INTAKE_ZONES}
        whole = "Every workload's files pass this one gate."
        permissions.allow("ReadRaw", ["s3:GetObject", "s3:GetObjectVersion"], [f"{bucket['raw']}/*"], wildcard=whole)
        written = [f"{bucket[zone]}/*" for zone in ("curated", "features", "quarantine")]
        permissions.allow("Store", ["s3:AbortMultipartUpload", "s3:PutObject"], written, wildcard=whole)
        # Without s3:ListBucket S3 answers 403 where it means that there is no such object.
        known = [f"{bucket[zone]}/*" for zone in JUDGED]
        permissions.allow("LookForVerdict", ["s3:GetObject"], known, wildcard=whole)
        permissions.allow("TellAbsent", ["s3:ListBucket"], [bucket[zone] for zone in ("raw", *JUDGED)])
        database = names.catalogue_database("curated")
        permissions.allow(
            "ReadDeclarations",
            ["glue:GetTable"],
            [
                self.format_arn(service="glue", resource="catalog"),
                self.format_arn(service="glue", resource="database", resource_name=database),
                self.format_arn(service="glue", resource="table", resource_name=f"{database}/*"),
            ],
            wildcard=whole,
        )
        permissions.allow(
            "PublishMetrics",
            ["cloudwatch:PutMetricData"],
            ["*"],
            conditions={"StringEquals": {"cloudwatch:namespace": METRICS}},
            wildcard="CloudWatch has no resource for metrics; the namespace is the condition.",
        )
