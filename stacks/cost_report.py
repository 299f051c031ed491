"""The data account's books: bills as AWS exports them, a table over them, and the function that makes the report."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from groundplan.focus.use import STALE_HOURS
from groundplan.gateway.meter_table import REQUESTS
from groundplan.names import Names
from groundplan.spend.focus_table import (
    AGE_METRIC,
    DESIGNS,
    EXPORTS,
    METRICS,
    OLDEST_HOURS,
    REPORT,
    TOLD,
    USE,
    USE_AGE_METRIC,
    WIDGET,
    export_name,
)
from groundplan_constructs import (
    CostDashboard,
    CostDashboardProps,
    DeadLetterQueue,
    EncryptedBucket,
    EncryptedBucketProps,
    FocusTable,
    FocusTableProps,
    FunctionPackage,
    PythonFunction,
    PythonFunctionProps,
)
from stacks.account_stack import AccountStack
from stacks.data_lake import DataLake
from stacks.spend import Spend

RUNBOOK = "docs/runbooks/spend.md"
# https://docs.aws.amazon.com/cur/latest/userguide/dataexports-s3-bucket.html
EXPORTER, LEGACY_EXPORTER = "bcm-data-exports.amazonaws.com", "billingreports.amazonaws.com"
AT = "09:30"  # UTC; AWS refreshes exports through the day


class CostReport(AccountStack):
    """The bucket admits the exports of the accounts that are named, and nobody else's.

    `spend` is the stack of this account whose topic people read; `package` makes reports, the `lean` one shows them.
    `metered` says that there is a gateway, whose own count stands in the report.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: Names,
        lake: DataLake,
        spend: Spend,
        package: FunctionPackage,
        lean: FunctionPackage,
        metered: bool,
    ) -> None:
        super().__init__(scope, construct_id, names=names, account="data", description="Bills and the cost report")
        environment, self._accounts = names.environment, names.environment.exporters()
        self.bucket = EncryptedBucket(
            self,
            "Costs",
            props=EncryptedBucketProps(
                bucket_name=names.costs_bucket(),
                encryption_key=lake.key.key,
                access_logs_bucket=names.lake_logs_bucket(),
                retain=environment.retain_data,
                lifecycle_rules=[s3.LifecycleRule(id="Answers", prefix="answers/", expiration=cdk.Duration.days(7))],
            ),
        ).bucket
        self._admit_exports(lake)
        self._admit_use(lake)
        FocusTable(
            self,
            "Focus",
            props=FocusTableProps(
                database=names.costs_database(),
                bucket_name=names.costs_bucket(),
                export_name=export_name(names.stem),
                accounts=self._accounts,
                workgroup=names.costs_workgroup(),
                encryption_key=lake.key.key,
            ),
        )
        dead_letters = DeadLetterQueue(
            self, "DeadLetters", encryption_key=lake.key.key, alarm_topic=lake.alarms, runbook=RUNBOOK
        )
        report = PythonFunction(
            self,
            "Report",
            props=PythonFunctionProps(
                package=package,
                handler="groundplan_runtime.handlers.cost_report.handler",
                description="Makes the cost report of the newest exports",
                encryption_key=lake.key.key,
                reserved_concurrency=1,
                log_retention_days=environment.log_retention_days,
                environment={
                    "COSTS_BUCKET": names.costs_bucket(),
                    "EXPORTERS": " ".join(self._accounts),
                    "EXPORT_NAME": export_name(names.stem),
                    "ACTUAL_PERCENT": " ".join(map(str, environment.budgets.actual_percent)),
                    "FORECAST_PERCENT": " ".join(map(str, environment.budgets.forecast_percent)),
                    **({"METER_BUCKET": names.meter_bucket()} if metered else {}),
                    **spend.tells,
                },
                dead_letter_queue=dead_letters,
                timeout_seconds=900,
                memory_mib=2048,
                storage_mib=10240,
            ),
        )
        self._permit(report, spend, lake)
        if metered:
            meter = f"arn:{self.partition}:s3:::{names.meter_bucket()}"
            lines = f"{meter}/{REQUESTS}/*"
            report.permissions.allow(
                "ReadMeter", ["s3:GetObject"], [lines], wildcard="The meter's lines below their prefix."
            )
            below = {"StringLike": {"s3:prefix": f"{REQUESTS}/*"}}
            report.permissions.allow("FindMeter", ["s3:ListBucket"], [meter], conditions=below)
        hour, minute = AT.split(":")
        events.Rule(
            self,
            "Daily",
            description="The cost report of the day",
            schedule=events.Schedule.cron(hour=hour, minute=minute),
            targets=[targets.LambdaFunction(report.function, dead_letter_queue=dead_letters.queue, retry_attempts=3)],
        )
        self._show(lean, [self._ring_when_none_comes(spend), self._ring_when_nobody_looks(spend)], lake)

    def _admit_exports(self, lake: DataLake) -> None:
        for name, account in zip(("Exports", *(f"Exports{n}" for n in range(2, 5))), self._accounts, strict=False):
            exports = [
                f"arn:{self.partition}:{service}:us-east-1:{account}:{kind}/*"
                for service, kind in (("bcm-data-exports", "export"), ("cur", "definition"))
            ]
            conditions = {"StringEquals": {"aws:SourceAccount": account}, "ArnLike": {"aws:SourceArn": exports}}
            principals = [iam.ServicePrincipal(EXPORTER), iam.ServicePrincipal(LEGACY_EXPORTER)]
            for sid, action, resource in (
                (name, "s3:PutObject", self.bucket.arn_for_objects(f"{EXPORTS}/{account}/*")),
                (f"{name}Policy", "s3:GetBucketPolicy", self.bucket.bucket_arn),
            ):
                self.bucket.add_to_resource_policy(
                    iam.PolicyStatement(
                        sid=sid,
                        actions=[action],
                        principals=principals,
                        resources=[resource],
                        conditions=conditions,
                    )
                )
            lake.key.key.add_to_resource_policy(
                iam.PolicyStatement(
                    sid=name,
                    actions=["kms:GenerateDataKey"],
                    principals=[iam.ServicePrincipal(EXPORTER), iam.ServicePrincipal(LEGACY_EXPORTER)],
                    resources=["*"],  # in a key's policy: this key
                    conditions={"StringEquals": {"aws:SourceAccount": account}},
                )
            )

    def _admit_use(self, lake: DataLake) -> None:
        """One role of the ai account writes one object here, and reads nothing."""
        accounts = self.names.environment.accounts
        # The account, narrowed by conditions: AWS refuses a policy that names a role which does not exist yet.
        role = {"ArnEquals": {"aws:PrincipalArn": self.names.roles(accounts.ai, self.names.observer_role())}}
        self.bucket.add_to_resource_policy(
            iam.PolicyStatement(
                sid="PlatformUse",
                actions=["s3:PutObject"],
                principals=[iam.AccountPrincipal(accounts.ai)],
                resources=[self.bucket.arn_for_objects(USE)],
                conditions=role,
            )
        )
        bucket = f"arn:{self.partition}:s3:::{self.names.costs_bucket()}"
        through = {
            "kms:ViaService": f"s3.{self.region}.amazonaws.com",
            "kms:EncryptionContext:aws:s3:arn": [bucket, f"{bucket}/{USE}"],
        }
        lake.key.key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="PlatformUse",
                actions=["kms:GenerateDataKey"],
                principals=[iam.AccountPrincipal(accounts.ai)],
                resources=["*"],  # in a key's policy: this key
                conditions={**role, "StringEquals": through},
            )
        )

    def _permit(self, report: PythonFunction, spend: Spend, lake: DataLake) -> None:
        allow, bucket = report.permissions.allow, f"arn:{self.partition}:s3:::{self.names.costs_bucket()}"
        allow("ReadBills", ["s3:GetObject"], [f"{bucket}/{EXPORTS}/*"], wildcard="The bills below their prefix.")
        found = {"StringLike": {"s3:prefix": [f"{EXPORTS}/*", f"{TOLD}/*"]}}
        allow("FindBills", ["s3:ListBucket"], [bucket], conditions=found)
        allow("ReadWhatIsKnown", ["s3:GetObject"], [f"{bucket}/{DESIGNS}", f"{bucket}/{USE}"])
        allow("KeepReport", ["s3:PutObject"], [f"{bucket}/{REPORT}/*"], wildcard="The report below its prefix.")
        remembers = "What people were told, below its prefix."
        allow("Remember", ["s3:GetObject", "s3:PutObject"], [f"{bucket}/{TOLD}/*"], wildcard=remembers)
        allow("Tell", ["sns:Publish"], [spend.alarms.topic_arn])
        if spend.own_key is not lake.key:  # where the data account is the ai account
            allow("UseTopicsKey", ["kms:Decrypt", "kms:GenerateDataKey"], [spend.key.key_arn])
        allow(
            "TellAge",
            ["cloudwatch:PutMetricData"],
            ["*"],
            conditions={"StringEquals": {"cloudwatch:namespace": METRICS}},
            wildcard="CloudWatch has no resource for metrics; the namespace is the condition.",
        )

    def _show(self, lean: FunctionPackage, alarms: Sequence[cloudwatch.IAlarm], lake: DataLake) -> None:
        show = PythonFunction(
            self,
            "Show",
            props=PythonFunctionProps(
                package=lean,
                handler="groundplan_runtime.handlers.show_cost.handler",
                description="Shows the cost report on a dashboard",
                encryption_key=lake.key.key,
                reserved_concurrency=2,
                log_retention_days=self.names.environment.log_retention_days,
                environment={"COSTS_BUCKET": self.names.costs_bucket()},
                memory_mib=512,
            ),
        )
        kept = f"arn:{self.partition}:s3:::{self.names.costs_bucket()}/{REPORT}/{WIDGET}"
        show.permissions.allow("ReadReport", ["s3:GetObject"], [kept])
        name = f"{self.names.stem}-costs"
        CostDashboard(self, "Dashboard", props=CostDashboardProps(name=name, shows=show.function, alarms=alarms))

    def _ring_when_none_comes(self, spend: Spend) -> cloudwatch.IAlarm:
        says = f"No bill has come for {OLDEST_HOURS} hours, or nobody looked; see {RUNBOOK}"
        silence = cloudwatch.TreatMissingData.BREACHING  # silence is no zero
        return self._ring_when_old("NoExport", says, AGE_METRIC, OLDEST_HOURS, silence, spend)

    def _ring_when_nobody_looks(self, spend: Spend) -> cloudwatch.IAlarm:
        says = f"The cost report does not know what ran: {USE} is older than {STALE_HOURS} hours; see {RUNBOOK}"
        silence = cloudwatch.TreatMissingData.IGNORE  # where no report is made, the other alarm rings
        return self._ring_when_old("NoUse", says, USE_AGE_METRIC, STALE_HOURS, silence, spend)

    def _ring_when_old(
        self,
        construct_id: str,
        says: str,
        metric: str,
        hours: int,
        silence: cloudwatch.TreatMissingData,
        spend: Spend,
    ) -> cloudwatch.IAlarm:
        alarm = cloudwatch.Alarm(
            self,
            construct_id,
            alarm_description=says,
            metric=cloudwatch.Metric(
                namespace=METRICS,
                metric_name=metric,
                dimensions_map={"Environment": self.names.stem},
                statistic="Maximum",
                period=cdk.Duration.days(1),
            ),
            threshold=hours,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            treat_missing_data=silence,
        )
        alarm.add_alarm_action(actions.SnsAction(spend.alarms))
        return alarm
