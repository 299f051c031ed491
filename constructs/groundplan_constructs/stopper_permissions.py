"""What the stopper may do: see what runs, stop what carries the environment's tag, and bring it back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from groundplan_constructs.permissions import Permissions

LISTS = ("ListEndpoints", "ListNotebookInstances", "ListTrainingJobs")
OURS = "Whatever carries the environment's tag, whoever made it."


@dataclass(frozen=True, kw_only=True)
class StopperPermissionsProps:
    """`environment` is the tag of what may be stopped; `acts` the partition of the table where it is written down.

    `serving_tags` are those that an endpoint must carry to be stopped; None: no endpoint is.
    """

    role: iam.IRole
    environment: str
    artefacts_bucket: str
    table_name: str
    table_key: kms.IKey
    acts: str
    serving_tags: Mapping[str, Sequence[str]] | None


class StopperPermissions(Construct):
    """One policy. Where no endpoint may be stopped, it holds no action that could."""

    def __init__(self, scope: Construct, construct_id: str, *, props: StopperPermissionsProps) -> None:
        super().__init__(scope, construct_id)
        self._props, self._stack = props, cdk.Stack.of(self)
        self.permissions = Permissions(self, "Resource", role=props.role, description="Stops, and brings back")
        self._allow_seeing()
        self._allow_writing_down()
        ours = {"StringEquals": {"aws:ResourceTag/environment": props.environment}}
        self._allow("StopTraining", ["StopTrainingJob"], ["training-job"], ours)
        self._allow("Notebooks", ["StartNotebookInstance", "StopNotebookInstance"], ["notebook-instance"], ours)
        if props.serving_tags is not None:
            self._allow_serving({"environment": [props.environment], **props.serving_tags})

    def _allow_seeing(self) -> None:
        allow = self.permissions.allow
        allow(
            "List",
            [f"sagemaker:{action}" for action in LISTS],
            ["*"],
            wildcard="IAM offers no resource for lists; what is not the environment's is left alone.",
        )
        kinds = ["endpoint", "endpoint-config", "notebook-instance", "training-job"]
        see = ["DescribeEndpoint", "DescribeEndpointConfig", "DescribeTrainingJob", "ListTags"]
        self._allow("See", see, kinds, None)
        allow(
            "LookForCheckpoints",
            ["s3:ListBucket"],
            [self._stack.format_arn(service="s3", region="", account="", resource=self._props.artefacts_bucket)],
            conditions={"StringLike": {"s3:prefix": ["workloads/*/checkpoints/*"]}},
        )

    def _allow_writing_down(self) -> None:
        allow, stack, props = self.permissions.allow, self._stack, self._props
        allow(
            "WriteDown",
            ["dynamodb:Query", "dynamodb:UpdateItem"],
            [stack.format_arn(service="dynamodb", resource="table", resource_name=props.table_name)],
            # ForAllValues alone is met by a request that names no key.
            conditions={
                "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [props.acts]},
                "Null": {"dynamodb:LeadingKeys": "false"},
            },
        )
        allow(
            "TablesKey",
            ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"],
            [props.table_key.key_arn],
            conditions={"StringEquals": {"kms:ViaService": f"dynamodb.{stack.region}.amazonaws.com"}},
        )

    def _allow_serving(self, tags: Mapping[str, Sequence[str]]) -> None:
        for sid, actions, kinds, key in (
            ("StopServing", ["DeleteEndpoint"], ["endpoint"], "ResourceTag"),
            ("ServeAgain", ["AddTags", "CreateEndpoint"], ["endpoint", "endpoint-config"], "RequestTag"),
        ):
            carried = {f"aws:{key}/{tag}": list(values) for tag, values in tags.items()}
            self._allow(sid, actions, kinds, {"StringEquals": carried})

    def _allow(self, sid: str, actions: list[str], kinds: list[str], conditions: Any) -> None:
        self.permissions.allow(
            sid,
            [f"sagemaker:{action}" for action in actions],
            [self._stack.format_arn(service="sagemaker", resource=kind, resource_name="*") for kind in kinds],
            conditions=conditions,
            wildcard=OURS if conditions else "It looks at everything of the account, and stops what is ours.",
        )
