"""CloudFormation's types of WAF that ministack lacks. WAF filters nothing here: local/README.md says so."""

from collections.abc import Mapping

from groundplan_local.serving_types import Connect, Properties, Provisioned, ServingType


class Association(ServingType):
    """A list in front of a resource: kept and shown."""

    def create(self, properties: Properties, connect: Connect) -> Provisioned:
        connect("wafv2").associate_web_acl(WebACLArn=properties["WebACLArn"], ResourceArn=properties["ResourceArn"])
        return f"{properties['WebACLArn']}|{properties['ResourceArn']}", {}

    def delete(self, reference: str, properties: Properties, connect: Connect) -> None:
        del properties
        connect("wafv2").disassociate_web_acl(ResourceArn=reference.partition("|")[2])


class Logging(ServingType):
    """Where a list's log goes: ministack has no such call, so that the list is there is all that is seen."""

    def create(self, properties: Properties, connect: Connect) -> Provisioned:
        arn = properties["ResourceArn"]
        name, identifier = arn.split("/")[-2:]
        connect("wafv2").get_web_acl(Name=name, Id=identifier, Scope="REGIONAL")
        return arn, {"ManagedByFirewallManager": False}

    def delete(self, reference: str, properties: Properties, connect: Connect) -> None:
        del reference, properties, connect


GATEWAY_TYPES: Mapping[str, ServingType] = {
    "AWS::WAFv2::LoggingConfiguration": Logging(),
    "AWS::WAFv2::WebACLAssociation": Association(),
}
