"""Application Auto Scaling of endpoints and components: what moto keeps of it is carried out here.

Target tracking goes out when a metric was above its target for three minutes, and in when it was below nine tenths
of it for fifteen; a step policy follows its alarm. Scheduled actions and the cooldowns of tracking are left out.
Source: https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html
"""

import json
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from groundplan_local.bridge import Answer, Call
from groundplan_local.joints import account_and_region, joint, mend
from groundplan_local.serving.clock import here
from groundplan_local.serving.endpoints import Document, Endpoint
from groundplan_local.serving.measures import Measures

LOOK_SECONDS = 0.2
MINUTE, OUT_MINUTES, IN_MINUTES, NEARLY = 60.0, 3, 15, 0.9
PER_UNIT = {
    "SageMakerVariantInvocationsPerInstance": "Invocations",
    "SageMakerInferenceComponentInvocationsPerCopy": "Invocations",
}
# What AWS scales of SageMaker, and moto does not know.
DIMENSIONS = ("sagemaker:inference-component:DesiredCopyCount", "sagemaker:variant:DesiredProvisionedConcurrency")
Key = tuple[str, str, str, str]  # account, region, resource, dimension
Find = Callable[[str, str, str], Endpoint | None]  # account, region, `endpoint/…` or `inference-component/…`

logger = logging.getLogger(__name__)


def install() -> None:
    """Let moto take the dimensions that it lacks."""
    modules = ("moto.applicationautoscaling.models", "moto.applicationautoscaling.responses")
    known = {one.name: one.value for one in joint(modules[0], "ScalableDimensionValueSet")}
    if already := set(DIMENSIONS) & set(known.values()):
        raise RuntimeError(f"moto has {', '.join(already)} by now: take it out of serving/scaling.py")
    wider = Enum("ScalableDimensionValueSet", known | {one.rpartition(":")[2]: one for one in DIMENSIONS})
    for module in modules:
        mend(module, "ScalableDimensionValueSet", wider)


class Scaling:
    """Targets and policies, as they were registered, and a thread that follows them."""

    def __init__(self, measures: Measures, find: Find) -> None:
        self._measures, self._find = measures, find
        self._targets: dict[Key, tuple[int, int]] = {}
        self._policies: dict[Key, dict[str, Document]] = {}
        self._moved: dict[str, float] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._look_again_and_again, name="scaling", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._closing.set()

    def noticed(self, call: Call, answer: Answer) -> Answer:
        """Keep what a call of Application Auto Scaling that moto took says about SageMaker; moto's answer."""
        asked = call.parameters()
        if answer[0] != 200 or asked.get("ServiceNamespace") != "sagemaker" or "ResourceId" not in asked:
            return answer
        key = (*account_and_region(), asked["ResourceId"], asked.get("ScalableDimension", ""))
        if call.operation == "RegisterScalableTarget":
            least, most = self._targets.get(key, (0, 0))
            self._targets[key] = int(asked.get("MinCapacity", least)), int(asked.get("MaxCapacity", most))
        elif call.operation == "DeregisterScalableTarget":
            self._targets.pop(key, None)
            self._policies.pop(key, None)
        elif call.operation == "PutScalingPolicy":
            arn = str(json.loads(answer[2])["PolicyARN"])
            self._policies.setdefault(key, {})[asked["PolicyName"]] = {**asked, "PolicyARN": arn}
        elif call.operation == "DeleteScalingPolicy":
            self._policies.get(key, {}).pop(asked["PolicyName"], None)
        return answer

    def _look_again_and_again(self) -> None:
        while not self._closing.wait(LOOK_SECONDS):
            for key in list(self._targets):
                try:
                    self._look(key)
                except Exception:
                    logger.exception("scaling of %s", key[2])

    def _look(self, key: Key) -> None:
        account, region, resource, _ = key
        served = self._find(account, region, resource)
        if served is None or served.status != "InService":
            return
        least, most = self._targets[key]
        wanted = [
            self._stepped(policy, served.count)
            if "StepScalingPolicyConfiguration" in policy
            else self._tracked(policy, served)
            for policy in list(self._policies.get(key, {}).values())
        ]
        wanted = [count for count in wanted if count is not None] or [served.count]
        served.count = min(max(*wanted, least), most)

    def _stepped(self, policy: Document, count: int) -> int | None:
        """One step more while its alarm rings; otherwise it has no opinion."""
        arn, now = policy["PolicyARN"], time.monotonic()
        alarms: Mapping[Any, Mapping[str, Any]] = joint("ministack.services.cloudwatch", "_alarms").to_dict()
        rings = any(
            arn in alarm.get("AlarmActions", ()) and alarm.get("StateValue") == "ALARM" for alarm in alarms.values()
        )
        configuration: Document = policy["StepScalingPolicyConfiguration"]
        if not rings or now - self._moved.get(arn, -math.inf) < here(configuration.get("Cooldown", 300)):
            return None
        self._moved[arn] = now
        return count + int(configuration["StepAdjustments"][0]["ScalingAdjustment"])

    def _tracked(self, policy: Document, served: Endpoint) -> int | None:
        if not served.count:  # by which it would divide
            return None
        configuration: Document = policy["TargetTrackingScalingPolicyConfiguration"]
        values = [self._value(configuration, served, minute) for minute in range(IN_MINUTES)]
        return tracked(values, float(configuration["TargetValue"]), served.count)

    def _value(self, configuration: Document, served: Endpoint, minutes_ago: int) -> float | None:
        """The metric that is tracked, of one minute; None where nobody measured."""
        own: Document = configuration.get("CustomizedMetricSpecification") or {}
        kind = configuration.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType", "")
        end = time.monotonic() - here(MINUTE) * minutes_ago
        if own:
            seen = {one["Name"]: one["Value"] for one in own.get("Dimensions", [])}
            points = self._measures.points(served.account, served.region, own["MetricName"], seen)
        elif kind in PER_UNIT:
            points = self._measures.points(served.account, served.region, PER_UNIT[kind], served.dimensions)
        else:
            return None
        values = [value for at, value in points if end - here(MINUTE) < at <= end]
        if not values:
            return None
        return sum(values) / (served.count if kind else len(values))


def tracked(values: list[float | None], target: float, count: int) -> int:
    """How many there should be, by the values of the last minutes, the newest first; None: not measured."""
    recent, long = values[:OUT_MINUTES], values[:IN_MINUTES]
    newest = values[0]
    if newest is None:
        return count
    if all(value is not None and value > target for value in recent):
        return math.ceil(count * newest / target)
    if all(value is not None and value < NEARLY * target for value in long):
        return math.ceil(count * newest / target)
    return count
