"""A state machine that trains: it claims a run, starts its job and waits for its end, and settles the claim."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as stepfunctions
from constructs import Construct

from groundplan.training_states import training_states
from groundplan_constructs.permissions import Permissions

LOG_DELIVERY = """CreateLogDelivery DeleteLogDelivery DescribeLogGroups DescribeResourcePolicies GetLogDelivery
    ListLogDeliveries PutResourcePolicy UpdateLogDelivery""".split()
TRACES = ("GetSamplingRules", "GetSamplingTargets", "PutTelemetryRecords", "PutTraceSegments")


@dataclass(frozen=True, kw_only=True)
class TrainingMachineProps:
    """`launch` claims and settles (`handlers/launch_run.py`); `training_roles` is the pattern of jobs' role ARNs.

    `job_conditions` are those under which it may create a job, a statement each (`groundplan.job_limits`).
    """

    name: str
    launch: lambda_.IFunction
    training_roles: str
    encryption_key: kms.IKey
    job_conditions: Mapping[str, Mapping[str, Mapping[str, object]]]
    log_retention_days: int


class TrainingMachine(Construct):
    """Its input names a workload and what it is made from; it hands SageMaker the very request that comes back.

    Permissions: https://docs.aws.amazon.com/step-functions/latest/dg/sagemaker-iam.html,
    https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html and
    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-xray-tracing.html
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: TrainingMachineProps) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        self.log_group = logs.LogGroup(
            self,
            "Logs",
            log_group_name=f"/aws/vendedlogs/states/{props.name}",  # whose resource policy does not grow
            encryption_key=props.encryption_key,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        cast(logs.CfnLogGroup, self.log_group.node.default_child).retention_in_days = props.log_retention_days
        self.arn = stack.format_arn(
            service="states",
            resource="stateMachine",
            resource_name=props.name,
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        what = "Claims a run, trains it, settles the claim"
        conditions = {"StringEquals": {"aws:SourceAccount": stack.account}, "ArnLike": {"aws:SourceArn": self.arn}}
        self.role = iam.Role(
            self,
            "Role",
            description=what,
            assumed_by=iam.ServicePrincipal("states.amazonaws.com", conditions=conditions),
        )
        self.permissions = Permissions(self, "Permissions", role=self.role, description=what)
        self._allow_training(props)
        self._allow_telemetry()
        group = stepfunctions.CfnStateMachine.CloudWatchLogsLogGroupProperty(
            log_group_arn=self.log_group.log_group_arn
        )
        machine = stepfunctions.CfnStateMachine(
            self,
            "Resource",
            state_machine_name=props.name,
            role_arn=self.role.role_arn,
            definition_string=stack.to_json_string(training_states(stack.partition, props.launch.function_arn)),
            logging_configuration=stepfunctions.CfnStateMachine.LoggingConfigurationProperty(
                destinations=[stepfunctions.CfnStateMachine.LogDestinationProperty(cloud_watch_logs_log_group=group)],
                include_execution_data=False,
                level="ALL",
            ),
            tracing_configuration=stepfunctions.CfnStateMachine.TracingConfigurationProperty(enabled=True),
        )
        # Step Functions tries at creation whether the role may deliver its logs.
        machine.node.add_dependency(self.permissions)

    def _allow_training(self, props: TrainingMachineProps) -> None:
        stack, allow = cdk.Stack.of(self), self.permissions.allow
        allow("Launch", ["lambda:InvokeFunction"], [props.launch.function_arn])
        jobs = stack.format_arn(service="sagemaker", resource="training-job", resource_name="*")
        named = "A job is named by its run. PassRole bounds by whom it runs, conditions where and on what."
        for sid, conditions in props.job_conditions.items():
            allow(sid, ["sagemaker:CreateTrainingJob"], [jobs], conditions=conditions, wildcard=named)
        others = ("AddTags", "DescribeTrainingJob", "StopTrainingJob")
        allow("SeeAndStop", [f"sagemaker:{action}" for action in others], [jobs], wildcard=named)
        allow(
            "PassRole",
            ["iam:PassRole"],
            [props.training_roles],
            conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
            wildcard="The training roles of this environment's workloads, one each.",
        )
        rule = "StepFunctionsGetEventsForSageMakerTrainingJobsRule"
        allow(
            "HearOfTheEnd",
            ["events:DescribeRule", "events:PutRule", "events:PutTargets"],
            [stack.format_arn(service="events", resource="rule", resource_name=rule)],
        )

    def _allow_telemetry(self) -> None:
        why = "IAM offers no resource for these actions; "
        self.permissions.allow(
            "DeliverLogs",
            [f"logs:{action}" for action in LOG_DELIVERY],
            ["*"],
            wildcard=why + "they set up the delivery of this machine's own log.",
        )
        self.permissions.allow(
            "Trace", [f"xray:{action}" for action in TRACES], ["*"], wildcard=why + "they only add traces."
        )
