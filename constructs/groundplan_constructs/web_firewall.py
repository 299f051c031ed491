"""A WAF in front of an API: how often one address may ask, AWS's lists of what is bad, a log of what was refused."""

from collections.abc import Sequence
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

# Prompts hold code, markup, paths and addresses: rules that look into the body for attacks would refuse those, and
# would see the first kilobytes only. They count. What the API takes, the application behind it checks.
# https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-baseline.html
_MANAGED: dict[str, Sequence[str]] = {
    "AWSManagedRulesAmazonIpReputationList": (),
    "AWSManagedRulesCommonRuleSet": (
        "CrossSiteScripting_BODY",
        "EC2MetaDataSSRF_BODY",
        "GenericLFI_BODY",
        "GenericRFI_BODY",
        "SizeRestrictions_BODY",
    ),
    "AWSManagedRulesKnownBadInputsRuleSet": ("JavaDeserializationRCE_BODY", "Log4JRCE_BODY"),
}


@dataclass(frozen=True, kw_only=True)
class WebFirewallProps:
    """`requests_per_minute` of one address; `protected_arn` is a stage of an API, for instance."""

    name: str
    protected_arn: str
    requests_per_minute: int
    encryption_key: kms.IKey
    log_retention_days: int


class WebFirewall(Construct):
    """The list, what it protects, and its log: requests that were refused or counted, without their tokens."""

    def __init__(self, scope: Construct, construct_id: str, *, props: WebFirewallProps) -> None:
        super().__init__(scope, construct_id)
        self.list = wafv2.CfnWebACL(
            self,
            "Resource",
            name=props.name,
            scope="REGIONAL",
            default_action=wafv2.CfnWebACL.DefaultActionProperty(allow={}),
            visibility_config=_visible(props.name),
            rules=[self._rate(props), *self._managed()],
        )
        wafv2.CfnWebACLAssociation(
            self, "Protected", resource_arn=props.protected_arn, web_acl_arn=self.list.attr_arn
        )
        # AWS takes groups of this name only: https://docs.aws.amazon.com/waf/latest/developerguide/logging-cw-logs.html
        group = logs.LogGroup(
            self,
            "Logs",
            log_group_name=f"aws-waf-logs-{props.name}",
            encryption_key=props.encryption_key,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        made = group.node.default_child
        if isinstance(made, logs.CfnLogGroup):
            made.retention_in_days = props.log_retention_days
        wafv2.CfnLoggingConfiguration(
            self,
            "Logging",
            resource_arn=self.list.attr_arn,
            log_destination_configs=[
                cdk.Stack.of(self).format_arn(
                    service="logs",
                    resource="log-group",
                    resource_name=group.log_group_name,
                    arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
                )
            ],
            redacted_fields=[
                wafv2.CfnLoggingConfiguration.FieldToMatchProperty(single_header={"Name": "authorization"})
            ],
            logging_filter={
                "DefaultBehavior": "DROP",
                "Filters": [
                    {
                        "Behavior": "KEEP",
                        "Requirement": "MEETS_ANY",
                        "Conditions": [{"ActionCondition": {"Action": name}} for name in ("BLOCK", "COUNT")],
                    }
                ],
            },
        )

    def _rate(self, props: WebFirewallProps) -> wafv2.CfnWebACL.RuleProperty:
        limit = wafv2.CfnWebACL.RateBasedStatementProperty(
            aggregate_key_type="IP", evaluation_window_sec=60, limit=props.requests_per_minute
        )
        return wafv2.CfnWebACL.RuleProperty(
            name="Rate",
            priority=0,
            statement=wafv2.CfnWebACL.StatementProperty(rate_based_statement=limit),
            action=wafv2.CfnWebACL.RuleActionProperty(
                block=wafv2.CfnWebACL.BlockActionProperty(
                    custom_response=wafv2.CfnWebACL.CustomResponseProperty(response_code=429)
                )
            ),
            visibility_config=_visible("Rate"),
        )

    def _managed(self) -> Sequence[wafv2.CfnWebACL.RuleProperty]:
        return [
            wafv2.CfnWebACL.RuleProperty(
                name=group,
                priority=priority,
                override_action=wafv2.CfnWebACL.OverrideActionProperty(none={}),
                statement=wafv2.CfnWebACL.StatementProperty(
                    managed_rule_group_statement=wafv2.CfnWebACL.ManagedRuleGroupStatementProperty(
                        vendor_name="AWS",
                        name=group,
                        rule_action_overrides=[
                            wafv2.CfnWebACL.RuleActionOverrideProperty(
                                name=name, action_to_use=wafv2.CfnWebACL.RuleActionProperty(count={})
                            )
                            for name in counted
                        ]
                        or None,
                    )
                ),
                visibility_config=_visible(group),
            )
            for priority, (group, counted) in enumerate(_MANAGED.items(), start=1)
        ]


def _visible(metric: str) -> wafv2.CfnWebACL.VisibilityConfigProperty:
    # Samples would show whole requests in the console, tokens among them.
    return wafv2.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=metric, sampled_requests_enabled=False
    )
