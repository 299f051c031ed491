"""The application account's one way to models: identity, throttle, firewall, and the application behind them."""

import math
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_sns as sns
from constructs import Construct

from groundplan.functions import GATEWAY
from groundplan.gateway.meter import SCHEMA
from groundplan.gateway.meter_table import FAILED, REQUESTS
from groundplan.gateway.metrics import TOTAL
from groundplan.gateway.settings import DeployedPlace, Issuer, Rules
from groundplan.names import Names
from groundplan_constructs import (
    ApiLogsRole,
    CallerPool,
    CallerPoolProps,
    DeliveredTo,
    DeliveryAlarms,
    DeliveryAlarmsProps,
    EncryptionKey,
    FunctionPackage,
    GatewayAlarms,
    GatewayAlarmsProps,
    GatewayDashboard,
    GatewayDashboardProps,
    LedgerTable,
    LedgerTableProps,
    LineDelivery,
    LineDeliveryProps,
    LogSubscription,
    LogSubscriptionProps,
    PythonFunctionProps,
    StreamingApi,
    StreamingApiProps,
    WebFirewall,
    WebFirewallProps,
    WebFunction,
    WebFunctionProps,
)
from groundplan_constructs.gateway_alarms import RUNBOOK, gateway_metric
from groundplan_constructs.models_role import SESSION_TAGS
from groundplan_constructs.streaming_api import STAGE
from stacks.account_stack import AccountStack

RULES = "gateway.json"  # in the function's package
ONE_ADDRESS = 5  # times the busiest minute of all callers: many of them come through one company's address


class Gateway(AccountStack):
    """The function becomes the ai account's role for models, reads and writes its table, and may do nothing else."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: Names,
        package: FunctionPackage,
        rules: Rules,
        alarm_topic: sns.ITopic,
    ) -> None:
        super().__init__(scope, construct_id, names=names, account="application", description="The gateway to models")
        environment = names.environment
        key = EncryptionKey(
            self,
            "Key",
            alias=f"alias/{names.gateway()}",
            retain=environment.retain_data,
            existing_arn=environment.existing.application_key_arn,
        )
        if not environment.existing.application_key_arn:
            key.allow_log_groups()
        ledger = LedgerTable(
            self,
            "Ledger",
            props=LedgerTableProps(
                table_name=names.gateway(), encryption_key=key.key, expires="expires", retain=environment.retain_data
            ),
        )
        callers = CallerPool(
            self,
            "Callers",
            props=CallerPoolProps(
                pool_name=names.gateway(),
                groups=[f"feature/{feature}" for feature in rules.features],
                retain=environment.retain_data,
            ),
        )
        models_role = self.format_arn(
            service="iam",
            region="",
            account=environment.accounts.ai,
            resource="role",
            resource_name=f"{environment.conventions.iam_path[1:]}{names.models_role()}",
        )
        place = DeployedPlace(
            name=names.gateway(),
            region=environment.region,
            role_arn=models_role,
            table=names.gateway(),
            issuer=Issuer(
                issuer=callers.issuer,
                audience=callers.client.user_pool_client_id,
                keys_url=f"{callers.issuer}/.well-known/jwks.json",
            ),
            rules=RULES,
            told_by=names.models_parameter(),
            traces_url=f"https://xray.{self.region}.{self.url_suffix}/v1/traces" if environment.traces else None,
        )
        answer = WebFunction(
            self,
            "Answer",
            props=WebFunctionProps(
                readiness_path="/healthz",
                function=PythonFunctionProps(
                    package=package,
                    handler="groundplan_gateway/start.sh",
                    description="Answers for models",
                    encryption_key=key.key,
                    role_name=names.gateway_role(),
                    reserved_concurrency=GATEWAY,
                    log_retention_days=environment.log_retention_days,
                    environment={"GROUNDPLAN_GATEWAY_PLACE": self.to_json_string(place.model_dump(mode="json"))},
                    timeout_seconds=math.ceil(rules.deadline_seconds) + 1,
                ),
            ),
        )
        tagged = {f"aws:RequestTag/{tag}": "?*" for tag in SESSION_TAGS}
        answer.permissions.allow(
            "BecomeModelsRole",
            ["sts:AssumeRole", "sts:TagSession"],
            [models_role],
            conditions={"StringLike": tagged},
        )
        answer.permissions.allow(
            "KeepTheLedger",
            ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
            [ledger.table.table_arn],
        )
        if environment.traces:
            answer.permissions.allow(
                "SendSpans",
                ["xray:PutTraceSegments"],
                ["*"],
                wildcard="IAM offers no resource for this action; it only adds traces.",
            )
        peak = sum(tenant.requests_per_minute for tenant in rules.tenants.values())
        api = StreamingApi(
            self,
            "Api",
            props=StreamingApiProps(
                name=names.gateway(),
                function=answer.function,
                callers=callers.pool,
                encryption_key=key.key,
                log_retention_days=environment.log_retention_days,
                rate=max(1, math.ceil(peak / 60)),
                burst=GATEWAY,
            ),
        )
        api.stage.node.add_dependency(ApiLogsRole(self, "ApiLogs"))
        WebFirewall(
            self,
            "Firewall",
            props=WebFirewallProps(
                name=names.gateway(),
                protected_arn=api.stage.stage_arn,
                requests_per_minute=max(100, ONE_ADDRESS * peak),
                encryption_key=key.key,
                log_retention_days=environment.log_retention_days,
            ),
        )
        alarms = GatewayAlarms(
            self,
            "Alarms",
            props=GatewayAlarmsProps(
                name=names.gateway(),
                stage_name=STAGE,
                deadline_seconds=rules.deadline_seconds,
                alarm_topic=alarm_topic,
            ),
        )
        carried = self._carry_the_meter(answer, key, alarm_topic)
        GatewayDashboard(
            self,
            "Dashboard",
            props=GatewayDashboardProps(
                name=names.gateway(),
                stage_name=STAGE,
                deadline_seconds=rules.deadline_seconds,
                alarms=[*alarms.all, *carried.all],
            ),
        )
        cdk.CfnOutput(self, "Url", value=f"{api.url}v1", description="The base URL of OpenAI's clients")
        cdk.CfnOutput(self, "Client", value=callers.client.user_pool_client_id, description="Of the user pool")

    def _carry_the_meter(self, answer: WebFunction, key: EncryptionKey, alarm_topic: sns.ITopic) -> DeliveryAlarms:
        """Lines of the meter, and no others, to the data account; nobody waits for it."""
        names, environment = self.names, self.names.environment
        delivery = LineDelivery(
            self,
            "MeterDelivery",
            props=LineDeliveryProps(
                name=names.meter(),
                to=DeliveredTo(names.meter_bucket(), environment.accounts.data, lines=REQUESTS, failed=FAILED),
                encryption_key=key.key,
                log_retention_days=environment.log_retention_days,
            ),
        )
        LogSubscription(
            self,
            "MeterLines",
            props=LogSubscriptionProps(
                name=names.meter(),
                log_group=answer.log_group,
                pattern=f'{{ $.schema = "{SCHEMA}" }}',
                stream=delivery.stream,
            ),
        )
        return DeliveryAlarms(
            self,
            "MeterAlarms",
            props=DeliveryAlarmsProps(
                name=names.meter(),
                log_group=answer.log_group,
                written=gateway_metric(names.gateway(), TOTAL, "requests", "Sum"),
                runbook=RUNBOOK,
                alarm_topic=alarm_topic,
            ),
        )


def gateway_package(root: Path, names: Names, rules: Rules) -> FunctionPackage:
    """What the gateway's function ships: its own lock, the application, and its rules."""
    return FunctionPackage(
        requirements=root / "runtime/gateway.lock",
        sources=[root / "groundplan", root / "runtime/groundplan_gateway/groundplan_gateway"],
        architecture=names.environment.architecture,
        cache=root / ".groundplan/functions",
        documents={RULES: rules.model_dump_json(indent=1)},
    )
