"""The data account's meter of models: what the gateway writes down of each request, for everybody who counts."""

from collections.abc import Sequence

from aws_cdk import aws_glue as glue
from aws_cdk import aws_iam as iam
from constructs import Construct

from groundplan.gateway.meter_table import COLUMNS, FAILED, REQUESTS
from groundplan.names import Names
from groundplan_constructs import EncryptedBucket, EncryptedBucketProps, LinesTable, LinesTableProps
from groundplan_constructs.line_delivery import ON_BUCKET, ON_KEY, ON_OBJECTS
from stacks.account_stack import AccountStack
from stacks.data_lake import DataLake


class Meter(AccountStack):
    """A bucket that one role of the application account writes, with the lake's key, and a table over it.

    The role delivers for Firehose; the stack `Gateway` has it. Either may be deployed first.
    """

    def __init__(self, scope: Construct, construct_id: str, *, names: Names, lake: DataLake) -> None:
        super().__init__(scope, construct_id, names=names, account="data", description="What models were used for")
        self.bucket = EncryptedBucket(
            self,
            "Requests",
            props=EncryptedBucketProps(
                bucket_name=names.meter_bucket(),
                encryption_key=lake.key.key,
                access_logs_bucket=names.lake_logs_bucket(),
                retain=names.environment.retain_data,
            ),
        ).bucket
        bucket_arn = f"arn:{self.partition}:s3:::{names.meter_bucket()}"
        objects = [f"{bucket_arn}/{prefix}/*" for prefix in (REQUESTS, FAILED)]
        self.bucket.add_to_resource_policy(self._let("WriteLines", ON_OBJECTS, objects))
        self.bucket.add_to_resource_policy(self._let("FindBucket", ON_BUCKET, [bucket_arn]))
        through = {
            "StringEquals": {"kms:ViaService": f"s3.{self.region}.amazonaws.com"},
            "ArnLike": {"kms:EncryptionContext:aws:s3:arn": [bucket_arn, *objects]},
        }
        # In a key's policy: this key.
        lake.key.key.add_to_resource_policy(self._let("MeterEncrypts", ON_KEY, ["*"], through))
        database = glue.CfnDatabase(
            self,
            "Catalogue",
            catalog_id=self.account,
            database_input=glue.CfnDatabase.DatabaseInputProperty(
                name=names.meter_database(), description="What models were used for, by request"
            ),
        )
        LinesTable(
            self,
            "Table",
            props=LinesTableProps(
                database=database,
                name=REQUESTS,
                location=f"s3://{names.meter_bucket()}/{REQUESTS}/",
                columns=COLUMNS,
                description="One delivery of one request's line; a request may be delivered twice: count request_id",
            ),
        )

    def _let(
        self,
        sid: str,
        actions: Sequence[str],
        resources: Sequence[str],
        conditions: dict[str, dict[str, object]] | None = None,
    ) -> iam.PolicyStatement:
        accounts = self.names.environment.accounts
        writer = self.names.roles(accounts.application, self.names.meter())
        return iam.PolicyStatement(
            sid=sid,
            actions=list(actions),
            # The account, narrowed: AWS refuses a policy that names a role which does not exist yet.
            principals=[iam.AccountPrincipal(accounts.application)],
            resources=resources,
            conditions={**(conditions or {}), "ArnEquals": {"aws:PrincipalArn": writer}},
        )
