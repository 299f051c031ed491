"""Logs, metrics, alarms, trails and budgets.

Sources: https://aws.amazon.com/cloudwatch/pricing/, https://aws.amazon.com/cloudtrail/pricing/,
https://aws.amazon.com/config/pricing/, https://aws.amazon.com/aws-cost-management/pricing/.
"""

from collections.abc import Iterator

from groundplan.estimate.charge import Charge, monthly, used
from groundplan.estimate.resource import Resource

HIGH_RESOLUTION_SECONDS = 60  # a shorter period makes an alarm a high-resolution one


def log_group(resource: Resource) -> Iterator[Charge]:
    """What comes in, and what is kept."""
    seldom = resource.text("LogGroupClass", "STANDARD") != "STANDARD"
    ingested = "cloudwatch/logs/ingested_infrequent" if seldom else "cloudwatch/logs/ingested"
    yield used(ingested, "ingested_gb", resource.usage("ingested_gb"))
    yield used("cloudwatch/logs/archived", "stored_gb", resource.usage("stored_gb"))


def alarm(resource: Resource) -> Iterator[Charge]:
    """Each metric that the alarm looks at."""
    metrics = resource.list("Metrics")
    paths = [f"Metrics.{index}.MetricStat" for index in range(len(metrics))]
    measured = [path for path in paths if resource.value(path)]
    periods = [resource.number(f"{path}.Period", 300) for path in measured] or [resource.number("Period", 300)]
    quick = sum(period < HIGH_RESOLUTION_SECONDS for period in periods)
    if quick:
        yield monthly("cloudwatch/alarm/high_resolution", quick, f"{quick} metrics")
    if len(periods) > quick:
        yield monthly("cloudwatch/alarm/standard", len(periods) - quick, f"{len(periods) - quick} metrics")


def composite_alarm(_: Resource) -> Iterator[Charge]:
    """One alarm over others."""
    yield monthly("cloudwatch/alarm/composite")


def dashboard(_: Resource) -> Iterator[Charge]:
    """A dashboard; the first three of an account are free, which is not counted on."""
    yield monthly("cloudwatch/dashboard")


def trail(resource: Resource) -> Iterator[Charge]:
    """Data events; the first copy of management events is free."""
    yield used("cloudtrail/data_event", "data_events", resource.usage("data_events"))


def config_rule(resource: Resource) -> Iterator[Charge]:
    """Evaluations."""
    yield used("config/rule_evaluation", "evaluations", resource.usage("evaluations"))


def recorder(resource: Resource) -> Iterator[Charge]:
    """Recorded changes."""
    yield used("config/configuration_item", "configuration_items", resource.usage("configuration_items"))


def budget_action(_: Resource) -> Iterator[Charge]:
    """A budget that acts is charged by the day; the first two of an account are free, which is not counted on."""
    yield monthly("budgets/action_budget")


def canary(resource: Resource) -> Iterator[Charge]:
    """Runs."""
    yield used("synthetics/canary_run", "runs", resource.usage("runs"))


CHARGED = {
    "AWS::Budgets::BudgetsAction": budget_action,
    "AWS::CloudTrail::Trail": trail,
    "AWS::CloudWatch::Alarm": alarm,
    "AWS::CloudWatch::CompositeAlarm": composite_alarm,
    "AWS::CloudWatch::Dashboard": dashboard,
    "AWS::Config::ConfigRule": config_rule,
    "AWS::Config::ConfigurationRecorder": recorder,
    "AWS::Logs::LogGroup": log_group,
    "AWS::Synthetics::Canary": canary,
}

UNCHARGED = dict[str, str]()
_LOGS = "charged with the log group: https://aws.amazon.com/cloudwatch/pricing/"
_COST = "no charge: https://aws.amazon.com/aws-cost-management/pricing/"
FREE = {
    "AWS::BCMDataExports::Export": "the export has no price, its bucket is charged: https://aws.amazon.com/aws-cost-management/pricing/",
    "AWS::Budgets::Budget": "budgets without an action are free: https://aws.amazon.com/aws-cost-management/aws-budgets/pricing/",
    "AWS::CE::AnomalyMonitor": _COST,
    "AWS::CE::AnomalySubscription": _COST,
    "AWS::CE::CostCategory": _COST,
    "AWS::Config::DeliveryChannel": "charged with the recorder: https://aws.amazon.com/config/pricing/",
    "AWS::Logs::LogStream": _LOGS,
    "AWS::Logs::MetricFilter": _LOGS,
    "AWS::Logs::QueryDefinition": _LOGS,
    "AWS::Logs::ResourcePolicy": _LOGS,
    "AWS::Logs::SubscriptionFilter": _LOGS,
    "AWS::XRay::Group": "traces are charged, groups are not: https://aws.amazon.com/xray/pricing/",
    "AWS::XRay::ResourcePolicy": "traces are charged, policies are not: https://aws.amazon.com/xray/pricing/",
    "AWS::XRay::SamplingRule": "traces are charged, rules are not: https://aws.amazon.com/xray/pricing/",
}
