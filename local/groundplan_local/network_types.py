"""CloudFormation types of the network that ministack lacks; EC2 knows them by an id that it makes up."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Properties = Mapping[str, Any]


@dataclass(frozen=True)
class NetworkType:
    """Two calls of EC2: make it and say its id, end it. A change of it makes it anew, as CloudFormation does."""

    create: Callable[[Any, Properties], str]  # client, properties -> the id that Ref returns
    delete: Callable[[Any, str, Properties], None]  # client, id, properties


def _create_flow_log(ec2: Any, properties: Properties) -> str:
    tags = [{"ResourceType": "vpc-flow-log", "Tags": list(properties.get("Tags", []))}]
    answer = ec2.create_flow_logs(
        ResourceIds=[properties["ResourceId"]],
        TagSpecifications=tags,
        **{key: value for key, value in properties.items() if key not in ("ResourceId", "Tags")},
    )
    if answer.get("Unsuccessful"):
        raise ValueError(f"AWS::EC2::FlowLog: {answer['Unsuccessful'][0]['Error']['Message']}")
    return str(answer["FlowLogIds"][0])


def _delete_flow_log(ec2: Any, flow_log: str, _: Properties) -> None:
    ec2.delete_flow_logs(FlowLogIds=[flow_log])


def _permission(properties: Properties) -> dict[str, Any]:
    """A rule from another group; the only kind that stands apart from its group here."""
    return {
        "IpProtocol": str(properties["IpProtocol"]),
        "UserIdGroupPairs": [
            {"GroupId": properties["SourceSecurityGroupId"], "Description": properties.get("Description", "")}
        ],
    }


def _create_ingress(ec2: Any, properties: Properties) -> str:
    known = {"GroupId", "SourceSecurityGroupId", "IpProtocol", "Description"}
    if unknown := sorted(properties.keys() - known):
        raise ValueError(f"AWS::EC2::SecurityGroupIngress: {', '.join(unknown)} is not emulated")
    ec2.authorize_security_group_ingress(GroupId=properties["GroupId"], IpPermissions=[_permission(properties)])
    return f"{properties['GroupId']}|{properties['SourceSecurityGroupId']}"


def _delete_ingress(ec2: Any, _: str, properties: Properties) -> None:
    ec2.revoke_security_group_ingress(GroupId=properties["GroupId"], IpPermissions=[_permission(properties)])


NETWORK_TYPES = {
    "AWS::EC2::FlowLog": NetworkType(_create_flow_log, _delete_flow_log),
    "AWS::EC2::SecurityGroupIngress": NetworkType(_create_ingress, _delete_ingress),
}
