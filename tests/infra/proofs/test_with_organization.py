"""Under the organisation's policies, where a company has them, everything still works and nothing more is allowed."""

from dataclasses import replace
from pathlib import Path

import pytest

from groundplan.environment import Environment, read_environment
from groundplan.governance import policies
from groundplan.names import Names
from proofs.assertions import administrators
from proofs.evaluator import Policy
from proofs.report import Report
from proofs.world import ORGANISATION, World

ROOT = Path(__file__).parents[3]
SAID = ROOT / "tests/unit/organization.toml"


@pytest.fixture(scope="session")
def bound(report: Report, tmp_path_factory: pytest.TempPathFactory) -> World:
    """The world with the organisation's policies attached to every account."""
    folder = tmp_path_factory.mktemp("organization")
    (folder / "environments").mkdir()
    said = SAID.read_text().replace("o-exampleorg1", ORGANISATION)
    (folder / "environments/prod.toml").write_text((ROOT / "environments/prod.toml").read_text() + said)
    environment: Environment = read_environment(folder, "prod")
    assert environment.organization
    made = policies(Names(environment), environment.organization)
    texts = {policy.name: Policy.read(policy.name, policy.document) for policy in made}
    return replace(
        report.world,
        policies={**report.world.policies, **texts},
        control=[policy.name for policy in made if policy.type == "SERVICE_CONTROL_POLICY"],
        resource_control=[policy.name for policy in made if policy.type == "RESOURCE_CONTROL_POLICY"],
    )


def test_what_must_be_allowed_is_allowed_under_the_organisations_policies(report: Report, bound: World) -> None:
    # Administrators come from the expected networks or not at all; that is judged in test_governance.py.
    others = {caller.name for caller in administrators(bound)}
    allowed = [entry for entry in report.assertions if entry.allowed and entry.layer == "all"]
    needed = [entry for entry in allowed if entry.caller.name not in others]
    assert len(needed) > 300
    assert [entry.id for entry in needed if not entry.holds(bound)] == []


def test_an_administrator_of_ai_is_refused_what_opens_the_lake_and_what_hides_it(bound: World) -> None:
    accounts = bound.names.environment.accounts  # of the application account no key is known
    for caller in (one for one in administrators(bound) if one.account in (accounts.ai, accounts.data)):
        number = caller.account
        for action, resource in (
            ("kms:ScheduleKeyDeletion", f"arn:aws:kms:us-east-1:{number}:key/company"),
            ("kms:DisableKey", f"arn:aws:kms:us-east-1:{number}:key/company"),
            ("s3:PutBucketPublicAccessBlock", f"arn:aws:s3:::bucket-{number}"),
            ("s3:PutBucketLogging", f"arn:aws:s3:::bucket-{number}"),
            ("logs:DeleteLogGroup", f"arn:aws:logs:us-east-1:{number}:log-group:/one"),
            ("cloudtrail:StopLogging", f"arn:aws:cloudtrail:us-east-1:{number}:trail/one"),
            ("ec2:DeleteFlowLogs", f"arn:aws:ec2:us-east-1:{number}:vpc-flow-log/one"),
        ):
            request = bound.request(caller, action, resource, {"aws:SourceIp": "203.0.113.7"})
            assert not bound.allows(caller, request), (caller.name, action)
            free = replace(bound, control=(), resource_control=())
            assert free.allows(caller, request), "else this says nothing of the organisation's policies"
