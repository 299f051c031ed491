"""The network has no way out but AWS's services, and lets through only what the environment's accounts own."""

from typing import Any

from groundplan.network import endpoint_service

TRUSTED = "aws:PrincipalAccount"


def test_nothing_leads_to_the_internet(assembly: Any) -> None:
    outward = ("InternetGateway", "NatGateway", "Route", "EIP", "TransitGatewayAttachment", "VPCPeeringConnection")
    for kind in outward:
        assert not list(assembly.resources(f"AWS::EC2::{kind}")), kind
    subnets = list(assembly.resources("AWS::EC2::Subnet"))
    assert len(subnets) == assembly.environment.network.zones
    assert {subnet["Properties"]["MapPublicIpOnLaunch"] for _, _, subnet in subnets} == {False}
    assert len({str(subnet["Properties"]["AvailabilityZone"]) for _, _, subnet in subnets}) == len(subnets)


def test_there_are_the_endpoints_that_the_environment_pays_for_and_the_two_free_ones(assembly: Any) -> None:
    found = {
        endpoint["Properties"]["ServiceName"].removeprefix(f"com.amazonaws.{assembly.environment.region}.")
        for _, _, endpoint in assembly.resources("AWS::EC2::VPCEndpoint")
    }
    assert found == {"s3", "dynamodb", *assembly.environment.network.interface_endpoints}


def test_an_endpoint_is_called_as_privatelink_calls_it() -> None:
    assert endpoint_service("kms", "eu-west-1") == "com.amazonaws.eu-west-1.kms"
    assert endpoint_service("sagemaker.experiments", "eu-west-1") == "aws.sagemaker.eu-west-1.experiments"


def test_every_endpoint_admits_this_environments_principals_and_their_resources_alone(assembly: Any) -> None:
    accounts = set(assembly.environment.account_ids().values())
    endpoints = list(assembly.resources("AWS::EC2::VPCEndpoint"))
    assert len(endpoints) >= 2
    for _, logical_id, endpoint in endpoints:
        for statement in endpoint["Properties"]["PolicyDocument"]["Statement"]:
            if statement["Sid"] == "ImageLayers":
                assert statement["Action"] == "s3:GetObject"
                assert "-starport-layer-bucket/" in statement["Resource"]
                continue
            condition = statement["Condition"]
            assert set(condition["StringEquals"][TRUSTED]) == accounts, logical_id
            if "Bedrock" not in logical_id:
                assert set(condition["StringEqualsIfExists"]["aws:ResourceAccount"]) == accounts, logical_id


def test_addresses_from_outside_reach_nothing(assembly: Any) -> None:
    for _, logical_id, group in assembly.resources("AWS::EC2::SecurityGroup"):
        for rule in group["Properties"].get("SecurityGroupIngress", []):
            assert "CidrIp" not in rule, logical_id
    for _, logical_id, rule in assembly.resources("AWS::EC2::SecurityGroupIngress"):
        assert rule["Properties"]["SourceSecurityGroupId"] == rule["Properties"]["GroupId"], logical_id


def test_all_traffic_is_logged_in_an_encrypted_group(assembly: Any) -> None:
    [(_, _, log)] = assembly.resources("AWS::EC2::FlowLog")
    assert log["Properties"]["TrafficType"] == "ALL"
    group = assembly.templates["Network"]["Resources"][log["Properties"]["LogGroupName"]["Ref"]]["Properties"]
    assert group["KmsKeyId"]
    assert group["RetentionInDays"] == assembly.environment.log_retention_days


def test_training_runs_in_the_network_and_may_join_no_other(assembly: Any) -> None:
    by_sid = {
        entry["Sid"]: entry
        for stack, _, policy in assembly.resources("AWS::IAM::ManagedPolicy")
        if stack == "Workload-digit-reader"
        for entry in policy["Properties"]["PolicyDocument"]["Statement"]
    }
    join, lend = by_sid["JoinNetwork"], by_sid["LendAndLeave"]
    named = [arn for arn in join["Resource"] if "subnet/" in str(arn)]
    assert len(named) == assembly.environment.network.zones
    assert "*" not in str(named)
    assert lend["Condition"]["ArnEquals"]["ec2:Subnet"] == named
