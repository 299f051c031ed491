"""What an app costs a month, worked by hand from published unit prices, and what is said where nobody knows."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.estimate import Estimate, Line, Usage, estimate, read_stacks
from groundplan.estimate.ceiling import excess
from groundplan.estimate.difference import difference, difference_as_json, difference_markdown, headline
from groundplan.estimate.families import CHARGED, FREE, UNCHARGED, is_classed
from groundplan.estimate.report import as_json, markdown_lines, text_lines
from groundplan.estimate.template import Stack
from groundplan.prices import Money, PriceBook, RegionFactor, dollars, read_prices
from groundplan.refusal import BadInput

ROOT = Path(__file__).parents[2]
Template = Mapping[str, Any]


def written(folder: Path, templates: Mapping[str, object], *, region: str = "us-east-1") -> Path:
    """An assembly of stacks, each of a template or of text that is no template."""
    folder.mkdir(parents=True, exist_ok=True)
    artifacts = {}
    for name, template in templates.items():
        file = f"{name}.template.json"
        (folder / file).write_text(template if isinstance(template, str) else json.dumps(template))
        artifacts[name] = {
            "type": "aws:cloudformation:stack",
            "environment": f"aws://111111111111/{region}",
            "properties": {"templateFile": file},
        }
    (folder / "manifest.json").write_text(json.dumps({"version": "55.0.0", "artifacts": artifacts}))
    return folder


def estimated(
    folder: Path, resources: Mapping[str, object], usage: Mapping[str, Any] | None = None, **sections: object
) -> Estimate:
    """The estimate of a stack of these resources; `usage` is assumed, in floats for brevity."""
    stacks, findings = read_stacks(written(folder, {"S": {"Resources": resources, **sections}}))
    assert not findings
    assumed = {key: {name: Decimal(str(one)) for name, one in used.items()} for key, used in (usage or {}).items()}
    return estimate(stacks, lambda region: read_prices(ROOT, region), Usage(assumed=assumed))


def one(kind: str, **properties: object) -> dict[str, object]:
    """A single resource of a type."""
    return {"R": {"Type": kind, "Properties": properties}}


def line(found: Estimate, logical_id: str = "R") -> Line:
    """The line of a resource."""
    [wanted] = [line for line in found.lines if line.logical_id == logical_id]
    return wanted


def hosted(variant: Mapping[str, object], **more: object) -> dict[str, object]:
    """An endpoint of one variant."""
    configuration = {"ProductionVariants": [variant], **more}
    return {
        "C": {"Type": "AWS::SageMaker::EndpointConfig", "Properties": configuration},
        "R": {
            "Type": "AWS::SageMaker::Endpoint",
            "Properties": {"EndpointConfigName": {"Fn::GetAtt": ["C", "Name"]}},
        },
    }


PROFILE = "arn:aws:bedrock:us-east-1:111111111111:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0"

# Each worked by hand from the list prices of us-east-1, beside it the arithmetic.
WORKED: dict[str, tuple[Mapping[str, object], Mapping[str, Mapping[str, float]], str]] = {
    "a key": (one("AWS::KMS::Key"), {}, "1.00"),
    "a NAT gateway that passes 100 GB: 730 x 0.045 + 100 x 0.045": (
        one("AWS::EC2::NatGateway"),
        {"AWS::EC2::NatGateway": {"data_gb": 100}},
        "37.35",
    ),
    "an interface endpoint in three zones: 3 x 730 x 0.01": (
        one("AWS::EC2::VPCEndpoint", VpcEndpointType="Interface", SubnetIds=[{"Ref": "A"}, {"Ref": "B"}, "subnet-c"]),
        {},
        "21.90",
    ),
    "two ml.m5.xlarge that host: 2 x 730 x 0.23": (
        hosted({"InstanceType": "ml.m5.xlarge", "InitialInstanceCount": 2}),
        {"AWS::SageMaker::Endpoint": {"payload_gb": 0}},
        "335.80",
    ),
    "one ml.inf2.8xlarge with 100 GB: 730 x 2.36 + 100 x 0.14": (
        hosted({"InstanceType": "ml.inf2.8xlarge", "InitialInstanceCount": 1, "VolumeSizeInGB": 100}),
        {"AWS::SageMaker::Endpoint": {"payload_gb": 0}},
        "1736.80",
    ),
    "a variant and its shadow, ml.c5.large: 2 x 730 x 0.102": (
        hosted(
            {"InstanceType": "ml.c5.large", "InitialInstanceCount": 1},
            ShadowProductionVariants=[{"InstanceType": "ml.c5.large", "InitialInstanceCount": 1}],
        ),
        {"AWS::SageMaker::Endpoint": {"payload_gb": 0}},
        "148.92",
    ),
    "a million calls of 200 ms with 512 MB on arm: 0.20 + 100,000 x 0.0000133334": (
        one("AWS::Lambda::Function", MemorySize=512, Architectures=["arm64"]),
        {"AWS::Lambda::Function": {"invocations": 1_000_000, "duration_ms": 200}},
        "1.53",
    ),
    "the same on x86: 0.20 + 100,000 x 0.0000166667": (
        one("AWS::Lambda::Function", MemorySize=512),
        {"AWS::Lambda::Function": {"invocations": 1_000_000, "duration_ms": 200}},
        "1.87",
    ),
    "a table: 10 M reads 1.25, 1 M writes 0.625, 25 GB 6.25, recovery of 25 GB 5.00": (
        one(
            "AWS::DynamoDB::Table",
            BillingMode="PAY_PER_REQUEST",
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
        ),
        {"AWS::DynamoDB::Table": {"read_requests": 10_000_000, "write_requests": 1_000_000, "storage_gb": 25}},
        "13.13",
    ),
    "a bucket: 500 GB 11.50, 1 M puts 5.00, 10 M gets 4.00": (
        one("AWS::S3::Bucket"),
        {"AWS::S3::Bucket": {"storage_gb": 500, "put_requests": 1_000_000, "get_requests": 10_000_000}},
        "20.50",
    ),
    "a web ACL of three rules and 10 M requests: 5 + 3 + 6": (
        one("AWS::WAFv2::WebACL", Rules=[{}, {}, {}]),
        {"AWS::WAFv2::WebACL": {"requests": 10_000_000}},
        "14.00",
    ),
    "an alarm over two metrics of a minute and one of ten seconds: 2 x 0.10 + 0.30": (
        one(
            "AWS::CloudWatch::Alarm",
            Metrics=[
                {"Id": "e", "Expression": "a + b + c"},
                *(
                    {"Id": name, "MetricStat": {"Period": period}}
                    for name, period in {"a": 60, "b": 60, "c": 10}.items()
                ),
            ],
        ),
        {},
        "0.50",
    ),
    "logs: 100 GB in 50.00, 50 GB kept 1.50": (
        one("AWS::Logs::LogGroup"),
        {"AWS::Logs::LogGroup": {"ingested_gb": 100, "stored_gb": 50}},
        "51.50",
    ),
    "a million tokens in at 3.30 and 100,000 out at 16.50 a million": (
        one("AWS::Bedrock::ApplicationInferenceProfile", ModelSource={"CopyFrom": PROFILE}),
        {"AWS::Bedrock::ApplicationInferenceProfile": {"input_tokens": 1_000_000, "output_tokens": 100_000}},
        "4.95",
    ),
    "a million transitions": (
        one("AWS::StepFunctions::StateMachine"),
        {"AWS::StepFunctions::StateMachine": {"transitions": 1_000_000}},
        "25.00",
    ),
    "five million requests of a REST API": (
        one("AWS::ApiGateway::RestApi"),
        {"AWS::ApiGateway::RestApi": {"requests": 5_000_000}},
        "17.50",
    ),
    "a notebook of ml.t3.medium that nobody stops, with 20 GB: 730 x 0.05 + 20 x 0.14": (
        one("AWS::SageMaker::NotebookInstance", InstanceType="ml.t3.medium", VolumeSizeInGB=20),
        {},
        "39.30",
    ),
}


@pytest.mark.parametrize(("resources", "usage", "dollars_a_month"), WORKED.values(), ids=WORKED)
def test_the_sum_is_the_one_worked_by_hand(
    tmp_path: Path, resources: Mapping[str, object], usage: Mapping[str, Any], dollars_a_month: str
) -> None:
    cost = line(estimated(tmp_path, resources, usage)).cost
    assert cost.exact, cost
    assert cost.least == cost.most
    assert dollars(cost.most) == f"${Decimal(dollars_a_month):,}"


def without(*keys: str) -> PriceBook:
    """The price book of us-east-1 without some prices."""
    document = json.loads((ROOT / "groundplan/prices/us-east-1.json").read_text())
    for key in keys:
        del document["prices"][key]
    return PriceBook("us-east-1", document, "groundplan/prices/us-east-1.json")


def test_without_one_price_the_total_is_at_least_the_rest_and_one_unknown(tmp_path: Path) -> None:
    resources = {"K": {"Type": "AWS::KMS::Key"}, "L": {"Type": "AWS::KMS::Key"}, **one("AWS::SecretsManager::Secret")}
    stacks, _ = read_stacks(written(tmp_path, {"S": {"Resources": resources}}))
    assert str(estimate(stacks, lambda _: without("cloudtrail/data_event")).total) == "$2.40"
    assert str(estimate(stacks, lambda _: without("kms/key")).total) == "at least $0.40, plus 1 unknown"


def test_a_stream_that_unpacks_what_logs_send_is_charged_for_both_and_neither_is_zero(tmp_path: Path) -> None:
    unpacks = {"ProcessingConfiguration": {"Processors": [{"Type": "Decompression"}]}}
    for destination, keys in (({}, {"firehose/ingested"}), (unpacks, {"firehose/ingested", "firehose/decompressed"})):
        stream = one("AWS::KinesisFirehose::DeliveryStream", ExtendedS3DestinationConfiguration=destination)
        found = line(estimated(tmp_path, stream, {"AWS::KinesisFirehose::DeliveryStream": {"data_gb": 5}}))
        assert {item.charge.key for item in found.items} == keys
        assert found.kind == "unknown"


def test_usage_that_nobody_declared_is_a_unit_price_and_no_number(tmp_path: Path) -> None:
    found = estimated(tmp_path, one("AWS::SQS::Queue"))
    assert line(found).kind == "usage"
    assert line(found).items[0].charge.quantity is None
    assert found.unmeasured == 1
    text = "\n".join(text_lines(found))
    assert "$0.40 per million requests (messages not declared)" in text
    assert "1 resources also cost by usage that is not declared" in text


def test_an_assumption_about_a_path_wins_over_its_type_and_is_shown(tmp_path: Path) -> None:
    usage = {"AWS::SQS::Queue": {"messages": 1_000_000}, "S/R": {"messages": 5_000_000}}
    found = estimated(tmp_path, one("AWS::SQS::Queue"), usage)
    assert found.total.most == 2
    assert "messages assumed" in "\n".join(text_lines(found))


def test_a_workloads_drivers_count_for_what_carries_its_tag(tmp_path: Path) -> None:
    def api(workload: str) -> dict[str, object]:
        return {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Tags": [{"Key": "workload", "Value": workload}]}}

    resources = {"Own": api("reader"), "Other": api("platform")}
    stacks, _ = read_stacks(written(tmp_path, {"S": {"Resources": resources}}))
    usage = Usage(drivers={"reader": {"requests": Decimal(2_000_000)}})
    found = estimate(stacks, lambda region: read_prices(ROOT, region), usage)
    assert found.totals_by("workload")["reader"].most == 7
    assert line(found, "Own").items[0].origin == "drivers of reader"
    assert line(found, "Other").unmeasured


def test_what_cannot_carry_a_tag_belongs_to_the_only_workload_of_its_stack(tmp_path: Path) -> None:
    tagged = {"Type": "AWS::KMS::Key", "Properties": {"Tags": [{"Key": "workload", "Value": "reader"}]}}
    resources = {"K": tagged, "W": {"Type": "AWS::WAFv2::WebACL"}}
    assert [line.workload for line in estimated(tmp_path, resources).lines] == ["reader", "reader"]


def test_an_extrapolated_price_is_counted_and_named(tmp_path: Path) -> None:
    stacks, _ = read_stacks(written(tmp_path, {"S": {"Resources": one("AWS::KMS::Key")}}, region="eu-west-1"))
    factor = RegionFactor("us-east-1", Decimal("1.1"), "like its EC2 prices")
    found = estimate(stacks, lambda region: read_prices(ROOT, region, factor))
    assert found.total.most == Decimal("1.1")
    assert found.total.uncertain == ("kms/key",)
    assert "extrapolated" in "\n".join(text_lines(found))


UNCHARGED_AS_SET = {
    "a gateway endpoint": one("AWS::EC2::VPCEndpoint", VpcEndpointType="Gateway"),
    "a flow log to a log group": one("AWS::EC2::FlowLog"),
    "a standard parameter": one("AWS::SSM::Parameter"),
    "a version without concurrency": one("AWS::Lambda::Version"),
    "a service on instances": one("AWS::ECS::Service", LaunchType="EC2"),
    "a serverless instance of Aurora": one("AWS::RDS::DBInstance", DBInstanceClass="db.serverless"),
    "word filters": one("AWS::Bedrock::Guardrail", WordPolicyConfig={}),
}


@pytest.mark.parametrize("resources", UNCHARGED_AS_SET.values(), ids=UNCHARGED_AS_SET)
def test_what_costs_nothing_as_it_is_set_is_free_for_a_reason_of_its_own(
    tmp_path: Path, resources: Mapping[str, object]
) -> None:
    found = line(estimated(tmp_path, resources))
    assert found.kind == "free"
    assert found.reason in UNCHARGED.values()


def test_spot_is_a_range_until_it_is_measured(tmp_path: Path) -> None:
    task = {"Type": "AWS::ECS::TaskDefinition", "Properties": {"Cpu": "1024", "Memory": "2048"}}
    service = {
        "CapacityProviderStrategy": [{"CapacityProvider": "FARGATE_SPOT"}],
        "DesiredCount": 2,
        "TaskDefinition": {"Ref": "T"},
    }
    stacks, _ = read_stacks(
        written(
            tmp_path, {"S": {"Resources": {"T": task, "R": {"Type": "AWS::ECS::Service", "Properties": service}}}}
        )
    )
    row = {"effective": "2026-01-01", "source": "a table", "confidence": "single-source", "unit": "hour"}
    rows = {"fargate/vcpu/x86": row | {"amount": "0.04"}, "fargate/memory/x86": row | {"amount": "0.005"}}
    document = {"prices": rows, "models": {}, "unknown": {}, "instance_types": {}, "sources": {}}
    cost = estimate(stacks, lambda region: PriceBook(region, document, "prices")).total
    # 730 x 2 x (1 x 0.04 + 2 x 0.005) = 73.00, and up to 70 % less.
    assert str(cost) == "$21.90 to $73.00"


def test_an_unknown_price_is_unknown_also_where_usage_is_not_declared(tmp_path: Path) -> None:
    found = estimated(tmp_path, one("AWS::EFS::FileSystem"))
    assert line(found).kind == "unknown"
    assert str(found.total) == "at least $0.00, plus 1 unknown"


def test_a_ceiling_is_compared_with_the_upper_end_of_a_saving(tmp_path: Path) -> None:
    spot = replace(line(estimated(tmp_path, one("AWS::KMS::Key"))), cost=Money.usd(100).saving(Decimal("0.7")))
    found = Estimate([spot])
    assert excess("the app", found, 100) is None
    over = excess("the app", found, 99)
    assert over
    assert "would cost $30.00 to $100.00 a month, $1.00 above its ceiling of $99.00" in over[1]


def test_spot_instances_of_a_group_are_a_range_by_either_way_to_launch_them(tmp_path: Path) -> None:
    group = {"DesiredCapacity": "2", "LaunchConfigurationName": {"Ref": "C"}}
    other = {"MinSize": 2, "LaunchTemplate": {"LaunchTemplateId": {"Ref": "T"}}}
    template = {"InstanceType": "t3.medium", "InstanceMarketOptions": {"MarketType": "spot"}}
    resources = {
        "C": {"Type": "AWS::AutoScaling::LaunchConfiguration", "Properties": {"InstanceType": "t3.medium"}},
        "T": {"Type": "AWS::EC2::LaunchTemplate", "Properties": {"LaunchTemplateData": template}},
        "Steady": {"Type": "AWS::AutoScaling::AutoScalingGroup", "Properties": group},
        "Spot": {"Type": "AWS::AutoScaling::AutoScalingGroup", "Properties": other},
    }
    found = estimated(tmp_path, resources)
    # 2 x 730 x 0.0416 = 60.736, and up to 90 % less.
    assert str(line(found, "Steady").cost) == "$60.74"
    assert str(line(found, "Spot").cost) == "$6.07 to $60.74"


INTRINSICS = {
    "a reference to what is deployed": {"Fn::GetAtt": ["X", "Count"]},
    "an import": {"Fn::ImportValue": "count"},
    "a parameter without a default": {"Ref": "Open"},
    "a parameter of the parameter store": {"Ref": "Stored"},
    "text": "many",
    "not a number": "NaN",
    "negative": -1,
    "true": True,
    "a list": [1],
    "absurdly large": "1e999999",
}


@pytest.mark.parametrize("count", INTRINSICS.values(), ids=INTRINSICS)
def test_what_is_no_number_is_unknown_and_the_property_is_named(tmp_path: Path, count: object) -> None:
    parameters = {
        "Open": {"Type": "Number"},
        "Stored": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/path"},
    }
    resources = hosted({"InstanceType": "ml.m5.large", "InitialInstanceCount": count})
    found = line(estimated(tmp_path, resources, Parameters=parameters))
    assert found.kind == "unknown"
    assert "InitialInstanceCount" in found.reason
    assert not found.cost.most


RESOLVED = {
    "a default": {"Ref": "Two"},
    "a map": {"Fn::FindInMap": ["Counts", {"Ref": "AWS::Region"}, "count"]},
    "a condition": {"Fn::If": ["IsHere", 2, 9]},
    "the choice of a list": {"Fn::Select": [1, [9, "2"]]},
    "a text": {"Fn::Sub": "${Two}"},
}


@pytest.mark.parametrize("count", RESOLVED.values(), ids=RESOLVED)
def test_an_intrinsic_that_has_an_answer_now_is_a_number(tmp_path: Path, count: object) -> None:
    sections = {
        "Parameters": {"Two": {"Type": "Number", "Default": 2}},
        "Mappings": {"Counts": {"us-east-1": {"count": 2}}},
        "Conditions": {
            "IsHere": {
                "Fn::And": [{"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]}, {"Fn::Not": [{"Condition": "No"}]}]
            },
            "No": {"Fn::Or": [{"Fn::Equals": ["a", "b"]}]},
        },
    }
    resources = hosted({"InstanceType": "ml.m5.xlarge", "InitialInstanceCount": count})
    usage = {"AWS::SageMaker::Endpoint": {"payload_gb": 0}}
    assert str(line(estimated(tmp_path, resources, usage, **sections)).cost) == "$335.80"


def test_a_resource_that_its_condition_forbids_costs_nothing_and_one_in_doubt_costs(
    tmp_path: Path,
) -> None:
    conditions = {
        "Never": {"Fn::Equals": ["a", "b"]},
        "Who": {"Fn::Equals": [{"Ref": "Open"}, "b"]},
        "Circle": {"Fn::Not": [{"Condition": "Circle"}]},
    }
    resources = {name: {"Type": "AWS::KMS::Key", "Condition": name} for name in conditions}
    found = estimated(tmp_path, resources, Conditions=conditions, Parameters={"Open": {"Type": "String"}})
    assert [line.logical_id for line in found.lines] == ["Who", "Circle"]


MALFORMED: dict[str, object] = {
    "no properties": None,
    "properties that are a list": [],
    "a variant that is text": {"ProductionVariants": ["ml.m5.large"]},
    "variants that are an object": {"ProductionVariants": {}},
}


@pytest.mark.parametrize("properties", MALFORMED.values(), ids=MALFORMED)
def test_a_configuration_of_another_shape_is_never_a_traceback(tmp_path: Path, properties: object) -> None:
    resources = hosted({})
    resources["C"] = {"Type": "AWS::SageMaker::EndpointConfig", "Properties": properties}
    assert not line(estimated(tmp_path, resources)).cost.most


def test_a_type_without_a_rule_is_unknown_by_name(tmp_path: Path) -> None:
    found = line(estimated(tmp_path, one("AWS::Quantum::Computer")))
    assert (found.kind, found.cost.unknowns) == ("unknown", ("AWS::Quantum::Computer",))
    assert not is_classed("AWS::Quantum::Computer")


def test_a_type_is_charged_or_free_and_never_both() -> None:
    assert not CHARGED.keys() & FREE.keys()
    assert all(FREE.values())
    assert is_classed("Custom::Thing")


@pytest.mark.parametrize("kind", sorted(CHARGED))
def test_every_rule_bears_a_resource_without_properties(tmp_path: Path, kind: str) -> None:
    found = line(estimated(tmp_path, one(kind)))
    assert found.kind in ("fixed", "usage", "unknown", "free")


@pytest.mark.parametrize("kind", sorted(CHARGED))
def test_what_is_shown_as_not_declared_can_be_declared_by_that_name(tmp_path: Path, kind: str) -> None:
    items = line(estimated(tmp_path / "before", one(kind))).items
    names = {name.strip() for item in items for name in item.charge.usage.split(",")} - {""}
    after = estimated(tmp_path / "after", one(kind), {kind: dict.fromkeys(names, 1)})
    assert not after.unmeasured
    assert not after.unused(Usage(assumed={kind: dict.fromkeys(names, Decimal(1))}))


def test_an_assumption_that_nothing_has_a_use_for_is_named(tmp_path: Path) -> None:
    usage = Usage(assumed={"AWS::SQS::Queue": {"mesages": Decimal(1)}, "AWS::SNS::Topic": {"messages": Decimal(1)}})
    found = estimated(tmp_path, one("AWS::SQS::Queue"))
    assert found.unused(usage) == ["AWS::SQS::Queue: mesages", "AWS::SNS::Topic: messages"]


@settings(max_examples=30, deadline=None)
@given(gone=st.sets(st.sampled_from(["kms/key", "nat_gateway/hour", "secretsmanager/secret", "wafv2/web_acl"])))
def test_a_sum_never_shrinks_unseen_when_prices_are_missing(gone: set[str]) -> None:
    kinds = ["AWS::KMS::Key", "AWS::EC2::NatGateway", "AWS::SecretsManager::Secret", "AWS::WAFv2::WebACL"]
    resources = {f"R{index}": {"Type": kind} for index, kind in enumerate(kinds)}
    stack = Stack("S", "111111111111", "us-east-1", {"Resources": resources}, Path("S.template.json"))
    whole = estimate([stack], lambda region: read_prices(ROOT, region)).total
    rest = estimate([stack], lambda _: without(*gone)).total
    assert set(rest.unknowns) == gone
    assert (rest.most < whole.most) == bool(gone) == ("at least" in str(rest))


_WORDS = st.sampled_from(
    "Ref Fn::If Fn::Sub Fn::Join Fn::Select Fn::FindInMap Fn::GetAtt Fn::Equals Condition AWS::NoValue R C Tags "
    "Rules Properties ProductionVariants InstanceType InitialInstanceCount EndpointConfigName Metrics".split()
)
_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_WORDS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(kind=st.sampled_from(sorted(CHARGED)), properties=_ANY, sections=st.dictionaries(_WORDS, _ANY, max_size=2))
def test_whatever_a_template_holds_every_resource_has_a_line(kind: str, properties: Any, sections: Any) -> None:
    resources = {
        "R": {"Type": kind, "Properties": properties, "Condition": "C"},
        "C": {**sections, "Type": properties},
    }
    template = {"Resources": resources, "Conditions": sections, "Parameters": sections, "Mappings": sections}
    stack = Stack("S", "111111111111", "us-east-1", template, Path("S.template.json"))
    found = estimate([stack], lambda region: read_prices(ROOT, region))
    assert {line.logical_id for line in found.lines} <= {"R", "C"}
    json.dumps(as_json(found))
    assert list(text_lines(found))
    assert list(markdown_lines(found))


WRONG = {
    "not JSON": '{"Resources": {',
    "a list": "[]",
    "no resources": "{}",
    "resources that are a list": '{"Resources": []}',
    "deeply nested": '{"Resources": {"R": ' + '{"a":' * 500 + "1" + "}" * 502,
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_a_malformed_template_is_one_line_and_the_rest_is_still_estimated(tmp_path: Path, text: str) -> None:
    folder = written(tmp_path, {"Bad": text, "Good": {"Resources": one("AWS::KMS::Key")}})
    stacks, findings = read_stacks(folder)
    assert len(findings) == 1
    assert len(str(findings[0]).splitlines()) == 1
    assert "Bad.template.json" in str(findings[0])
    found = estimate(stacks, lambda region: read_prices(ROOT, region))
    assert str(found.total) == "at least $1.00, plus 1 unknown"


@pytest.mark.parametrize("manifest", [None, "", "[]", "{}", '{"artifacts": []}', '{"artifacts": {}}'])
def test_a_folder_that_is_no_assembly_is_refused_in_one_line(tmp_path: Path, manifest: str | None) -> None:
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(BadInput) as caught:
        read_stacks(tmp_path)
    assert len(str(caught.value).splitlines()) == 1
    assert "cdk synth" in str(caught.value) or "synthesise again" in str(caught.value)


def test_nested_stacks_and_stages_are_estimated_with_their_parameters(tmp_path: Path) -> None:
    inner = {
        "Parameters": {"Many": {"Type": "Number"}},
        "Resources": hosted({"InstanceType": "ml.m5.xlarge", "InitialInstanceCount": {"Ref": "Many"}}),
    }
    outer = {
        "Resources": {
            "N": {
                "Type": "AWS::CloudFormation::Stack",
                "Properties": {"Parameters": {"Many": 2}, "TemplateURL": "https://somewhere"},
                "Metadata": {"aws:asset:path": "inner.nested.template.json"},
            }
        }
    }
    folder = written(tmp_path, {"S": outer})
    (folder / "inner.nested.template.json").write_text(json.dumps(inner))
    written(folder / "assembly-Prod", {"T": {"Resources": one("AWS::KMS::Key")}})
    manifest = json.loads((folder / "manifest.json").read_text())
    stage = {"type": "cdk:cloud-assembly", "properties": {"directoryName": "assembly-Prod"}}
    (folder / "manifest.json").write_text(json.dumps(manifest | {"artifacts": manifest["artifacts"] | {"P": stage}}))
    stacks, findings = read_stacks(folder)
    found = estimate(stacks, lambda region: read_prices(ROOT, region))
    assert findings == []
    assert [stack.name for stack in stacks] == ["S", "S/N", "T"]
    assert dollars(found.totals_by("stack")["S/N"].most) == "$335.80"
    assert dollars(found.totals_by("stack")["T"].most) == "$1.00"


def test_a_stage_that_cannot_be_read_is_one_line_and_the_rest_is_still_estimated(tmp_path: Path) -> None:
    folder = written(tmp_path, {"S": {"Resources": one("AWS::KMS::Key")}})
    manifest = json.loads((folder / "manifest.json").read_text())
    stage = {"type": "cdk:cloud-assembly", "properties": {"directoryName": "assembly-Gone"}}
    (folder / "manifest.json").write_text(json.dumps(manifest | {"artifacts": {"P": stage, **manifest["artifacts"]}}))
    stacks, findings = read_stacks(folder)
    assert len(findings) == 1
    found = estimate(stacks, lambda region: read_prices(ROOT, region))
    assert str(found.total) == "at least $1.00, plus 1 unknown"


def test_a_nested_stack_whose_template_is_elsewhere_is_unknown(tmp_path: Path) -> None:
    resources = one("AWS::CloudFormation::Stack", TemplateURL="https://somewhere/else.json")
    assert line(estimated(tmp_path, resources)).kind == "unknown"


def test_json_has_resources_and_totals(tmp_path: Path) -> None:
    found = as_json(estimated(tmp_path, {**one("AWS::KMS::Key"), "I": {"Type": "AWS::EC2::Instance"}}))
    key, instance = found["resources"]
    assert (key["kind"], key["monthly_usd"], key["charges"][0]["confidence"]) == ("fixed", "1", "single-source")
    assert (instance["kind"], instance["unknowns"]) == ("unknown", ["ec2/instance/m1.small"])
    assert found["totals"]["monthly_usd"] == "1"
    assert found["totals"]["stacks"]["S"]["unknowns"] == ["ec2/instance/m1.small"]
    assert {entry["key"] for entry in found["unknowns"]} == {"ec2/instance/m1.small"}


def test_markdown_escapes_what_would_break_its_table(tmp_path: Path) -> None:
    found = estimated(tmp_path, {"R": {"Type": "AWS::KMS::Key", "Metadata": {"aws:cdk:path": "S/a|b"}}})
    [row] = [row for row in markdown_lines(found) if "a\\|b" in row]
    assert row.replace("\\|", "").count("|") == 6


def test_a_difference_names_what_came_went_and_changed(tmp_path: Path) -> None:
    same = {"K": {"Type": "AWS::KMS::Key"}, "F": {"Type": "AWS::IAM::Role"}}
    small, large = ({"InstanceType": f"ml.m5.{size}", "InitialInstanceCount": 1} for size in ("large", "xlarge"))
    before = estimated(tmp_path / "a", {**same, **hosted(small), "Gone": {"Type": "AWS::SecretsManager::Secret"}})
    after = estimated(tmp_path / "b", {**same, **hosted(large), "Come": {"Type": "AWS::SQS::Queue"}})
    found = difference(before, after)
    assert [(one.change, one.line.logical_id) for one in found.changes] == [
        ("changed", "R"),
        ("removed", "Gone"),
        ("added", "Come"),
    ]
    # 730 x (0.23 - 0.115) - 0.40
    assert found.usd == Decimal("83.55")
    assert headline(found).startswith("$83.55 more a month: ")
    assert difference_as_json(found)["totals"]["difference_usd"] == "83.550"
    assert sum(row.startswith("| ") for row in difference_markdown(found)) == 4


def test_another_thing_of_unknown_price_is_a_change(tmp_path: Path) -> None:
    small = estimated(tmp_path / "a", one("AWS::EC2::Instance", InstanceType="t3.micro"))
    large = estimated(tmp_path / "b", one("AWS::EC2::Instance", InstanceType="p5.48xlarge"))
    [row] = [row for row in difference_markdown(difference(small, large)) if row.startswith("| changed")]
    assert row.endswith("| UNKNOWN | UNKNOWN | unknown |")


def test_nothing_changed_is_said_so(tmp_path: Path) -> None:
    found = estimated(tmp_path, one("AWS::KMS::Key"))
    assert headline(difference(found, found)) == "no change of cost: $1.00 a month"


def test_an_estimate_needs_neither_aws_nor_pydantic() -> None:
    code = "import sys, groundplan.estimate; print([m for m in ('aws_cdk', 'boto3', 'pydantic') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
