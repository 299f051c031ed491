"""What comes into the lake: by one gate, watched, and catalogued as it is declared."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from groundplan.table import read_tables
from groundplan.workload import read_workload
from groundplan_runtime.integrations.validation import POLARS_TYPES

ROOT = Path(__file__).parents[2]
ZONES = ("raw", "curated", "features", "quarantine")
LAMBDA_TAKES_BYTES = 250 * 2**20


def statements(assembly: Any) -> dict[str, Any]:
    [policy] = [policy for stack, _, policy in assembly.resources("AWS::IAM::ManagedPolicy") if stack == "Intake"]
    return {entry["Sid"]: entry for entry in policy["Properties"]["PolicyDocument"]["Statement"]}


def alarms(assembly: Any, metric: str) -> list[Any]:
    found = (alarm["Properties"] for _, _, alarm in assembly.resources("AWS::CloudWatch::Alarm"))
    return [alarm for alarm in found if alarm.get("MetricName") == metric]


def test_only_the_raw_zone_tells_its_changes(assembly: Any) -> None:
    telling = [
        bucket["Properties"]["BucketName"]
        for _, _, bucket in assembly.resources("AWS::S3::Bucket")
        if bucket["Properties"].get("NotificationConfiguration")
        == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    ]
    artefacts = [assembly.names.artefacts_bucket()] if assembly.environment.mlflow else []
    assert sorted(telling) == sorted([assembly.names.lake_bucket("raw"), *artefacts])
    [rule] = [rule for stack, _, rule in assembly.resources("AWS::Events::Rule") if stack == "Intake"]
    pattern = rule["Properties"]["EventPattern"]
    assert pattern == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": [assembly.names.lake_bucket("raw")]}},
    }


def test_the_gate_reads_raw_and_writes_what_comes_after_it_and_nothing_else(assembly: Any) -> None:
    found = statements(assembly)
    bucket = {zone: f"arn:aws:s3:::{assembly.names.lake_bucket(zone)}" for zone in ZONES}
    s3 = {sid: entry for sid, entry in found.items() if "s3:" in json.dumps(entry["Action"])}
    assert {sid: (entry["Action"], entry["Resource"]) for sid, entry in s3.items()} == {
        "ReadRaw": (["s3:GetObject", "s3:GetObjectVersion"], f"{bucket['raw']}/*"),
        "Store": (
            ["s3:AbortMultipartUpload", "s3:PutObject"],
            [f"{bucket[zone]}/*" for zone in ("curated", "features", "quarantine")],
        ),
        "LookForVerdict": ("s3:GetObject", [f"{bucket[zone]}/*" for zone in ("curated", "quarantine")]),
        "TellAbsent": ("s3:ListBucket", [bucket[zone] for zone in ("curated", "quarantine", "raw")]),
    }
    assert found["PublishMetrics"]["Condition"] == {"StringEquals": {"cloudwatch:namespace": "Groundplan/Lake"}}
    assert "Delete" not in json.dumps(found)


def test_what_the_function_ships_is_within_what_lambda_takes(assembly: Any) -> None:
    """250 MiB unzipped: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
    sizes: dict[str, int] = {}
    for _, _, function in assembly.resources("AWS::Lambda::Function"):
        with zipfile.ZipFile(assembly.folder / f"asset.{function['Properties']['Code']['S3Key']}") as package:
            sizes[function["Properties"]["Handler"]] = sum(entry.file_size for entry in package.infolist())
    # Only those that read tables and bills are large.
    assert sizes.pop("groundplan_runtime.handlers.validate_raw.handler") <= LAMBDA_TAKES_BYTES
    assert sizes.pop("groundplan_runtime.handlers.cost_report.handler") <= 110_000_000
    assert 0 < max(sizes.values()) < LAMBDA_TAKES_BYTES / 4


def test_a_quarantined_file_rings(assembly: Any) -> None:
    [alarm] = alarms(assembly, "QuarantinedFiles")
    assert (alarm["Namespace"], alarm["Threshold"], alarm["EvaluationPeriods"]) == ("Groundplan/Lake", 1, 1)
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert "Dimensions" not in alarm
    assert len(alarm["AlarmActions"]) == 1


def test_a_table_that_gets_nothing_new_rings(assembly: Any) -> None:
    [alarm] = alarms(assembly, "NewestAcceptedAgeHours")
    [table] = read_tables(ROOT, read_workload(ROOT, "digit-reader"))
    assert alarm["TreatMissingData"] == "breaching"
    assert alarm["Dimensions"] == [
        {"Name": "Table", "Value": "corrections"},
        {"Name": "Workload", "Value": "digit-reader"},
    ]
    hours = table.freshness_hours
    assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == (3600, hours, hours)
    assert (alarm["Statistic"], alarm["Threshold"]) == ("Minimum", hours)
    assert len(alarm["AlarmActions"]) == 1


@pytest.mark.parametrize(("zone", "added"), [("curated", {}), ("features", {"created_time": "timestamp"})])
def test_the_catalogue_says_what_the_declaration_says(assembly: Any, zone: str, added: dict[str, str]) -> None:
    [table] = read_tables(ROOT, read_workload(ROOT, "digit-reader"))
    [found] = [
        entry["Properties"]["TableInput"]
        for _, _, entry in assembly.resources("AWS::Glue::Table")
        if entry["Properties"]["DatabaseName"] == assembly.names.catalogue_database(zone)
    ]
    columns = {column["Name"]: column["Type"] for column in found["StorageDescriptor"]["Columns"]}
    assert columns == {name: column.type for name, column in table.columns.items()} | added
    assert set(columns.values()) <= set(POLARS_TYPES)
    location = f"s3://{assembly.names.lake_bucket(zone)}/digit-reader/corrections/"
    assert found["StorageDescriptor"]["Location"] == location
    assert found["Parameters"]["storage.location.template"] == location + "arrived=${arrived}/"
    assert found["Parameters"]["data-classification"] == table.classification
    assert type(table).model_validate_json(found["Parameters"]["declaration"]) == table


def test_training_reads_curated_and_features_evaluations_held_out_sets_and_nobody_of_ai_the_rest(
    assembly: Any,
) -> None:
    ai, names = assembly.environment.accounts.ai, assembly.names
    if ai == assembly.environment.accounts.data:
        pytest.skip("one account")
    buckets = {logical_id: bucket for _, logical_id, bucket in assembly.resources("AWS::S3::Bucket")}
    opened: dict[str, set[str]] = {}
    for stack, _, resource in assembly.resources("AWS::S3::BucketPolicy"):
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]:
            if stack == "DataLake" and f"{ai}:root" in json.dumps(statement["Principal"]):
                who = (
                    json.dumps(statement["Condition"]["ArnLike"]["aws:PrincipalArn"]).rpartition("-")[2].strip('"]})')
                )
                bucket = buckets[resource["Properties"]["Bucket"]["Ref"]]["Properties"]["BucketName"]
                opened.setdefault(who, set()).add(bucket)
    assert opened == {
        "training": {names.lake_bucket("curated"), names.lake_bucket("features")},
        "evaluation": {names.lake_bucket("evaluation")},
    }
