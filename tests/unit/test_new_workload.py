"""`groundplan new workload`: complete, compliant and its own; a name that cannot be one makes nothing."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from groundplan.environment import read_environment
from groundplan.job_limits import refuse_outside
from groundplan.refusal import BadInput, Refused
from groundplan.workload import read_trained_workload, read_workload
from groundplan.workload.template import new_workload_files, templates
from groundplan_operate.new import new

ROOT = Path(__file__).parents[2]
NEEDED = ["data.py", "requirements.in", "requirements.lock", "test_train.py", "train.py", "workload.toml"]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the templates and no workload."""
    (tmp_path / "workloads").mkdir()
    (tmp_path / "cdk.json").write_text("{}")
    for name in ("environments", "templates"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(*arguments: str) -> Result:
    return CliRunner().invoke(new, ["workload", *arguments])


@pytest.mark.parametrize("template", templates(ROOT))
def test_every_template_makes_a_workload_that_may_be_launched(repository: Path, template: str) -> None:
    done = make("my-thing", "--from", template)
    assert done.exit_code == 0, done.output
    assert "groundplan train my-thing" in done.output
    assert sorted(path.name for path in (repository / "workloads/my-thing").iterdir()) == NEEDED
    made = read_trained_workload(repository, "my-thing")
    for environment in ("local", "dev", "prod"):
        refuse_outside(read_environment(ROOT, environment).limits, environment, [made])
    # All that differs from the template, which is tried by its own test, is the name.
    for name in set(NEEDED) - {"workload.toml"}:
        assert (repository / "workloads/my-thing" / name).read_bytes() == (
            ROOT / "templates/workloads" / template / name
        ).read_bytes()
    assert made.model_copy(update={"name": template}) == read_workload(ROOT / "templates", template)
    assert template not in (repository / "workloads/my-thing/workload.toml").read_text()


@pytest.mark.parametrize("template", templates(ROOT))
def test_a_template_is_short_and_locks_what_it_asks_for(template: str) -> None:
    folder = ROOT / "templates/workloads" / template
    assert len((folder / "train.py").read_text().splitlines()) <= 60
    locked = (folder / "requirements.lock").read_text()
    pinned = dict(re.findall(r"(?m)^([a-z0-9-]+)==([^ \\]+)", (ROOT / "requirements.lock").read_text()))
    asked = [line for line in (folder / "requirements.in").read_text().splitlines() if line[:1].isalpha()]
    assert asked
    for line in asked:
        name = re.split(r"[^a-z0-9-]", line)[0]
        assert re.search(rf"(?m)^{name}=={re.escape(pinned[name])} ", locked), f"{name}: make lock"
    assert "--hash=sha256:" in locked
    assert "http" not in locked


def test_who_owns_it_and_who_pays_can_be_said(repository: Path) -> None:
    done = make("my-thing", "--from", "text", "--owner", "help-desk", "--cost-centre", "4711", "--json")
    assert json.loads(done.output) == {
        "workloads": [{"name": "my-thing", "template": "text", "files": NEEDED}],
    }
    made = read_workload(repository, "my-thing")
    assert (made.owner, made.cost_centre) == ("help-desk", "4711")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("platform", "--from", "text"), "NAME: 'platform' .*the platform's own tag"),
        (("My-Thing", "--from", "text"), "NAME: 'My-Thing' .*lower-case letters"),
        (("../thing", "--from", "text"), r"NAME: '\.\./thing' .*lower-case letters"),
        (("a-name-that-is-far-too-long", "--from", "text"), "3 to 24"),
        (("pаypal", "--from", "text"), "CYRILLIC SMALL LETTER A"),
        (("thing", "--from", "table"), "--from: 'table' .*allowed: tabular, text, vision"),
        (("thing", "--from", "../workloads/digit-reader"), "--from: .*allowed: tabular"),
        (("thing", "--from", "text", "--owner", 'a"\nname = "b'), "--owner: .*allowed: 1 to 128"),
        (("thing", "--from", "text", "--cost-centre", ""), "--cost-centre: .*allowed: 1 to 128"),
    ],
)
def test_bad_input_is_said_in_a_line_and_makes_nothing(
    repository: Path, arguments: tuple[str, ...], said: str
) -> None:
    refused = make(*arguments)
    assert isinstance(refused.exception, BadInput)
    assert re.search(said, str(refused.exception))
    assert "\n" not in str(refused.exception)
    assert list((repository / "workloads").iterdir()) == []


def test_what_is_there_is_not_touched(repository: Path) -> None:
    (repository / "workloads/thing").mkdir()
    (repository / "workloads/thing/notes").write_text("mine")
    refused = make("thing", "--from", "text")
    assert "is there already" in str(refused.exception)
    assert [path.name for path in (repository / "workloads/thing").iterdir()] == ["notes"]


def test_a_folder_that_cannot_be_written_leaves_nothing_half(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        refused = make("thing", "--from", "text")
    assert isinstance(refused.exception, Refused)
    assert "No space left on device" in str(refused.exception)
    assert list((repository / "workloads").iterdir()) == []


def test_a_template_that_is_no_workload_is_refused_by_its_own_file(tmp_path: Path) -> None:
    folder = tmp_path / "templates/workloads/own"
    folder.mkdir(parents=True)
    (folder / "workload.toml").write_text('name = "own"\n')
    with pytest.raises(BadInput, match=r"workloads/own/workload\.toml: owner"):
        new_workload_files(tmp_path, "thing", "own", {})


def test_the_shape_of_what_machines_read(repository: Path) -> None:
    document: dict[str, Any] = json.loads(make("thing", "--from", "vision", "--json").output)
    assert list(document) == ["workloads"]
    assert (repository / "workloads/thing").stat().st_mode & 0o777 == 0o755
