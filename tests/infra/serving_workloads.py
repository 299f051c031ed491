"""Workloads for the modes of serving that no example has: each the fraud scorer with other drivers and measures."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundplan.names import Names
from groundplan.workload import Workload

FILE = Path(__file__).parents[2] / "workloads/fraud-scorer/workload.toml"
NOBODY_WAITS = {"latency_p50_ms": None, "latency_p99_ms": None, "batching_tolerance_seconds": 3600}
SELDOM = {"average_requests_per_second": 20, "peak_requests_per_second": 900, "availability_percent": 99}


@dataclass(frozen=True)
class Pin:
    """What a release says of the model that serves."""

    version: str
    model_data_url: str
    image_digest: str | None
    serial: int = 1


def pin(names: Names, workload: str, version: str = "1.0.0") -> Pin:
    """A release for tests."""
    url = f"s3://{names.artefacts_bucket()}/workloads/{workload}/output/job-{version}/output/model.tar.gz"
    return Pin(version, url, None if names.environment.embedded_aws else "sha256:" + "0" * 64)


def measured(instance_type: str, rate: int) -> list[dict[str, Any]]:
    """One measurement."""
    return [{"instance_type": instance_type, "requests_per_second": rate, "p50_ms": 9, "p99_ms": 30}]


def scorer(
    name: str, force: str, *, drivers: Mapping[str, Any] | None = None, custom: Mapping[str, Any] | None = None
) -> Workload:
    """The fraud scorer under another name, planned as `force` says; a value of None takes a driver away."""
    document = tomllib.loads(FILE.read_text())
    document["name"] = name
    document["metering"] = {}  # a feature is one workload's
    document["plan"] = {"force": force, "reason": "so that this mode is tried"}
    document["drivers"] |= {"monthly_cost_ceiling_usd": 100_000, **(drivers or {})}
    document["drivers"] = {key: value for key, value in document["drivers"].items() if value is not None}
    document["model"]["custom"] |= custom or {}
    return Workload.model_validate(document)


def others_served() -> list[Workload]:
    """Asynchronous, inference component, Graviton by office hours, and a language model on GPU."""
    return [
        scorer("queued-scorer", "asynchronous", drivers={**NOBODY_WAITS, **SELDOM, "traffic": "spiky"}),
        scorer("sleepy-scorer", "scale-to-zero", drivers={**NOBODY_WAITS, **SELDOM, "traffic": "bulk"}),
        scorer(
            "office-scorer",
            "real-time-graviton",
            drivers={**SELDOM, "traffic": "office-hours"},
            custom={"measured": measured("ml.c7g.xlarge", 300), "arm64": True},
        ),
        scorer(
            "talking-scorer",
            "real-time-gpu",
            drivers={**SELDOM, "traffic": "office-hours"},
            custom={"measured": measured("ml.g6.xlarge", 200), "parameters_billion": 1.5, "framework": "vllm"},
        ),
    ]
