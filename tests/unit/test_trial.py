"""What `groundplan train` does by itself on this machine, and on AWS does not."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from groundplan.environment import read_environment
from groundplan.refusal import Refused, bad
from groundplan.workload import read_workload
from groundplan_operate import embedded_aws, trial

ROOT = Path(__file__).parents[2]
READY = {"runs": True, "deployed": True, "data": True}


class Machine:
    """What stands on this machine, and what was done to it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path, environment: str, **stands: bool) -> None:
        self.stands = {**READY, **stands}
        self.done: list[str] = []
        self.told: list[str] = []
        self.workload = read_workload(ROOT, "digit-reader")
        self.accounts: Any = SimpleNamespace(
            root=root,
            environment=read_environment(ROOT, environment),
            names=SimpleNamespace(launch_parameter=lambda _: "/launch"),
            client=lambda *_: SimpleNamespace(get_parameter=self._get_parameter),
        )
        monkeypatch.setattr(embedded_aws, "runs", lambda _: self.stands["runs"])
        monkeypatch.setattr(trial, "deploy_environment", self._deploy)
        monkeypatch.setattr(trial, "current_dataset", self._dataset)
        monkeypatch.setattr(trial, "put_dataset", self._put)

    def make_ready(self) -> list[str]:
        """What was done."""
        trial.make_ready(self.accounts, self.workload, self.told.append)
        return self.done

    def _get_parameter(self, **_: str) -> None:
        if not self.stands["deployed"]:
            raise ClientError({"Error": {"Code": "ParameterNotFound"}}, "GetParameter")

    def _deploy(self, *_: Any, **__: Any) -> None:
        self.done.append("deployed")

    def _dataset(self, *_: Any) -> None:
        if not self.stands["data"]:
            raise bad("s3://curated", "data set", "nothing", "put one there")

    def _put(self, _accounts: Any, _workload: Any, folder: Path) -> Any:
        self.done.append(f"put {(folder / 'train/one').read_text()}")
        return SimpleNamespace(entries=["one"])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "workloads/digit-reader"
    folder.mkdir(parents=True)
    (folder / "data.py").write_text(
        "import pathlib, sys\nto = pathlib.Path(sys.argv[1], 'train')\nto.mkdir()\n(to / 'one').write_text('rows')\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    ("stands", "done"),
    [
        ({}, []),
        ({"data": False}, ["put rows"]),
        ({"deployed": False}, ["deployed"]),
        ({"runs": False, "data": False}, ["deployed", "put rows"]),
    ],
)
def test_what_is_missing_on_this_machine_is_made_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, root: Path, stands: dict[str, bool], done: list[str]
) -> None:
    machine = Machine(monkeypatch, root, "local", **stands)
    assert machine.make_ready() == done
    assert len(machine.told) == len(done)


def test_on_aws_nothing_is_deployed_or_uploaded_by_itself(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    assert Machine(monkeypatch, root, "dev", runs=False, deployed=False, data=False).make_ready() == []


def test_a_workload_without_data_of_its_own_making_waits_for_ingest(
    monkeypatch: pytest.MonkeyPatch, root: Path
) -> None:
    (root / "workloads/digit-reader/data.py").unlink()
    assert Machine(monkeypatch, root, "local", data=False).make_ready() == []


def test_a_data_script_that_fails_is_named_with_its_last_words(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    (root / "workloads/digit-reader/data.py").write_text("raise SystemExit('no rows today')\n")
    with pytest.raises(Refused, match=r"workloads/digit-reader/data\.py: no rows today"):
        Machine(monkeypatch, root, "local", data=False).make_ready()
