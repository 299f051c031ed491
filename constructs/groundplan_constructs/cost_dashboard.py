"""What everything costs, on a dashboard: the report of the day, and whether bills come."""

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

_WIDTH, _HEIGHT = 24, 24  # of a grid of 24 columns; what is taller scrolls


@dataclass(frozen=True, kw_only=True)
class CostDashboardProps:
    """`shows` answers with HTML; who looks at the dashboard invokes it, by his own permissions."""

    name: str
    shows: lambda_.IFunction
    alarms: Sequence[cloudwatch.IAlarm]


class CostDashboard(Construct):
    """A dashboard with the alarms' states above one widget, which is asked when it is opened, not by the minute.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/add_custom_widget_dashboard.html
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: CostDashboardProps) -> None:
        super().__init__(scope, construct_id)
        dashboard = cloudwatch.Dashboard(self, "Resource", dashboard_name=props.name)
        dashboard.add_widgets(
            cloudwatch.AlarmStatusWidget(title="Whether bills come", alarms=list(props.alarms), width=_WIDTH)
        )
        dashboard.add_widgets(
            cloudwatch.CustomWidget(
                title="What it cost",
                function_arn=props.shows.function_arn,
                width=_WIDTH,
                height=_HEIGHT,
                update_on_refresh=True,
                update_on_resize=False,
                update_on_time_range_change=False,
            )
        )
