"""The alarm over the age of checkpoints, and what the functions that look at runs may do."""

from pathlib import Path
from typing import Any

import pytest

from groundplan.checkpoint_age import AGE_METRIC, LOOKED_AT_EVERY_MINUTES, METRICS
from groundplan.environment import Environment, read_environment
from groundplan.refusal import BadInput
from groundplan.toml_file import read_toml

ROOT = Path(__file__).parents[2]


def alarm(assembly: Any) -> Any:
    [found] = [
        each["Properties"]
        for _, _, each in assembly.resources("AWS::CloudWatch::Alarm")
        if each["Properties"].get("MetricName") == AGE_METRIC
    ]
    return found


def test_the_alarm_hears_what_the_sweep_tells(assembly: Any) -> None:
    [variables] = [
        function["Properties"]["Environment"]["Variables"]
        for _, name, function in assembly.resources("AWS::Lambda::Function")
        if name.startswith("Sweep")
    ]
    told = {"Name": "Environment", "Value": variables["ENVIRONMENT"]}
    heard = alarm(assembly)
    assert (heard["Namespace"], heard["Dimensions"], heard["Statistic"]) == (METRICS, [told], "Maximum")


def test_the_alarm_rings_above_the_environments_age_and_not_when_nothing_runs(assembly: Any) -> None:
    found = alarm(assembly)
    assert found["Threshold"] == assembly.environment.checkpoint_age_minutes
    assert found["ComparisonOperator"] == "GreaterThanThreshold"
    assert found["TreatMissingData"] == "notBreaching"
    assert "docs/runbooks/checkpoints.md" in found["AlarmDescription"]
    assert (ROOT / "docs/runbooks/checkpoints.md").is_file()
    assert len(found["AlarmActions"]) == 1


def test_each_period_of_the_alarm_has_a_look_in_it(assembly: Any) -> None:
    [schedule] = [
        rule["Properties"]["ScheduleExpression"]
        for stack, _, rule in assembly.resources("AWS::Events::Rule")
        if stack == "Lineage" and "ScheduleExpression" in rule["Properties"]
    ]
    assert schedule == f"rate({LOOKED_AT_EVERY_MINUTES} minutes)"
    assert alarm(assembly)["Period"] >= 2 * LOOKED_AT_EVERY_MINUTES * 60


@pytest.mark.parametrize(("minutes", "allowed"), [(29, False), (30, True), (14_400, True), (14_401, False)])
def test_an_age_between_two_looks_and_ten_days_is_allowed(tmp_path: Path, minutes: int, allowed: bool) -> None:
    given = (ROOT / "environments/dev.toml").read_text()
    (tmp_path / "dev.toml").write_text(f"checkpoint_age_minutes = {minutes}\n{given}")
    if allowed:
        assert read_toml(tmp_path, Path("dev.toml"), Environment).checkpoint_age_minutes == minutes
    else:
        with pytest.raises(BadInput, match="checkpoint_age_minutes"):
            read_toml(tmp_path, Path("dev.toml"), Environment)
    assert read_environment(ROOT, "dev").checkpoint_age_minutes == 60
