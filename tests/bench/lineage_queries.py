"""How many DynamoDB queries a lineage takes at growing depth, beside walking it step by step. They are counted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from moto import mock_aws

from groundplan.lineage.records import Endpoint, Record, endpoint_from_description, run_from_description
from groundplan.lineage.rows import items
from groundplan_runtime.integrations.lineage_table import LineageTable

ARN = "arn:aws:sagemaker:us-east-1:222222222222"


@dataclass
class Counted:
    """boto3's table, its queries counted."""

    table: Any
    queries: int = 0

    def put_item(self, **request: Any) -> Any:
        return self.table.put_item(**request)

    def get_item(self, **request: Any) -> Any:
        return self.table.get_item(**request)

    def query(self, **request: Any) -> Any:
        self.queries += 1
        return self.table.query(**request)


@dataclass(frozen=True)
class Lineage:
    """One chain: steps between its ends, queries for both directions, and queries and rounds of walking up."""

    depth: int
    queries: int
    walking_queries: int
    walking_rounds: int


def measured() -> Iterator[Lineage]:
    """Runs of which each began with the model of the one before it: 1, 3 and 10 of them, the last one served."""
    with mock_aws():
        for runs in (1, 3, 10):
            counted = Counted(_table(f"lineage-{runs}"))
            table = LineageTable(counted)
            *_, last = chain = list(_chain(runs))
            for record in chain:
                above = {upper: table.ancestors(upper) for _, upper in record.edges()}
                table.put(items(record, above, ()))
            counted.queries = 0
            found = {relation.target: relation.depth for relation in table.ancestors(last.node)}
            table.descendants("run/run-0")
            queries, counted.queries = counted.queries, 0
            walked, rounds = _walk(table, last.node)
            assert walked == set(found), "both ways find the same"
            yield Lineage(found["run/run-0"], queries, counted.queries, rounds)


def _walk(table: LineageTable, start: str) -> tuple[set[str], int]:
    """Every ancestor by direct relations alone, and how often the next question had to wait for an answer."""
    seen, ahead, rounds = set[str](), {start}, 0
    while ahead:
        rounds += 1
        direct = {each.target for node in ahead for each in table.ancestors(node) if each.depth == 1}
        ahead = direct - seen
        seen |= direct
    return seen, rounds


def _chain(runs: int) -> Iterator[Record]:
    for number in range(runs):
        channel = {"ChannelName": "base", "DataSource": {"S3DataSource": {"S3Uri": _model(number - 1)}}}
        yield run_from_description(
            {
                "TrainingJobName": f"run-{number}",
                "TrainingJobArn": f"{ARN}:training-job/run-{number}",
                "TrainingJobStatus": "Completed",
                "CreationTime": number,
                "ModelArtifacts": {"S3ModelArtifacts": _model(number)},
                "InputDataConfig": [channel] if number else [],
                "Environment": {"GROUNDPLAN_WORKLOAD": "w", "GROUNDPLAN_DATA_MANIFEST_ROOT": f"root-{number}"},
            }
        )
    described: Mapping[str, Any] = {
        "EndpointName": "e",
        "EndpointArn": f"{ARN}:endpoint/e",
        "EndpointStatus": "InService",
        "CreationTime": 100,
    }
    served: Endpoint = endpoint_from_description(described, serves=[f"model/{_model(runs - 1)}"])
    yield served


def _model(number: int) -> str:
    return f"s3://artefacts/run-{number}/output/model.tar.gz"


def _table(name: str) -> Any:
    def keys(**kinds: str) -> list[dict[str, str]]:
        return [{"AttributeName": key, "KeyType": kind} for key, kind in kinds.items()]

    resource: Any = boto3.resource
    return resource("dynamodb", "us-east-1", aws_access_key_id="test", aws_secret_access_key="test").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=keys(node="HASH", relation="RANGE"),
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("node", "relation", "target")],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "reversed",
                "KeySchema": keys(target="HASH", node="RANGE"),
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
