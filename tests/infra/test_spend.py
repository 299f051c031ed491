"""What may be spent: whose budgets there are, who may stop what, and what the paying account adds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from cdk_nag import AwsSolutionsChecks

from groundplan.environment import read_environment
from groundplan.names import Names
from groundplan.spend.focus_table import export_name
from groundplan.workload import read_workloads
from stacks.billing import Billing
from stacks.own_bill import OwnBill

ROOT = Path(__file__).parents[2]
PAYER = "123412341234"


def budgets(assembly: Any) -> dict[str, Mapping[str, Any]]:
    return {
        one["Properties"]["Budget"]["BudgetName"]: one["Properties"]
        for _, _, one in assembly.resources("AWS::Budgets::Budget")
    }


def test_each_account_and_each_workload_has_a_ceiling_that_tells_before_and_when_it_is_passed(assembly: Any) -> None:
    found, names = budgets(assembly), assembly.names
    wanted = {names.budget("account", one) for one in ("application", "ai", "data")}
    wanted |= {names.budget("workload", one.name) for one in read_workloads(ROOT)}
    assert set(found) == wanted
    for name, budget in found.items():
        thresholds = [
            (one["Notification"]["NotificationType"], one["Notification"]["Threshold"])
            for one in budget["NotificationsWithSubscribers"]
        ]
        assert thresholds == [("ACTUAL", 50), ("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100)], name
    digits = found[names.budget("workload", "digit-reader")]
    assert digits["Budget"]["BudgetLimit"] == {"Amount": 50, "Unit": "USD"}
    assert digits["Budget"]["CostFilters"] == {"TagKeyValue": ["user:workload$digit-reader"]}
    assert {tag["Key"]: tag["Value"] for tag in digits["ResourceTags"]}["owner"] == "vision-team"


def test_the_action_attaches_a_policy_that_only_denies_to_a_role_that_begins_jobs(assembly: Any) -> None:
    [(_, _, action)] = assembly.resources("AWS::Budgets::BudgetsAction")
    properties = action["Properties"]
    assert (properties["ActionType"], properties["ApprovalModel"]) == ("APPLY_IAM_POLICY", "AUTOMATIC")
    [role] = properties["Definition"]["IamActionDefinition"]["Roles"]
    assert "MachineRole" in str(role)
    [policy] = [
        one["Properties"]
        for stack, logical_id, one in assembly.resources("AWS::IAM::ManagedPolicy")
        if stack == "Spend-ai" and logical_id.startswith("DenyPolicy")
    ]
    [statement] = policy["PolicyDocument"]["Statement"]
    assert statement["Effect"] == "Deny"
    assert not {"Roles", "Users", "Groups"} & set(policy), "until a ceiling is passed nobody is bound by it"


def test_the_stopper_of_production_holds_no_action_that_ends_an_endpoint(assemblies: Mapping[str, Any]) -> None:
    for name, may in (("prod", False), ("dev", True)):
        policies = assemblies[name].resources("AWS::IAM::ManagedPolicy")
        text = str([policy for stack, _, policy in policies if stack == "Spend-ai"])
        assert ("sagemaker:DeleteEndpoint'" in text) is may, name
        assert "sagemaker:StopTrainingJob" in text


def test_a_bill_that_does_not_come_rings(assembly: Any) -> None:
    alarms = {
        one["Properties"]["MetricName"]: one["Properties"]
        for stack, _, one in assembly.resources("AWS::CloudWatch::Alarm")
        if stack == "CostReport" and one["Properties"].get("Namespace") == "Groundplan/Cost"
    }
    bills, use = alarms["NewestExportAgeHours"], alarms["PlatformUseAgeHours"]
    assert (bills["TreatMissingData"], bills["Threshold"]) == ("breaching", 48)
    assert (use["TreatMissingData"], use["Threshold"]) == ("ignore", 24), "a look that is a day old misses one"
    for alarm in (bills, use):
        assert "Spend-data" in str(alarm["AlarmActions"]), "on the topic that people read who pay"


def test_the_observer_writes_one_object_into_the_bucket_of_bills_and_is_the_only_one(assembly: Any) -> None:
    role = assembly.names.roles(assembly.environment.accounts.ai, assembly.names.observer_role())
    admitted = {
        kind: [one for one in document["Statement"] if one.get("Sid") == "PlatformUse"]
        for kind, name in (("AWS::S3::BucketPolicy", "PolicyDocument"), ("AWS::KMS::Key", "KeyPolicy"))
        for stack, _, resource in assembly.resources(kind)
        if stack in ("CostReport", "DataLake")
        for document in [resource["Properties"][name]]
        if stack == "CostReport" or "Exports" in str(document)
    }
    [bucket], [key] = admitted["AWS::S3::BucketPolicy"], admitted["AWS::KMS::Key"]
    assert bucket["Action"] == "s3:PutObject"
    assert "/observed/platform.json" in str(bucket["Resource"])
    assert key["Action"] == "kms:GenerateDataKey", "it cannot read what it wrote, nor anything else"
    for one in (bucket, key):
        assert one["Condition"]["ArnEquals"] == {"aws:PrincipalArn": role}
        assert "root" in str(one["Principal"])
    bound = key["Condition"]["StringEquals"]
    assert bound["kms:ViaService"] == f"s3.{assembly.environment.region}.amazonaws.com"
    assert str(bound["kms:EncryptionContext:aws:s3:arn"]).count(assembly.names.costs_bucket()) == 2
    [made] = [
        one["Properties"]
        for stack, logical_id, one in assembly.resources("AWS::IAM::Role")
        if stack == "Spend-ai" and logical_id.startswith("ObserveRole")
    ]
    assert made["RoleName"] == assembly.names.observer_role()


def test_the_observer_looks_before_the_report_is_made(assembly: Any) -> None:
    at = {
        f"{stack}/{logical_id}": rule["Properties"]["ScheduleExpression"]
        for stack, logical_id, rule in assembly.resources("AWS::Events::Rule")
        if logical_id.startswith("Daily")
    }
    looks, reports = (next(it for name, it in at.items() if name.startswith(s)) for s in ("Spend-ai", "CostReport"))
    assert (looks, reports) == ("cron(15 09 * * ? *)", "cron(30 09 * * ? *)")


def test_the_dashboard_shows_the_report_by_a_function_that_reads_it_and_nothing_else(assembly: Any) -> None:
    [page] = [
        one["Properties"]
        for stack, _, one in assembly.resources("AWS::CloudWatch::Dashboard")
        if stack == "CostReport"
    ]
    [shows] = [
        logical_id
        for stack, logical_id, one in assembly.resources("AWS::Lambda::Function")
        if stack == "CostReport" and one["Properties"]["Handler"].endswith("show_cost.handler")
    ]
    assert '"type":"custom"' in str(page["DashboardBody"])
    assert {"Fn::GetAtt": [shows, "Arn"]} in page["DashboardBody"]["Fn::Join"][1]
    permissions = [one for stack, _, one in assembly.resources("AWS::Lambda::Permission") if stack == "CostReport"]
    assert not any(shows in str(one) for one in permissions), "who looks at it invokes it by his own permissions"
    [policy] = [
        one["Properties"]["PolicyDocument"]["Statement"]
        for stack, logical_id, one in assembly.resources("AWS::IAM::ManagedPolicy")
        if stack == "CostReport" and logical_id.startswith("Show")
    ]
    [read] = [one for one in policy if str(one["Action"]).startswith("s3:")]
    assert read["Action"] == "s3:GetObject"
    assert str(read["Resource"]).count("/report/cost-widget.html") == 1


def test_the_bucket_of_bills_admits_the_exports_of_named_accounts_alone(assembly: Any) -> None:
    [policy] = [one for stack, _, one in assembly.resources("AWS::S3::BucketPolicy") if stack == "CostReport"]
    statements = policy["Properties"]["PolicyDocument"]["Statement"]
    admitted = [one for one in statements if one["Effect"] == "Allow" and one["Sid"] != "PlatformUse"]
    accounts = {one["Condition"]["StringEquals"]["aws:SourceAccount"] for one in admitted}
    assert accounts == set(assembly.environment.exporters())
    for one in admitted:
        assert one["Condition"]["ArnLike"]["aws:SourceArn"]


def test_queries_over_bills_are_bounded(assembly: Any) -> None:
    [(_, _, group)] = assembly.resources("AWS::Athena::WorkGroup")
    configuration = group["Properties"]["WorkGroupConfiguration"]
    assert configuration["EnforceWorkGroupConfiguration"] is True
    assert configuration["BytesScannedCutoffPerQuery"] == 10 * 1024**3


@pytest.mark.parametrize("email", [None, "finance@example.com"])
def test_the_paying_account_exports_everything_and_watches_where_somebody_reads(
    tmp_path: Path, email: str | None
) -> None:
    environment = read_environment(ROOT, "dev").model_copy(update={"alarm_email": email})
    app = cdk.App(outdir=str(tmp_path), analytics_reporting=False)
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks())
    Billing(app, "Billing", names=Names(environment), payer=PAYER, workloads=read_workloads(ROOT))
    [artifact] = app.synth().stacks
    assert artifact.environment.account == PAYER
    assert artifact.environment.region == "us-east-1"
    kinds = [one["Type"] for one in artifact.template["Resources"].values()]
    assert kinds.count("AWS::BCMDataExports::Export") == 1
    watched = {"AWS::CE::AnomalyMonitor", "AWS::CE::AnomalySubscription", "AWS::Budgets::Budget"}
    assert watched & set(kinds) == (watched if email else set())
    [export] = [one for one in artifact.template["Resources"].values() if one["Type"].endswith("::Export")]
    place = export["Properties"]["Export"]["DestinationConfigurations"]["S3Destination"]
    assert place["S3Bucket"] == Names(environment).costs_bucket()
    assert place["S3Prefix"] == f"exports/{PAYER}"
    assert place["S3BucketOwner"] == environment.accounts.data, "or nothing is delivered to another account"


def test_an_accounts_own_bill_goes_where_its_bucket_admits_it_and_its_report_looks(tmp_path: Path) -> None:
    environment = read_environment(ROOT, "dev")
    app = cdk.App(outdir=str(tmp_path), analytics_reporting=False)
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks())
    account = environment.accounts.ai
    OwnBill(app, "Bill-ai", names=Names(environment), account=account)
    [artifact] = app.synth().stacks
    assert (artifact.environment.account, artifact.environment.region) == (account, "us-east-1")
    assert not artifact.assume_role_arn, "nobody deploys it but who is signed in there"
    [export] = artifact.template["Resources"].values()
    assert export["Type"] == "AWS::BCMDataExports::Export"
    given = export["Properties"]["Export"]
    place = given["DestinationConfigurations"]["S3Destination"]
    assert account in environment.exporters()
    assert place["S3Bucket"] == Names(environment).costs_bucket()
    assert place["S3BucketOwner"] == environment.accounts.data, "or nothing is delivered to another account"
    looked_for = f"exports/{account}/{export_name(Names(environment).stem)}/"
    assert f"{place['S3Prefix']}/{given['Name']}/" == looked_for
    assert place["S3OutputConfigurations"]["Overwrite"] == "OVERWRITE_REPORT"
