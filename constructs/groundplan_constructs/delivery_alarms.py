"""Whether what is written down also arrives: late, refused, or not handed over at all."""

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct

from groundplan_constructs.heard_alarm import heard_alarm
from groundplan_constructs.line_delivery import COLLECTS_SECONDS

LATE_SECONDS = COLLECTS_SECONDS + 1500  # half an hour: Firehose has tried again for a while
_HOUR = cdk.Duration.hours(1)


@dataclass(frozen=True, kw_only=True)
class DeliveryAlarmsProps:
    """`name` is that of the stream and of its subscription; `written` counts the lines that shall be carried."""

    name: str
    log_group: logs.ILogGroup
    written: cloudwatch.Metric
    runbook: str
    alarm_topic: sns.ITopic


class DeliveryAlarms(Construct):
    """A stream that stops rings; nothing to carry is nothing wrong.

    https://docs.aws.amazon.com/firehose/latest/dev/monitoring-with-cloudwatch-metrics.html,
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch-Logs-Monitoring-CloudWatch-Metrics.html
    """

    def __init__(self, scope: Construct, construct_id: str, *, props: DeliveryAlarmsProps) -> None:
        super().__init__(scope, construct_id)
        self._props = props
        late = self._of_stream("DeliveryToS3.DataFreshness", "Maximum").with_(period=cdk.Duration.minutes(5))
        forwarded, refused = (self._of_subscription(name) for name in ("ForwardedLogEvents", "DeliveryErrors"))
        lost = cloudwatch.MathExpression(
            expression="FILL(refused, 0) + FILL(unreadable, 0)"
            " + IF(FILL(written, 0) > 0 AND FILL(forwarded, 0) == 0, FILL(written, 0), 0)",
            label="lines that were not carried",
            using_metrics={
                "written": props.written.with_(period=_HOUR),
                "forwarded": forwarded,
                "refused": refused,
                "unreadable": self._of_stream("OutputDecompressedRecords.Failed", "Sum"),
            },
            period=_HOUR,
        )
        self.all = [
            self._alarm(
                "Late", late, LATE_SECONDS, f"lines wait longer than {LATE_SECONDS // 60} minutes", periods=3
            ),
            self._alarm("Lost", lost, 0, "lines of this hour were refused, or none was handed over", periods=1),
        ]

    def _of_stream(self, name: str, statistic: str) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace="AWS/Firehose",
            metric_name=name,
            dimensions_map={"DeliveryStreamName": self._props.name},
            statistic=statistic,
            period=_HOUR,
        )

    def _of_subscription(self, name: str) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace="AWS/Logs",
            metric_name=name,
            dimensions_map={
                "LogGroupName": self._props.log_group.log_group_name,
                "DestinationType": "Firehose",
                "FilterName": self._props.name,
            },
            statistic="Sum",
            period=_HOUR,
        )

    def _alarm(
        self, construct_id: str, seen: cloudwatch.IMetric, threshold: float, says: str, *, periods: int
    ) -> cloudwatch.Alarm:
        return heard_alarm(
            self,
            construct_id,
            of=self._props.name,
            says=says,
            runbook=self._props.runbook,
            topic=self._props.alarm_topic,
            metric=seen,
            threshold=threshold,
            evaluation_periods=periods,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
