"""What an account may cost, told in plain words when it is too much; in the ai account things are stopped then."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Literal

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from groundplan.names import Names
from groundplan.spend.budgets import Budgets, OutOfHours
from groundplan.spend.focus_table import USE
from groundplan.spend.stopper import acts_of
from groundplan.workload import Workload
from groundplan_constructs import (
    AlarmTopic,
    BudgetNotices,
    DeadLetterQueue,
    DenySpending,
    DenySpendingProps,
    EncryptionKey,
    FunctionPackage,
    MonthlyBudget,
    MonthlyBudgetProps,
    ObserverPermissions,
    ObserverPermissionsProps,
    PythonFunction,
    PythonFunctionProps,
    StopperPermissions,
    StopperPermissionsProps,
)
from stacks.account_stack import AccountStack
from stacks.ai_platform import Platform
from stacks.training import Training

RUNBOOK = "docs/runbooks/spend.md"
OBSERVES_AT = "09:15"  # UTC, before the cost report
LOOKS_EVERY_MINUTES = 5  # for what waits for its checkpoint
SpendAccount = Literal["application", "ai", "data"]


class Spend(AccountStack):
    """The account's budget; AWS Budgets' letters, through one function, to people. Without a `key` it has its own."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: Names,
        account: SpendAccount,
        package: FunctionPackage,
        key: EncryptionKey | None = None,
    ) -> None:
        super().__init__(scope, construct_id, names=names, account=account, description="What the account may cost")
        environment, self._package = names.environment, package
        self.budgets = environment.budgets
        own = key or self._own_key(account)
        own.allow_service("Budgets", "budgets.amazonaws.com")
        self.key, self.own_key = own.key, own
        self.alarms = AlarmTopic(
            self,
            "Alarms",
            topic_name=f"{names.stem}-spend-{account}",
            encryption_key=self.key,
            email=environment.alarm_email,
        ).topic
        for email in self.budgets.email:
            self.alarms.add_subscription(subscriptions.EmailSubscription(email))
        self.notices = BudgetNotices(
            self, "Notices", topic_name=f"{names.stem}-budgets-{account}", encryption_key=self.key
        ).topic
        self.dead_letters = DeadLetterQueue(
            self, "DeadLetters", encryption_key=self.key, alarm_topic=self.alarms, runbook=RUNBOOK
        )
        tell = self.function("Tell", "tell_spend", "Tells in plain words what a budget says")
        tell.permissions.allow(
            "SeeOwner",
            ["budgets:ListTagsForResource"],
            [self.format_arn(service="budgets", region="", resource="budget", resource_name=f"{names.stem}-*")],
            wildcard="The environment's own budgets, in their names.",
        )
        ceiling = self.budgets.accounts.get(account, environment.monthly_cost_ceiling_usd)
        self.budget = self.add_budget(self, "account", account, ceiling) if ceiling else None

    def _own_key(self, account: SpendAccount) -> EncryptionKey:
        environment = self.names.environment
        key = EncryptionKey(
            self,
            "Key",
            alias=f"{self.names.stem}-spend-{account}",
            retain=environment.retain_data,
            existing_arn=getattr(environment.existing, f"{account}_key_arn"),
        )
        key.allow_log_groups()
        key.allow_service("Alarms", "cloudwatch.amazonaws.com")
        return key

    def add_budget(
        self, scope: Construct, kind: str, name: str, limit_usd: Decimal, tags: Mapping[str, str] | None = None
    ) -> MonthlyBudget:
        """A ceiling of the account, or of what carries the tag `kind` with the value `name`."""
        return MonthlyBudget(
            scope,
            "Account" if kind == "account" else name,
            props=MonthlyBudgetProps(
                budget_name=self.names.budget(kind, name),
                limit_usd=limit_usd,
                topic=self.notices,
                actual_percent=self.budgets.actual_percent,
                forecast_percent=self.budgets.forecast_percent,
                tag=None if kind == "account" else (kind, name),
                tags=dict(tags or {}),
            ),
        )

    @property
    def tells(self) -> Mapping[str, str]:
        """The variables of a function that tells people (`AlarmSettings`)."""
        page = {"PAGE": self.budgets.page} if self.budgets.page else {}
        return {
            "STEM": self.names.stem,
            "ENVIRONMENT": self.names.environment.name,
            "OWNER": self.names.environment.owner,
            "ALARM_TOPIC": self.alarms.topic_arn,
            **page,
        }

    def function(
        self, construct_id: str, module: str, description: str, variables: Mapping[str, str] | None = None
    ) -> PythonFunction:
        """A function that reads the budgets' letters and tells people."""
        environment = self.names.environment
        made = PythonFunction(
            self,
            construct_id,
            props=PythonFunctionProps(
                package=self._package,
                handler=f"groundplan_runtime.handlers.{module}.handler",
                description=description,
                encryption_key=self.key,
                reserved_concurrency=1,
                log_retention_days=environment.log_retention_days,
                environment={**self.tells, **(variables or {})},
                dead_letter_queue=self.dead_letters,
                timeout_seconds=300,
            ),
        )
        made.permissions.allow("Tell", ["sns:Publish"], [self.alarms.topic_arn])
        principal = iam.ServicePrincipal("sns.amazonaws.com")
        made.function.add_permission("Notices", principal=principal, source_arn=self.notices.topic_arn)
        protocol, endpoint = sns.SubscriptionProtocol.LAMBDA, made.function.function_arn
        sns.Subscription(made, "Notices", topic=self.notices, protocol=protocol, endpoint=endpoint)
        return made


class AiSpend(Spend):
    """Also the ceilings of workloads and tenants, the policy that denies, the stopper with its clock, and who writes
    down for the cost report what only this account knows."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: Names,
        package: FunctionPackage,
        platform: Platform,
        training: Training,
        workloads: Sequence[Workload],
    ) -> None:
        super().__init__(scope, construct_id, names=names, account="ai", package=package)
        of_workloads, of_tenants = Construct(self, "Workloads"), Construct(self, "Tenants")
        for workload in workloads:
            tags = {"workload": workload.name, "owner": workload.owner, "cost-centre": workload.cost_centre}
            limit = workload.drivers.monthly_cost_ceiling_usd
            self.add_budget(of_workloads, "workload", workload.name, limit, tags)
        for tenant, limit in self.budgets.tenants.items():
            self.add_budget(of_tenants, "tenant", tenant, limit)
        if self.budget:
            self._deny(self.budget, training)
        self.own_key.allow_service("Events", "events.amazonaws.com")  # to the dead-letter queue
        self._observe(platform, workloads)
        if self.budgets.stop != "off":
            self._stop(platform)

    def _deny(self, budget: MonthlyBudget, training: Training) -> None:
        machine, roles = training.machine.role, self.budgets.deny_roles
        arns = [f"arn:{self.partition}:iam::{self.account}:role/{role}" for role in roles]
        DenySpending(
            self,
            "Deny",
            props=DenySpendingProps(
                policy_name=self.names.deny_spending(),
                budget=budget.budget,
                budget_name=self.names.budget("account", "ai"),
                percent=self.budgets.deny_at_percent,
                role_names=[machine.role_name, *(role.rpartition("/")[2] for role in roles)],
                role_arns=[machine.role_arn, *arns],
                topic=self.notices,
            ),
        )

    def _observe(self, platform: Platform, workloads: Sequence[Workload]) -> None:
        names = self.names
        observe = PythonFunction(
            self,
            "Observe",
            props=PythonFunctionProps(
                package=self._package,
                handler="groundplan_runtime.handlers.observe_platform.handler",
                description="Writes down what the platform saw, for the cost report",
                encryption_key=self.key,
                reserved_concurrency=1,
                log_retention_days=names.environment.log_retention_days,
                environment={
                    "LINEAGE_TABLE": names.lineage_table(),
                    "COSTS_BUCKET": names.costs_bucket(),
                    "WORKLOADS": " ".join(workload.name for workload in workloads),
                    "ENDPOINT": names.endpoint("{workload}"),
                },
                dead_letter_queue=self.dead_letters,
                role_name=names.observer_role(),
                timeout_seconds=900,
            ),
        )
        ObserverPermissions(
            self,
            "ObserverPermissions",
            props=ObserverPermissionsProps(
                role=observe.role,
                table_name=names.lineage_table(),
                table_key=platform.key,
                endpoint_prefix=names.endpoint(""),
                bucket=s3.Bucket.from_bucket_name(self, "Costs", names.costs_bucket()),
                bucket_account=names.environment.accounts.data,
                key=USE,
            ),
        )
        hour, minute = OBSERVES_AT.split(":")
        self._clock("Daily", events.Schedule.cron(hour=hour, minute=minute), {}, observe)

    def _stop(self, platform: Platform) -> None:
        budgets = self.budgets
        stop = self.function(
            "Stop",
            "stopper",
            "Stops what costs too much, and what nobody needs out of hours",
            {
                "LINEAGE_TABLE": self.names.lineage_table(),
                "STOP": budgets.stop,
                "STOP_AT_PERCENT": str(budgets.stop_at_percent),
                "PRODUCTION": str(budgets.production).lower(),
                "COOL_DOWN_MINUTES": str(budgets.cool_down_minutes),
                **({"NEVER_STOP": " ".join(budgets.never_stop)} if budgets.never_stop else {}),
                **({"STOP_PRODUCTION": " ".join(budgets.stop_production)} if budgets.stop_production else {}),
            },
        )
        StopperPermissions(
            self,
            "StopperPermissions",
            props=StopperPermissionsProps(
                role=stop.role,
                environment=self.names.environment.name,
                artefacts_bucket=self.names.artefacts_bucket(),
                table_name=self.names.lineage_table(),
                table_key=platform.key,
                acts=acts_of(self.names.stem),
                serving_tags=_serving_tags(budgets),
            ),
        )
        self._clock("Look", events.Schedule.rate(cdk.Duration.minutes(LOOKS_EVERY_MINUTES)), {"look": True}, stop)
        for word, at in _hours(budgets.out_of_hours):
            hour, minute = at.split(":")
            schedule = events.Schedule.cron(week_day="MON-FRI", hour=hour, minute=minute)
            self._clock(f"Hours{word.capitalize()}", schedule, {"out_of_hours": word}, stop)

    def _clock(self, construct_id: str, schedule: events.Schedule, said: object, whom: PythonFunction) -> None:
        events.Rule(
            self,
            construct_id,
            description=f"Tells the stopper: {json.dumps(said)}" if said else "The look at the platform of the day",
            schedule=schedule,
            targets=[
                targets.LambdaFunction(
                    whom.function,
                    event=events.RuleTargetInput.from_object(said),
                    dead_letter_queue=self.dead_letters.queue,
                    retry_attempts=3,
                )
            ],
        )


def _serving_tags(budgets: Budgets) -> Mapping[str, Sequence[str]] | None:
    if not budgets.stops_serving():
        return None
    return {"workload": budgets.stop_production} if budgets.production else {}


def _hours(given: OutOfHours | None) -> list[tuple[str, str]]:
    return [("begin", given.begin), ("end", given.end)] if given else []
