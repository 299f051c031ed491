"""What costs more than it may, or nobody knows how much, is not synthesised; and every type has its class."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms

from groundplan.environment import read_environment
from groundplan.estimate import Usage, estimate, read_stacks
from groundplan.estimate.families import is_classed
from groundplan.prices import RegionFactor, read_prices
from groundplan.workload import read_workload
from groundplan_constructs import CostCeilings, CostCeilingsProps
from stacks.composition import compose

ROOT = Path(__file__).parents[2]


def app_of(folder: Path, props: CostCeilingsProps, *, region: str = "us-east-1") -> cdk.App:
    """A NAT gateway of a workload in a nested stack, 32.85, and a key, 1.00: with the plug-in, in one line."""
    app = cdk.App(outdir=str(folder), analytics_reporting=False)
    stack = cdk.Stack(app, "S", env=cdk.Environment(account="111111111111", region=region))
    kms.CfnKey(stack, "Key")
    inside = cdk.NestedStack(stack, "Inside")
    gateway = ec2.CfnNatGateway(inside, "Gateway", subnet_id="subnet")
    cdk.Tags.of(gateway).add("workload", "reader")
    cdk.Validations.of(app).add_plugins(CostCeilings(props))
    return app


def report_of(app: cdk.App, folder: Path) -> Mapping[str, Any]:
    """What the plug-in said. CDK turns a failure into an exception or an exit status, as it was started."""
    with contextlib.suppress(RuntimeError):
        app.synth()
    reports = json.loads((folder / "validation-report.json").read_text())["pluginReports"]
    return next((report for report in reports if report["pluginName"] == "CostCeilings"), {"conclusion": "success"})


def refused(folder: Path, props: CostCeilingsProps, *, region: str = "us-east-1") -> Sequence[Mapping[str, Any]]:
    """The violations of the app, which must fail."""
    report = report_of(app_of(folder, props, region=region), folder)
    assert report["conclusion"] == "failure"
    return report["violations"]


def passes(folder: Path, props: CostCeilingsProps, *, region: str = "us-east-1") -> bool:
    """Whether the app is synthesised."""
    return report_of(app_of(folder, props, region=region), folder)["conclusion"] == "success"


def test_an_app_below_its_ceilings_is_synthesised(tmp_path: Path) -> None:
    props = CostCeilingsProps(monthly_ceiling_usd=34, workload_ceilings_usd={"reader": 33}, require_known_prices=True)
    assert passes(tmp_path, props)


def test_an_app_above_its_ceiling_is_not_and_the_message_says_by_how_much_and_what_weighs(tmp_path: Path) -> None:
    [violation] = refused(tmp_path, CostCeilingsProps(monthly_ceiling_usd=30))
    assert violation["ruleName"] == "OverCeiling"
    assert violation["description"].startswith(
        "the app would cost $33.85 a month, $3.85 above its ceiling of $30.00. What weighs most: "
    )
    assert "(AWS::EC2::NatGateway) $32.85; " in violation["description"]
    assert "monthly_cost_ceiling_usd" in violation["suggestedFix"]


def test_a_workload_has_a_ceiling_of_its_own(tmp_path: Path) -> None:
    [violation] = refused(tmp_path, CostCeilingsProps(workload_ceilings_usd={"reader": 32, "other": 1}))
    assert violation["ruleName"] == "WorkloadOverCeiling"
    assert "the workload reader would cost $32.85" in violation["description"]


def test_unknown_and_extrapolated_prices_are_refused_where_certainty_is_asked_for(tmp_path: Path) -> None:
    certain = CostCeilingsProps(require_known_prices=True)
    assert len(refused(tmp_path / "unknown", certain, region="eu-west-1")) == 2
    factor = RegionFactor("us-east-1", Decimal("1.1"), "like its EC2 prices")
    found = refused(
        tmp_path / "extrapolated",
        CostCeilingsProps(require_known_prices=True, region_factor=factor),
        region="eu-west-1",
    )
    assert all("extrapolated" in violation["description"] for violation in found)
    app_of(
        tmp_path / "fine", CostCeilingsProps(monthly_ceiling_usd=50, region_factor=factor), region="eu-west-1"
    ).synth()


def test_prices_that_are_too_old_are_refused_unless_somebody_says_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retrieved = read_prices(None, "us-east-1").retrieved
    assert retrieved
    later = datetime.combine(retrieved, time.min, UTC) + timedelta(days=181)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(int(later.timestamp())))
    [violation] = refused(tmp_path / "old", CostCeilingsProps(monthly_ceiling_usd=100))
    assert violation["ruleName"] == "PricesTooOld"
    assert "groundplan prices refresh" in violation["description"]
    accepted = CostCeilingsProps(monthly_ceiling_usd=100, accept_old_prices="the list is unreachable")
    assert passes(tmp_path / "accepted", accepted)


def test_prices_that_are_old_but_not_too_old_are_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    retrieved = read_prices(None, "us-east-1").retrieved
    assert retrieved
    later = datetime.combine(retrieved, time.min, UTC) + timedelta(days=91)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(int(later.timestamp())))
    report = report_of(app_of(tmp_path, CostCeilingsProps(monthly_ceiling_usd=100)), tmp_path)
    assert report["conclusion"] == "success"
    [warning] = report["violations"]
    assert (warning["ruleName"], warning["severity"]) == ("OldPrices", "warning")
    assert "are 91 days old" in warning["description"]


@pytest.mark.parametrize("ceiling", [0, -1, Decimal("NaN")])
def test_a_ceiling_is_above_zero(ceiling: Decimal) -> None:
    with pytest.raises(ValueError, match="above zero"):
        CostCeilingsProps(monthly_ceiling_usd=ceiling)


def test_every_type_of_every_environment_is_charged_or_free_for_a_reason(assembly: Any) -> None:
    kinds = {
        resource["Type"] for template in assembly.templates.values() for resource in template["Resources"].values()
    }
    assert not [kind for kind in sorted(kinds) if not is_classed(kind)]


def test_every_resource_of_every_environment_has_one_of_four_kinds(assembly: Any) -> None:
    stacks, findings = read_stacks(assembly.folder)
    assert not findings
    found = estimate(stacks, lambda region: read_prices(ROOT, region), Usage(assumed=assembly.environment.usage))
    resources = sum(len(template["Resources"]) for template in assembly.templates.values())
    assert len(found.lines) == resources
    assert {line.kind for line in found.lines} <= {"fixed", "usage", "unknown", "free"}
    assert all(line.reason for line in found.lines if line.kind in ("free", "unknown"))
    workloads = found.totals_by("workload")
    assert "(no workload)" not in workloads, [line.path for line in found.lines if not line.workload]


def test_prod_above_its_ceiling_is_not_synthesised(tmp_path: Path) -> None:
    environment = read_environment(ROOT, "prod").model_copy(update={"monthly_cost_ceiling_usd": Decimal(1)})
    app = cdk.App(outdir=str(tmp_path), analytics_reporting=False)
    compose(app, ROOT, environment, [])
    report = report_of(app, tmp_path)
    assert report["conclusion"] == "failure"
    [violation] = report["violations"]
    assert violation["ruleName"] == "OverCeiling"


def test_a_workload_above_its_drivers_ceiling_is_not_synthesised(tmp_path: Path) -> None:
    usage = {"AWS::CodeBuild::Project": {"build_minutes": Decimal(1000)}}
    environment = read_environment(ROOT, "prod").model_copy(update={"usage": usage})
    reader = read_workload(ROOT, "digit-reader")
    drivers = reader.drivers.model_copy(update={"monthly_cost_ceiling_usd": Decimal(1)})
    app = cdk.App(outdir=str(tmp_path), analytics_reporting=False)
    compose(app, ROOT, environment, [reader.model_copy(update={"drivers": drivers})])
    [violation] = report_of(app, tmp_path)["violations"]
    assert violation["ruleName"] == "WorkloadOverCeiling"
    assert "the workload digit-reader would cost" in violation["description"]
