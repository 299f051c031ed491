"""Names stay within AWS's limits for the longest environment, prefix, region and workload there can be."""

import re

import pytest

from groundplan.environment import Accounts, Environment
from groundplan.job_limits import Limits
from groundplan.names import ZONES, Names
from groundplan.network import Network
from groundplan.regions import REGIONS


@pytest.fixture
def longest() -> Names:
    accounts = Accounts(tooling="1" * 12, application="2" * 12, ai="3" * 12, data="4" * 12)
    return Names(
        Environment(
            name="e" * 10,
            prefix="p" * 10,
            region=max(REGIONS, key=len),
            qualifier="q" * 10,
            embedded_aws=False,
            architecture="arm64",
            retain_data=True,
            log_retention_days=30,
            owner="o",
            cost_centre="c",
            accounts=accounts,
            limits=Limits(instance_types=("ml.m5.large",), max_runtime_seconds=3600),
            network=Network(cidr="10.0.0.0/16", zones=2),
        )
    )


def test_bucket_names_fit_and_are_valid(longest: Names) -> None:
    buckets = [longest.lake_bucket(zone) for zone in ZONES]
    buckets += [longest.lake_logs_bucket(), longest.artefacts_bucket(), longest.artefacts_logs_bucket()]
    buckets += [longest.events_bucket()]
    assert len(set(buckets)) == len(ZONES) + 4
    for bucket in buckets:
        assert re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", bucket), bucket


def test_role_group_and_stack_names_fit(longest: Names) -> None:
    workload = "w" * 24
    assert len(longest.training_role(workload)) <= 64
    assert len(longest.model_package_group(workload)) <= 63
    assert len(longest.stack(f"Workload-{workload}")) <= 128
    assert len(f"{workload}-{'f' * 12}-{'2' * 14}") <= 63
