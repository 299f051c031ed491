"""`groundplan compare`: the version that serves beside the candidate in its shadow."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from botocore.exceptions import ClientError

from groundplan.environment import read_environment
from groundplan.refusal import Refused, bad
from groundplan.release import read_release, release_file
from groundplan.serving.comparison import Comparison, Variant, agreement
from groundplan.workload import Workload, read_trained_workload
from groundplan_operate.accounts import Accounts
from groundplan_operate.options import as_json, in_environment, repository

SERVING, CANDIDATE = "Main", "Candidate"
DAY = timedelta(days=1)
MINUTE_SECONDS = 60


@click.command
@click.argument("workload_name", metavar="WORKLOAD")
@in_environment
@as_json
def compare(workload_name: str, environment_name: str, as_json: bool) -> None:
    """Compare the version of WORKLOAD that serves with the one in its shadow.

    Latency and errors are those that CloudWatch counted since the two stand beside each other, at most of a day;
    agreement is that of the captured sample. groundplan promote MODEL_VERSION --shadow puts a version there.
    """
    root = repository()
    accounts = Accounts(root, read_environment(root, environment_name))
    workload = read_trained_workload(root, workload_name)
    found = comparison(accounts, workload)
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
        return
    for line in _lines(found):
        click.echo(line)


def comparison(accounts: Accounts, workload: Workload) -> Comparison:
    """What is known of the two; raises BadInput or Refused where there are no two."""
    file = release_file(workload.name, accounts.environment.name)
    release = read_release(accounts.root, workload.name, accounts.environment)
    if release is None or release.candidate is None:
        how = "groundplan promote MODEL_VERSION --shadow puts a version into the shadow of the one that serves"
        raise bad(str(file), "candidate", "nothing", how)
    endpoint, sagemaker = accounts.names.endpoint(workload.name), accounts.client("sagemaker", "ai")
    try:
        described: Mapping[str, Any] = sagemaker.describe_endpoint(EndpointName=endpoint)
    except ClientError as error:
        raise Refused(f"{endpoint}: {error.response['Error']['Message']}") from None
    began: datetime = described["LastModifiedTime"]
    since = max(began.astimezone(UTC), datetime.now(UTC) - DAY)
    return Comparison(
        workload=workload.name,
        environment=accounts.environment.name,
        since=since.isoformat(timespec="seconds").replace("+00:00", "Z"),
        serving=_measured(accounts, endpoint, SERVING, release.version, since),
        candidate=_measured(accounts, endpoint, CANDIDATE, release.candidate.version, since),
        agreement=agreement(
            _captured(accounts, workload, endpoint, SERVING, since),
            _captured(accounts, workload, endpoint, CANDIDATE, since),
        ),
    )


def _measured(accounts: Accounts, endpoint: str, variant: str, version: str, since: datetime) -> Variant:
    cloudwatch = accounts.client("cloudwatch", "ai")
    until = datetime.now(UTC) + timedelta(seconds=MINUTE_SECONDS)
    # One period over all of it: percentiles of several cannot be put together.
    minutes = -(-int((until - since).total_seconds()) // MINUTE_SECONDS)
    period = min(minutes * MINUTE_SECONDS, int(DAY.total_seconds()))

    def points(metric: str, **statistics: list[str]) -> list[Mapping[str, Any]]:
        return cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=metric,
            Dimensions=[{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": variant}],
            StartTime=since,
            EndTime=until,
            Period=period,
            **statistics,
        )["Datapoints"]

    def total(metric: str) -> int:
        return int(sum(point["Sum"] for point in points(metric, Statistics=["Sum"])))

    latency = points("ModelLatency", ExtendedStatistics=["p50", "p99"])

    def milliseconds(percentile: str) -> float | None:
        """Where CloudWatch split the time in two all the same, the worse part's."""
        found = [point["ExtendedStatistics"][percentile] for point in latency]
        return round(max(found) / 1000, 3) if found else None  # CloudWatch has microseconds

    return Variant(
        version=version,
        requests=total("Invocations"),
        refused=total("Invocation4XXErrors"),
        failed=total("Invocation5XXErrors"),
        latency_p50_ms=milliseconds("p50"),
        latency_p99_ms=milliseconds("p99"),
    )


def _captured(accounts: Accounts, workload: Workload, endpoint: str, variant: str, since: datetime) -> Iterator[str]:
    """The lines of captured traffic since then."""
    s3, bucket = accounts.client("s3", "ai"), accounts.names.artefacts_bucket()
    prefix = f"{accounts.names.traffic(workload.name, 'capture')}{endpoint}/{variant}/"
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for found in page.get("Contents", []):
            if found["LastModified"] >= since.replace(microsecond=0):
                body = s3.get_object(Bucket=bucket, Key=found["Key"])["Body"]
                yield from body.read().decode(errors="replace").splitlines()


def _lines(found: Comparison) -> Iterator[str]:
    yield f"{found.workload}, environment {found.environment}, since {found.since}"
    yield f"  {'':10} {'version':10} {'requests':>9} {'refused':>8} {'failed':>8} {'p50 ms':>9} {'p99 ms':>9}"
    for name, one in (("serving", found.serving), ("candidate", found.candidate)):
        latencies = (one.latency_p50_ms, one.latency_p99_ms)
        p50, p99 = ("-" if value is None else f"{value:,.1f}" for value in latencies)
        counts = f"{one.requests:>9,} {one.refused:>8,} {one.failed:>8,}"
        yield f"  {name:10} {one.version:10} {counts} {p50:>9} {p99:>9}"
    both = found.agreement
    if both.share is None:
        yield "  agreement  not known: no captured request was answered by both"
    else:
        alone = f"; {both.unpaired:,} without a counterpart" if both.unpaired else ""
        yield f"  agreement  {both.share:.1%} of {both.pairs:,} captured requests{alone}"
