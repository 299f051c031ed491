"""The data account: the lake's key, its buckets and its catalogue."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_glue as glue
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from groundplan.gate.answer import REQUESTS
from groundplan.names import WORKLOAD_TAG, ZONES, Names, Zone
from groundplan_constructs import AccessLogBucket, AlarmTopic, EncryptedBucket, EncryptedBucketProps, EncryptionKey
from stacks.account_stack import AccountStack

Conditions = dict[str, dict[str, object]]
READ_BY_TRAINING: tuple[Zone, ...] = ("curated", "features")
TRAINING, EVALUATION = "Training", "Evaluation"  # whose jobs read
TENANT = f"${{aws:PrincipalTag/{WORKLOAD_TAG}}}"


class DataLake(AccountStack):
    """Five zones, a bucket each; training roles of the ai account read what is theirs in curated and features.

    Held-out sets lie in the zone evaluation: what training could see proves nothing of a model. Of the ai account the
    evaluation roles alone read it, their own requests without the true answers.
    """

    def __init__(self, scope: Construct, construct_id: str, *, names: Names) -> None:
        super().__init__(scope, construct_id, names=names, account="data", description="Data lake")
        retain = names.environment.retain_data
        existing = names.environment.existing
        self.key = EncryptionKey(
            self, "Key", alias=f"{names.stem}-lake", retain=retain, existing_arn=existing.data_key_arn
        )
        self.key.allow_log_groups()
        self.key.allow_service("Alarms", "cloudwatch.amazonaws.com")
        self.key.allow_service("Events", "events.amazonaws.com")
        self.alarms = AlarmTopic(
            self,
            "Alarms",
            topic_name=f"{names.stem}-lake-alarms",
            encryption_key=self.key.key,
            email=names.environment.alarm_email,
        ).topic
        logs = [] if existing.data_log_bucket else [self._access_logs(names.lake_logs_bucket(), retain)]
        for zone in ZONES:
            bucket = EncryptedBucket(
                self,
                zone.capitalize(),
                props=EncryptedBucketProps(
                    bucket_name=names.lake_bucket(zone),
                    encryption_key=self.key.key,
                    access_logs_bucket=names.lake_logs_bucket(),
                    retain=retain,
                    tells_events=zone == "raw",
                    lifecycle_rules=[_cool_down()] if zone == "raw" else [],
                ),
            )
            bucket.node.add_dependency(*logs)
            cdk.Tags.of(bucket).add("data-zone", zone)
            if zone in READ_BY_TRAINING:
                self._let_read(bucket.bucket, TRAINING, f"{TENANT}/*")
            if zone == "evaluation":
                self._let_read(bucket.bucket, EVALUATION, f"{TENANT}/*/{REQUESTS}")
            if zone in ("quarantine", "evaluation"):
                continue  # what lies there is in no table
            glue.CfnDatabase(
                self,
                f"{zone.capitalize()}Catalogue",
                catalog_id=self.account,
                database_input=glue.CfnDatabase.DatabaseInputProperty(
                    name=names.catalogue_database(zone),
                    description=f"Tables of the {zone} zone",
                    location_uri=f"s3://{names.lake_bucket(zone)}/",
                ),
            )
        self._let_decrypt(TRAINING, READ_BY_TRAINING)
        self._let_decrypt(EVALUATION, ("evaluation",))

    def _access_logs(self, name: str, retain: bool) -> AccessLogBucket:
        return AccessLogBucket(self, "AccessLogs", bucket_name=name, retain=retain)

    def _let_read(self, bucket: s3.Bucket, who: str, objects: str) -> None:
        actions = ["s3:GetObject", "s3:GetObjectVersion"] if who == TRAINING else ["s3:GetObject"]
        bucket.add_to_resource_policy(
            iam.PolicyStatement(
                sid=f"{who}ReadsItsWorkload",
                actions=actions,
                principals=[self._ai_account()],
                resources=[bucket.arn_for_objects(objects)],
                conditions=self._roles(who, {}),
            )
        )
        bucket.add_to_resource_policy(
            iam.PolicyStatement(
                sid=f"{who}ListsItsWorkload",
                actions=["s3:ListBucket"],
                principals=[self._ai_account()],
                resources=[bucket.bucket_arn],
                conditions=self._roles(who, {}) | {"StringLike": {"s3:prefix": objects}},
            )
        )

    def _let_decrypt(self, who: str, zones: Sequence[Zone]) -> None:
        """Through S3, and only what lies in these zones."""
        buckets = [f"arn:{self.partition}:s3:::{self.names.lake_bucket(zone)}" for zone in zones]
        conditions = self._roles(who, {"kms:ViaService": f"s3.{self.region}.amazonaws.com"})
        encrypted = [f"{bucket}{part}" for bucket in buckets for part in ("", "/*")]
        self.key.key.add_to_resource_policy(
            iam.PolicyStatement(
                sid=f"{who}Decrypts",
                actions=["kms:Decrypt"],
                principals=[self._ai_account()],
                resources=["*"],  # in a key's policy: this key
                conditions=conditions
                | {"ArnLike": {**conditions["ArnLike"], "kms:EncryptionContext:aws:s3:arn": encrypted}},
            )
        )

    def _ai_account(self) -> iam.AccountPrincipal:
        # The account, narrowed by conditions: AWS refuses a policy that names a role which does not exist yet.
        return iam.AccountPrincipal(self.names.environment.accounts.ai)

    def _roles(self, who: str, equal: dict[str, str]) -> Conditions:
        names = self.names
        role = names.training_role("*") if who == TRAINING else names.evaluation_role("*")
        conditions: Conditions = {
            "ArnLike": {"aws:PrincipalArn": names.roles(names.environment.accounts.ai, role)},
            "Null": {f"aws:PrincipalTag/{WORKLOAD_TAG}": "false"},
        }
        return conditions | ({"StringEquals": dict[str, object](equal)} if equal else {})


def _cool_down() -> s3.LifecycleRule:
    transition = s3.Transition(
        storage_class=s3.StorageClass.INTELLIGENT_TIERING, transition_after=cdk.Duration.days(30)
    )
    return s3.LifecycleRule(id="CoolDown", transitions=[transition])
