"""`groundplan cost`: any assembly, in text, JSON or Markdown, alone or against another."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from groundplan.refusal import BadInput, Refused
from groundplan_operate.command_line import groundplan

ROOT = Path(__file__).parents[2]


def assembly(folder: Path, **resources: Any) -> Path:
    """An assembly of one stack in us-east-1."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "S.template.json").write_text(json.dumps({"Resources": resources}))
    artifact = {
        "type": "aws:cloudformation:stack",
        "environment": "aws://111111111111/us-east-1",
        "properties": {"templateFile": "S.template.json"},
    }
    (folder / "manifest.json").write_text(json.dumps({"version": "55.0.0", "artifacts": {"S": artifact}}))
    return folder


def run(*arguments: object) -> None:
    """The command, with its own exceptions."""
    groundplan(["cost", *map(str, arguments)], standalone_mode=False)


KEY = {"Type": "AWS::KMS::Key"}


@pytest.fixture(autouse=True)
def day(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day on which the prices are fresh: 2026-11-23."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795392000")


def test_an_assembly_of_any_app_is_estimated_outside_a_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run("--assembly", assembly(tmp_path / "app", K=KEY))
    assert "total $1.00 a month" in capsys.readouterr().out


@pytest.mark.parametrize("style", [["--json"], ["--format", "json"]])
def test_json_is_json(tmp_path: Path, capsys: pytest.CaptureFixture[str], style: list[str]) -> None:
    run("--assembly", assembly(tmp_path, K=KEY), *style)
    found = json.loads(capsys.readouterr().out)
    assert [resource["logical_id"] for resource in found["resources"]] == ["K"]
    assert found["totals"]["monthly_usd"] == "1"


def test_markdown_is_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("--assembly", assembly(tmp_path, K=KEY), "--markdown")
    assert "| Stack | Resource | Cost | A month | Why |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("style", "said"),
    [
        ([], "+ S/L  - -> $1.00 (+$1.00)  AWS::KMS::Key\n$1.00 more a month: $1.00 before, $2.00 after"),
        (["--markdown"], "| added | `S/L` | `AWS::KMS::Key` | - | $1.00 | +$1.00 |"),
        (["--json"], '"difference_usd": "1"'),
    ],
)
def test_two_assemblies_are_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], style: list[str], said: str
) -> None:
    before = assembly(tmp_path / "before", K=KEY)
    run("--assembly", assembly(tmp_path / "after", K=KEY, L=KEY), "--diff", before, *style)
    assert said in capsys.readouterr().out


def test_a_malformed_template_is_reported_after_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = assembly(tmp_path, K=KEY)
    manifest = json.loads((folder / "manifest.json").read_text())
    bad = manifest["artifacts"]["S"] | {"properties": {"templateFile": "Bad.template.json"}}
    (folder / "Bad.template.json").write_text("{")
    (folder / "manifest.json").write_text(json.dumps(manifest | {"artifacts": {"B": bad, **manifest["artifacts"]}}))
    with pytest.raises(BadInput, match=r"Bad\.template\.json"):
        run("--assembly", folder)
    assert "total at least $1.00, plus 1 unknown a month" in capsys.readouterr().out


def test_prices_that_are_too_old_are_refused_unless_somebody_says_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "4102444800")
    with pytest.raises(Refused, match="groundplan prices refresh --region us-east-1"):
        run("--assembly", assembly(tmp_path, K=KEY))
    run("--assembly", tmp_path, "--accept-old", "no network")
    assert "accepted: no network" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--assembly", "nowhere"],
        ["-e", "nowhere"],
        ["--assembly", "{here}", "--region", "x; y"],
        ["--diff", "nowhere"],
    ],
)
def test_wrong_usage_is_one_line(tmp_path: Path, arguments: list[str]) -> None:
    folder = str(assembly(tmp_path, K=KEY))
    given = [argument.replace("{here}", folder) for argument in arguments]
    if given[0] == "--diff":
        given = ["--assembly", folder, *given]
    with pytest.raises(BadInput) as caught:
        run(*given)
    assert len(str(caught.value).splitlines()) == 1


def test_estimating_an_assembly_imports_neither_cdk_nor_boto3(tmp_path: Path) -> None:
    code = (
        "import sys; from groundplan_operate.command_line import groundplan; "
        f"groundplan(['cost', '--assembly', {str(assembly(tmp_path, K=KEY))!r}], standalone_mode=False); "
        "print([m for m in ('aws_cdk', 'boto3', 'botocore', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]"


def test_prices_import_neither_cdk_nor_boto3() -> None:
    code = (
        "import sys, groundplan_operate.prices; "
        "print([m for m in ('aws_cdk', 'boto3', 'botocore', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
