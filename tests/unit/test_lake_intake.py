"""The gate of the lake: each raw file is accepted or quarantined, once, and nothing is lost on the way."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import polars as pl
import pytest
from moto import mock_aws

from groundplan.intake import AGE_METRIC, DECLARATION, QUARANTINED_METRIC, RawFile
from groundplan.names import INTAKE_ZONES
from groundplan.refusal import BadInput
from groundplan.table import read_tables
from groundplan.workload import read_workload
from groundplan_runtime.handlers import validate_raw
from groundplan_runtime.intake_settings import Settings
from groundplan_runtime.integrations.catalogue import Catalogue
from groundplan_runtime.integrations.lake_intake import LakeIntake

ROOT = Path(__file__).parents[2]
HEADER = "image_id,digit,confidence,source,labelled_at\n"
GOOD = (HEADER + "img-1,3,0.5,customer,2026-11-20T12:00:00Z\n").encode()
BAD = GOOD.replace(b",3,", b",12,")
KEY = "digit-reader/corrections/monday.csv"
CONTEXT: Any = SimpleNamespace(
    function_name="validate", memory_limit_in_mb=3008, invoked_function_arn="arn", aws_request_id="request"
)
BUCKETS = {zone: f"trial-{zone}" for zone in INTAKE_ZONES}


class FakeGlue:
    """boto3's client of a catalogue with one table."""

    exceptions = SimpleNamespace(EntityNotFoundException=KeyError)

    def __init__(self, name: str, declaration: str) -> None:
        self._tables = {("curated", name): {"Table": {"Parameters": {DECLARATION: declaration}}}}

    def get_table(self, *, DatabaseName: str, Name: str) -> Any:  # noqa: N803 - boto3's
        return self._tables[DatabaseName, Name]


class Lake:
    """The buckets, the catalogue with one table, and the metrics of an account."""

    def __init__(self, s3: Any) -> None:
        self.s3 = s3
        for bucket in BUCKETS.values():
            for item in s3.list_object_versions(Bucket=bucket).get("Versions", []):
                s3.delete_object(Bucket=bucket, Key=item["Key"], VersionId=item["VersionId"])
        [table] = read_tables(ROOT, read_workload(ROOT, "digit-reader"))
        glue = FakeGlue("digit_reader__corrections", table.model_dump_json(exclude_defaults=True))
        self.metrics: list[Mapping[str, Any]] = []
        self.intake = LakeIntake(
            s3=self.s3,
            cloudwatch=SimpleNamespace(put_metric_data=self._put_metric),
            catalogue=Catalogue(glue, "curated"),
            buckets=BUCKETS,
            largest_mib=1,
        )

    def _put_metric(self, *, Namespace: str, MetricData: list[Mapping[str, Any]]) -> None:  # noqa: N803
        assert Namespace == "Groundplan/Lake"
        self.metrics += MetricData

    def land(self, body: bytes, key: str = KEY) -> RawFile:
        """Put an object into the raw zone."""
        return RawFile(key, self.s3.put_object(Bucket=BUCKETS["raw"], Key=key, Body=body)["VersionId"])

    def versions(self, zone: str) -> list[str]:
        """The keys of a zone, once for each version."""
        return [item["Key"] for item in self.s3.list_object_versions(Bucket=BUCKETS[zone]).get("Versions", [])]

    def body(self, zone: str, key: str) -> bytes:
        """An object of a zone."""
        return self.s3.get_object(Bucket=BUCKETS[zone], Key=key)["Body"].read()

    def parquet(self, zone: str) -> pl.DataFrame:
        """The only file of a zone."""
        [key] = self.versions(zone)
        return pl.read_parquet(self.body(zone, key), hive_partitioning=False)

    def report(self) -> dict[str, Any]:
        """The only report in quarantine."""
        [key] = [key for key in self.versions("quarantine") if key.endswith("/report.json")]
        return json.loads(self.body("quarantine", key))


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    with mock_aws():
        session: Any = boto3.Session("test", "test", region_name="us-east-1")
        client = session.client("s3")
        for bucket in BUCKETS.values():
            client.create_bucket(Bucket=bucket)
            client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        yield client


@pytest.fixture
def lake(s3: Any, monkeypatch: pytest.MonkeyPatch) -> Lake:
    made = Lake(s3)
    monkeypatch.setattr(validate_raw, "_intake", lambda: made.intake)
    monkeypatch.setattr(validate_raw, "_settings", lambda: Settings(BUCKETS, "curated", 1))
    return made


def test_a_good_file_is_accepted_into_curated_and_as_features(lake: Lake) -> None:
    file = lake.land(GOOD)
    document = lake.intake.take(file)
    assert (document["verdict"], document["rows"], document["failures"]) == ("accepted", 1, [])
    arrived = lake.s3.head_object(Bucket=BUCKETS["raw"], Key=KEY)["LastModified"]
    key = f"digit-reader/corrections/arrived={arrived.date()}/{file.identity}.parquet"
    assert document["stored"] == f"s3://trial-curated/{key}"
    assert lake.versions("curated") == lake.versions("features") == [key]
    curated, features = lake.parquet("curated"), lake.parquet("features")
    assert features.drop("created_time").equals(curated)
    assert features["created_time"].to_list() == [arrived]
    assert lake.versions("quarantine") == []
    [metric] = lake.metrics
    assert metric["MetricName"] == AGE_METRIC
    assert {d["Name"]: d["Value"] for d in metric["Dimensions"]} == {
        "Workload": "digit-reader",
        "Table": "corrections",
    }
    newest = curated["labelled_at"].item()
    assert metric["Value"] == pytest.approx((arrived - newest).total_seconds() / 3600)


def test_a_bad_file_is_kept_whole_beside_a_report_that_names_row_column_value_and_rule(lake: Lake) -> None:
    file = lake.land(BAD)
    document = lake.intake.take(file)
    prefix = f"digit-reader/corrections/{file.identity}"
    assert sorted(lake.versions("quarantine")) == [f"{prefix}/monday.csv", f"{prefix}/report.json"]
    assert lake.body("quarantine", f"{prefix}/monday.csv") == BAD
    assert lake.report() == document
    assert document["verdict"] == "quarantined"
    assert (document["file"], document["version"]) == (f"s3://trial-raw/{KEY}", file.version)
    assert document["failures"] == [{"row": 2, "column": "digit", "value": "12", "rule": "at most 9"}]
    assert lake.versions("curated") == lake.versions("features") == []
    assert [metric["MetricName"] for metric in lake.metrics] == [QUARANTINED_METRIC]


@pytest.mark.parametrize("body", [GOOD, BAD])
def test_the_same_version_delivered_again_changes_nothing(lake: Lake, body: bytes) -> None:
    file = lake.land(body)
    lake.intake.take(file)
    stored = {zone: lake.versions(zone) for zone in INTAKE_ZONES}
    assert lake.intake.take(file) == {"verdict": "known", "version": file.version}
    assert {zone: lake.versions(zone) for zone in INTAKE_ZONES} == stored
    assert len(lake.metrics) == 1


def test_the_version_of_the_event_is_judged_and_not_a_newer_one(lake: Lake) -> None:
    bad, good = lake.land(BAD), lake.land(GOOD)
    assert lake.intake.take(bad)["verdict"] == "quarantined"
    assert lake.body("quarantine", f"{bad.quarantine_prefix()}/monday.csv") == BAD
    assert lake.intake.take(good)["verdict"] == "accepted"


@pytest.mark.parametrize("zone", ["features", "curated", "quarantine"])
def test_what_failed_halfway_is_completed_by_the_next_attempt(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    file = lake.land(BAD if zone == "quarantine" else GOOD)
    with monkeypatch.context() as patch:
        whole = lake.s3.put_object

        def refuse(**request: Any) -> Any:
            if request["Bucket"] == BUCKETS[zone]:
                raise ConnectionError("lost")
            return whole(**request)

        patch.setattr(lake.s3, "put_object", refuse)
        patch.setattr(
            lake.s3, "upload_file", lambda path, bucket, key, **_: refuse(Bucket=bucket, Key=key, Body=path)
        )
        with pytest.raises(ConnectionError):
            lake.intake.take(file)
    expected = "quarantined" if zone == "quarantine" else "accepted"
    assert lake.intake.take(file)["verdict"] == expected
    assert lake.intake.take(file)["verdict"] == "known"


@pytest.mark.parametrize(
    ("key", "telling", "prefix"),
    [
        ("monday.csv", "its place must be <workload>/<table>/<file>", "_unplaced/"),
        ("digit-reader/absent/monday.csv", "no table absent is deployed for digit-reader", "digit-reader/absent/"),
        ("digit-reader/corrections/monday.txt", "its name must end in .csv or .parquet", "digit-reader/corrections/"),
    ],
)
def test_a_file_in_the_wrong_place_is_kept_and_told_why(lake: Lake, key: str, telling: str, prefix: str) -> None:
    file = lake.land(GOOD, key)
    [failure] = lake.intake.take(file)["failures"]
    assert telling in failure["rule"]
    assert file.quarantine_prefix().startswith(prefix)
    assert lake.body("quarantine", f"{file.quarantine_prefix()}/{file.name}") == GOOD


def test_a_file_that_is_too_large_is_kept_and_told_its_size_and_the_limit(lake: Lake) -> None:
    large = HEADER.encode() + b"x" * 2**20
    file = lake.land(large)
    [failure] = lake.intake.take(file)["failures"]
    assert failure["rule"].startswith("too large for the validating function (1 MiB; limit 1 MiB)")
    assert lake.body("quarantine", f"{file.quarantine_prefix()}/monday.csv") == large


def test_a_file_that_was_deleted_before_it_was_judged_leaves_nothing(lake: Lake) -> None:
    assert lake.intake.take(RawFile(KEY, "absent"))["verdict"] == "gone"
    assert all(lake.versions(zone) == [] for zone in INTAKE_ZONES)


def test_the_handler_tells_the_verdict_and_logs_no_value(lake: Lake, caplog: pytest.LogCaptureFixture) -> None:
    file = lake.land(BAD.replace(b"customer", b"a secret"))
    event = json.loads((ROOT / "tests/events/s3_object_created.json").read_text())
    event["detail"] |= {
        "bucket": {"name": BUCKETS["raw"]},
        "object": {"key": KEY, "size": len(BAD), "version-id": file.version},
    }
    handler: Any = validate_raw.handler
    answer = handler(event, CONTEXT)
    assert (answer["verdict"], answer["failed"]) == ("quarantined", 2)
    logged = [vars(record) for record in caplog.records if record.getMessage() == "judged"]
    assert len(logged) == 1
    assert "a secret" not in f"{answer} {logged}"
    assert handler(event | {"detail": event["detail"] | {"object": {"key": "digit-reader/"}}}, CONTEXT) == {
        "verdict": "folder"
    }


def test_an_event_that_is_none_raises_so_that_it_is_kept(lake: Lake) -> None:  # noqa: ARG001
    handler: Any = validate_raw.handler
    with pytest.raises(BadInput, match="event: detail"):
        handler({"detail": {}}, CONTEXT)
