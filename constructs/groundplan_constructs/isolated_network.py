"""A VPC without a way to the internet: jobs reach AWS's services through endpoints, or nothing."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from groundplan.network import endpoint_service
from groundplan_constructs.acknowledgement import acknowledge

GATEWAYS = {"s3": ("S3", "s3"), "dynamodb": ("DynamoDb", "dynamodb")}
HTTPS = 443
_egress = ec2.CfnSecurityGroup.EgressProperty


@dataclass(frozen=True, kw_only=True)
class IsolatedNetworkProps:
    """Where, how wide, and what is reached from there.

    `cidr` is the VPC's block; each zone (2 or 3 `zones`) gets a quarter. `interface_endpoints` maps the name of
    an endpoint (groundplan/network.py) to the IAM prefix of its service. `trusted_accounts` (12 digits each)
    are the only ones whose principals get through the endpoints, and to whose resources.
    """

    cidr: str
    zones: int
    interface_endpoints: Mapping[str, str]
    trusted_accounts: Sequence[str]


class IsolatedNetwork(Construct):
    """VPC, one isolated subnet a zone, a security group for jobs, and endpoints with policies.

    There is no internet gateway, no NAT and no peering: a route is either within the VPC or to an endpoint.
    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/train-vpc.html
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: IsolatedNetworkProps) -> None:
        super().__init__(scope, construct_id)
        self._props = props
        self.vpc = ec2.CfnVPC(
            self, "Resource", cidr_block=props.cidr, enable_dns_hostnames=True, enable_dns_support=True
        )
        acknowledge(
            self.vpc,
            "CloudFormation cannot empty a VPC's own group. Nothing is put into it: jobs must name the jobs' group.",
            "NIST.800.53.R5-VPCDefaultSecurityGroupClosed",
            "PCI.DSS.321-VPCDefaultSecurityGroupClosed",
        )
        routes = ec2.CfnRouteTable(self, "Routes", vpc_id=self.vpc.ref)
        blocks = ipaddress.IPv4Network(props.cidr).subnets(prefixlen_diff=2)
        zones = cdk.Fn.get_azs()
        self.subnets: list[ec2.CfnSubnet] = []
        for index, block in zip(range(props.zones), blocks, strict=False):
            subnet = ec2.CfnSubnet(
                self,
                f"Subnet{index + 1}",
                vpc_id=self.vpc.ref,
                availability_zone=cdk.Fn.select(index, zones),
                cidr_block=str(block),
                map_public_ip_on_launch=False,
            )
            self.subnets.append(subnet)
            ec2.CfnSubnetRouteTableAssociation(
                self, f"Subnet{index + 1}Routes", subnet_id=subnet.ref, route_table_id=routes.ref
            )
        self.jobs = self._group("Jobs", "Jobs: to each other, and to AWS services through endpoints")
        among_themselves = ec2.CfnSecurityGroupIngress(
            self,
            "JobsAmongThemselves",
            group_id=self.jobs.ref,
            source_security_group_id=self.jobs.ref,
            ip_protocol="-1",
            description="Machines of one training job talk to each other",
        )
        acknowledge(
            among_themselves,
            "Its source is the group itself: machines of jobs agree on ports as they start. No address is let in.",
            "NIST.800.53.R5-EC2RestrictedCommonPorts",
            "PCI.DSS.321-EC2RestrictedCommonPorts",
        )
        for name, (construct, service) in GATEWAYS.items():
            ec2.CfnVPCEndpoint(
                self,
                construct,
                vpc_id=self.vpc.ref,
                service_name=self._service(name),
                vpc_endpoint_type="Gateway",
                route_table_ids=[routes.ref],
                policy_document=self._policy(service, images=name == "s3"),
            )
        self._interfaces(props.interface_endpoints)

    def _interfaces(self, endpoints: Mapping[str, str]) -> None:
        if not endpoints:
            return
        group = self._group("Endpoints", "Endpoints: reached by jobs over TLS")
        group.security_group_ingress = [
            ec2.CfnSecurityGroup.IngressProperty(
                ip_protocol="tcp",
                from_port=HTTPS,
                to_port=HTTPS,
                source_security_group_id=self.jobs.ref,
                description="TLS from jobs",
            )
        ]
        for name, service in endpoints.items():
            ec2.CfnVPCEndpoint(
                self,
                "".join(part.capitalize() for part in name.replace(".", "-").split("-")),
                vpc_id=self.vpc.ref,
                service_name=self._service(name),
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=[subnet.ref for subnet in self.subnets],
                security_group_ids=[group.ref],
                policy_document=self._policy(service, images=False),
            )

    def _group(self, construct_id: str, description: str) -> ec2.CfnSecurityGroup:
        # No route leads out of the VPC but to endpoints, whatever a group's egress admits.
        return ec2.CfnSecurityGroup(
            self,
            construct_id,
            vpc_id=self.vpc.ref,
            group_description=description,
            security_group_egress=[
                _egress(ip_protocol="-1", cidr_ip=self._props.cidr, description="Within the VPC"),
                _egress(
                    ip_protocol="tcp",
                    from_port=HTTPS,
                    to_port=HTTPS,
                    cidr_ip="0.0.0.0/0",
                    description="TLS to gateway endpoints, whose addresses belong to AWS",
                ),
            ],
        )

    def _service(self, name: str) -> str:
        return endpoint_service(name, cdk.Stack.of(self).region)

    def _policy(self, service: str, *, images: bool) -> iam.PolicyDocument:
        trusted = list(self._props.trusted_accounts)
        # Foundation models belong to AWS. Calls without a resource, such as sts:GetCallerIdentity, have no such key.
        own = {} if service == "bedrock" else {"StringEqualsIfExists": {"aws:ResourceAccount": trusted}}
        statements = [
            iam.PolicyStatement(
                sid="OwnToOwn",
                actions=[f"{service}:*"],
                principals=[iam.StarPrincipal()],
                resources=["*"],  # narrowed by whose resources they are
                conditions={"StringEquals": {"aws:PrincipalAccount": trusted}} | own,
            )
        ]
        if images:
            stack = cdk.Stack.of(self)
            layers = f"prod-{stack.region}-starport-layer-bucket"
            statements.append(
                # Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
                iam.PolicyStatement(
                    sid="ImageLayers",
                    actions=["s3:GetObject"],
                    principals=[iam.StarPrincipal()],
                    resources=[f"arn:{stack.partition}:s3:::{layers}/*"],
                )
            )
        return iam.PolicyDocument(statements=statements)
