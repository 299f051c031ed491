"""What `groundplan check` makes of what AWS answers; botocore's stubs hold both to the models of AWS."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber
from click.testing import CliRunner

from groundplan.environment import AccountName, read_environment
from groundplan.execution_policy import boundary_policy, execution_policy
from groundplan.functions import LEFT_UNRESERVED, RESERVED, RUNTIME, WITH_STOPPER
from groundplan.refusal import Refused
from groundplan.workload import read_workload, read_workloads
from groundplan_operate import check as check_module
from groundplan_operate.accounts import Accounts, WrongAccount
from groundplan_operate.destroy import buckets
from groundplan_operate.preflight import answers, questions, quotas, refuse_what_is_missing
from groundplan_operate.preflight.bootstrapped import bootstrapped
from groundplan_operate.preflight.cost_tags import cost_tags
from groundplan_operate.preflight.credentials import credentials
from groundplan_operate.preflight.imports import imports
from groundplan_operate.preflight.models import models
from groundplan_operate.preflight.questions import Answer, Question, Site
from groundplan_operate.preflight.region import NAMED, region

IDS: dict[AccountName, str] = {
    "tooling": "395839583951",
    "application": "395839583952",
    "ai": "395839583953",
    "data": "395839583954",
}
SPOT, ON_DEMAND = "ml.m5.large for spot training job usage", "ml.m5.large for training job usage"


@dataclass(frozen=True)
class Stubbed(Accounts):
    """Accounts whose clients answer what a test wrote down, in the order in which it did."""

    stubs: dict[tuple[str, str], tuple[Any, Stubber]] = field(default_factory=dict)
    open: ExitStack = field(default_factory=ExitStack)

    def client(self, service: str, account: AccountName) -> Any:
        """The stubbed client of a service in an account."""
        if (service, account) not in self.stubs:
            client = boto3.client(
                service,
                region_name="us-east-1",
                aws_access_key_id=IDS[account],
                aws_secret_access_key="none",
                config=Config(retries={"total_max_attempts": 1}),
            )
            self.stubs[service, account] = client, self.open.enter_context(Stubber(client))
        return self.stubs[service, account][0]

    def says(
        self,
        service: str,
        account: AccountName,
        operation: str,
        answer: dict[str, Any],
        asked: dict[str, Any] | None = None,
    ) -> None:
        """The next answer of a service in an account, to a call with the parameters `asked` when they are given."""
        self.client(service, account)
        self.stubs[service, account][1].add_response(operation, answer, asked)

    def fails(self, service: str, account: AccountName, operation: str, code: str) -> None:
        """The next answer of a service in an account is an error."""
        self.client(service, account)
        self.stubs[service, account][1].add_client_error(operation, code, "no, and\nhere is why")


@pytest.fixture
def site(repository: Path) -> Iterator[Site]:
    """`dev` with account ids that are no placeholders, and the example workload."""
    path = repository / "environments/dev.toml"
    text = path.read_text()
    for account, number in IDS.items():
        text = re.sub(rf"(?m)^{account} = .*$", f'{account} = "{number}"', text)
    path.write_text(text)
    accounts = Stubbed(repository, read_environment(repository, "dev"))
    with accounts.open:
        yield Site(accounts, read_workloads(repository))


def stubbed(site: Site) -> Stubbed:
    assert isinstance(site.accounts, Stubbed)
    return site.accounts


def asked(found: Iterator[Question], check: str, account: str = "ai") -> Answer:
    """The answer to one of a concern's questions."""
    [question] = [one for one in found if (one.check, one.account) == (check, account)]
    [answer] = answers([question])
    return answer


def test_credentials_of_another_account_are_missing(site: Site) -> None:
    stubbed(site).says("sts", "ai", "get_caller_identity", {"Account": "1" * 12, "Arn": "arn:aws:iam::1:user/x"})
    found = asked(credentials(site), "credentials")
    assert (found.status, found.found) == ("missing", "arn:aws:iam::1:user/x")
    assert found.wanted == f"of account {IDS['ai']}"
    assert "groundplan-dev-ai" in found.remedy


def test_without_credentials_an_account_is_not_asked_further(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise WrongAccount("these credentials are of account nobody; the ai account is another")

    monkeypatch.setattr(Stubbed, "client", refuse)
    given = list(answers(questions(site)))
    assert {one.status for one in given if one.check == "credentials"} == {"missing"}
    assert {one.status for one in given if one.check != "credentials"} == {"unknown"}
    assert {one.found for one in given if one.check != "credentials"} == {"not asked, for want of its credentials"}


@pytest.mark.parametrize(("version", "status"), [("30", "ok"), ("8", "ok"), ("7", "missing")])
def test_a_bootstrap_must_be_new_enough(site: Site, version: str, status: str) -> None:
    stubbed(site).says("ssm", "ai", "get_parameter", {"Parameter": {"Value": version}})
    found = asked(bootstrapped(site), "bootstrap")
    assert (found.status, found.found) == (status, f"version {version}")


def test_an_account_that_skipped_its_bootstrap_is_told_in_every_line(site: Site) -> None:
    accounts = stubbed(site)
    accounts.fails("ssm", "data", "get_parameter", "ParameterNotFound")
    accounts.fails("cloudformation", "data", "describe_stacks", "ValidationError")
    accounts.fails("cloudformation", "data", "describe_stacks", "ValidationError")
    accounts.fails("iam", "data", "get_policy", "NoSuchEntity")
    accounts.fails("iam", "data", "get_policy", "NoSuchEntity")
    given = list(answers(one for one in bootstrapped(site) if one.account == "data"))
    assert {one.check: (one.status, one.found) for one in given} == {
        "bootstrap": ("missing", "no bootstrap of the qualifier gpdev"),
        "bootstrap trust": ("missing", "no stack CDKToolkit-gpdev"),
        "bootstrap policy": ("missing", "no stack CDKToolkit-gpdev"),
        "execution policy": ("missing", "no such policy"),
        "permissions boundary": ("missing", "no such policy"),
    }
    assert {one.remedy for one in given} == {
        "groundplan deploy -e dev puts it right, with credentials of the account"
    }


@pytest.mark.parametrize(
    ("check", "key", "value", "status", "found"),
    [
        ("bootstrap trust", "TrustedAccounts", IDS["tooling"], "ok", IDS["tooling"]),
        ("bootstrap trust", "TrustedAccounts", "", "missing", "no other account"),
        (
            "bootstrap trust",
            "TrustedAccounts",
            f"{IDS['tooling']},999988887777",
            "missing",
            f"{IDS['tooling']}, 999988887777",
        ),
        (
            "bootstrap policy",
            "CloudFormationExecutionPolicies",
            f"arn:aws:iam::{IDS['ai']}:policy/execution-groundplan-dev",
            "ok",
            "execution-groundplan-dev",
        ),
        (
            "bootstrap policy",
            "CloudFormationExecutionPolicies",
            "arn:aws:iam::aws:policy/AdministratorAccess",
            "missing",
            "AdministratorAccess",
        ),
        ("bootstrap policy", "CloudFormationExecutionPolicies", "", "missing", "AdministratorAccess"),
    ],
)
def test_an_account_trusts_tooling_alone_under_our_policy(
    site: Site, check: str, key: str, value: str, status: str, found: str
) -> None:
    stack = {
        "StackName": "CDKToolkit-gpdev",
        "CreationTime": "2026-01-01T00:00:00Z",
        "StackStatus": "CREATE_COMPLETE",
        "Parameters": [{"ParameterKey": key, "ParameterValue": value}],
    }
    stubbed(site).says("cloudformation", "ai", "describe_stacks", {"Stacks": [stack]})
    given = asked(bootstrapped(site), check)
    assert (given.status, given.found) == (status, found)


@pytest.mark.parametrize("check", ["execution policy", "permissions boundary"])
@pytest.mark.parametrize("same", [True, False])
def test_a_policy_must_be_what_this_version_writes(site: Site, check: str, same: bool) -> None:
    accounts = stubbed(site)
    own = boundary_policy(accounts.environment)
    document = own if check == "permissions boundary" else execution_policy(accounts.names, IDS["ai"])
    accounts.says("iam", "ai", "get_policy", {"Policy": {"DefaultVersionId": "v3"}})
    shown = json.dumps(document if same else document | {"Statement": []})
    accounts.says("iam", "ai", "get_policy_version", {"PolicyVersion": {"Document": shown}})
    given = asked(bootstrapped(site), check)
    assert given.status == ("ok" if same else "missing")
    assert given.found.startswith("version v3")


VPC, SUBNETS, GROUP = "vpc-0123456789abcdef0", ("subnet-0123456789abcdef0", "subnet-0123456789abcdef1"), "sg-01234567"
KEY = f"arn:aws:kms:us-east-1:{IDS['ai']}:key/12345678-1234-1234-1234-123456789012"


@pytest.fixture
def adopted(site: Site) -> Site:
    """`dev` in a VPC, with a key, a log bucket and a boundary that the company has already."""
    path = site.accounts.root / "environments/dev.toml"
    text = re.sub(r"(?ms)^\[network\].*?^interface_endpoints = \[.*?\]\n", "", path.read_text())
    path.write_text(
        f"""{text}
        [existing_network]
        vpc_id = "{VPC}"
        subnet_ids = ["{SUBNETS[0]}", "{SUBNETS[1]}"]
        security_group_ids = ["{GROUP}"]
        [existing]
        ai_key_arn = "{KEY}"
        data_log_bucket = "company-logs"
        [conventions]
        permissions_boundary = "company/boundary"
        """
    )
    accounts = stubbed(site)
    fresh = Stubbed(accounts.root, read_environment(accounts.root, "dev"), accounts.stubs, accounts.open)
    return Site(fresh, site.workloads)


def test_nothing_is_asked_about_what_is_not_adopted(site: Site) -> None:
    assert list(imports(site)) == []


def test_everything_that_is_adopted_is_asked_about(adopted: Site) -> None:
    assert [one.check for one in imports(adopted)] == [
        "existing VPC",
        "existing subnets",
        "existing subnets' routes",
        "existing security groups",
        "existing endpoints",
        "existing key",
        "existing log bucket",
    ]


@pytest.mark.parametrize(
    ("check", "operation", "code"),
    [
        ("existing VPC", "ec2.describe_vpcs", "InvalidVpcID.NotFound"),
        ("existing subnets", "ec2.describe_subnets", "InvalidSubnetID.NotFound"),
        ("existing security groups", "ec2.describe_security_groups", "InvalidGroup.NotFound"),
        ("existing key", "kms.describe_key", "NotFoundException"),
        ("existing log bucket", "s3.head_bucket", "404"),
    ],
)
def test_what_is_adopted_must_be_there(adopted: Site, check: str, operation: str, code: str) -> None:
    service, _, call = operation.partition(".")
    account: AccountName = "data" if service == "s3" else "ai"
    stubbed(adopted).fails(service, account, call, code)
    found = asked(imports(adopted), check, account)
    assert (found.status, found.found) == ("missing", "not in this account and region")
    assert "environments/dev.toml" in found.remedy
    stubbed(adopted).fails(service, account, call, "UnauthorizedOperation")
    found = asked(imports(adopted), check, account)
    assert found.status == "unknown"
    assert found.remedy.startswith("look again with permission for ")


@pytest.mark.parametrize(
    ("zones", "vpc", "status", "found"),
    [
        (("a", "b"), VPC, "ok", "in a, b"),
        (("a", "a"), VPC, "missing", "in a"),
        (("a", "b"), "vpc-other", "missing", f"in another VPC: {SUBNETS[0]}, {SUBNETS[1]}"),
    ],
)
def test_adopted_subnets_lie_in_the_vpc_and_in_two_zones(
    adopted: Site, zones: tuple[str, str], vpc: str, status: str, found: str
) -> None:
    subnets = [{"SubnetId": i, "VpcId": vpc, "AvailabilityZone": z} for i, z in zip(SUBNETS, zones, strict=True)]
    stubbed(adopted).says("ec2", "ai", "describe_subnets", {"Subnets": subnets})
    given = asked(imports(adopted), "existing subnets")
    assert (given.status, given.found) == (status, found)


def table(gateway: str, **association: Any) -> dict[str, Any]:
    return {"Routes": [{"GatewayId": "local"}, {"GatewayId": gateway}], "Associations": [association]}


@pytest.mark.parametrize(
    ("tables", "status", "found"),
    [
        ([table("vpce-1", Main=True)], "ok", "private"),
        ([table("igw-1", Main=True)], "missing", f"public: {SUBNETS[0]}, {SUBNETS[1]}"),
        (
            [table("vpce-1", Main=True), table("igw-1", Main=False, SubnetId=SUBNETS[1])],
            "missing",
            f"public: {SUBNETS[1]}",
        ),
        (
            [table("igw-1", Main=True), *(table("vpce-1", Main=False, SubnetId=subnet) for subnet in SUBNETS)],
            "ok",
            "private",
        ),
        ([], "missing", f"{VPC} has no route table"),
    ],
)
def test_adopted_subnets_are_private(adopted: Site, tables: list[dict[str, Any]], status: str, found: str) -> None:
    stubbed(adopted).says("ec2", "ai", "describe_route_tables", {"RouteTables": tables})
    given = asked(imports(adopted), "existing subnets' routes")
    assert (given.status, given.found) == (status, found)


@pytest.mark.parametrize(
    ("services", "status", "found"),
    [(["s3", "ecr.api"], "ok", "ecr.api, s3"), (["sts"], "missing", "sts"), ([], "missing", "none")],
)
def test_an_adopted_network_has_an_endpoint_for_s3(
    adopted: Site, services: list[str], status: str, found: str
) -> None:
    endpoints = [{"ServiceName": f"com.amazonaws.us-east-1.{name}"} for name in services]
    stubbed(adopted).says("ec2", "ai", "describe_vpc_endpoints", {"VpcEndpoints": endpoints})
    given = asked(imports(adopted), "existing endpoints")
    assert (given.status, given.found) == (status, found)


@pytest.mark.parametrize(("state", "status"), [("Enabled", "ok"), ("PendingDeletion", "missing")])
def test_an_adopted_key_is_enabled(adopted: Site, state: str, status: str) -> None:
    stubbed(adopted).says("kms", "ai", "describe_key", {"KeyMetadata": {"KeyId": "1", "KeyState": state}})
    given = asked(imports(adopted), "existing key")
    assert (given.status, given.found) == (status, state)


@pytest.mark.parametrize(("where", "status"), [("us-east-1", "ok"), ("eu-west-1", "missing")])
def test_an_adopted_log_bucket_is_in_the_region(adopted: Site, where: str, status: str) -> None:
    stubbed(adopted).says("s3", "data", "head_bucket", {"BucketRegion": where})
    given = asked(imports(adopted), "existing log bucket", "data")
    assert (given.status, given.found) == (status, f"in {where}")


def test_a_boundary_of_the_company_must_be_there_whatever_it_says(adopted: Site) -> None:
    stubbed(adopted).fails("iam", "ai", "get_policy", "NoSuchEntity")
    found = asked(bootstrapped(adopted), "permissions boundary")
    assert (found.status, found.wanted) == ("missing", "company/boundary, the company's own")
    assert "conventions.permissions_boundary of environments/dev.toml" in found.remedy
    stubbed(adopted).says("iam", "ai", "get_policy", {"Policy": {"DefaultVersionId": "v9"}})
    assert asked(bootstrapped(adopted), "permissions boundary").status == "ok"


def test_what_was_adopted_is_not_emptied(adopted: Site) -> None:
    emptied = {bucket for bucket, _ in buckets(adopted.accounts)}
    assert "company-logs" not in emptied
    assert adopted.accounts.names.artefacts_logs_bucket() in emptied


@pytest.mark.parametrize(("quota", "status"), [(13.0, "ok"), (12.0, "missing")])
def test_the_vpc_may_have_its_interface_endpoints(site: Site, quota: float, status: str) -> None:
    path = site.accounts.root / "environments/prod.toml"
    endpoints = path.read_text().split("interface_endpoints")[1].split("]\n")[0] + "]\n"
    dev = site.accounts.root / "environments/dev.toml"
    dev.write_text(
        re.sub(r"(?m)^interface_endpoints.*$", lambda _: f"interface_endpoints{endpoints}", dev.read_text())
    )
    accounts = Stubbed(site.accounts.root, read_environment(site.accounts.root, "dev"))
    accounts.says("service-quotas", "ai", "get_service_quota", {"Quota": {"Value": quota}})
    found = asked(quotas.interface_endpoints(Site(accounts, site.workloads)), "quota: interface endpoints of a VPC")
    assert (found.status, found.found, found.wanted) == (status, f"{quota:g}", "13 or more")


def defaults(accounts: Stubbed, *listed: tuple[str, float]) -> None:
    shown = [{"QuotaName": name, "QuotaCode": "L-DEFA", "Value": value} for name, value in listed]
    accounts.says("service-quotas", "ai", "list_aws_default_service_quotas", {"Quotas": shown})


def applied(accounts: Stubbed, *listed: tuple[str, float]) -> None:
    shown = [{"QuotaName": name, "QuotaCode": "L-1A2B", "Value": value} for name, value in listed]
    accounts.says("service-quotas", "ai", "list_service_quotas", {"Quotas": shown})


def test_a_quota_of_zero_is_one_line_with_its_code_and_how_to_ask(site: Site) -> None:
    defaults(stubbed(site), (SPOT, 4.0))
    applied(stubbed(site), (SPOT, 0.0))
    found = asked(quotas.instances(site), f"quota: {SPOT}")
    assert (found.status, found.found, found.wanted) == ("missing", "0", "1 or more")
    assert found.remedy == (
        "in the ai account: aws service-quotas request-service-quota-increase --service-code sagemaker "
        "--quota-code L-1A2B --desired-value 1 --region us-east-1"
    )


def test_without_on_demand_instances_one_is_warned(site: Site) -> None:
    defaults(stubbed(site), (ON_DEMAND, 0.0))
    applied(stubbed(site))
    found = asked(quotas.instances(site), f"quota: {ON_DEMAND}")
    assert (found.status, found.wanted) == ("warning", "1 or more, for train --on-demand")
    assert "--quota-code L-DEFA" in found.remedy


def test_a_quota_that_was_never_changed_is_aws_default(site: Site) -> None:
    defaults(stubbed(site), (SPOT, 4.0))
    applied(stubbed(site), ("another", 0.0))
    found = asked(quotas.instances(site), f"quota: {SPOT}")
    assert (found.status, found.found, found.remedy) == ("ok", "4", "")


def test_a_quota_that_aws_does_not_list_is_unknown(site: Site) -> None:
    defaults(stubbed(site))
    applied(stubbed(site))
    assert asked(quotas.instances(site), f"quota: {SPOT}").status == "unknown"


ENOUGH = LEFT_UNRESERVED + RESERVED["ai"] + WITH_STOPPER


@pytest.mark.parametrize(
    ("limit", "unreserved", "own", "status"),
    [
        (1000, 1000, None, "ok"),
        (ENOUGH, ENOUGH, None, "ok"),
        (ENOUGH - 1, ENOUGH - 1, None, "missing"),
        (10, 10, None, "missing"),
        (1000, ENOUGH - 10, 10, "ok"),  # what is ours already is not asked for again
        (1000, ENOUGH - 11, 10, "missing"),
    ],
)
def test_functions_must_leave_enough_of_the_accounts_concurrency(
    site: Site, limit: int, unreserved: int, own: int | None, status: str
) -> None:
    accounts = stubbed(site)
    account_limit = {"ConcurrentExecutions": limit, "UnreservedConcurrentExecutions": unreserved}
    accounts.says("lambda", "ai", "get_account_settings", {"AccountLimit": account_limit})
    functions = [{"FunctionName": name} for name in ["someone-elses", *(["groundplan-dev-Lineage"] if own else [])]]
    accounts.says("lambda", "ai", "list_functions", {"Functions": functions})
    if own:
        accounts.says("lambda", "ai", "get_function_concurrency", {"ReservedConcurrentExecutions": own})
    found = asked(quotas.function_concurrency(site), "quota: concurrent functions")
    assert found.status == status
    if status == "missing":
        assert f"--service-code lambda --quota-code L-B99A9384 --desired-value {ENOUGH}" in found.remedy


def test_in_a_shared_account_both_halves_are_asked_for_together(site: Site) -> None:
    path = site.accounts.root / "environments/dev.toml"
    text = path.read_text().replace(f'data = "{IDS["data"]}"', f'data = "{IDS["ai"]}"')
    path.write_text(text.replace("[accounts]", 'shared = ["ai", "data"]\n[accounts]'))
    shared = Site(Stubbed(site.accounts.root, read_environment(site.accounts.root, "dev")), site.workloads)
    [functions] = [one for one in quotas.function_concurrency(shared) if one.account == "ai"]
    [rooms] = list(quotas.bucket_count(shared))
    here = RESERVED["ai"] + WITH_STOPPER + RESERVED["data"] - 1  # one tells what both cost
    assert functions.wanted == f"100 left beside the {here} that functions reserve here"
    assert rooms.wanted == f"room for {len(buckets(shared.accounts))}"


@pytest.mark.parametrize(("quota", "status"), [(6.0, "ok"), (5.0, "missing"), (0.0, "missing")])
def test_there_must_be_room_for_the_buckets(site: Site, quota: float, status: str) -> None:
    accounts = stubbed(site)
    accounts.fails("service-quotas", "ai", "get_service_quota", "NoSuchResourceException")
    accounts.says("service-quotas", "ai", "get_aws_default_service_quota", {"Quota": {"Value": quota}})
    own = accounts.names.artefacts_bucket()
    accounts.says("s3", "ai", "list_buckets", {"Buckets": [{"Name": "x"}, {"Name": "y"}, {"Name": own}]})
    found = asked(quotas.bucket_count(site), "quota: buckets")
    assert (found.status, found.found) == (status, f"{quota:g}, of which others take 2")


def services(accounts: Stubbed, path: str, names: list[str]) -> None:
    for start in range(0, len(NAMED), 10):
        asked_for = set(NAMED[start : start + 10])
        found = [{"Name": f"/aws/service/{path}/{name}"} for name in names if name in asked_for]
        accounts.says("ssm", "ai", "get_parameters", {"Parameters": found})


@pytest.mark.parametrize(
    ("here", "anywhere", "status", "telling"),
    [
        (NAMED, NAMED, "ok", f"{len(NAMED)} offered"),
        ([name for name in NAMED if name != "sagemaker"], NAMED, "missing", "us-east-1 lacks sagemaker"),
        (NAMED[1:], NAMED[1:], "ok", f"AWS lists nowhere {NAMED[0]}"),
        ([], [], "unknown", "AWS's public parameters are not here"),
    ],
)
def test_the_region_must_have_the_services(
    site: Site, here: list[str], anywhere: list[str], status: str, telling: str
) -> None:
    services(stubbed(site), "regions/us-east-1/services", here)
    services(stubbed(site), "services", anywhere)
    found = asked(region(site), "services of the region")
    assert found.status == status
    assert telling in found.found


def test_the_region_must_know_the_runtime(site: Site) -> None:
    accounts = stubbed(site)
    accounts.says("lambda", "ai", "list_layers", {"Layers": []})
    assert asked(region(site), "runtime of functions").status == "ok"
    accounts.fails("lambda", "ai", "list_layers", "ValidationException")
    found = asked(region(site), "runtime of functions")
    assert (found.status, found.wanted) == ("missing", f"{RUNTIME} on arm64")


def tags(*active: str) -> dict[str, Any]:
    return {"CostAllocationTags": [{"TagKey": key, "Type": "UserDefined", "Status": "Active"} for key in active]}


@pytest.fixture
def assisting(site: Site) -> Site:
    """The same accounts with a workload that names foundation models."""
    return replace(site, workloads=[read_workload(Path(__file__).parents[2], "support-assistant")])


def availability(agreement: str, region: str = "AVAILABLE") -> dict[str, Any]:
    return {
        "modelId": "amazon.nova-lite-v1:0",
        "agreementAvailability": {"status": agreement},
        "authorizationStatus": "AUTHORIZED",
        "entitlementAvailability": "AVAILABLE",
        "regionAvailability": region,
    }


def test_a_foundation_model_must_be_open_to_the_account(assisting: Site) -> None:
    accounts, name = stubbed(assisting), "model: amazon.nova-lite-v1:0"
    accounts.says("bedrock", "ai", "get_foundation_model_availability", availability("AVAILABLE"))
    found = asked(models(assisting), name, "ai")
    assert (found.status, "support-assistant" in found.wanted) == ("ok", True)
    accounts.says(
        "bedrock", "ai", "get_foundation_model_availability", availability("NOT_AVAILABLE", "NOT_AVAILABLE")
    )
    found = asked(models(assisting), name, "ai")
    assert (found.status, found.found) == ("missing", "not there: agreement, region")


def test_the_model_behind_an_inference_profile_is_asked_for(assisting: Site) -> None:
    accounts = stubbed(assisting)
    accounts.says(
        "bedrock",
        "ai",
        "get_foundation_model_availability",
        availability("AVAILABLE"),
        {"modelId": "anthropic.claude-haiku-4-5-20251001-v1:0"},
    )
    assert asked(models(assisting), "model: us.anthropic.claude-haiku-4-5-20251001-v1:0", "ai").status == "ok"


def test_cost_tags_must_be_active(site: Site) -> None:
    accounts = stubbed(site)
    accounts.says("ce", "tooling", "list_cost_allocation_tags", tags("workload", "environment"))
    found = asked(cost_tags(site), "cost allocation tags", "tooling")
    assert (found.status, found.found) == ("missing", "not active: cost-centre, owner")
    assert "TagKey=owner,Status=Active" in found.remedy
    accounts.says(
        "ce", "tooling", "list_cost_allocation_tags", tags("workload", "environment", "owner", "cost-centre")
    )
    assert asked(cost_tags(site), "cost allocation tags", "tooling").status == "ok"


def test_an_account_that_does_not_pay_cannot_say_whether_cost_tags_are_active(site: Site) -> None:
    stubbed(site).fails("ce", "tooling", "list_cost_allocation_tags", "AccessDeniedException")
    found = asked(cost_tags(site), "cost allocation tags", "tooling")
    assert found.status == "unknown"
    assert found.remedy == "ask in the account that pays for the others"


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("AccessDeniedException", "look again with permission for ListAWSDefaultServiceQuotas"),
        ("TooManyRequestsException", ""),
        ("400", ""),
    ],
)
def test_an_error_is_unknown_on_one_line(site: Site, code: str, remedy: str) -> None:
    stubbed(site).fails("service-quotas", "ai", "list_aws_default_service_quotas", code)
    found = asked(quotas.instances(site), f"quota: {SPOT}")
    assert found.status == "unknown"
    assert found.found == f"ListAWSDefaultServiceQuotas: {code} no, and here is why"
    assert found.remedy == remedy


def test_a_service_that_the_region_lacks_is_unknown(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise EndpointConnectionError(endpoint_url="https://nowhere")

    monkeypatch.setattr(Stubbed, "client", fail)
    found = asked(quotas.instances(site), f"quota: {SPOT}")
    assert (found.status, found.remedy) == ("unknown", "")


def test_nothing_but_reading_is_asked() -> None:
    folder = Path(quotas.__file__).parent
    source = "".join(path.read_text() for path in folder.glob("*.py"))
    services = sorted(set(re.findall(r'client\("([a-z0-9-]+)"', source)))
    assert {"iam", "lambda", "s3", "service-quotas"} <= set(services)
    known = {
        operation.lower()
        for service in services
        for operation in boto3.client(service, region_name="us-east-1").meta.service_model.operation_names
    }
    called = set(re.findall(r"\.([a-z_]+)\(", source)) | set(re.findall(r'get_paginator\("([a-z_]+)"', source))
    operations = {name for name in called if name.replace("_", "") in known}
    assert {"get_parameters", "list_buckets", "list_functions", "list_service_quotas"} <= operations
    assert {name.partition("_")[0] for name in operations} <= {"describe", "get", "head", "list"}


def test_a_deployment_is_refused_for_what_is_missing_and_not_for_what_is_unknown(site: Site) -> None:
    accounts = stubbed(site)
    for account, number in IDS.items():
        identity = {"Account": number, "Arn": "arn:aws:iam::1:user/x"}
        accounts.says("sts", account, "get_caller_identity", identity)
    accounts.fails("ssm", "ai", "get_parameters", "AccessDeniedException")
    accounts.fails("lambda", "ai", "list_layers", "AccessDeniedException")
    for account, runs in (("ai", 10), ("data", 1000)):
        limit = {"ConcurrentExecutions": runs, "UnreservedConcurrentExecutions": runs}
        accounts.says("lambda", account, "get_account_settings", {"AccountLimit": limit})
        accounts.says("lambda", account, "list_functions", {"Functions": []})
    for account in ("ai", "data"):
        accounts.fails("service-quotas", account, "get_service_quota", "AccessDeniedException")
    with pytest.raises(Refused) as error:
        refuse_what_is_missing(site)
    [line] = str(error.value).splitlines()
    assert line.startswith("ai: quota: concurrent functions: 10 of 10 not reserved by others; wanted: 100 left")
    assert "L-B99A9384" in line


def test_the_command_shows_what_is_missing_and_ends_with_one(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = stubbed(site)
    monkeypatch.setattr(check_module, "repository", lambda: accounts.root)
    monkeypatch.setattr(check_module, "Accounts", lambda *_: accounts)
    monkeypatch.setattr(check_module, "questions", lambda _: list(quotas.instances(site)))
    for arguments in (["-e", "dev", "--json"], ["-e", "dev"]):
        defaults(accounts, (ON_DEMAND, 2.0))
        applied(accounts, (SPOT, 0.0))
        done = CliRunner().invoke(check_module.check, arguments)
        assert isinstance(done.exception, Refused)
        assert str(done.exception) == "dev: 1 of 2 checks found something missing"
        if "--json" in arguments:
            shown, other = json.loads(done.stdout)["checks"]
            assert (other["status"], other["found"], other["remedy"]) == ("ok", "2", "")
            assert set(shown) == {"check", "account", "status", "found", "wanted", "remedy"}
            assert (shown["check"], shown["status"]) == (f"quota: {SPOT}", "missing")
        else:
            lines = done.stdout.splitlines()
            assert lines[0].split() == ["missing", "ai", "quota:", *SPOT.split(), "0"]
            assert lines[1].strip() == "wanted: 1 or more"
            assert lines[2].strip().startswith("in the ai account: aws service-quotas")
            assert lines[3].split()[:2] == ["ok", "ai"]
            assert lines[4] == "1 ok, 1 missing"
