"""What must hold for every environment's templates. `assembly` is each of local, dev and prod in turn."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3
from cdk_nag import AwsSolutionsChecks

from groundplan.functions import RUNTIME, reserved
from groundplan_operate.accounts import Accounts
from groundplan_operate.bootstrap import NEEDED_VERSION
from groundplan_operate.destroy import buckets

MOST_ACKNOWLEDGEMENTS_A_STACK = 32  # a workload's stack has the roles of two kinds of jobs
ENDPOINTS_GROUP = "VpcEndpoints873B3F9A"


def test_the_validator_and_cdk_nag_have_nothing_to_say(assembly: Any) -> None:
    assert assembly.report["pluginReports"] == []


def test_cdk_nag_would_speak_up(tmp_path: Path) -> None:
    app = cdk.App(outdir=str(tmp_path), analytics_reporting=False)
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks())
    s3.Bucket(cdk.Stack(app, "Careless"), "Open")
    with pytest.raises(RuntimeError):
        app.synth()
    assert "AwsSolutions-S1" in (tmp_path / "validation-report.json").read_text()


def test_cfn_lint_has_nothing_to_say(assembly: Any) -> None:
    templates = [str(path) for path in sorted(assembly.folder.glob("*.template.json"))]
    command = [str(Path(sys.executable).with_name("cfn-lint")), *templates]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


def test_each_stack_stands_in_its_account_under_the_environments_qualifier(assembly: Any) -> None:
    manifest = json.loads((assembly.folder / "manifest.json").read_text())["artifacts"]
    stacks = {name: artifact for name, artifact in manifest.items() if artifact["type"] == "aws:cloudformation:stack"}
    accounts = assembly.environment.account_ids()
    region, qualifier = assembly.environment.region, assembly.environment.qualifier
    assert {"DataLake", "Intake", "Platform", "Lineage", "Training", "Workload-digit-reader"} <= set(stacks)
    for name, artifact in stacks.items():
        account = accounts[account_of(name)]
        assert artifact["environment"] == f"aws://{account}/{region}"
        role = artifact["properties"]["assumeRoleArn"]
        assert role.endswith(f":role/cdk-{qualifier}-deploy-role-{account}-{region}")


def test_no_policy_names_a_role_of_another_account(assembly: Any) -> None:
    for stack, template in assembly.templates.items():
        own = assembly.environment.account_ids()[account_of(stack)]
        for path, principal in _principals(template["Resources"]):
            for arn in re.findall(r"arn:aws:(?:iam|sts)::(\d{12}):(\S+?)\"", json.dumps(principal)):
                assert arn[0] == own or arn[1] == "root", f"{stack}{path}: {principal}"


def test_whoever_of_another_account_is_let_in_is_narrowed_by_who_he_is(assembly: Any) -> None:
    ai = assembly.environment.accounts.ai
    found = 0
    for _, _, resource in (*assembly.resources("AWS::S3::BucketPolicy"), *assembly.resources("AWS::KMS::Key")):
        document = resource["Properties"].get("PolicyDocument") or resource["Properties"]["KeyPolicy"]
        for statement in document["Statement"]:
            if assembly.environment.accounts.data != ai and f"{ai}:root" in json.dumps(statement["Principal"]):
                if statement["Action"] == "kms:*":
                    continue  # a key of the ai account itself
                if statement["Sid"] == "PlatformUse":
                    continue  # one role by its name, in test_spend.py
                found += 1
                assert statement["Condition"]["ArnLike"]["aws:PrincipalArn"].startswith(f"arn:aws:iam::{ai}:role/")
                assert statement["Condition"]["Null"] == {"aws:PrincipalTag/workload": "false"}
    assert found == 8  # curated, features and evaluation: read and list; the key: decrypt, for either kind of job


def test_every_statement_for_a_service_says_for_whom(assembly: Any) -> None:
    """The roles of functions and of API Gateway's logs are the exceptions: no source is documented for them."""
    for stack, template in assembly.templates.items():
        for logical_id, resource in template["Resources"].items():
            for statement in _statements(resource):
                service = statement.get("Principal", {})
                if not isinstance(service, dict) or "Service" not in service or statement["Effect"] == "Deny":
                    continue
                if service["Service"] in ("apigateway.amazonaws.com", "lambda.amazonaws.com"):
                    continue
                condition = json.dumps(statement.get("Condition", {}))
                # Firehose says for whom it works by an external id.
                named = ("aws:Source", "EncryptionContext", "sts:ExternalId")
                assert any(key in condition for key in named), f"{stack}/{logical_id}"


def test_every_bucket_is_private_versioned_encrypted_and_logged(assembly: Any) -> None:
    buckets = list(assembly.resources("AWS::S3::Bucket"))
    assert len(buckets) == 12
    for _, logical_id, bucket in buckets:
        properties = bucket["Properties"]
        assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}, logical_id
        assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
        encryption = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]
        holds_logs = "logs" in properties["BucketName"]
        algorithm = encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"]
        assert algorithm == ("AES256" if holds_logs else "aws:kms")
        assert holds_logs or properties["LoggingConfiguration"]["DestinationBucketName"].split("-")[2:4] != []
        assert len(properties["BucketName"]) <= 63


def test_plain_http_and_old_tls_are_refused_by_every_bucket(assembly: Any) -> None:
    policies = list(assembly.resources("AWS::S3::BucketPolicy"))
    assert len(policies) == 12
    for _, _, policy in policies:
        denies = [s for s in policy["Properties"]["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"]
        conditions = json.dumps([statement["Condition"] for statement in denies])
        assert '"aws:SecureTransport": "false"' in conditions
        assert "s3:TlsVersion" in conditions


def test_data_is_kept_where_the_environment_says_so(assembly: Any) -> None:
    expected = "RetainExceptOnCreate" if assembly.environment.retain_data else "Delete"
    for kind in ("AWS::S3::Bucket", "AWS::KMS::Key", "AWS::DynamoDB::Table", "AWS::ECR::Repository"):
        policies = {resource["DeletionPolicy"] for _, _, resource in assembly.resources(kind)}
        assert policies == {expected}, kind


def test_destroying_an_environment_empties_every_bucket_that_it_made(assembly: Any) -> None:
    made = {bucket["Properties"]["BucketName"] for _, _, bucket in assembly.resources("AWS::S3::Bucket")}
    accounts = Accounts(Path(__file__).parents[2], assembly.environment)
    assert made == {bucket for bucket, _ in buckets(accounts)}


def test_every_function_has_json_logs_a_kept_log_group_and_a_dead_letter_queue(assembly: Any) -> None:
    functions = list(assembly.resources("AWS::Lambda::Function"))
    count = 10 if assembly.environment.mlflow else 9  # called by events; four more by whoever waits
    assert len(functions) == count + 4
    groups = {logical_id: group for _, logical_id, group in assembly.resources("AWS::Logs::LogGroup")}
    for stack, _, function in functions:
        properties = function["Properties"]
        assert properties["LoggingConfig"]["LogFormat"] == "JSON"
        group = groups[properties["LoggingConfig"]["LogGroup"]["Ref"]]
        assert group["Properties"]["RetentionInDays"] == assembly.environment.log_retention_days
        if stack in ("Training", "Generative", "Gateway") or properties["Handler"].endswith(".show_cost.handler"):
            continue  # the state machine, CloudFormation, API Gateway and CloudWatch wait for the answer
        assert properties["DeadLetterConfig"]["TargetArn"]
    configured = list(assembly.resources("AWS::Lambda::EventInvokeConfig"))
    assert [c["Properties"]["MaximumRetryAttempts"] for _, _, c in configured] == [2] * count


def test_functions_are_built_for_the_environments_processor(assembly: Any) -> None:
    found = {f["Properties"]["Architectures"][0] for _, _, f in assembly.resources("AWS::Lambda::Function")}
    if assembly.environment.architecture != "host":
        assert found == {assembly.environment.architecture}
    assert len(found) == 1


def test_functions_ask_of_their_account_what_the_preflight_looks_for(assembly: Any) -> None:
    found: dict[str, int] = {}
    for stack, _, function in assembly.resources("AWS::Lambda::Function"):
        account = account_of(stack)
        assert function["Properties"]["Runtime"] == RUNTIME
        found[account] = found.get(account, 0) + function["Properties"]["ReservedConcurrentExecutions"]
    assert found == reserved(assembly.environment)


def test_the_assembly_asks_for_the_bootstrap_that_the_command_line_makes_sure_of(assembly: Any) -> None:
    manifest = (assembly.folder / "manifest.json").read_text()
    assert max(map(int, re.findall(r'"requiresBootstrapStackVersion": (\d+)', manifest))) == NEEDED_VERSION


def test_every_rule_keeps_what_it_cannot_deliver(assembly: Any) -> None:
    rules = list(assembly.resources("AWS::Events::Rule"))
    more = (1 if assembly.environment.mlflow else 0) + (2 if assembly.environment.budgets.out_of_hours else 0)
    assert len(rules) == 8 + more
    for _, _, rule in rules:
        for target in rule["Properties"]["Targets"]:
            assert target["DeadLetterConfig"]["Arn"]


def test_lineage_hears_of_training_jobs_model_packages_and_endpoints(assembly: Any) -> None:
    patterns = [
        rule["Properties"]["EventPattern"]
        for stack, _, rule in assembly.resources("AWS::Events::Rule")
        if stack == "Lineage" and "EventPattern" in rule["Properties"]
    ]
    assert {tuple(pattern["source"]) for pattern in patterns} == {("aws.sagemaker",)}
    assert {kind for pattern in patterns for kind in pattern["detail-type"]} == {
        "SageMaker Training Job State Change",
        "SageMaker Model Package State Change",
        "SageMaker Endpoint State Change",
    }


def test_each_table_can_be_restored_to_any_second(assembly: Any) -> None:
    tables = [table["Properties"] for _, _, table in assembly.resources("AWS::DynamoDB::Table")]
    assert {table["TableName"] for table in tables} == {assembly.names.lineage_table(), assembly.names.gateway()}
    for table in tables:
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_an_event_in_the_dead_letter_queue_rings(assembly: Any) -> None:
    queues = [stack for stack, _, _ in assembly.resources("AWS::SQS::Queue")]
    alarms = {
        stack: alarm["Properties"]
        for stack, _, alarm in assembly.resources("AWS::CloudWatch::Alarm")
        if alarm["Properties"].get("MetricName") == "ApproximateNumberOfMessagesVisible"
    }
    assert sorted(alarms) == sorted(queues)
    for properties in alarms.values():
        assert properties["Threshold"] == 1
        assert len(properties["AlarmActions"]) == 1


def test_images_cannot_be_replaced_and_are_scanned(assembly: Any) -> None:
    for _, _, repository in assembly.resources("AWS::ECR::Repository"):
        assert repository["Properties"]["ImageTagMutability"] == "IMMUTABLE"
        assert repository["Properties"]["ImageScanningConfiguration"] == {"ScanOnPush": True}


def test_a_training_role_reads_its_own_data_and_writes_its_own_prefix(assembly: Any) -> None:
    [policy] = [
        policy
        for stack, logical_id, policy in assembly.resources("AWS::IAM::ManagedPolicy")
        if stack == "Workload-digit-reader" and logical_id.startswith("Training")
    ]
    by_sid = {s["Sid"]: s for s in policy["Properties"]["PolicyDocument"]["Statement"]}
    data = [assembly.names.lake_bucket("curated"), assembly.names.lake_bucket("features")]
    artefacts = assembly.names.artefacts_bucket()
    own = f"arn:aws:s3:::{artefacts}/workloads/digit-reader"
    assert by_sid["ReadData"]["Resource"] == [f"arn:aws:s3:::{bucket}/digit-reader/*" for bucket in data]
    assert by_sid["ListData"]["Resource"] == [f"arn:aws:s3:::{bucket}" for bucket in data]
    assert by_sid["ReadCode"]["Resource"] == f"{own}/code/*"
    assert sorted(by_sid["WriteOwnPrefix"]["Resource"]) == [
        f"{own}/{part}/*" for part in ("checkpoints", "output", "prepared")
    ]
    writers = [
        sid
        for sid, statement in by_sid.items()
        if "Put" in json.dumps(statement["Action"]) and sid != "WriteOwnPrefix"
    ]
    assert writers == ["WriteLogs", "PublishMetrics"]


def test_an_evaluation_role_reads_requests_and_models_and_writes_answers_and_nothing_else(assembly: Any) -> None:
    [policy] = [
        policy
        for stack, logical_id, policy in assembly.resources("AWS::IAM::ManagedPolicy")
        if stack == "Workload-digit-reader" and logical_id.startswith("Evaluation")
    ]
    by_sid = {s["Sid"]: s for s in policy["Properties"]["PolicyDocument"]["Statement"]}
    objects = {sid: (s["Action"], s["Resource"]) for sid, s in by_sid.items() if "Object" in json.dumps(s["Action"])}
    lake, own = (
        f"arn:aws:s3:::{assembly.names.lake_bucket('evaluation')}/digit-reader",
        f"arn:aws:s3:::{assembly.names.artefacts_bucket()}/workloads/digit-reader",
    )
    assert objects == {
        "ReadRequests": ("s3:GetObject", f"{lake}/*/requests.jsonl"),
        "ReadModels": ("s3:GetObject", [f"{own}/code/*", f"{own}/output/*"]),
        "WriteAnswers": (["s3:AbortMultipartUpload", "s3:PutObject"], f"{own}/answers/*"),
    }


def test_the_launch_defaults_name_the_roles_that_the_stack_makes(assembly: Any) -> None:
    [parameter] = [p for stack, _, p in assembly.resources("AWS::SSM::Parameter") if stack == "Workload-digit-reader"]
    roles = {key for key, role in assembly.templates["Workload-digit-reader"]["Resources"].items() if _is_role(role)}
    written = json.dumps(parameter["Properties"]["Value"])
    for name, role in (("role_arn", "Training"), ("evaluation_role_arn", "Evaluation")):
        [logical_id] = [key for key in roles if key.startswith(role)]
        assert re.search(rf'\\"{name}\\": \\"", {{"Fn::GetAtt": \["{logical_id}", "Arn"\]}}', written), name


def _is_role(resource: Mapping[str, Any]) -> bool:
    return resource["Type"] == "AWS::IAM::Role"


def test_environments_differ_only_in_values(assemblies: Mapping[str, Any]) -> None:
    shapes = {
        name: {
            stack: {
                # A deployment of an API has a digest of the API in its id.
                logical_id if resource["Type"] != "AWS::ApiGateway::Deployment" else "Deployment": resource["Type"]
                for logical_id, resource in template["Resources"].items()
                # Which endpoints are paid for, and so whether there is a group for them, is a value.
                if resource["Properties"].get("VpcEndpointType") != "Interface"
                and logical_id != ENDPOINTS_GROUP
                and not logical_id.startswith("Hours")  # so are closing hours
            }
            for stack, template in assembly.templates.items()
            if stack != "Tracking"  # whether there is an MLflow is a value as well
        }
        for name, assembly in assemblies.items()
    }
    assert shapes["local"] == shapes["dev"] == shapes["prod"]


def test_every_type_in_use_has_its_contract_with_the_embedded_aws(assembly: Any) -> None:
    contracts = (Path(__file__).parents[1] / "local/test_embedded_cloudformation_types.py").read_text()
    types = {
        resource["Type"] for template in assembly.templates.values() for resource in template["Resources"].values()
    }
    assert {kind for kind in types if f'"{kind}"' not in contracts} == set()


def test_acknowledgements_are_few_and_each_stands_on_one_resource_with_a_reason(assembly: Any) -> None:
    files = list(assembly.folder.glob("*.metadata.json"))
    assert len(files) == len(assembly.templates)
    for metadata in files:
        reasons = list(_acknowledgements(json.loads(metadata.read_text())))
        assert bool(reasons) != metadata.name.startswith("Tables-"), metadata.name
        assert len(reasons) <= MOST_ACKNOWLEDGEMENTS_A_STACK, metadata.name
        assert all(len(reason) > 20 for reason in reasons), metadata.name


def test_what_checkov_lets_stand_has_a_reason_on_one_resource(assembly: Any) -> None:
    skips = [
        skip
        for template in assembly.templates.values()
        for resource in template["Resources"].values()
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", ())
    ]
    assert 0 < len(skips) <= MOST_ACKNOWLEDGEMENTS_A_STACK
    assert all(skip["id"].startswith("CKV") and len(skip["comment"]) > 20 for skip in skips)


def account_of(stack: str) -> str:
    """The account in which a stack belongs."""
    kind, _, of = stack.partition("-")
    if kind == "Spend":
        return of
    if kind == "Gateway":
        return "application"
    return "data" if kind in ("DataLake", "Intake", "Tables", "CostReport", "Meter") else "ai"


def _acknowledgements(metadata: Any) -> Iterator[str]:
    if isinstance(metadata, dict):
        for key, value in metadata.items():
            if key.startswith("Annotation::"):
                yield value
            else:
                yield from _acknowledgements(value)
    elif isinstance(metadata, list):
        for value in metadata:
            yield from _acknowledgements(value)


def _statements(resource: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for value in resource.get("Properties", {}).values():
        if isinstance(value, dict) and isinstance(value.get("Statement"), list):
            yield from value["Statement"]


def _principals(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "Principal":
                yield path, value
            else:
                yield from _principals(value, f"{path}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _principals(value, f"{path}/{index}")
