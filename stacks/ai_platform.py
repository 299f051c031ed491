"""The ai account's common ground: its key, the artefacts bucket, where alarms are heard, and who approves models."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from groundplan.approval import release_denials
from groundplan.evaluation import PREFIX
from groundplan.names import TRAFFIC, TRAFFIC_DAYS, Names
from groundplan_constructs import (
    AccessLogBucket,
    AlarmTopic,
    ApproverRole,
    ApproverRoleProps,
    EncryptedBucket,
    EncryptedBucketProps,
    EncryptionKey,
)
from stacks.account_stack import AccountStack


class Platform(AccountStack):
    """What every other stack of the ai account uses."""

    def __init__(self, scope: Construct, construct_id: str, *, names: Names) -> None:
        super().__init__(scope, construct_id, names=names, account="ai", description="AI platform: key and artefacts")
        retain = names.environment.retain_data
        existing = names.environment.existing
        key = EncryptionKey(
            self, "Key", alias=f"{names.stem}-platform", retain=retain, existing_arn=existing.ai_key_arn
        )
        key.allow_log_groups()
        key.allow_service("Alarms", "cloudwatch.amazonaws.com")
        key.allow_service("Events", "events.amazonaws.com")
        self.key = key.key
        artefacts = EncryptedBucket(
            self,
            "Artefacts",
            props=EncryptedBucketProps(
                bucket_name=names.artefacts_bucket(),
                encryption_key=self.key,
                access_logs_bucket=names.artefacts_logs_bucket(),
                retain=retain,
                tells_events=names.environment.mlflow is not None,  # of a run's record, to the stack Tracking
                lifecycle_rules=[
                    s3.LifecycleRule(
                        id="Traffic",
                        prefix=f"{TRAFFIC}/",
                        expiration=cdk.Duration.days(TRAFFIC_DAYS),
                        noncurrent_version_expiration=cdk.Duration.days(1),
                    )
                ],
            ),
        )
        self._keep_answers(artefacts.bucket)
        if not existing.ai_log_bucket:
            logs = AccessLogBucket(self, "AccessLogs", bucket_name=names.artefacts_logs_bucket(), retain=retain)
            artefacts.node.add_dependency(logs)
        self.alarms = AlarmTopic(
            self,
            "Alarms",
            topic_name=f"{names.stem}-alarms",
            encryption_key=self.key,
            email=names.environment.alarm_email,
        ).topic
        ApproverRole(
            self,
            "Approver",
            props=ApproverRoleProps(
                role_name=names.approver_role(), approves=names.stem, group_prefix=names.model_package_group("")
            ),
        )
        iam.ManagedPolicy(
            self,
            "ReleaseGuard",
            managed_policy_name=names.release_guard(),
            description="Leaves the approval of models to the approver's role",
            statements=[iam.PolicyStatement.from_json(statement) for statement in release_denials(names)],
        )

    def _keep_answers(self, artefacts: s3.Bucket) -> None:
        """What the gate judges by is written by evaluations, and by nobody else of any right."""
        names = self.names
        roles = names.roles(names.environment.accounts.ai, names.evaluation_role("*"))
        artefacts.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AnswersAreWrittenByEvaluations",
                effect=iam.Effect.DENY,
                actions=["s3:PutObject"],
                principals=[iam.AnyPrincipal()],
                resources=[artefacts.arn_for_objects(f"workloads/*/{PREFIX}/*")],
                conditions={"ArnNotLike": {"aws:PrincipalArn": roles}},
            )
        )
