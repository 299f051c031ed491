"""Networks, the ways into and out of them, and the doors for requests.

Sources: https://aws.amazon.com/vpc/pricing/, https://aws.amazon.com/privatelink/pricing/,
https://aws.amazon.com/elasticloadbalancing/pricing/, https://aws.amazon.com/api-gateway/pricing/,
https://aws.amazon.com/cloudfront/pricing/, https://aws.amazon.com/route53/pricing/.
"""

from collections.abc import Iterator

from groundplan.estimate.charge import Charge, free, hourly, monthly, used
from groundplan.estimate.resource import NotLiteral, Resource


def nat_gateway(resource: Resource) -> Iterator[Charge]:
    """Hours, and what flows through it."""
    yield hourly("nat_gateway/hour")
    yield used("nat_gateway/data", "data_gb", resource.usage("data_gb"))


def endpoint(resource: Resource) -> Iterator[Charge]:
    """Interface endpoints by zone and hour, and by what flows through; gateway endpoints are free."""
    kind = resource.text("VpcEndpointType", "Gateway")
    if kind == "Gateway":
        return
    zones = len(resource.list("SubnetIds"))
    if not zones:
        raise NotLiteral("SubnetIds")
    yield hourly("vpc/interface_endpoint/hour", zones, f"{zones} availability zones")
    yield used("vpc/interface_endpoint/data", "data_gb", resource.usage("data_gb"))


def flow_log(resource: Resource) -> Iterator[Charge]:
    """Vended logs to a bucket or stream; those to a log group are charged there, as ingestion."""
    target = resource.text("LogDestinationType", "cloud-watch-logs")
    if target != "cloud-watch-logs":
        yield used(f"vpc/flow_logs/{target}", "ingested_gb", resource.usage("ingested_gb"))


def address(_: Resource) -> Iterator[Charge]:
    """A public IPv4 address."""
    yield hourly("vpc/public_ipv4")


def load_balancer(resource: Resource) -> Iterator[Charge]:
    """Hours, and capacity units by use."""
    kind = resource.text("Type", "application")
    yield hourly(f"elb/{kind}/hour")
    yield used(f"elb/{kind}/lcu", "lcu_hours", resource.usage("lcu_hours"))


def rest_api(resource: Resource) -> Iterator[Charge]:
    """Requests."""
    yield used("apigateway/rest/request", "requests", resource.usage("requests"))


def http_api(resource: Resource) -> Iterator[Charge]:
    """Requests, or messages of a WebSocket."""
    if resource.text("ProtocolType", "HTTP") == "WEBSOCKET":
        yield used("apigateway/websocket/message", "messages", resource.usage("messages"))
    else:
        yield used("apigateway/http/request", "requests", resource.usage("requests"))


def stage(resource: Resource) -> Iterator[Charge]:
    """The cache, where it is on."""
    if resource.value("CacheClusterEnabled") in (True, "true"):
        yield hourly(f"apigateway/cache/{resource.text('CacheClusterSize', '0.5')}")


def distribution(resource: Resource) -> Iterator[Charge]:
    """Requests and what is sent."""
    yield used("cloudfront/https_request", "requests", resource.usage("requests"))
    yield used("cloudfront/data_out", "data_gb", resource.usage("data_gb"))


def zone(resource: Resource) -> Iterator[Charge]:
    """A hosted zone, and queries."""
    yield monthly("route53/hosted_zone")
    yield used("route53/query", "queries", resource.usage("queries"))


def attachment(resource: Resource) -> Iterator[Charge]:
    """Hours of an attachment, and what flows through."""
    yield hourly("transit_gateway/attachment")
    yield used("transit_gateway/data", "data_gb", resource.usage("data_gb"))


def resolver_endpoint(resource: Resource) -> Iterator[Charge]:
    """Network interfaces by the hour."""
    yield hourly("route53/resolver_interface", len(resource.list("IpAddresses")))


def firewall(resource: Resource) -> Iterator[Charge]:
    """Endpoints by the hour, and what flows through."""
    yield hourly("network_firewall/endpoint", len(resource.list("SubnetMappings")))
    yield used("network_firewall/data", "data_gb", resource.usage("data_gb"))


CHARGED = {
    "AWS::ApiGateway::RestApi": rest_api,
    "AWS::ApiGateway::Stage": stage,
    "AWS::ApiGatewayV2::Api": http_api,
    "AWS::CloudFront::Distribution": distribution,
    "AWS::EC2::EIP": address,
    "AWS::EC2::FlowLog": flow_log,
    "AWS::EC2::NatGateway": nat_gateway,
    "AWS::EC2::TransitGatewayAttachment": attachment,
    "AWS::EC2::VPCEndpoint": endpoint,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": load_balancer,
    "AWS::NetworkFirewall::Firewall": firewall,
    "AWS::Route53::HostedZone": zone,
    "AWS::Route53Resolver::ResolverEndpoint": resolver_endpoint,
}

UNCHARGED = {
    "AWS::ApiGateway::Stage": "without a cache it is charged with the API: https://aws.amazon.com/api-gateway/pricing/",
    "AWS::EC2::FlowLog": "charged as ingestion at the log group: "
    "https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs.html#flow-logs-pricing",
    "AWS::EC2::VPCEndpoint": "gateway endpoints are free: "
    "https://docs.aws.amazon.com/vpc/latest/privatelink/gateway-endpoints.html",
}
_VPC = "the network itself has no price: https://aws.amazon.com/vpc/pricing/"
_API = "requests are charged at the API: https://aws.amazon.com/api-gateway/pricing/"
_BALANCER = "charged with the load balancer: https://aws.amazon.com/elasticloadbalancing/pricing/"
_RECORDS = "charged with the hosted zone: https://aws.amazon.com/route53/pricing/"
FREE = {
    **free(
        "AWS::ApiGateway",
        """
        Account ApiKey Authorizer BasePathMapping Deployment DomainName GatewayResponse Method Model
        RequestValidator Resource UsagePlan UsagePlanKey VpcLink
        """,
        _API,
    ),
    **free(
        "AWS::ApiGatewayV2",
        """
        ApiMapping Authorizer Deployment DomainName Integration Model Route Stage VpcLink
        """,
        _API,
    ),
    **free(
        "AWS::EC2",
        """
        DHCPOptions EgressOnlyInternetGateway EIPAssociation InternetGateway KeyPair NetworkAcl
        NetworkAclEntry NetworkInterface PlacementGroup PrefixList Route RouteTable SecurityGroup
        SecurityGroupEgress SecurityGroupIngress Subnet SubnetCidrBlock SubnetNetworkAclAssociation
        SubnetRouteTableAssociation VPC VPCCidrBlock VPCDHCPOptionsAssociation VPCGatewayAttachment
        """,
        _VPC,
    ),
    **free(
        "AWS::ElasticLoadBalancingV2",
        """
        Listener ListenerCertificate ListenerRule TargetGroup
        """,
        _BALANCER,
    ),
    "AWS::CloudFront::CachePolicy": "charged with the distribution: https://aws.amazon.com/cloudfront/pricing/",
    "AWS::CloudFront::CloudFrontOriginAccessIdentity": "charged with the distribution",
    "AWS::CloudFront::OriginAccessControl": "charged with the distribution",
    "AWS::CloudFront::OriginRequestPolicy": "charged with the distribution",
    "AWS::CloudFront::ResponseHeadersPolicy": "charged with the distribution",
    "AWS::EC2::TransitGateway": "its attachments are charged: https://aws.amazon.com/transit-gateway/pricing/",
    "AWS::NetworkFirewall::FirewallPolicy": "charged with the firewall",
    "AWS::NetworkFirewall::RuleGroup": "charged with the firewall",
    "AWS::Route53::RecordSet": _RECORDS,
    "AWS::Route53::RecordSetGroup": _RECORDS,
    "AWS::Route53Resolver::ResolverRule": _RECORDS,
    "AWS::ServiceDiscovery::HttpNamespace": _RECORDS,
    "AWS::ServiceDiscovery::Service": _RECORDS,
}
