"""The private names of ministack and moto that the embedded AWS stands on, in the versions that are installed."""

from importlib import import_module, metadata
from pathlib import Path

import pytest

joints = import_module("groundplan_local.joints")
NAMES = [(module, name) for module, names in joints.JOINTS.items() for name in names]
PROJECT = Path(__file__).parents[2] / "local" / "pyproject.toml"


@pytest.mark.parametrize(("module", "name"), NAMES, ids=[f"{module}.{name}" for module, name in NAMES])
def test_a_joint_is_where_it_was(module: str, name: str) -> None:
    found, parameters = joints.joint(module, name), joints.JOINTS[module][name]
    if parameters is not None:
        assert joints.parameters_of(found) == parameters, (
            f"{module}.{name} is called otherwise by now: mend its users"
        )


@pytest.mark.parametrize("name", ["ministack", "moto"])
def test_what_is_installed_is_what_is_pinned(name: str) -> None:
    pins = [line for line in PROJECT.read_text().split('"') if line.startswith(name)]
    assert [pin.rpartition("==")[2] for pin in pins] == [metadata.version(name)]


def test_a_missing_joint_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(joints.JOINTS, "ministack.core.arn", {"no_such_name": None})
    with pytest.raises(joints.JointMissingError, match=r"has no 'no_such_name'.*pyproject\.toml"):
        joints.joint("ministack.core.arn", "no_such_name")
