"""How a new version takes over the traffic, and what sends it back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sagemaker as sagemaker

_capacity = sagemaker.CfnEndpoint.CapacitySizeProperty
TIME_FOR_START_SECONDS = 3600  # of the new fleet, beyond all waits


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """`percent` of the instances first (canary) or at each step (linear); `bake_seconds` between steps.

    `keep_old_seconds` is how long the old fleet stays after the last step, as the shortest way back.
    """

    kind: Literal["canary", "linear", "all-at-once"] = "canary"
    percent: int = 10
    bake_seconds: int = 600
    keep_old_seconds: int = 300

    def __post_init__(self) -> None:
        least = {"canary": 1, "linear": 10, "all-at-once": 1}[self.kind]
        if not least <= self.percent <= 50:
            raise ValueError(f"a {self.kind} step must be {least} to 50 % of the instances, got {self.percent}")
        for name in ("bake_seconds", "keep_old_seconds"):
            if not 0 <= getattr(self, name) <= 3600:
                raise ValueError(f"{name} must be 0 to 3600, got {getattr(self, name)}")

    def deployment(self, alarms: Sequence[cloudwatch.Alarm]) -> sagemaker.CfnEndpoint.DeploymentConfigProperty:
        """Blue/green with these steps; any of the alarms sends all traffic back to the old fleet.

        Source: https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-blue-green.html
        """
        size = _capacity(type="CAPACITY_PERCENT", value=self.percent)
        steps = -(-100 // self.percent) if self.kind == "linear" else 1
        waits = steps * self.bake_seconds + self.keep_old_seconds
        return sagemaker.CfnEndpoint.DeploymentConfigProperty(
            auto_rollback_configuration=rollback(alarms),
            blue_green_update_policy=sagemaker.CfnEndpoint.BlueGreenUpdatePolicyProperty(
                maximum_execution_timeout_in_seconds=min(waits + TIME_FOR_START_SECONDS, 28_800),
                termination_wait_in_seconds=self.keep_old_seconds,
                traffic_routing_configuration=sagemaker.CfnEndpoint.TrafficRoutingConfigProperty(
                    type=self.kind.upper().replace("-", "_"),
                    wait_interval_in_seconds=self.bake_seconds,
                    canary_size=size if self.kind == "canary" else None,
                    linear_step_size=size if self.kind == "linear" else None,
                ),
            ),
        )


def rollback(alarms: Sequence[cloudwatch.Alarm]) -> sagemaker.CfnEndpoint.AutoRollbackConfigProperty:
    """Back, when one of the alarms rings."""
    names = [sagemaker.CfnEndpoint.AlarmProperty(alarm_name=alarm.alarm_name) for alarm in alarms]
    return sagemaker.CfnEndpoint.AutoRollbackConfigProperty(alarms=names)
