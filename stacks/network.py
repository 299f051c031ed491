"""The ai account's network: one of the platform's own, or the company's; and the guard that keeps jobs inside it."""

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import aws_iam as iam
from constructs import Construct

from groundplan.job_limits import job_denials
from groundplan.names import Names
from groundplan.network import INTERFACE_ENDPOINTS
from groundplan.network import Network as OwnNetwork
from groundplan_constructs import FlowLog, FlowLogProps, IsolatedNetwork, IsolatedNetworkProps
from stacks.account_stack import AccountStack
from stacks.ai_platform import Platform


@dataclass(frozen=True)
class JobNetwork:
    """Where jobs run: ids of subnets and security groups, as AWS's VpcConfig takes them."""

    subnet_ids: Sequence[str]
    security_group_ids: Sequence[str]


class Network(AccountStack):
    """The network, its flow logs, and the policy that people's and pipelines' roles are given."""

    def __init__(self, scope: Construct, construct_id: str, *, names: Names, platform: Platform) -> None:
        super().__init__(scope, construct_id, names=names, account="ai", description="Network without the internet")
        environment = names.environment
        if environment.network:
            self.jobs = self._make(environment.network, platform)
        elif existing := environment.existing_network:
            self.jobs = JobNetwork(existing.subnet_ids, existing.security_group_ids)
        guard = job_denials(
            environment.limits,
            subnet_ids=self.jobs.subnet_ids,
            security_group_ids=self.jobs.security_group_ids,
            key_arn=platform.key.key_arn,
        )
        iam.ManagedPolicy(
            self,
            "JobGuard",
            managed_policy_name=names.job_guard(),
            description="Holds training, tuning, processing, transform and notebooks to the network, key and limits",
            statements=[iam.PolicyStatement.from_json(statement) for statement in guard],
        )

    def _make(self, network: OwnNetwork, platform: Platform) -> JobNetwork:
        environment = self.names.environment
        made = IsolatedNetwork(
            self,
            "Vpc",
            props=IsolatedNetworkProps(
                cidr=network.cidr,
                zones=network.zones,
                interface_endpoints={name: INTERFACE_ENDPOINTS[name] for name in network.interface_endpoints},
                trusted_accounts=list(dict.fromkeys(environment.account_ids().values())),
            ),
        )
        FlowLog(
            self,
            "FlowLog",
            props=FlowLogProps(
                vpc_id=made.vpc.ref, encryption_key=platform.key, log_retention_days=environment.log_retention_days
            ),
        )
        return JobNetwork([subnet.ref for subnet in made.subnets], [made.jobs.ref])
