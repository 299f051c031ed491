"""Inference components: copies of a model on an endpoint that has machines and no model of its own.

A component is served like an endpoint of one variant; its rolling update is a linear shift in batches of copies.
Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateInferenceComponent.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-rolling.html
"""

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from groundplan_local.bridge import Answer, answer_error, answer_json
from groundplan_local.joints import account_and_region
from groundplan_local.serving.endpoints import Document, Endpoint
from groundplan_local.serving.measures import Measures

CHANGING = ("Creating", "Updating", "RollingBack")
USUAL_START_SECONDS = 600
ASLEEP = (
    "Inference Component has no capacity to process this request. ApplicationAutoScaling may be in-progress "
    "(if configured) or try to increase the capacity by invoking UpdateInferenceComponentRuntimeConfig API."
)
Key = tuple[str, str, str]
Find = Callable[[str], Endpoint | None]


class Components:
    """Every account's inference components."""

    def __init__(
        self, folder: Path, measures: Measures, find: Find, model: Callable[[str, str, str], Mapping[str, Any]]
    ) -> None:
        self._folder, self._measures, self._find, self._model = folder, measures, find, model
        self._kept: dict[Key, tuple[Endpoint, Document]] = {}
        self._containers: dict[str, Mapping[str, Any]] = {}
        self._numbers = itertools.count()
        self.operations: dict[str, Callable[[Document], Answer]] = {
            "CreateInferenceComponent": self._create,
            "DescribeInferenceComponent": self._describe,
            "ListInferenceComponents": self._list,
            "UpdateInferenceComponent": self._update,
            "UpdateInferenceComponentRuntimeConfig": self._scale,
            "DeleteInferenceComponent": self._delete,
        }

    def found(self, name: str) -> Endpoint | None:
        """What answers for a component of the caller's account."""
        kept = self._kept.get((*account_and_region(), name))
        return kept[0] if kept else None

    def on(self, endpoint_name: str) -> list[str]:
        """The components of an endpoint of the caller's account."""
        place = account_and_region()
        return [
            key[2]
            for key, (_, asked) in self._kept.items()
            if key[:2] == place and asked["EndpointName"] == endpoint_name
        ]

    def at(self, account: str, region: str, name: str) -> Endpoint | None:
        """The same, of any account."""
        kept = self._kept.get((account, region, name))
        return kept[0] if kept else None

    def refused(self, component: Endpoint) -> str:
        """A request came and nothing is there to answer: counted, for that is what wakes it."""
        seen = {"InferenceComponentName": component.name}
        self._measures.record(component.account, component.region, seen, NoCapacityInvocationFailures=1)
        return ASLEEP

    def close(self) -> None:
        """End everything that serves."""
        for served, _ in list(self._kept.values()):
            served.close()

    def _create(self, asked: Document) -> Answer:
        name, (account, region) = asked["InferenceComponentName"], account_and_region()
        if (account, region, name) in self._kept:
            return _refused(f'Cannot create already existing inference component "{name}".')
        host = self._find(asked["EndpointName"])
        if host is None or host.status != "InService":
            said = host.status if host else "not there"
            return _refused(f'Endpoint "{asked["EndpointName"]}" is {said}.')
        if "ModelName" in host.config["ProductionVariants"][0]:
            says = f'Endpoint "{host.name}" has a model of its own and hosts no inference components.'
            return _refused(says)
        if refused := _not_emulated(asked):
            return refused
        made = Endpoint(
            name,
            (account, region),
            self._folder / account / region / "components",
            self._measures,
            lambda model: self._containers[model],
            lambda _: None,
            asked.get("Tags", []),
            {"InferenceComponentName": name},
        )
        made.arn = f"arn:aws:sagemaker:{region}:{account}:inference-component/{name}"
        self._kept[account, region, name] = made, asked
        made.deploy(self._config(made, asked), {})
        return answer_json({"InferenceComponentArn": made.arn})

    def _config(self, served: Endpoint, asked: Document) -> Document:
        """The configuration of one variant that a specification amounts to."""
        specification: Document = asked["Specification"]
        given: Document = specification.get("Container") or {}
        container: Mapping[str, Any] = {
            "ModelDataUrl": given.get("ArtifactUrl"),
            "Environment": given.get("Environment") or dict[str, str](),
        }
        if model := specification.get("ModelName"):
            container = self._model(served.account, served.region, model)
        name = f"{served.arn}/{next(self._numbers)}"
        self._containers[name] = container
        start: Document = specification.get("StartupParameters") or {}
        variant = {
            "VariantName": asked["VariantName"],
            "ModelName": name,
            "InitialInstanceCount": asked.get("RuntimeConfig", {}).get("CopyCount", 1),
            "ContainerStartupHealthCheckTimeoutInSeconds": start.get(
                "ContainerStartupHealthCheckTimeoutInSeconds", USUAL_START_SECONDS
            ),
        }
        return {"ProductionVariants": [variant], "Asked": asked}

    def _update(self, asked: Document) -> Answer:
        key = (*account_and_region(), asked["InferenceComponentName"])
        if key not in self._kept:
            return _missing(key[2])
        served, before = self._kept[key]
        if served.status in CHANGING:
            return _refused(f'Cannot update in-progress inference component "{served.arn}".')
        if refused := _not_emulated(asked):
            return refused
        after = {**before, **{part: asked[part] for part in ("Specification", "RuntimeConfig") if part in asked}}
        after["DeploymentConfig"] = asked.get("DeploymentConfig", {})
        self._kept[key] = served, after
        served.count = asked.get("RuntimeConfig", {}).get("CopyCount", served.count)
        if after["Specification"] != before["Specification"]:
            served.deploy(self._config(served, after), _shift(after["DeploymentConfig"]), keep_count=True)
        return answer_json({"InferenceComponentArn": served.arn})

    def _scale(self, asked: Document) -> Answer:
        served = self.found(asked["InferenceComponentName"])
        if served is None:
            return _missing(asked["InferenceComponentName"])
        served.count = asked["DesiredRuntimeConfig"]["CopyCount"]
        return answer_json({"InferenceComponentArn": served.arn})

    def _describe(self, asked: Document) -> Answer:
        key = (*account_and_region(), asked["InferenceComponentName"])
        if key not in self._kept:
            return _missing(key[2])
        served = self._kept[key][0]
        specification: Document = dict(served.config["Asked"]["Specification"])  # what serves, also after a way back
        if container := specification.get("Container"):
            image = {"SpecifiedImage": container.get("Image", "")}
            specification["Container"] = {
                "DeployedImage": image,
                **{part: container[part] for part in ("ArtifactUrl", "Environment") if part in container},
            }
        counts = {"DesiredCopyCount": served.count, "CurrentCopyCount": served.count}
        more = {"FailureReason": served.failure} if served.failure else {}
        return answer_json(
            _summary(served, self._kept[key][1])
            | more
            | {
                "Specification": specification,
                "RuntimeConfig": counts,
            }
        )

    def _list(self, asked: Document) -> Answer:
        place = account_and_region()
        found = [
            _summary(served, kept)
            for key, (served, kept) in sorted(self._kept.items())
            if key[:2] == place and asked.get("EndpointNameEquals") in (None, kept["EndpointName"])
        ]
        return answer_json({"InferenceComponents": found})

    def _delete(self, asked: Document) -> Answer:
        key = (*account_and_region(), asked["InferenceComponentName"])
        if key not in self._kept:
            return _missing(key[2])
        if self._kept[key][0].status in CHANGING:
            return _refused(f'Cannot update in-progress inference component "{key[2]}".')
        self._kept.pop(key)[0].close()
        return answer_json({})


def _not_emulated(asked: Document) -> Answer | None:
    if "Specifications" in asked or "BaseInferenceComponentName" in asked.get("Specification", {}):
        says = "several specifications and adapters of a base component are not emulated"
        return _refused(says)
    return None


def _shift(deployment: Document) -> Document:
    """A rolling update, as the steps of a shift."""
    rolling: Document = deployment.get("RollingUpdatePolicy") or {}
    if not rolling:
        return {}
    size: Document = rolling["MaximumBatchSize"]
    step = {"Type": size["Type"].replace("COPY_COUNT", "INSTANCE_COUNT"), "Value": size["Value"]}
    routing = {
        "Type": "LINEAR",
        "LinearStepSize": step,
        "WaitIntervalInSeconds": rolling.get("WaitIntervalInSeconds", 0),
    }
    return {
        "AutoRollbackConfiguration": deployment.get("AutoRollbackConfiguration", {}),
        "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing},
    }


def _summary(served: Endpoint, asked: Document) -> Document:
    host = served.arn.replace(f":inference-component/{served.name}", f":endpoint/{asked['EndpointName']}")
    return {
        "InferenceComponentName": served.name,
        "InferenceComponentArn": served.arn,
        "EndpointName": asked["EndpointName"],
        "EndpointArn": host,
        "VariantName": asked["VariantName"],
        "InferenceComponentStatus": "Updating" if served.status == "RollingBack" else served.status,
        "CreationTime": served.created.timestamp(),
        "LastModifiedTime": served.changed.timestamp(),
    }


def _refused(message: str) -> Answer:
    return answer_error("ValidationException", message)


def _missing(name: str) -> Answer:
    return _refused(f'Could not find inference component "{name}".')
