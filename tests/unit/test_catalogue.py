"""The approved models: what their file may say, and which models a day, a region and a class of data leave."""

import tomllib
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from groundplan.catalogue import Catalogue, read_catalogue
from groundplan.catalogue.__main__ import main
from groundplan.planner import Market, Plan, plan
from groundplan.prices import read_prices
from groundplan.refusal import BadInput
from groundplan.workload import read_workloads

ROOT = Path(__file__).parents[2]
CATALOGUE = Catalogue.read(ROOT / "catalogue.toml")
BOOK = read_prices(ROOT, "us-east-1")
HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
Spoil = Callable[[dict[str, Any]], object]


def spoilt(spoil: Spoil) -> str:
    """The file's document with something changed, as TOML that is good enough for these values."""
    models: dict[str, Any] = tomllib.loads((ROOT / "catalogue.toml").read_text())["models"]
    spoil(models)
    lines: list[str] = []
    for key, model in models.items():
        profiles = model.pop("profiles", {})
        lines += [f"[models.{key}]", *(f"{name} = {_toml(value)}" for name, value in model.items())]
        lines += [f"[models.{key}.profiles]", *(f'"{name}" = {value}' for name, value in profiles.items())]
    return "\n".join(lines)


def _toml(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else repr(value)


WRONG: dict[str, tuple[Spoil, str]] = {
    "a class of data that does not exist": (
        lambda models: models["nova-lite"].update(data_classes=["secret"]),
        "models.nova-lite.data_classes.0: 'secret' is not allowed",
    ),
    "no class of data": (lambda models: models["nova-lite"].update(data_classes=[]), "models.nova-lite.data_classes"),
    "another provider than the id's": (
        lambda models: models["nova-lite"].update(provider="anthropic"),
        "models.nova-lite.provider: 'anthropic' is not allowed; allowed: \"amazon\"",
    ),
    "a profile of another model": (
        lambda models: models["nova-lite"].update(profiles={HAIKU: ["us-east-1"]}),
        f"models.nova-lite.profiles: '{HAIKU}' is not allowed; allowed: a geography and the model",
    ),
    "a global profile that names regions": (
        lambda models: models["nova-lite"].update(profiles={"global.amazon.nova-lite-v1:0": ["us-east-1"]}),
        'allowed: ["global"] for a global profile, for others',
    ),
    "a region that is none": (
        lambda models: models["nova-lite"].update(regions=["us-east-9"]),
        "models.nova-lite.regions.0: 'us-east-9' is not allowed",
    ),
    "no way to invoke it": (
        lambda models: models["nova-lite"].update(regions=[]),
        "models.nova-lite.regions: 'nothing' is not allowed",
    ),
    "a fallback that is not there": (
        lambda models: models["nova-lite"].update(fallback="nova-nano"),
        "models.nova-lite.fallback: 'nova-nano' is not allowed; allowed: the key of another model: claude-haiku",
    ),
    "fallbacks in a circle": (
        lambda models: models["nova-micro"].update(fallback="claude-haiku"),
        "go in a circle",
    ),
    "a fallback that may see less": (
        lambda models: models["nova-micro"].update(data_classes=["public"]),
        "models.nova-lite.fallback: 'nova-micro' is not allowed; allowed: a model that may see internal",
    ),
    "a model twice": (
        lambda models: models.update({"nova-again": models["nova-micro"]}),
        "models.nova-again.model_id: 'amazon.nova-micro-v1:0' is not allowed; models.nova-micro has it",
    ),
    "an id that holds a pattern": (
        lambda models: models["nova-lite"].update(model_id="amazon.*"),
        "models.nova-lite.model_id: 'amazon.*' is not allowed; allowed: the id of a Bedrock model",
    ),
    "a misspelt field": (
        lambda models: models["nova-lite"].update(end_of_lief="2027"),
        "models.nova-lite.end_of_lief: 'end_of_lief' is not allowed; unknown key",
    ),
    "no owner": (lambda models: models["nova-lite"].pop("owner"), "models.nova-lite.owner: 'nothing'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_catalogue_is_refused_by_file_field_and_value(tmp_path: Path, case: str) -> None:
    spoil, said = WRONG[case]
    (tmp_path / "catalogue.toml").write_text(spoilt(spoil))
    with pytest.raises(BadInput) as refused:
        Catalogue.read(tmp_path / "catalogue.toml")
    assert str(refused.value).startswith("catalogue.toml: ")
    assert said in str(refused.value)


def test_no_approved_model_has_ended_and_the_first_day_after_its_end_says_so() -> None:
    assert CATALOGUE.ended(date(2026, 11, 21)) == []
    [found] = [one for one in CATALOGUE.ended(date(2027, 6, 30)) if "nova-lite" in one.field]
    assert str(found).startswith("catalogue.toml: models.nova-lite.end_of_life: '2027-06-30' is not allowed")


def test_the_check_fails_on_the_day_that_a_model_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795219200")  # 2026-11-21
    assert main(ROOT) == 0
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1814313600")  # 2027-06-30
    assert main(ROOT) == 2
    assert "models.nova-micro.end_of_life" in capsys.readouterr().err


def test_each_way_to_invoke_an_approved_model_has_its_own_price() -> None:
    for model in CATALOGUE.models.values():
        for target in (*((model.model_id,) if model.regions else ()), *model.profiles):
            prices = BOOK.model(CATALOGUE.price_key(target))
            assert prices, target
            assert {"input", "output", "cache-read"} <= set(prices.prices)


def test_a_model_that_is_not_listed_ended_or_elsewhere_is_not_approved() -> None:
    day, region = date(2026, 11, 21), "us-east-1"
    assert CATALOGUE.unapproved("amazon.nova-lite-v1:0", region=region, on=day) == ""
    assert CATALOGUE.unapproved(HAIKU, region="us-west-2", on=day) == ""
    assert "not in catalogue" in CATALOGUE.unapproved("amazon.nova-pro-v1:0", region=region, on=day)
    assert "not in catalogue" in CATALOGUE.unapproved(f"global.{HAIKU[3:]}", region=region, on=day)
    assert "ended on" in CATALOGUE.unapproved("amazon.nova-lite-v1:0", region=region, on=date(2027, 6, 30))
    assert "invoked from eu-west-1" in CATALOGUE.unapproved("amazon.nova-lite-v1:0", region="eu-west-1", on=day)
    assert "invoked from us-east-1" in CATALOGUE.unapproved(HAIKU[3:], region=region, on=day)  # by profile only


def test_a_model_sees_its_classes_of_data_and_a_profile_none_that_stays() -> None:
    assert CATALOGUE.unseen("amazon.nova-lite-v1:0", "restricted") == ""
    assert CATALOGUE.unseen(HAIKU, "confidential") == ""
    assert "not restricted" in CATALOGUE.unseen(HAIKU, "restricted")


def test_plans_are_made_of_approved_models_only() -> None:
    market = Market(BOOK, CATALOGUE)
    for workload in read_workloads(ROOT):
        chosen = plan(workload, market).chosen
        if chosen and chosen.option.model:
            target = chosen.option.runs_on
            assert CATALOGUE.unapproved(target, region="us-east-1", on=date(2026, 11, 21)) == ""
            assert CATALOGUE.unseen(target, workload.data.classification) == ""


def test_a_plan_does_without_a_model_that_is_not_approved(tmp_path: Path) -> None:
    [assistant] = [one for one in read_workloads(ROOT) if one.name == "support-assistant"]

    def planned(spoil: Spoil) -> Plan:
        (tmp_path / "catalogue.toml").write_text(spoilt(spoil))
        return plan(assistant, Market(BOOK, read_catalogue(tmp_path)))

    def without(models: dict[str, Any]) -> None:
        del models["nova-lite"], models["claude-haiku"]["fallback"]

    chosen = plan(assistant, Market(BOOK, CATALOGUE)).chosen
    assert chosen
    assert chosen.option.runs_on == "amazon.nova-lite-v1:0"
    assert planned(lambda _: None).chosen
    assert planned(without).chosen is None
    assert planned(lambda models: [models[key].update(data_classes=["public"]) for key in models]).chosen is None
