"""A file that a person brings in: what passes lands in the lake, and what does not is told why and kept."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from groundplan.table import Table
from groundplan_runtime.integrations.features import FeatureStore, latest

HEADER = "image_id,digit,confidence,source,labelled_at\n"
GOOD = HEADER + "img-1,3,0.5,customer,2026-11-20T12:00:00Z\nimg-2,4,,annotator,2026-11-20T13:00:00Z\n"
BAD = HEADER + "img-1,3,0.5,customer,2026-11-20T12:00:00Z\nimg-2,12,,robot,2026-11-20\n"


@pytest.fixture(scope="module")
def bring_in(deployed: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """`groundplan ingest digit-reader FILE --table corrections` with a file of this content."""

    def run(content: str, *options: str, name: str = "corrections.csv", table: str = "corrections") -> Any:
        file = tmp_path_factory.mktemp("raw") / name
        file.write_text(content)
        return deployed.run("ingest", "digit-reader", str(file), "--table", table, "-e", "local", *options)

    return run


@pytest.fixture(scope="module")
def catalogued(deployed: Any) -> Callable[[str], Any]:
    """The table `corrections` in the catalogue of a zone."""
    glue = deployed.client("glue", "data")

    def find(zone: str) -> Any:
        database = deployed.accounts.names.catalogue_database(zone)
        return glue.get_table(DatabaseName=database, Name="digit_reader__corrections")["Table"]

    return find


def body_of(deployed: Any, uri: str) -> bytes:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return deployed.client("s3", "data").get_object(Bucket=bucket, Key=key)["Body"].read()


def test_a_good_file_is_accepted_and_its_rows_can_be_read_as_features(
    deployed: Any, bring_in: Callable[..., Any], catalogued: Callable[[str], Any]
) -> None:
    done = bring_in(GOOD, "--json")
    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stdout)
    assert (verdict["verdict"], verdict["rows"], verdict["failures"]) == ("accepted", 2, [])
    rows = pl.read_parquet(body_of(deployed, verdict["stored"]))
    assert rows["digit"].to_list() == [3, 4]

    bucket = deployed.accounts.names.lake_bucket("features")
    store = FeatureStore(deployed.client("s3", "data"), bucket=bucket, workload="digit-reader")
    table = Table.model_validate_json(catalogued("curated")["Parameters"]["declaration"])
    served = latest(table, store.read(table), pl.DataFrame({"image_id": ["img-2", "img-9"]}), now=datetime.now(UTC))
    assert served["digit"].to_list() == [4, None]


def test_the_same_bytes_again_are_not_brought_in_twice(bring_in: Callable[..., Any]) -> None:
    first, again = (bring_in(GOOD, "--json", name="again.csv") for _ in range(2))
    assert first.returncode == again.returncode == 0, first.stderr + again.stderr
    assert json.loads(first.stdout) == json.loads(again.stdout)


def test_a_bad_file_is_quarantined_and_each_reason_named(deployed: Any, bring_in: Callable[..., Any]) -> None:
    done = bring_in(BAD, "--json")
    assert done.returncode == 1
    assert "quarantined, 3 findings" in done.stderr
    verdict = json.loads(done.stdout)
    found = [(failure["row"], failure["column"], failure["value"]) for failure in verdict["failures"]]
    assert sorted(found) == [(3, "digit", "12"), (3, "labelled_at", "2026-11-20"), (3, "source", "robot")]
    assert body_of(deployed, verdict["stored"] + "corrections.csv").decode() == BAD
    assert json.loads(body_of(deployed, verdict["stored"] + "report.json")) == verdict


def test_people_read_the_reasons_line_by_line(bring_in: Callable[..., Any]) -> None:
    done = bring_in(BAD, name="people.csv")
    assert done.returncode == 1
    assert "row 3, column digit: '12': at most 9" in done.stdout
    assert "row 3, column source: 'robot': one of annotator, customer" in done.stdout


def test_a_quarantined_file_rings(deployed: Any, bring_in: Callable[..., Any], until: Callable[..., Any]) -> None:
    bring_in(BAD, name="rings.csv")
    cloudwatch = deployed.client("cloudwatch", "data")

    def ringing() -> bool:
        alarms = cloudwatch.describe_alarms()["MetricAlarms"]
        [alarm] = [alarm for alarm in alarms if alarm["MetricName"] == "QuarantinedFiles"]
        return alarm["StateValue"] == "ALARM"

    until(ringing, "the alarm over quarantined files")


def test_a_file_for_a_table_that_nobody_declared_is_kept_with_the_reason(
    deployed: Any, until: Callable[..., Any]
) -> None:
    s3, names = deployed.client("s3", "data"), deployed.accounts.names
    s3.put_object(Bucket=names.lake_bucket("raw"), Key="digit-reader/rumours/monday.csv", Body=GOOD.encode())
    bucket = names.lake_bucket("quarantine")

    def reports() -> list[str]:
        found = s3.list_objects_v2(Bucket=bucket, Prefix="digit-reader/rumours/").get("Contents", [])
        return [item["Key"] for item in found if item["Key"].endswith("/report.json")]

    [report] = until(reports, "the report in quarantine")
    [failure] = json.loads(body_of(deployed, f"s3://{bucket}/{report}"))["failures"]
    assert failure["rule"].startswith("no table rumours is deployed for digit-reader")
    assert body_of(deployed, f"s3://{bucket}/{report.replace('report.json', 'monday.csv')}") == GOOD.encode()


def test_the_catalogue_shows_the_table_as_it_was_declared(catalogued: Callable[[str], Any]) -> None:
    curated, features = catalogued("curated"), catalogued("features")
    columns = [(column["Name"], column["Type"]) for column in curated["StorageDescriptor"]["Columns"]]
    assert columns[:3] == [("image_id", "string"), ("digit", "int"), ("confidence", "double")]
    assert features["StorageDescriptor"]["Columns"][-1] == {"Name": "created_time", "Type": "timestamp"}
    assert curated["PartitionKeys"] == [{"Name": "arrived", "Type": "date"}]
    assert curated["Parameters"]["data-classification"] == "internal"


@pytest.mark.parametrize(
    ("name", "table", "telling"),
    [
        ("corrections.xlsx", "corrections", "that ends in .csv or .parquet"),
        ("corrections.csv", "rumours", "table: 'rumours' is not allowed; allowed: corrections"),
    ],
)
def test_what_cannot_be_a_file_of_the_table_is_refused_before_it_is_brought_in(
    bring_in: Callable[..., Any], name: str, table: str, telling: str
) -> None:
    done = bring_in(GOOD, name=name, table=table)
    assert done.returncode == 2
    assert telling in done.stderr


def test_a_file_without_its_table_is_refused_with_what_to_add(deployed: Any, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(GOOD)
    done = deployed.run("ingest", "digit-reader", str(tmp_path / "rows.csv"), "-e", "local")
    assert done.returncode == 2
    assert "a file of a table needs --table NAME" in done.stderr
