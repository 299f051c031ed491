"""The stack of organisation policies: there when an environment names its organisation, and only then."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from groundplan.catalogue import read_catalogue
from groundplan.environment import read_environment
from groundplan.governance import policies
from groundplan.names import Names
from stacks.composition import compose

ROOT = Path(__file__).parents[2]
MANAGEMENT_ACCOUNT = "121212121212"
CLOUDFORMATION_TAKES_BYTES = 51200  # of a template in the call itself


@pytest.fixture(scope="module")
def governed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`prod` with an organisation around it and no workloads, synthesised and validated."""
    root, folder = tmp_path_factory.mktemp("governed"), tmp_path_factory.mktemp("assembly")
    (root / "environments").mkdir()
    text = (ROOT / "environments/prod.toml").read_text() + (ROOT / "tests/unit/organization.toml").read_text()
    (root / "environments/prod.toml").write_text(text)
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = cdk.App(context=context, outdir=str(folder), analytics_reporting=False)
    compose(app, ROOT, read_environment(root, "prod"), [])
    app.synth()
    return folder


def test_no_environment_that_names_no_organisation_has_the_stack(assembly: Any) -> None:
    assert "Governance" not in assembly.templates


def test_every_policy_is_attached_as_it_was_written(governed: Path, tmp_path: Path) -> None:
    (tmp_path / "environments").mkdir()
    text = (ROOT / "environments/prod.toml").read_text() + (ROOT / "tests/unit/organization.toml").read_text()
    (tmp_path / "environments/prod.toml").write_text(text)
    environment = read_environment(tmp_path, "prod")
    assert environment.organization
    made = {
        policy.name: policy for policy in policies(Names(environment), environment.organization, read_catalogue(ROOT))
    }
    resources = json.loads((governed / "Governance.template.json").read_text())["Resources"]
    assert {resource["Type"] for resource in resources.values()} == {"AWS::Organizations::Policy"}
    assert set(resources) == set(made)
    for name, resource in resources.items():
        properties = resource["Properties"]
        assert properties["Content"] == made[name].document
        assert properties["Type"] == made[name].type
        assert properties["TargetIds"] == ["ou-ab12-platform1"]
        assert {tag["Key"] for tag in properties["Tags"]} == {"workload", "environment", "owner", "cost-centre"}


def test_it_is_deployed_with_the_credentials_of_the_management_account_alone(governed: Path) -> None:
    manifest = json.loads((governed / "manifest.json").read_text())["artifacts"]["Governance"]
    assert manifest["environment"] == f"aws://{MANAGEMENT_ACCOUNT}/us-east-1"
    assert "assumeRoleArn" not in manifest["properties"]
    assert "cloudFormationExecutionRoleArn" not in manifest["properties"]
    assert (governed / "Governance.template.json").stat().st_size < CLOUDFORMATION_TAKES_BYTES


def test_neither_the_validators_nor_cfn_lint_have_anything_to_say(governed: Path) -> None:
    assert json.loads((governed / "validation-report.json").read_text())["pluginReports"] == []
    command = [str(Path(sys.executable).with_name("cfn-lint")), str(governed / "Governance.template.json")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
