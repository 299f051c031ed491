"""What AWS offers in each way of serving, with the page that says so. What it does not offer is refused by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Mode = Literal["real-time", "serverless", "asynchronous", "component", "batch-transform"]
Feature = Literal[
    "VPC",
    "network isolation",
    "accelerators",
    "data capture",
    "canary or linear shift",
    "rolling update",
    "shadow variant",
    "several variants",
    "scale to zero",
    "scaling on a metric",
]
MODES: tuple[Mode, ...] = get_args(Mode)
FEATURES: tuple[Feature, ...] = get_args(Feature)

_GUIDE = "https://docs.aws.amazon.com/sagemaker/latest/dg"
_API = "https://docs.aws.amazon.com/sagemaker/latest/APIReference"
_VPC = f"{_GUIDE}/host-vpc.html"
_ISOLATION = f"{_GUIDE}/mkt-algo-model-internet-free.html"
_SERVERLESS = f"{_GUIDE}/serverless-endpoints.html#serverless-endpoints-how-it-works-exclusions"
_GUARDRAILS = f"{_GUIDE}/deployment-guardrails.html"
_TRAFFIC = f"{_API}/API_TrafficRoutingConfig.html"
_ROLLING = f"{_GUIDE}/deployment-guardrails-exclusions.html"
_SHADOW = f"{_GUIDE}/shadow-tests-exclusions.html"
_CAPTURE = f"{_GUIDE}/model-monitor-data-capture.html"
_ZERO = f"{_GUIDE}/endpoint-auto-scaling-zero-instances.html"
_ASYNC = f"{_GUIDE}/async-inference.html"
_BATCH = f"{_GUIDE}/batch-transform.html"
_COMPONENT = f"{_API}/API_InferenceComponentDeploymentConfig.html"
_ENDPOINT_CONFIG = f"{_API}/API_CreateEndpointConfig.html"


@dataclass(frozen=True)
class Offer:
    """Whether there is such a thing, in a few words, and where AWS says so."""

    offered: bool
    says: str
    source: str


def _yes(source: str, says: str = "yes") -> Offer:
    return Offer(True, says, source)


def _no(source: str, says: str = "no") -> Offer:
    return Offer(False, says, source)


OFFERS: Mapping[Mode, Mapping[Feature, Offer]] = {
    "real-time": {
        "VPC": _yes(_VPC),
        "network isolation": _yes(_ISOLATION),
        "accelerators": _yes(f"{_API}/API_ProductionVariant.html", "GPU, Inferentia2"),
        "data capture": _yes(f"{_GUIDE}/model-monitor-data-capture-endpoint.html"),
        "canary or linear shift": _yes(f"{_GUIDE}/deployment-guardrails-blue-green.html"),
        "rolling update": _yes(f"{_GUIDE}/deployment-guardrails-rolling.html", "with one variant"),
        "shadow variant": _yes(_ENDPOINT_CONFIG, "one beside one"),
        "several variants": _yes(f"{_GUIDE}/model-ab-testing.html"),
        "scale to zero": _no(_ZERO, "no: only what hosts inference components"),
        "scaling on a metric": _yes(f"{_GUIDE}/endpoint-auto-scaling.html", "instances"),
    },
    "serverless": {
        "VPC": _no(_SERVERLESS),
        "network isolation": _no(_SERVERLESS),
        "accelerators": _no(_SERVERLESS, "no GPU"),
        "data capture": _no(_SERVERLESS),
        "canary or linear shift": _no(_TRAFFIC, "no: its steps are shares of instances; all at once, with rollback"),
        "rolling update": _no(_ROLLING),
        "shadow variant": _no(_SHADOW),
        "several variants": _no(_SERVERLESS),
        "scale to zero": _yes(_SERVERLESS, "by itself"),
        "scaling on a metric": _yes(
            f"{_GUIDE}/serverless-endpoints-autoscale.html", "provisioned concurrency, from 1 up"
        ),
    },
    "asynchronous": {
        "VPC": _yes(_VPC),
        "network isolation": _yes(_ISOLATION),
        "accelerators": _yes(_ASYNC),
        "data capture": _no(_CAPTURE, "no: its requests and answers lie in S3"),
        "canary or linear shift": _yes(_GUARDRAILS),
        "rolling update": _yes(_ROLLING, "with one variant"),
        "shadow variant": _no(_SHADOW),
        "several variants": _yes(_ASYNC),
        "scale to zero": _yes(f"{_GUIDE}/async-inference-autoscale.html", "on its backlog"),
        "scaling on a metric": _yes(f"{_GUIDE}/async-inference-autoscale.html", "instances, on the backlog"),
    },
    "component": {
        "VPC": _yes(_ENDPOINT_CONFIG, "of the endpoint's configuration"),
        "network isolation": _yes(_ENDPOINT_CONFIG, "of the endpoint's configuration"),
        "accelerators": _yes(f"{_API}/API_InferenceComponentComputeResourceRequirements.html"),
        "data capture": _no(_CAPTURE, "not documented, so not used"),
        "canary or linear shift": _no(_COMPONENT, "no: a rolling policy of its own"),
        "rolling update": _yes(_COMPONENT, "its own policy, with automatic rollback"),
        "shadow variant": _no(_SHADOW, "not documented, so not used"),
        "several variants": _no(_COMPONENT, "no: one variant hosts the components"),
        "scale to zero": _yes(_ZERO, "copies and instances; requests fail until it is awake"),
        "scaling on a metric": _yes(f"{_GUIDE}/endpoint-auto-scaling.html", "copies"),
    },
    "batch-transform": {
        "VPC": _yes(f"{_GUIDE}/batch-vpc.html"),
        "network isolation": _yes(_ISOLATION),
        "accelerators": _yes(f"{_API}/API_TransformResources.html", "GPU; no Graviton"),
        "data capture": _yes(f"{_GUIDE}/model-monitor-data-capture-batch.html"),
        "canary or linear shift": _no(_BATCH, "no: each job runs one model"),
        "rolling update": _no(_BATCH, "no: each job runs one model"),
        "shadow variant": _no(_SHADOW),
        "several variants": _no(_BATCH),
        "scale to zero": _yes(_BATCH, "nothing runs between jobs"),
        "scaling on a metric": _no(_BATCH, "no: a number of instances for each job"),
    },
}


def refuse_unoffered(mode: Mode, *features: Feature) -> None:
    """Raises ValueError for each feature that AWS does not offer in this mode, with where it says so."""
    missing: list[Feature] = [feature for feature in features if not OFFERS[mode][feature].offered]
    if missing:
        raise ValueError("; ".join(_refusal(mode, feature) for feature in missing))


def _refusal(mode: Mode, feature: Feature) -> str:
    offer = OFFERS[mode][feature]
    others = [other for other in MODES if OFFERS[other][feature].offered]
    return f"{mode} has no {feature} ({offer.says}; {offer.source}); allowed with it: {', '.join(others)}"
