"""Training without a person at the keyboard: a state machine, and the function that claims its runs."""

from constructs import Construct

from groundplan.job_limits import job_conditions
from groundplan.names import Names
from groundplan_constructs import (
    FailedExecutionsAlarm,
    FunctionPackage,
    PythonFunction,
    PythonFunctionProps,
    TrainingMachine,
    TrainingMachineProps,
)
from stacks.account_stack import AccountStack
from stacks.ai_platform import Platform
from stacks.network import JobNetwork

RUNBOOK = "docs/runbooks/pipeline.md"
AT_ONCE = 2  # launches; others wait a moment and try again


class Training(AccountStack):
    """One state machine for every workload of the environment. It reads what is stored, and nothing of the lake."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: Names,
        platform: Platform,
        network: JobNetwork,
        package: FunctionPackage,
    ) -> None:
        super().__init__(scope, construct_id, names=names, account="ai", description="Trains by state machine")
        environment = names.environment
        self.launch = PythonFunction(
            self,
            "Launch",
            props=PythonFunctionProps(
                package=package,
                handler="groundplan_runtime.handlers.launch_run.handler",
                description="Prepares data, claims a run and makes its request; settles the claim",
                encryption_key=platform.key,
                reserved_concurrency=AT_ONCE,
                log_retention_days=environment.log_retention_days,
                environment={
                    "ENVIRONMENT": environment.name,
                    "LINEAGE_TABLE": names.lineage_table(),
                    "ARTEFACTS_BUCKET": names.artefacts_bucket(),
                    "LAUNCH_PARAMETERS": names.launch_parameter("{workload}"),
                    "IMAGE_RUNS": str(not environment.embedded_aws).lower(),
                    "PRICES_MUST_BE_KNOWN": str(environment.require_known_prices).lower(),
                },
            ),
        )
        self._permit()
        path = environment.conventions.iam_path
        self.machine = TrainingMachine(
            self,
            "Machine",
            props=TrainingMachineProps(
                name=names.training_machine(),
                launch=self.launch.function,
                training_roles=f"arn:{self.partition}:iam::{self.account}:role{path}{names.training_role('*')}",
                encryption_key=platform.key,
                job_conditions=job_conditions(
                    environment.limits,
                    subnet_ids=network.subnet_ids,
                    security_group_ids=network.security_group_ids,
                    key_arn=platform.key.key_arn,
                ),
                log_retention_days=environment.log_retention_days,
            ),
        )
        FailedExecutionsAlarm(
            self, "Failed", machine_arn=self.machine.arn, runbook=RUNBOOK, alarm_topic=platform.alarms
        )

    def _permit(self) -> None:
        names, allow = self.names, self.launch.permissions.allow
        allow(
            "HoldClaims",
            ["dynamodb:GetItem", "dynamodb:UpdateItem"],
            [self.format_arn(service="dynamodb", resource="table", resource_name=names.lineage_table())],
            # ForAllValues alone is met by a request that names no key.
            conditions={
                "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["claim/*"]},
                "Null": {"dynamodb:LeadingKeys": "false"},
            },
        )
        stored = "Every workload is launched by this one function; a role of its own trains each."
        allow(
            "ReadDefaults",
            ["ssm:GetParameter"],
            [self.format_arn(service="ssm", resource=f"parameter{names.launch_parameter('*')}")],
            wildcard=stored,
        )
        code = f"{names.artefacts_bucket()}/workloads/*/code/*/workload.toml"
        allow("ReadWorkload", ["s3:GetObject"], [f"arn:{self.partition}:s3:::{code}"], wildcard=stored)
        bucket = f"arn:{self.partition}:s3:::{names.artefacts_bucket()}"
        known = [f"workloads/*/{part}/*" for part in ("preparations", "quarantine")]
        allow(
            "KnowPreparations",
            ["s3:GetObject", "s3:PutObject"],
            [f"{bucket}/{prefix}" for prefix in known],
            wildcard="What was prepared, and what is in quarantine, of every workload's data.",
        )
        allow(
            "KeepWaiting",
            ["s3:PutObject"],
            [f"{bucket}/workloads/*/evaluations/*"],
            wildcard="The executions that wait for the gate, of every workload.",
        )
        allow("LookForPreparations", ["s3:ListBucket"], [bucket], conditions={"StringLike": {"s3:prefix": known}})
        allow(
            "SeeJobs",
            ["sagemaker:DescribeTrainingJob"],
            [self.format_arn(service="sagemaker", resource="training-job", resource_name="*")],
            wildcard=stored,
        )
