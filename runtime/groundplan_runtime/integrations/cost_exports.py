"""The exports of bills in their bucket: how old the newest is, the files of a month, and where the report goes."""

import json
import mimetypes
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import ClientError

from groundplan.focus.kept_design import kept_designs
from groundplan.focus.known import age_note
from groundplan.focus.use import Use, kept_use
from groundplan.focus.workloads import Designed
from groundplan.spend.focus_table import (
    AGE_METRIC,
    DESIGNS,
    EXPORTS,
    METRICS,
    OLDEST_HOURS,
    PARTITION,
    REPORT,
    USE,
    USE_AGE_METRIC,
)
from groundplan_runtime.integrations.listed_objects import Lists, listed

_UNKNOWN = f"no ceilings and no estimates: {DESIGNS}"
_UNSEEN = f"no runs, refused runs, idle endpoints and same-day figures: {USE}"
_NOT_THERE = ("404", "NoSuchKey", "403", "AccessDenied")  # who may not list is refused an object that is not there
NEVER_HOURS = 24.0 * 365  # told for an account of which no bill has ever come: as good as a year


class S3(Lists, Protocol):
    """What is used of boto3's S3 client."""

    def get_object(self, **request: Any) -> Mapping[str, Any]: ...
    def download_file(self, bucket: str, key: str, target: str, /) -> object: ...
    def put_object(self, **request: Any) -> object: ...


class CloudWatch(Protocol):
    """What is used of boto3's CloudWatch client."""

    def put_metric_data(self, **request: Any) -> object: ...


@dataclass(frozen=True, kw_only=True)
class CostExports:
    """`accounts` export under `export_name`; the age is told under `environment`."""

    s3: S3
    cloudwatch: CloudWatch
    bucket: str
    accounts: Sequence[str]
    export_name: str
    environment: str

    def tell_age(self, now: datetime) -> dict[str, float]:
        """Account to the hours since its newest file of this month or the last; CloudWatch is told of the oldest."""
        ages = {account: self._age(account, now) for account in self.accounts}
        self._tell(AGE_METRIC, max(ages.values()))
        return ages

    def platform_use(self, now: datetime) -> tuple[Use | None, str]:
        """What the ai account wrote last, and how old that is or why there is none; CloudWatch is told of its age."""
        use, said = self._use(now)
        self._tell(USE_AGE_METRIC, use.age_hours(now) if use else NEVER_HOURS)
        return use, said

    def _use(self, now: datetime) -> tuple[Use | None, str]:
        try:
            use = kept_use(json.loads(self.s3.get_object(Bucket=self.bucket, Key=USE)["Body"].read()))
        except ClientError as error:
            if _code(error) not in _NOT_THERE:
                raise
            return None, f"{_UNSEEN} is not to be had ({_code(error)}); the ai account's observer writes it daily"
        except ValueError as error:  # also of JSON
            return None, f"{_UNSEEN} cannot be read: {error}"
        return use, age_note(use, now)

    def _tell(self, metric: str, hours: float) -> None:
        dimensions = [{"Name": "Environment", "Value": self.environment}]
        told = {"MetricName": metric, "Dimensions": dimensions, "Value": hours, "Unit": "None"}
        self.cloudwatch.put_metric_data(Namespace=METRICS, MetricData=[told])

    def unseen(self, ages: Mapping[str, float]) -> Iterator[str]:
        """What a report of these bills cannot see, a line each; `ages` are as `tell_age` gives them."""
        for account, hours in ages.items():
            if hours >= NEVER_HOURS:
                yield f"no bill of account {account} came, this month or last: what it costs is not in this report"
            elif hours > OLDEST_HOURS:
                yield f"the newest bill of account {account} is {hours:.0f} hours old: what came after is missing"
        if len(self.accounts) > 1:  # only where no payer exports everything
            yield (
                "each account exports its own bill: support, shared discounts, and what other accounts cost are in "
                "none of them; a paying account named as accounts.payer sees all"
            )

    def fetch(self, now: datetime, into: Path) -> list[Path]:
        """The files of this month's bill and of the last one's, which is still corrected, in the folders of their
        deliveries: of an export that keeps earlier ones only the last counts."""
        found: list[Path] = []
        for account in self.accounts:
            for month in months(now):
                for key, _ in self._objects(account, month):
                    target = into / key
                    target.parent.mkdir(parents=True, exist_ok=True)
                    self.s3.download_file(self.bucket, key, str(target))
                    found.append(target)
        return found

    def designed(self) -> tuple[dict[str, Designed], str]:
        """By workload what the last deployment kept; and why there is nothing, where there is nothing."""
        try:
            body = self.s3.get_object(Bucket=self.bucket, Key=DESIGNS)["Body"].read()
            return kept_designs(json.loads(body)), ""
        except ClientError as error:
            if _code(error) not in _NOT_THERE:
                raise
            return {}, f"{_UNKNOWN} is not to be had ({_code(error)}); groundplan deploy keeps it"
        except ValueError:
            return {}, f"{_UNKNOWN} is not JSON; groundplan deploy writes it anew"

    def keep(self, folder: Path) -> list[str]:
        """Every file of a folder below the prefix of reports; their keys."""
        keys: list[str] = []
        for file in sorted(folder.iterdir()):
            kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
            key = f"{REPORT}/{file.name}"
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=file.read_bytes(), ContentType=kind)
            keys.append(key)
        return keys

    def _age(self, account: str, now: datetime) -> float:
        times = [changed for month in months(now) for _, changed in self._objects(account, month)]
        return max(0.0, (now - max(times)).total_seconds() / 3600) if times else NEVER_HOURS

    def _objects(self, account: str, month: str) -> Iterator[tuple[str, datetime]]:
        prefix = f"{EXPORTS}/{account}/{self.export_name}/data/{PARTITION.upper()}={month}/"
        for page in listed(self.s3, self.bucket, prefix):
            for entry in page:
                if entry["Key"].endswith((".parquet", ".csv", ".csv.gz")):
                    yield entry["Key"], entry["LastModified"]


def _code(error: ClientError) -> str:
    answer: Any = error.response  # pyright: ignore[reportUnknownMemberType]
    return str(answer["Error"]["Code"])


def months(now: datetime) -> tuple[str, str]:
    """This one and the one before, as 2026-11."""
    last = now.replace(day=1) - timedelta(days=1)
    return f"{now:%Y-%m}", f"{last:%Y-%m}"
