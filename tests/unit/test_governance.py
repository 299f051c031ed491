"""The documents of the organisation's policies, and what a person may write wrong about an organisation."""

import json
import re
from pathlib import Path

import pytest
from cfnlint.data import AdditionalSpecs

from groundplan.catalogue import read_catalogue
from groundplan.environment import Environment, read_environment
from groundplan.governance import MOST_CHARACTERS, OrganizationPolicy, policies
from groundplan.names import Names
from groundplan.refusal import BadInput

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """`prod` with an organisation around it."""
    root = tmp_path_factory.mktemp("governed")
    (root / "environments").mkdir()
    text = (ROOT / "environments/prod.toml").read_text() + (ROOT / "tests/unit/organization.toml").read_text()
    (root / "environments/prod.toml").write_text(text)
    return read_environment(root, "prod")


@pytest.fixture(scope="module")
def made(environment: Environment) -> tuple[OrganizationPolicy, ...]:
    assert environment.organization
    return policies(Names(environment), environment.organization, read_catalogue(ROOT))


def test_every_action_is_one_that_aws_has(made: tuple[OrganizationPolicy, ...]) -> None:
    known = json.loads((Path(AdditionalSpecs.__file__).parent / "Policies.json").read_text())
    for policy in made:
        for statement in policy.statements:
            for action in statement.get("Action", []) + statement.get("NotAction", []):
                service, _, name = action.partition(":")
                assert service in known, action
                assert name == "*" or name.lower() in known[service]["Actions"], action


def test_no_partition_is_named(made: tuple[OrganizationPolicy, ...]) -> None:
    assert not [policy.name for policy in made if re.search(r"arn:aws", policy.content)]


def test_the_documentation_tells_every_statement(made: tuple[OrganizationPolicy, ...]) -> None:
    told = re.findall(r"(?m)^\| `(\w+)` \|", (ROOT / "docs/governance.md").read_text())
    assert told == [statement["Sid"] for policy in made for statement in policy.statements]


def test_a_policy_too_long_for_aws_is_refused(environment: Environment) -> None:
    organization = environment.organization
    assert organization
    many = tuple(f"10.{i // 256}.{i % 256}.0/24" for i in range(400))
    with pytest.raises(BadInput, match=r"prod\.toml: organization: .*Resources of \d+ characters.* at most 5120"):
        policies(Names(environment), organization.model_copy(update={"networks": many}))


def test_policies_have_room_to_grow(made: tuple[OrganizationPolicy, ...]) -> None:
    for policy in made:
        assert len(policy.content) < 0.6 * MOST_CHARACTERS[policy.type], policy.name


def test_the_embedded_aws_has_no_organisation(repository: Path) -> None:
    path = repository / "environments/local.toml"
    path.write_text(path.read_text() + (ROOT / "tests/unit/organization.toml").read_text())
    with pytest.raises(BadInput, match="organization: 'o-exampleorg1' is not allowed; the embedded AWS has no"):
        read_environment(repository, "local")


@pytest.mark.parametrize(
    ("old", "new", "telling"),
    [
        ("id =", 'id = "exampleorg1"', ["organization.id", "exampleorg1", "o-"]),
        ("management_account", 'management_account = "666677778888"', ["management_account", "none of [accounts]"]),
        ("targets", 'targets = ["ou-1"]', ["organization.targets.0", "ou-1", "organisational unit"]),
        ("targets", "targets = []", ["organization.targets", "at least 1"]),
        ("targets", 'targets = ["121212121212"]', ["organization.targets", "no policy binds the management account"]),
        ("break_glass_role", 'break_glass_role = "admin/*"', ["break_glass_role", "admin/*", "without its path"]),
        ("regions", 'regions = ["eu-central-1"]', ["organization.regions", "us-east-1 among them"]),
        ("inference_regions", 'inference_regions = ["world"]', ["organization.inference_regions", "world"]),
        ("networks", 'networks = ["203.0.113.7/24"]', ["organization.networks.0", "203.0.113.0/24"]),
        ("networks", 'networks = ["0.0.0.0/0"]', ["organization.networks.0", "smaller than all addresses"]),
    ],
)
def test_a_wrong_organisation_is_refused_in_a_line(repository: Path, old: str, new: str, telling: list[str]) -> None:
    extra = (ROOT / "tests/unit/organization.toml").read_text()
    changed, count = re.subn(rf"(?m)^{re.escape(old)}.*$", lambda _: new, extra, count=1)
    assert count == 1
    path = repository / "environments/prod.toml"
    path.write_text(path.read_text() + changed)
    with pytest.raises(BadInput) as error:
        read_environment(repository, "prod")
    for line in str(error.value).splitlines():
        assert line.startswith("environments/prod.toml: organization")
    for words in telling:
        assert words in str(error.value)
