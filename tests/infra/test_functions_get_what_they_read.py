"""The two halves of a function: what its stack gives it is what its code asks for."""

import importlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from groundplan.gateway.settings import DeployedPlace, Rules
from groundplan.names import INTAKE_ZONES
from groundplan.refusal import BadInput
from groundplan.workload import read_workloads
from groundplan_runtime.intake_settings import Settings as IntakeSettings
from groundplan_runtime.launch_settings import Settings as LaunchSettings
from groundplan_runtime.lineage_settings import Settings
from groundplan_runtime.report_settings import Settings as ReportSettings
from groundplan_runtime.spend_settings import AlarmSettings, ObserverSettings, StopperSettings
from groundplan_runtime.tracking_settings import Settings as TrackingSettings

ROOT = Path(__file__).parents[2]
POWERTOOLS = {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_LOG_LEVEL"}


def functions(assembly: Any, of: str | None = None) -> list[Mapping[str, Any]]:
    return [
        function["Properties"]
        for stack, _, function in assembly.resources("AWS::Lambda::Function")
        if of in (None, stack)
    ]


def test_every_handler_exists(assembly: Any) -> None:
    for function in functions(assembly):
        if function["Handler"].endswith(".sh"):
            continue  # a script that starts a server: the gateway's, below
        module, _, name = function["Handler"].rpartition(".")
        assert callable(getattr(importlib.import_module(module), name))


def test_the_lineage_functions_find_their_settings(assembly: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for function in functions(assembly, "Lineage"):
        variables = function["Environment"]["Variables"]
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))
        settings = Settings.read()
        assert settings.event_bucket == assembly.names.events_bucket()
        assert settings.artefacts_bucket == assembly.names.artefacts_bucket()
        assert settings.instance_types == assembly.environment.limits.instance_types
        for name in variables:
            monkeypatch.delenv(name)


def test_the_launching_function_finds_its_settings(assembly: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    [function] = functions(assembly, "Training")
    for name, value in function["Environment"]["Variables"].items():
        monkeypatch.setenv(name, str(value))
    settings = LaunchSettings.read()
    assert settings.lineage_table == assembly.names.lineage_table()
    assert settings.artefacts_bucket == assembly.names.artefacts_bucket()
    assert settings.launch_parameters.format(workload="digit-reader") == assembly.names.launch_parameter(
        "digit-reader"
    )
    assert settings.image_runs is not assembly.environment.embedded_aws
    assert settings.prices_must_be_known is assembly.environment.require_known_prices
    monkeypatch.delenv("IMAGE_RUNS")
    with pytest.raises(BadInput, match="IMAGE_RUNS"):
        LaunchSettings.read()


def test_a_functions_package_holds_the_prices_of_its_region(assembly: Any) -> None:
    packages = [zipfile.ZipFile(path).namelist() for path in assembly.folder.glob("asset.*.zip")]
    prices = f"groundplan/prices/{assembly.environment.region}.json"
    assert any("groundplan_runtime/handlers/record_lineage.py" in names and prices in names for names in packages)


def test_the_intake_finds_its_settings(assembly: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    [function] = functions(assembly, "Intake")
    for name, value in function["Environment"]["Variables"].items():
        monkeypatch.setenv(name, value)
    settings = IntakeSettings.read()
    assert settings.buckets == {zone: assembly.names.lake_bucket(zone) for zone in INTAKE_ZONES}
    assert settings.database == assembly.names.catalogue_database("curated")
    # The file, its parts, and twice its rows as Parquet lie on the function's disk at most; and some room.
    assert settings.largest_mib * 5 <= function["EphemeralStorage"]["Size"]
    monkeypatch.delenv("QUARANTINE_BUCKET")
    with pytest.raises(BadInput, match="QUARANTINE_BUCKET"):
        IntakeSettings.read()


def test_the_function_that_logs_runs_finds_its_settings(
    assemblies: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    local = assemblies["local"]
    [function] = functions(local, "Tracking")
    variables = function["Environment"]["Variables"]
    assert local.names.mlflow_server() in str(variables["MLFLOW_ARN"])
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    assert TrackingSettings.read().artefacts_bucket == local.names.artefacts_bucket()
    monkeypatch.delenv("MLFLOW_ARN")
    with pytest.raises(BadInput, match="MLFLOW_ARN"):
        TrackingSettings.read()


def test_the_functions_of_spending_find_their_settings(assembly: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for function in [one for stack in ("application", "ai", "data") for one in functions(assembly, f"Spend-{stack}")]:
        variables = {name: str(value) for name, value in function["Environment"]["Variables"].items()}
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        if function["Handler"].endswith(".observe_platform.handler"):
            seen, names = ObserverSettings.read(), assembly.names
            assert (seen.lineage_table, seen.costs_bucket) == (names.lineage_table(), names.costs_bucket())
            assert seen.endpoints == {one.name: names.endpoint(one.name) for one in read_workloads(ROOT)}
            assert sum(len(f"{name}{value}") for name, value in variables.items()) < 4096, "as Lambda allows"
            for name in variables:
                monkeypatch.delenv(name)
            continue
        told = AlarmSettings.read()
        assert (told.stem, told.owner) == (assembly.names.stem, assembly.environment.owner)
        assert told.page == assembly.environment.budgets.page
        if "STOP" in variables:
            settings, budgets = StopperSettings.read(), assembly.environment.budgets
            assert (settings.mode, settings.stop_at_percent) == (budgets.stop, budgets.stop_at_percent)
            assert settings.lineage_table == assembly.names.lineage_table()
            assert settings.rules.production is budgets.production
            assert settings.rules.environment == assembly.environment.name
        for name in variables:
            monkeypatch.delenv(name)
    with pytest.raises(BadInput, match="STEM"):
        AlarmSettings.read()


def test_the_cost_report_finds_its_settings(assembly: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    of_both = functions(assembly, "CostReport")
    [makes] = [one for one in of_both if one["Handler"].endswith(".cost_report.handler")]
    [shows] = [one for one in of_both if one["Handler"].endswith(".show_cost.handler")]
    for name, value in makes["Environment"]["Variables"].items():
        monkeypatch.setenv(name, str(value))
    settings, budgets = ReportSettings.read(), assembly.environment.budgets
    assert settings.bucket == assembly.names.costs_bucket() == shows["Environment"]["Variables"]["COSTS_BUCKET"]
    assert settings.meter_bucket == assembly.names.meter_bucket()
    assert settings.exporters == assembly.environment.exporters()
    assert settings.watch.actual_percent == budgets.actual_percent
    assert settings.watch.forecast_percent == budgets.forecast_percent
    assert (settings.watch.page, settings.watch.owner) == (budgets.page, assembly.environment.owner)
    assert settings.alarms.stem == assembly.names.stem
    monkeypatch.delenv("EXPORTERS")
    with pytest.raises(BadInput, match="EXPORTERS"):
        ReportSettings.read()


def test_the_gateway_finds_its_rules_its_place_and_its_script(assembly: Any) -> None:
    [function] = functions(assembly, "Gateway")
    text = _filled_in(function["Environment"]["Variables"]["GROUNDPLAN_GATEWAY_PLACE"])
    place = DeployedPlace.model_validate_json(text)
    assert (place.table, place.told_by) == (assembly.names.gateway(), assembly.names.models_parameter())
    assert str(place.role_arn).endswith(f"{assembly.environment.accounts.ai}:role/{assembly.names.models_role()}")
    assert place.issuer.keys_url == f"{place.issuer.issuer}/.well-known/jwks.json"
    digest = function["Code"]["S3Key"].removesuffix(".zip")
    with zipfile.ZipFile(assembly.folder / f"asset.{digest}.zip") as package:
        rules = Rules.model_validate_json(package.read(place.rules))
        script = package.getinfo(function["Handler"])
    assert set(rules.features) == {"help-page", "agent-desk"}
    assert rules.deadline_seconds < function["Timeout"], "it says itself that the deadline has passed"
    assert script.external_attr >> 16 & 0o111, "Lambda executes it"


def _filled_in(value: Any) -> str:
    parts = value["Fn::Join"][1] if isinstance(value, dict) else [value]
    return "".join(part if isinstance(part, str) else part["Ref"] for part in parts)


def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENVIRONMENT", raising=False)
    with pytest.raises(BadInput, match="ENVIRONMENT"):
        Settings.read()
