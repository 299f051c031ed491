"""A model that answers many requests at once, by the clock or when they arrive; between jobs nothing runs."""

from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as stepfunctions
from constructs import Construct

from groundplan.serving.design import Fleet
from groundplan.serving.transform import transform_states
from groundplan_constructs.acknowledgement import acknowledge
from groundplan_constructs.dead_letter_queue import DeadLetterQueue
from groundplan_constructs.endpoint_alarms import RUNBOOK
from groundplan_constructs.endpoint_basics import EndpointBasics
from groundplan_constructs.permissions import Permissions
from groundplan_constructs.served_model import ServedModel
from groundplan_constructs.transform_watch import TransformWatch, TransformWatchProps


@dataclass(frozen=True, kw_only=True)
class BatchTransformProps:
    """Requests lie below `requests_prefix` of `bucket_name`, answers come below `answers_prefix`.

    `schedule` is a cron or rate expression (UTC) of once a day at least, or its alarm rings; None: a job for each
    object that arrives below the prefix of a bucket that tells EventBridge.
    """

    basics: EndpointBasics
    fleet: Fleet
    bucket_name: str
    requests_prefix: str
    answers_prefix: str
    schedule: str | None

    def __post_init__(self) -> None:
        for prefix in (self.requests_prefix, self.answers_prefix):
            if not prefix.endswith("/") or prefix.startswith("/"):
                raise ValueError(f"a prefix ends with a slash and does not begin with one, got '{prefix}'")


class BatchTransform(Construct):
    """Model, state machine that runs one job and waits for it, what starts it, and what rings when it fails.

    Source: https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: BatchTransformProps) -> None:
        super().__init__(scope, construct_id)
        self._props, self._basics = props, props.basics
        model = ServedModel(self, "Model", name=self._basics.name, served=self._basics.served)
        definition = transform_states(
            name=self._basics.name,
            model=model.name,
            fleet=props.fleet,
            key_arn=self._basics.encryption_key.key_arn,
            volume_key=self._basics.volume_key(props.fleet.instance_type),
            requests=None if props.schedule is None else f"s3://{props.bucket_name}/{props.requests_prefix}",
            answers=f"s3://{props.bucket_name}/{props.answers_prefix}",
            partition=cdk.Stack.of(self).partition,
        )
        role = self._role("Role", "states.amazonaws.com", "Runs transform jobs")
        permissions = self._permit(role)
        self.machine = stepfunctions.CfnStateMachine(
            self,
            "Resource",
            state_machine_name=self._basics.name,
            role_arn=role.role_arn,
            definition_string=cdk.Stack.of(self).to_json_string(definition),
        )
        self.machine.node.add_dependency(permissions, model)
        kept = "Step Functions keeps each execution's history for 90 days, and SageMaker the log of each job."
        acknowledge(self.machine, kept, "AwsSolutions-SF1", "AwsSolutions-SF2", "CKV_AWS_284", "CKV_AWS_285")
        TransformWatch(
            self,
            "Watch",
            props=TransformWatchProps(
                name=self._basics.name,
                state_machine_arn=self.machine.ref,
                undelivered=self._start(),
                alarm_topic=self._basics.alarm_topic,
                fleet=props.fleet,
                promise=self._basics.promise,
                nightly=props.schedule is not None,
            ),
        )

    def _role(self, construct_id: str, service: str, description: str) -> iam.Role:
        here = {"StringEquals": {"aws:SourceAccount": cdk.Stack.of(self).account}}
        principal = iam.ServicePrincipal(service, conditions=here)
        return iam.Role(self, construct_id, assumed_by=principal, description=description)

    def _permit(self, role: iam.Role) -> Permissions:
        stack, name = cdk.Stack.of(self), self._basics.name
        permissions = Permissions(self, "Permissions", role=role, description=f"Transform jobs of {name}")
        jobs = stack.format_arn(service="sagemaker", resource="transform-job", resource_name="*")
        models = stack.format_arn(service="sagemaker", resource="model", resource_name=f"{name}-*")
        each_its_own = "A job's name begins with its workload's and ends with what nobody knows before."
        permissions.allow("CreateJobs", ["sagemaker:CreateTransformJob"], [jobs, models], wildcard=each_its_own)
        permissions.allow("SeeJobs", ["sagemaker:DescribeTransformJob"], [jobs], wildcard=each_its_own)
        return permissions

    def _start(self) -> cloudwatch.Alarm:
        """What starts the jobs; the alarm for what could not be delivered."""
        props, stack = self._props, cdk.Stack.of(self)
        letters = DeadLetterQueue(
            self,
            "Undelivered",
            encryption_key=self._basics.encryption_key,
            alarm_topic=self._basics.alarm_topic,
            runbook=RUNBOOK,
        )
        role = self._role("Starter", "events.amazonaws.com", "Starts transform jobs")
        Permissions(self, "MayStart", role=role, description="Starts one state machine").allow(
            "Start", ["states:StartExecution"], [self.machine.ref]
        )
        arrived: dict[str, Any] = {
            "source": ["aws.s3"],
            "detail-type": ["Object Created"],
            "detail": {
                "bucket": {"name": [props.bucket_name]},
                "object": {"key": [{"prefix": props.requests_prefix}]},
            },
        }
        rule = events.CfnRule(
            self,
            "Rule",
            description=f"Starts a transform job of {self._basics.name}",
            schedule_expression=props.schedule,
            event_pattern=None if props.schedule else arrived,
            targets=[
                events.CfnRule.TargetProperty(
                    id="Job",
                    arn=self.machine.ref,
                    role_arn=role.role_arn,
                    dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=letters.queue.queue_arn),
                    retry_policy=events.CfnRule.RetryPolicyProperty(maximum_retry_attempts=3),
                )
            ],
        )
        letters.queue.add_to_resource_policy(
            iam.PolicyStatement(
                sid="Undelivered",
                actions=["sqs:SendMessage"],
                principals=[iam.ServicePrincipal("events.amazonaws.com")],
                resources=[letters.queue.queue_arn],
                conditions={"ArnEquals": {"aws:SourceArn": rule.attr_arn}, **_of_account(stack.account)},
            )
        )
        return letters.alarm


def _of_account(account: str) -> dict[str, Any]:
    return {"StringEquals": {"aws:SourceAccount": account}}
