"""An endpoint: its fleet, the next one while a deployment shifts traffic to it, and the way back.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-blue-green.html
"""

import itertools
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from groundplan_local.connections import connect
from groundplan_local.serving.capture import capture
from groundplan_local.serving.clock import here
from groundplan_local.serving.copy import Answered, Copy, StartError
from groundplan_local.serving.measures import Measures

LOOK_SECONDS = 0.02
LEAST_START_SECONDS = 5.0  # a process of this machine needs some time that no scale shortens
Document = dict[str, Any]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fleet:
    """What one configuration runs: one process a variant, however many instances it names."""

    config: Document
    main: Copy | None  # None where inference components answer
    shadow: Copy | None

    @property
    def variant(self) -> str:
        """Name of the production variant."""
        return self.config["ProductionVariants"][0]["VariantName"]

    def close(self) -> None:
        """End its processes."""
        for copy in (self.main, self.shadow):
            if copy:
                copy.close()


class Endpoint:
    """One endpoint. Deployments run on a thread of their own; requests come on any."""

    def __init__(
        self,
        name: str,
        place: tuple[str, str],
        folder: Path,
        measures: Measures,
        containers: Callable[[str], Mapping[str, Any]],
        tell: Callable[["Endpoint"], None],
        tags: list[Any],
        dimensions: Mapping[str, str] | None = None,  # of its metrics, if they are not those of its variants
    ) -> None:
        self.name, self.account, self.region = name, *place
        self.arn = f"arn:aws:sagemaker:{self.region}:{self.account}:endpoint/{name}"
        self.status, self.failure, self.tags = "Creating", "", tags
        self.created = self.changed = datetime.now(UTC)
        self.config: Document = {}
        self.share = 0.0  # of the requests that go to the next fleet
        self.count = 0  # instances, or copies of a component; at zero nothing answers
        self._dimensions = dimensions
        self._folder, self._measures, self._containers, self._tell = folder, measures, containers, tell
        self._fleet: Fleet | None = None
        self._next: Fleet | None = None
        self._numbers = itertools.count()
        self._owed = {"next": 0.0, "capture": 0.0}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._shadows = ThreadPoolExecutor(max_workers=2, thread_name_prefix=f"shadow of {name}")

    @property
    def dimensions(self) -> Mapping[str, str]:
        """Of the metrics of what serves."""
        variant = self.config["ProductionVariants"][0]["VariantName"]
        return self._dimensions or {"EndpointName": self.name, "VariantName": variant}

    # Deployment -----------------------------------------------------------------------------------------------

    def deploy(self, config: Document, deployment: Mapping[str, Any], *, keep_count: bool = False) -> None:
        """Begin to serve a configuration: at once where there was none, else as the deployment says."""
        first = self._fleet is None
        self._change("Creating" if first else "Updating")
        self.config = self.config or config
        if first or not keep_count:
            self.count = config["ProductionVariants"][0].get("InitialInstanceCount", 1)
        target = self._first if first else self._update
        threading.Thread(target=target, args=(config, deployment), name=f"deploy {self.name}", daemon=True).start()

    def _first(self, config: Document, _: Mapping[str, Any]) -> None:
        try:
            self._fleet = self._start(config)
            self._change("InService")
        except StartError as error:
            self._change("Failed", str(error))

    def _update(self, config: Document, deployment: Mapping[str, Any]) -> None:
        alarms = [one["AlarmName"] for one in deployment.get("AutoRollbackConfiguration", {}).get("Alarms", [])]
        policy: Document = deployment.get("BlueGreenUpdatePolicy", {})
        try:
            self._next = self._start(config)
        except StartError as error:
            self._change("InService", str(error))
            return
        traffic: Document = policy.get("TrafficRoutingConfiguration", {"Type": "ALL_AT_ONCE"})
        for share in shares(traffic, config["ProductionVariants"][0].get("InitialInstanceCount", 1)):
            self.share = share
            if rung := self._bake(alarms, float(traffic.get("WaitIntervalInSeconds", 0))):
                self._go_back(rung)
                return
        if rung := self._bake(alarms, float(policy.get("TerminationWaitInSeconds", 0))):
            self._go_back(rung)
            return
        old = self._fleet
        with self._lock:
            self._fleet, self._next, self.share, self.config = self._next, None, 0.0, config
        if old:
            old.close()
        self._change("InService")

    def _bake(self, alarms: list[str], seconds: float) -> str:
        """Watch for a while; the alarm that rang, if any."""
        until = time.monotonic() + here(seconds)
        while not self._closing.is_set():
            ringing = _ringing(self.account, self.region, alarms)
            if ringing or time.monotonic() >= until:
                return ringing
            self._closing.wait(LOOK_SECONDS)
        return ""

    def _go_back(self, alarm: str) -> None:
        failed = self._next
        with self._lock:
            self._next, self.share = None, 0.0
        self._change("RollingBack")
        if failed:
            failed.close()
        self._change("InService", f"Deployment was rolled back because alarm {alarm} is in state ALARM.")

    def _start(self, config: Document) -> Fleet:
        def copy(variant: Mapping[str, Any]) -> Copy:
            asked = float(variant.get("ContainerStartupHealthCheckTimeoutInSeconds", 600))
            folder = self._folder / f"{self.name}-{next(self._numbers)}"
            wait = LEAST_START_SECONDS + here(asked)
            return Copy(folder, self._containers(variant["ModelName"]), self.account, self.region, wait)

        main: Document = config["ProductionVariants"][0]
        shadows: list[Document] = config.get("ShadowProductionVariants") or []
        return Fleet(config, copy(main) if "ModelName" in main else None, copy(shadows[0]) if shadows else None)

    def _change(self, status: str, failure: str = "") -> None:
        self.status, self.failure, self.changed = status, failure, datetime.now(UTC)
        with suppress(Exception):
            self._tell(self)

    # Requests -------------------------------------------------------------------------------------------------

    def invoke(self, body: bytes, content_type: str, accept: str) -> tuple[Answered, str] | None:
        """The answer and the variant's name; None where nothing serves."""
        with self._lock:
            fleet = self._next if self._next and self._due("next", self.share) else self._fleet
        if fleet is None or fleet.main is None or not self.count:
            return None
        answered = fleet.main.answer(body, content_type, accept)
        self._record(fleet.variant, answered)
        kept = self._is_captured(fleet.config)
        if fleet.shadow:
            self._shadows.submit(self._shadow, fleet, body, content_type, accept, kept)
        if kept:
            self._capture(fleet.config, fleet.variant, (content_type, body), answered)
        return answered, fleet.variant

    def _shadow(self, fleet: Fleet, body: bytes, content_type: str, accept: str, kept: bool) -> None:
        if fleet.shadow:
            name = fleet.config["ShadowProductionVariants"][0]["VariantName"]
            answered = fleet.shadow.answer(body, content_type, accept)
            self._record(name, answered)
            if kept:
                self._capture(fleet.config, name, (content_type, body), answered)

    def _record(self, variant: str, answered: Answered) -> None:
        self._measures.record(
            self.account,
            self.region,
            self._dimensions or {"EndpointName": self.name, "VariantName": variant},
            Invocations=1,
            Invocation5XXErrors=float(answered.status >= 500),
            Invocation4XXErrors=float(400 <= answered.status < 500),
            ModelLatency=answered.seconds * 1_000_000,
        )

    def _is_captured(self, config: Document) -> bool:
        kept: Document = config.get("DataCaptureConfig") or {}
        if not kept.get("EnableCapture", bool(kept)):
            return False
        with self._lock:
            return self._due("capture", kept["InitialSamplingPercentage"] / 100)

    def _capture(self, config: Document, variant: str, request: tuple[str, bytes], answered: Answered) -> None:
        place = {"EndpointName": self.name, "VariantName": variant}
        answer = (answered.content_type, answered.body)
        self._shadows.submit(capture, self.account, self.region, place, config["DataCaptureConfig"], request, answer)

    def _due(self, what: str, share: float) -> bool:
        """Whether this request is one of the share: every tenth of a tenth, so that a test can count on it."""
        self._owed[what] += share
        if self._owed[what] < 1 - 1e-9:
            return False
        self._owed[what] -= 1
        return True

    def close(self) -> None:
        """End its processes."""
        self._closing.set()
        self._shadows.shutdown(wait=False, cancel_futures=True)
        for fleet in (self._fleet, self._next):
            if fleet:
                fleet.close()


def shares(traffic: Mapping[str, Any], instances: int) -> list[float]:
    """The shares of traffic, step by step: as many as there are instances that take it, in whole instances."""
    kind = traffic.get("Type", "ALL_AT_ONCE")
    size: Document = traffic.get("CanarySize") or traffic.get("LinearStepSize") or {}
    if kind == "ALL_AT_ONCE" or not size:
        return [1.0]
    part = size["Value"] / (100 if size["Type"] == "CAPACITY_PERCENT" else instances)
    step = min(1.0, math.ceil(part * instances - 1e-9) / instances)
    if kind == "CANARY":
        return [step]
    return [min(1.0, step * count) for count in range(1, math.ceil(1 / step - 1e-9) + 1)]


def _ringing(account: str, region: str, names: list[str]) -> str:
    if not names:
        return ""
    found = connect("cloudwatch", account, region).describe_alarms(
        AlarmNames=names, AlarmTypes=["MetricAlarm", "CompositeAlarm"], StateValue="ALARM"
    )
    rung = [*found.get("MetricAlarms", []), *found.get("CompositeAlarms", [])]
    return rung[0]["AlarmName"] if rung else ""
