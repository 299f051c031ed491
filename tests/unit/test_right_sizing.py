"""What is advised after a run, from both sides of every rule."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from groundplan.prices import PriceBook, read_prices
from groundplan.right_sizing import Advice, Hardware, right_size

GIB = 2**30
LIMITS = ("ml.m5.xlarge", "ml.m5.large", "ml.c5.xlarge", "ml.c5.2xlarge", "ml.m5.2xlarge", "ml.t3.medium")


def used(**changes: Any) -> Hardware:
    """A run of ten minutes on an ml.m5.xlarge, of 4 vCPU and 16 GiB."""
    measured = {
        "cpus": 4,
        "cpu_percent_mean": 22.0,
        "cpu_percent_max": 95.0,
        "memory_bytes_total": int(15.3 * GIB),
        "memory_bytes_max": int(4 * GIB),
        "seconds": 600.0,
    }
    return Hardware(**(measured | changes))


def advice(use: Hardware | None, instance_type: str = "ml.m5.xlarge", **changes: Any) -> Advice:
    given: dict[str, Any] = {
        "instance_type": instance_type,
        "instance_count": 1,
        "billable_seconds": 600,
        "book": read_prices(None, "us-east-1"),
        "allowed": LIMITS,
    }
    return right_size(use, **(given | changes))


def test_a_cheaper_machine_that_would_have_held_the_run_is_named_with_the_dollars() -> None:
    said = advice(used(), allowed=("ml.m5.xlarge", "ml.c5.xlarge"))
    assert (said.verdict, said.instance_type) == ("smaller", "ml.c5.xlarge")
    # 0.23 and 0.204 an hour, ten minutes.
    assert said.saves_usd_a_run == "0.004333"
    assert said.saves_usd_a_month == "0.1300"
    assert said.line == (
        "right-sizing: memory peaked at 4.0 of 16 GiB, CPU mean 22 % of 4: ml.c5.xlarge (4 vCPU, 8 GiB) would have "
        "held it; saves $0.0043 a run, $0.13 a month at 30 runs"
    )


def test_fewer_processors_are_counted_with_the_longest_time_that_the_run_could_take_on_them() -> None:
    said = advice(used(cpu_percent_mean=25.0, cpu_percent_max=100.0), allowed=["ml.m5.large"])
    # A quarter of the time on all four: on two that quarter takes twice as long, 1.25 times in all.
    assert said.saves_usd_a_run == str((Decimal("0.23") - Decimal("0.115") * Decimal("1.25")) / 6)[:8]
    assert "in at most 1.25 times the time" in said.line
    busy = advice(used(cpu_percent_mean=100.0, cpu_percent_max=100.0), allowed=["ml.m5.large"])
    assert busy.verdict == "fits"


@pytest.mark.parametrize(("peak_gib", "verdict"), [(6.4, "smaller"), (6.41, "fits")])
def test_the_other_machine_has_a_quarter_more_memory_than_the_peak(peak_gib: float, verdict: str) -> None:
    use = used(memory_bytes_max=int(peak_gib * GIB))
    assert advice(use, allowed=["ml.m5.large"]).verdict == verdict


def test_what_the_limits_do_not_allow_is_never_named() -> None:
    assert advice(used(), allowed=["ml.m5.xlarge"]).verdict == "fits"
    assert advice(used(), allowed=[]).instance_type is None


def test_what_has_no_price_or_an_uncertain_one_is_never_named() -> None:
    document: dict[str, Any] = {"sources": {}, "models": {}, "unknown": {}, "retrieved": "2026-11-01"}
    machines = {"ml.a.large": (2, "8"), "ml.b.large": (2, "8"), "ml.m5.xlarge": (4, "16")}
    document["instance_types"] = {name: {"vcpu": cpu, "memory_gib": gib} for name, (cpu, gib) in machines.items()}

    def book(**confidences: str) -> PriceBook:
        row = {"unit": "hour", "effective": "2026-11-01", "source": "list"}
        amounts = {"ml.m5.xlarge": "1", "ml.a.large": "0.1"}
        prices = {
            f"sagemaker/instance/{name}": row
            | {"amount": amount, "confidence": confidences.get(name.split(".")[1], "list")}
            for name, amount in amounts.items()
        }
        return PriceBook("us-east-1", document | {"prices": prices}, "test")

    allowed = ["ml.a.large", "ml.b.large"]
    assert advice(used(), book=book(), allowed=allowed).instance_type == "ml.a.large"
    assert advice(used(), book=book(a="extrapolated"), allowed=allowed).verdict == "fits"
    assert advice(used(), book=book(), allowed=["ml.b.large"]).verdict == "fits"
    own = advice(used(), book=book(m5="stale"), allowed=allowed)
    assert (own.verdict, own.instance_type) == ("unknown", None)
    assert "is stale" in own.line


def test_a_machine_that_saves_up_processor_time_is_never_named() -> None:
    assert advice(used(memory_bytes_max=GIB), allowed=["ml.t3.medium"]).verdict == "fits"


@pytest.mark.parametrize(("seconds", "verdict"), [(59.9, "unknown"), (60.0, "smaller")])
def test_a_run_too_short_to_tell_says_so(seconds: float, verdict: str) -> None:
    said = advice(used(seconds=seconds))
    assert said.verdict == verdict
    assert ("it takes 60 to see something" in said.line) == (verdict == "unknown")


def test_a_run_that_was_measured_elsewhere_says_so() -> None:
    """As on the embedded AWS, where the machine is this one, whatever the job asked for."""
    for other in (used(cpus=8), used(memory_bytes_total=64 * GIB), used(memory_bytes_total=None)):
        said = advice(other)
        assert said.verdict == "unknown"
        assert "and ml.m5.xlarge has 4 and 16" in said.line


@pytest.mark.parametrize("field", ["cpus", "cpu_percent_mean", "cpu_percent_max", "memory_bytes_max", "seconds"])
def test_a_run_that_left_no_measure_says_so(field: str) -> None:
    assert "left no measure" in advice(used(**{field: None})).line
    assert "left no measure" in advice(None).line


def test_a_machine_of_unknown_size_says_so() -> None:
    assert "how large ml.m99.large is, is not known" in advice(used(), "ml.m99.large").line


@pytest.mark.parametrize(("gib", "verdict"), [(14.4, "fits"), (14.5, "tight")])
def test_memory_that_is_nearly_full_is_warned_of_with_a_larger_machine(gib: float, verdict: str) -> None:
    said = advice(used(memory_bytes_max=int(gib * GIB)))
    assert said.verdict == verdict
    if verdict == "tight":
        assert said.instance_type == "ml.m5.2xlarge"
        assert said.line.endswith("ml.m5.2xlarge has 32 GiB, for $0.46 an hour, not $0.23")
        alone = advice(used(memory_bytes_max=int(gib * GIB)), allowed=["ml.m5.xlarge"])
        assert alone.line.endswith("no machine that the limits allow has more memory")


def gpu(percent: Any = 80) -> tuple[dict[str, Any], ...]:
    return ({"name": "A10G", "utilization_percent_max": percent},)


def test_a_machine_with_an_accelerator_gives_way_to_one_with_the_same_unless_it_was_idle() -> None:
    use = used(
        memory_bytes_max=2 * GIB, cpus=8, memory_bytes_total=31 * GIB, cpu_percent_mean=5.0, cpu_percent_max=9.0
    )
    allowed = ["ml.g5.xlarge", "ml.m5.large"]

    def of(gpus: tuple[dict[str, Any], ...]) -> Advice:
        return advice(Hardware(**{**use.__dict__, "gpus": gpus}), "ml.g5.2xlarge", allowed=allowed)

    assert of(gpu()).instance_type == "ml.g5.xlarge"
    assert of(gpu(None)).instance_type == "ml.g5.xlarge"
    assert of(gpu(0)).instance_type == "ml.m5.large"
    assert "GPU idle" in of(gpu(0)).line
    assert "was not measured" in of(()).line


def test_every_price_file_can_be_asked() -> None:
    for file in sorted((Path(__file__).parents[2] / "groundplan/prices").glob("*.json")):
        assert advice(used(), book=read_prices(None, file.stem)).line
