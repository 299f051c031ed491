"""The two halves of a function: what its stack gives it is what its code asks for."""

import importlib
from collections.abc import Mapping
from typing import Any

import pytest

from groundplan_runtime.lineage_settings import Settings

POWERTOOLS = {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_LOG_LEVEL"}


def functions(assembly: Any) -> list[Mapping[str, Any]]:
    return [function["Properties"] for _, _, function in assembly.resources("AWS::Lambda::Function")]


def test_every_handler_exists(assembly: Any) -> None:
    for function in functions(assembly):
        module, _, name = function["Handler"].rpartition(".")
        assert callable(getattr(importlib.import_module(module), name))


def test_the_lineage_functions_find_their_settings(assembly: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for function in functions(assembly):
        variables = function["Environment"]["Variables"]
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))
        settings = Settings.read()
        assert settings.event_bucket == assembly.names.events_bucket()
        for name in variables:
            monkeypatch.delenv(name)


def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LINEAGE_TABLE", raising=False)
    with pytest.raises(Exception, match="LINEAGE_TABLE"):
        Settings.read()
